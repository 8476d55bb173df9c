//! What fills a batch, in which order and when.

use super::{
    BATCH_REPLY_BYTES, BATCH_REQUESTS, Batch, Duration, HELD_AT_MOST, HeldPublishes, Instant,
    NODES_RETURN, QueuedRequest, RequestQueue, SentRequest, Unsent,
};
use crate::cluster::directory::request::Request;

fn fill(queue: &mut RequestQueue) -> Vec<&'static str> {
    let mut batch = Batch::default();
    let mut kinds = Vec::new();
    while let Some(request) = queue.pop_for(&batch) {
        kinds.push(match request {
            QueuedRequest::State(_) => "backlog",
            _ => "queue",
        });
        queue.send(&mut batch, Request::ListChannels, SentRequest::Plain);
    }
    kinds
}

#[test]
fn the_backlog_fills_the_second_half_of_a_batch() {
    let mut queue = RequestQueue::new(0, true);
    for _ in 0..BATCH_REQUESTS {
        queue.push_plain(Request::ListChannels);
        queue.push_backlog("topic".into());
    }
    let kinds = fill(&mut queue);
    let (first, second) = kinds.split_at(BATCH_REQUESTS / 2);
    assert!(first.iter().all(|kind| *kind == "queue"));
    assert!(second.iter().all(|kind| *kind == "backlog"));
    assert_eq!(kinds.len(), BATCH_REQUESTS);
}

#[test]
fn a_batch_ends_with_the_bytes_that_its_answers_have() {
    let (mut queue, mut batch) = (RequestQueue::new(0, true), Batch::default());
    queue.push_plain(Request::ListChannels);
    batch.expect_bytes(BATCH_REPLY_BYTES);
    assert!(queue.pop_for(&batch).is_none());
    assert!(queue.has_due());
}

#[test]
fn channels_are_sent_again_at_a_bounded_rate_and_events_do_not_wait() {
    let (mut queue, mut now) = (RequestQueue::new(0, true), Instant::now());
    (0..10_000).for_each(|_| queue.push_backlog("topic".into()));
    queue.allow_backlog(2, now);
    let (mut batches, mut millis, mut most) = (0, 0, 0);
    while queue.len() > 0 {
        while queue.has_due() {
            queue.push_plain(Request::ListChannels);
            let kinds = fill(&mut queue);
            queue.sent.clear();
            assert_eq!(kinds[0], "queue", "what comes meanwhile is the first of the next batch");
            (batches, most) = (batches + 1, most.max(kinds.len()));
        }
        (now, millis) = (now + Duration::from_millis(25), millis + 25);
        queue.allow_backlog(2, now);
    }
    assert!((725..=825).contains(&millis), "{millis} ms with the share of two nodes");
    assert!(batches < 80 && most <= BATCH_REQUESTS, "{batches} batches, {most} requests");
    // A share has a lower bound.
    (0..10_000).for_each(|_| queue.push_backlog("topic".into()));
    queue.allowance = 0;
    queue.allow_backlog(1_000, now + Duration::from_millis(25));
    assert_eq!(fill(&mut queue).len(), 25);
    assert!(!queue.has_due() && queue.len() > 0);
}

#[test]
fn reports_are_due_until_their_answers_have_arrived_and_lost_once() {
    let (mut queue, mut batch) = (RequestQueue::new(7, false), Batch::default());
    for (number, may_report) in [(7, false), (8, true), (9, true)] {
        assert_eq!(queue.next_number(), number);
        queue.begin_state(number, &"topic".into(), may_report);
    }
    queue.send(&mut batch, Request::ListChannels, SentRequest::Leaves);
    queue.send(&mut batch, Request::ListChannels, SentRequest::Plain);
    assert_eq!(queue.reports_due(), 3);
    queue.end_state(8);
    assert_eq!(queue.reports_due(), 2);
    queue.give_up_reports();
    queue.clear();
    assert_eq!((queue.reports_due(), queue.take_reports_lost()), (0, 2));
    assert_eq!(queue.take_reports_lost(), 0);
}

#[test]
fn an_outcome_belongs_to_the_state_with_its_number_once() {
    let mut queue = RequestQueue::new(7, true);
    let topic = "topic".into();
    let number = queue.next_number();
    queue.begin_state(number, &topic, false);
    assert_eq!(number, 7);
    assert_eq!(queue.end_state(9), None);
    assert_eq!(queue.end_state(number), Some(topic));
    assert_eq!(queue.end_state(number), None);
}

const TICK: Duration = Duration::from_millis(25);

fn unsent(serial: u64, topic: &str, is_of_cache_channel: bool) -> Unsent {
    Unsent { serial, topic: topic.into(), is_of_cache_channel }
}

/// The events that go with the next batch.
fn publishes(queue: &mut RequestQueue) -> Vec<u64> {
    let batch = Batch::default();
    let requests = std::iter::from_fn(|| queue.pop_for(&batch));
    let serial = |request| match request {
        QueuedRequest::Publish(serial) => Some(serial),
        _ => None,
    };
    requests.filter_map(serial).collect()
}

#[test]
fn kept_events_wait_for_the_other_nodes_and_later_ones_of_their_channels_wait_behind() {
    let (mut queue, now) = (RequestQueue::new(0, true), Instant::now());
    queue.push_again(unsent(7, "a", false), now);
    queue.push_again(unsent(8, "cache-b", true), now);
    queue.push_again(unsent(9, "c", false), now);
    assert_eq!(
        ["a", "cache-b", "c", "d"].map(|topic| queue.holds(topic)),
        [true, false, true, false]
    );
    assert!(!queue.push_publish(10, queue.holds("a")) && queue.push_publish(11, queue.holds("d")));
    queue.release_due(false, now + NODES_RETURN - TICK);
    assert_eq!(publishes(&mut queue), [8, 11]);
    queue.release_due(false, now + NODES_RETURN);
    assert!(!queue.holds("a"));
    assert_eq!(publishes(&mut queue), [7, 9, 10]);
    queue.release_due(false, now + HELD_AT_MOST);
    assert_eq!(publishes(&mut queue), [0; 0], "once");
}

#[test]
fn kept_events_are_not_held_where_there_is_no_room_nor_where_the_directory_keeps_them() {
    let now = Instant::now();
    for (holds, is_full, sent) in [(true, false, 0), (true, true, 1), (false, false, 1)] {
        let mut queue = RequestQueue::new(0, holds);
        queue.push_again(unsent(7, "a", false), now);
        queue.release_due(is_full, now);
        assert_eq!(publishes(&mut queue).len(), sent, "{holds} {is_full}");
    }
}

#[test]
fn kept_events_wait_for_the_channels_of_this_node_up_to_a_bound() {
    let (mut held, now) = (HeldPublishes::new(true), Instant::now());
    assert!(!held.is_due(false, now + HELD_AT_MOST), "nothing is held");
    held.begin(7, "a".into(), now);
    assert!(held.is_due(false, now + NODES_RETURN));
    assert!(!held.is_due(true, now + HELD_AT_MOST - TICK));
    assert!(held.is_due(true, now + HELD_AT_MOST));
}

#[test]
fn kept_events_have_their_time_on_each_link() {
    let (mut queue, now) = (RequestQueue::new(0, true), Instant::now());
    queue.push_again(unsent(7, "a", false), now);
    queue.clear();
    assert!(!queue.holds("a"));
    let later = now + NODES_RETURN;
    queue.push_again(unsent(7, "a", false), later);
    queue.release_due(false, later + NODES_RETURN - TICK);
    assert_eq!(publishes(&mut queue), [0; 0]);
    queue.release_due(false, later + NODES_RETURN);
    assert_eq!(publishes(&mut queue), [7]);
}
