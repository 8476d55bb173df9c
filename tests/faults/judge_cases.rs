//! The judge itself: a loss, a gap event, a duplicate and a reordering that are there are found, and none that is not.

use std::time::{Duration, Instant};

use crate::account::{Published, Tally, Visit, judge};

/// Ten publishes, one every 10 ms, of which the fifth was refused.
fn published(begin: Instant) -> Vec<Published> {
    let publish = |number: u64| {
        let sent = begin + Duration::from_millis(10 * number);
        Published { number, sent, answered: sent, accepted: number != 5 }
    };
    (1..=10).map(publish).collect()
}

/// A visit that began before all of them and received these numbers.
fn visit(begin: Instant, numbers: &[u64]) -> Visit {
    let arrival = |number: &u64| (*number, begin + Duration::from_millis(10 * *number + 1));
    Visit { arrivals: numbers.iter().map(arrival).collect(), ..Visit::beginning(begin) }
}

fn check(visit: &Visit, begin: Instant, lost: u64, silent: u64, [duplicated, reordered]: [u64; 2]) {
    let tally = judge(&published(begin), visit, 10);
    let found = (tally.lost, tally.silent, tally.duplicated, tally.reordered);
    assert_eq!(found, (lost, silent, duplicated, reordered), "{visit:?}");
}

pub(crate) async fn what_happened_is_what_is_counted() {
    let begin = Instant::now();
    let all = [1, 2, 3, 4, 6, 7, 8, 9, 10];
    check(&visit(begin, &all), begin, 0, 0, [0, 0]);
    let holed = visit(begin, &[1, 2, 3, 6, 7, 8, 9, 10]);
    check(&holed, begin, 1, 1, [0, 0]);
    check(&Visit { announced: 1, ..holed.clone() }, begin, 1, 0, [0, 0]);
    check(&Visit { uncounted: 1, ..holed }, begin, 1, 0, [0, 0]);
    check(&visit(begin, &[1, 2, 2, 3, 4, 6, 7, 8, 9, 10]), begin, 0, 0, [1, 0]);
    check(&visit(begin, &[1, 3, 2, 4, 6, 7, 8, 9, 10]), begin, 0, 0, [0, 1]);
    // One that was refused and arrived anyway is no fault of the delivery.
    check(&visit(begin, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]), begin, 0, 0, [0, 0]);
    // A connection that ended owes nothing behind its last event, and everything before it.
    let ended = Visit { ended: Some((begin, Some(4200))), ..visit(begin, &[1, 2, 4]) };
    check(&ended, begin, 1, 1, [0, 0]);
    // A subscription that was granted late owes nothing from before.
    let late = Visit { granted: begin + Duration::from_millis(65), ..visit(begin, &[7, 8, 9, 10]) };
    check(&late, begin, 0, 0, [0, 0]);
}

pub(crate) async fn many_visits_add_up() {
    let begin = Instant::now();
    let mut sum = Tally::default();
    for numbers in [&[1, 2, 4][..], &[1, 2, 3, 4]] {
        sum.add(judge(&published(begin), &visit(begin, numbers), 4));
    }
    assert_eq!((sum.published, sum.lost, sum.silent), (9, 1, 1));
    // The third was due 9 ms after the arrival of the second, and the fourth arrived 11 ms later.
    assert_eq!(sum.silence, Duration::from_millis(11));
    assert_eq!(sum.p99(), Duration::from_millis(1));
}
