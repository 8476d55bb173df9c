//! What is remembered, for how long, and the sentences about it.

use std::time::{Duration, Instant};

use super::{
    AppHistory, DEPARTURES_MAX, MISSES_MAX, Miss, PastKind, REFUSALS_MAX, RefusedSubscription,
};
use crate::explanation::{Reason, TriggerIds};
use crate::protocol::{ChannelName, SocketId};

fn name(text: &str) -> ChannelName {
    ChannelName::parse(text, 200).unwrap()
}

fn socket() -> SocketId {
    SocketId::parse("1.2").unwrap()
}

fn miss(event: &str, at: Instant) -> Miss {
    let trigger = TriggerIds::new(1).draw();
    Miss { trigger, event: event.into(), except: None, at, times: 0, subscribed_at: None }
}

#[test]
fn a_miss_is_told_from_the_first_subscription_after_it() {
    let start = Instant::now();
    let after = |ms| start + Duration::from_millis(ms);
    let mut history = AppHistory::new(start);
    history.missed(&name("orders"), miss("Shipped", after(100)));
    let sentence = |history: &AppHistory| {
        history.events("orders", None, None, after(1000))[0].sentence.clone()
    };
    assert_eq!(sentence(&history), "no socket received `Shipped`: no socket was subscribed");
    history.occupied(&name("orders"), after(220));
    history.occupied(&name("orders"), after(900));
    assert_eq!(
        sentence(&history),
        "no socket received `Shipped`: it was published 120 ms before the first subscription to `orders`"
    );
    history.missed(&name("orders"), miss("Paid", after(950)));
    let events = history.events("orders", None, Some(after(960)), after(1000));
    assert_eq!(
        events[0].sentence,
        "no socket received `Paid`: it was published 10 ms before the first subscription to `orders` (1 further events before it)"
    );
    assert_eq!((events[0].kind, events[0].ago_ms), (PastKind::Missed, Duration::from_millis(50)));
    assert_eq!(history.events("orders", Some("Shipped"), None, after(1000)), []);
}

#[test]
fn departures_and_refusals_are_in_the_past_of_their_channel() {
    let start = Instant::now();
    let after = |ms| start + Duration::from_millis(ms);
    let mut history = AppHistory::new(start);
    assert_eq!(history.past("x", after(5)).never_since, Some(Duration::from_millis(5)));
    history.vacated(&name("x"), socket(), after(10));
    let reason = Reason { code: "no_auth", sentence: "why".to_owned() };
    let refused =
        RefusedSubscription { channel: "x".into(), socket: socket(), at: after(20), reason };
    history.refused(refused.clone());
    let past = history.past("x", after(30));
    assert_eq!(past.vacated, Some((Duration::from_millis(20), Some(socket()))));
    assert_eq!(past.refused, Some((Duration::from_millis(10), "why".to_owned())));
    assert_eq!(past.never_since, None);
    let sentences: Vec<String> = history
        .events("x", None, None, after(30))
        .into_iter()
        .map(|event| event.sentence)
        .collect();
    assert_eq!(
        sentences,
        ["the subscription of socket 1.2 was refused: why", "socket 1.2 left as the last one"]
    );
    for _ in 0..REFUSALS_MAX {
        history.refused(RefusedSubscription { channel: "y".into(), ..refused.clone() });
    }
    assert_eq!(history.past("x", after(30)).refused, None);
}

#[test]
fn the_oldest_is_forgotten_and_never_is_not_claimed_then() {
    let start = Instant::now();
    let mut history = AppHistory::new(start);
    for number in 0..=DEPARTURES_MAX {
        history.vacated(&name(&format!("c{number}")), socket(), start);
        history.missed(&name(&format!("c{number}")), miss(&"é".repeat(300), start));
    }
    assert_eq!((history.departures.len(), history.misses.len()), (DEPARTURES_MAX, MISSES_MAX));
    assert_eq!(history.past("c0", start).vacated, None);
    assert_eq!(history.past("unheard", start).never_since, None);
    assert!(history.misses.values().all(|miss| miss.event.len() == 200));
}
