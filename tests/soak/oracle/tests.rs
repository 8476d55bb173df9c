//! Histories with one fault each: the oracle must find it, and nothing else; and nothing in the history without one.

use super::fact::{Cost, Fact, Name, Report, Scope};
use super::finding::{Broken, Loss};
use super::history::{CHANNEL, CLUSTER, History, NODE, WITHOUT_REDIS, name};

#[test]
fn a_history_without_a_fault_has_no_finding() {
    let mut history = History::of_two();
    for _ in 0..3 {
        let number = history.event(CLUSTER);
        history.receives(1, [number]);
        history.receives(2, [number]);
    }
    let number = history.event_except(CLUSTER, Some(1));
    history.receives(2, [number]);
    history.whisper(0);
    history.receives_whisper(2, 0);
    history.leaves(2, "bob");
    history.take(Fact::MemberRemoved { socket: 1, channel: name(), user: "bob".into() });
    let history = history.judged(&[]);
    let judged = history.oracle.judged();
    // The last three of socket 2, which has left, are judged up to the last one that it received.
    assert_eq!((judged.events_expected, judged.events_received), (6, 6));
    assert_eq!(judged.whispers_expected, 0, "its listener has left");
}

#[test]
fn an_event_that_does_not_come_is_lost() {
    let mut history = History::of_two();
    let number = history.event(CLUSTER);
    history.receives(1, [number]);
    assert_eq!(history.oracle.outstanding(), 1);
    history.judged(&[(Broken::LostInSilence, 1)]);
}

#[test]
fn an_event_that_a_later_one_has_overtaken_is_lost_for_a_subscriber_that_left_too() {
    let mut history = History::of_two();
    let numbers: Vec<u64> = (0..4).map(|_| history.event(CLUSTER)).collect();
    history.receives(1, numbers);
    // The last one was under way when it left.
    history.receives(2, [0, 2]);
    history.take(Fact::MemberRemoved { socket: 1, channel: name(), user: "bob".into() });
    history.leaves(2, "bob");
    history.judged(&[(Broken::LostInSilence, 1)]);
}

#[test]
fn an_event_that_comes_twice_is_doubled_on_the_next_page_too() {
    let mut history = History::of_two();
    let number = history.event(CLUSTER);
    history.receives(1, [number, number]);
    history.receives(2, [number]);
    let mut history = history.judged(&[(Broken::Doubled, 1)]);
    history.receives(2, [number]);
    let mut history = history.judged(&[(Broken::Doubled, 2)]);
    history.receives(2, [number]);
    history.judged(&[(Broken::Doubled, 3)]);
}

#[test]
fn an_event_that_comes_behind_a_later_one_is_out_of_order() {
    let mut history = History::of_two();
    let numbers = [history.event(CLUSTER), history.event(CLUSTER)];
    history.receives(1, numbers);
    history.receives(2, [1, 0]);
    history.judged(&[(Broken::Reordered, 1)]);
}

#[test]
fn what_was_not_confirmed_has_no_place_in_the_order_and_may_not_come() {
    let mut history = History::of_two();
    for scope in [NODE, CLUSTER, None] {
        history.event(scope);
    }
    history.receives(1, [1, 0]);
    history.receives(2, [1]);
    history.judged(&[]).has_lost(Loss::ScopeNode, 1);
}

#[test]
fn an_event_with_the_scope_of_a_node_must_reach_its_own_sockets() {
    let mut history = History::of_two();
    history.event(NODE);
    history.judged(&[(Broken::LostInSilence, 1)]).has_lost(Loss::ScopeNode, 1);
}

#[test]
fn the_excluded_socket_must_not_receive_the_event() {
    let mut history = History::of_two();
    let number = history.event_except(CLUSTER, Some(1));
    history.receives(1, [number]);
    history.receives(2, [number]);
    history.judged(&[(Broken::Echoed, 1)]);
}

#[test]
fn lost_events_are_excused_by_their_announcement_and_no_more_than_it_says() {
    let mut history = History::of_two();
    let numbers: Vec<u64> = (0..3).map(|_| history.event(CLUSTER)).collect();
    history.receives(1, numbers);
    history.missed(Some(2));
    history.judged(&[(Broken::LostInSilence, 1)]).has_lost(Loss::AnnouncedWithNumber, 2);

    let mut history = History::of_two();
    history.event(CLUSTER);
    history.receives(1, [0]);
    history.missed(None);
    history.event(CLUSTER);
    history.receives(1, [1]);
    let history = history.judged(&[(Broken::LostInSilence, 1)]);
    history.has_lost(Loss::AnnouncedWithoutNumber, 1);
}

#[test]
fn a_whisper_must_come_once_in_order_and_not_to_its_sender() {
    let mut history = History::of_two();
    (0..4).for_each(|number| history.whisper(number));
    [1, 0, 0].into_iter().for_each(|number| history.receives_whisper(2, number));
    history.receives_whisper(1, 3);
    let broken = [Broken::Reordered, Broken::Doubled, Broken::Echoed];
    let broken: Vec<_> = broken.into_iter().map(|kind| (kind, 1)).collect();
    history.judged(&[&broken[..], &[(Broken::WhisperLost, 2)]].concat());
}

#[test]
fn a_whisper_without_redis_is_counted() {
    let mut history = History::of_two();
    history.at = 5_000_000;
    history.whisper(0);
    history.at = 6_500_000;
    // Still under way when the fault comes.
    history.whisper(1);
    history.at = 7_000_000;
    history.take(Fact::FaultBegins { cost: WITHOUT_REDIS });
    history.whisper(2);
    history.take(Fact::FaultEnds);
    history.whisper(3);
    history.judged(&[(Broken::WhisperLost, 2)]).has_lost(Loss::WhisperWithoutRedis, 2);
}

#[test]
fn a_member_that_is_missing_or_too_many_is_found() {
    let mut history = History::of_two();
    history.opens(3, "cid", 1);
    history.joins(3, &["ann", "bob", "cid"]);
    history.reports(Report::MemberAdded(name(), "cid".into()));
    // Bob's client is not sent the change.
    history.take(Fact::MemberAdded { socket: 1, channel: name(), user: "cid".into() });
    assert_eq!(history.oracle.outstanding(), 1);
    let mut history = history.judged(&[(Broken::MemberMissing, 1)]);
    history.take(Fact::MemberAdded { socket: 2, channel: name(), user: "cid".into() });
    history.take(Fact::MemberRemoved { socket: 1, channel: name(), user: "cid".into() });
    history.leaves(3, "cid");
    let mut history = history.judged(&[(Broken::MemberMissing, 1), (Broken::MemberTooMany, 1)]);
    let answer = ["ann".to_owned(), "dan".to_owned()].into();
    history.oracle.judge_answer(CHANNEL, 0, &answer);
    history.take(Fact::MemberRemoved { socket: 2, channel: name(), user: "cid".into() });
    history.judged(&[(Broken::MemberMissing, 2), (Broken::MemberTooMany, 2)]);
}

#[test]
fn a_change_that_contradicts_the_roster_is_found() {
    let mut history = History::of_two();
    history.take(Fact::MemberAdded { socket: 2, channel: name(), user: "ann".into() });
    history.take(Fact::MemberRemoved { socket: 1, channel: name(), user: "dan".into() });
    history.judged(&[(Broken::RosterContradicted, 2)]);
}

#[test]
fn a_connection_that_ends_has_a_cause_with_its_code() {
    for (cause, code, is_explained) in [
        (None, Some(4200), false),
        (None, None, false),
        (Some(false), Some(4200), true),
        (Some(false), None, false),
        (Some(true), None, true),
        (Some(true), Some(4201), false),
    ] {
        let mut history = History::of_two();
        if let Some(is_killed) = cause {
            history.take(Fact::ProcessEnds { process: 2, is_killed });
        }
        history.take(Fact::Closed { socket: 2, code });
        history.reports(Report::MemberRemoved(name(), "bob".into()));
        history.take(Fact::MemberRemoved { socket: 1, channel: name(), user: "bob".into() });
        history.judged(&[(Broken::ClosedWithoutCause, u64::from(!is_explained))]);
    }
}

#[test]
fn a_request_without_an_answer_has_a_process_that_ended() {
    let mut history = History::of_two();
    history.take(Fact::Unanswered { process: Some(1) });
    history.take(Fact::ProcessEnds { process: 1, is_killed: true });
    history.take(Fact::Unanswered { process: Some(1) });
    history.judged(&[(Broken::Refused, 1)]);
}

#[test]
fn a_termination_ends_the_connections_of_its_user_and_no_others() {
    let mut history = History::of_two();
    history.take(Fact::Terminating { user: "bob".into() });
    history.take(Fact::Terminated { user: "bob".into() });
    assert_eq!(history.oracle.outstanding(), 1);
    history.take(Fact::Closed { socket: 1, code: Some(4009) });
    history.take(Fact::MemberRemoved { socket: 2, channel: name(), user: "ann".into() });
    history.reports(Report::MemberRemoved(name(), "ann".into()));
    history.judged(&[(Broken::NotTerminated, 1), (Broken::ClosedWithoutCause, 1)]);
}

#[test]
fn a_termination_may_come_before_the_answer_to_a_sign_in_and_not_to_a_socket_without_user() {
    let mut history = History::of_two();
    for socket in [3, 4] {
        history.opens(socket, "cid", 1);
    }
    history.take(Fact::Claims { socket: 3 });
    history.take(Fact::Terminating { user: "cid".into() });
    history.take(Fact::Terminated { user: "cid".into() });
    history.take(Fact::Closed { socket: 3, code: Some(4009) });
    history.take(Fact::Closed { socket: 4, code: Some(4009) });
    history.judged(&[(Broken::ClosedWithoutCause, 1)]);
}

#[test]
fn a_termination_ends_no_connection_that_its_user_has_left() {
    let mut history = History::of_two();
    history.take(Fact::Unsubscribed { socket: 2, channel: name() });
    history.take(Fact::MemberRemoved { socket: 1, channel: name(), user: "bob".into() });
    history.reports(Report::MemberRemoved(name(), "bob".into()));
    history.take(Fact::Terminating { user: "bob".into() });
    history.take(Fact::Terminated { user: "bob".into() });
    assert_eq!(history.oracle.outstanding(), 0);
    history.judged(&[]);
}

#[test]
fn a_webhook_must_come_once_and_in_order() {
    let mut history = History::of_two();
    history.reports(Report::Occupied(name()));
    history.whisper(0);
    history.receives_whisper(2, 0);
    history.reports(Report::ClientEvent(1, 0));
    let mut history = history.judged(&[(Broken::WebhookDoubled, 2)]);
    // The leave is not reported, and then a join that follows another one.
    history.take(Fact::MemberRemoved { socket: 1, channel: name(), user: "bob".into() });
    history.take(Fact::Left { socket: 2 });
    let seen = history.oracle.webhooks_outstanding();
    assert_eq!(seen, 1, "bob has left");
    let history = history.judged(&[(Broken::WebhookDoubled, 2), (Broken::WebhookMissing, 1)]);
    // The page begins with the truth.
    history.judged(&[(Broken::WebhookDoubled, 2), (Broken::WebhookMissing, 1)]);
}

/// A node makes a call again, with the same body, whose answer was not there in time.
#[test]
fn a_call_that_is_repeated_was_answered_too_late() {
    for (took_ms, doubled) in [(9_999, 1), (10_000, 0)] {
        let mut history = History::of_two();
        history.take(Fact::MemberRemoved { socket: 1, channel: name(), user: "bob".into() });
        history.take(Fact::Left { socket: 2 });
        let left = || vec![Report::MemberRemoved(name(), "bob".into())];
        history.calls("left", took_ms, left());
        history.calls("left", 11_000, left());
        let mut history = history.judged(&[(Broken::WebhookDoubled, doubled)]);
        assert_eq!(history.oracle.judged().webhook_calls_repeated, 1 - doubled);
        // The same event in another call is another one.
        history.calls("left once more", 0, left());
        history.judged(&[(Broken::WebhookDoubled, doubled + 1)]);
    }
}

#[test]
fn a_webhook_that_was_given_up_may_come_late_and_once() {
    let mut history = History::of_two();
    history.take(Fact::FaultBegins { cost: WITHOUT_REDIS });
    history.take(Fact::MemberRemoved { socket: 1, channel: name(), user: "bob".into() });
    history.take(Fact::Left { socket: 2 });
    history.take(Fact::FaultEnds);
    let mut history = history.judged(&[]).has_lost(Loss::WebhookInFault, 1);
    history.reports(Report::MemberRemoved(name(), "bob".into()));
    assert_eq!(history.oracle.judged().webhook_events_late, 1);
    history.reports(Report::MemberRemoved(name(), "bob".into()));
    history.judged(&[(Broken::WebhookDoubled, 1)]);
}

#[test]
fn a_client_event_that_is_not_reported_is_missing_unless_a_fault_may_have_cost_it() {
    for (cost, missing) in [(Cost::default(), 1), (Cost { links: false, webhooks: true }, 0)] {
        let mut history = History::of_two();
        history.take(Fact::FaultBegins { cost });
        history.take(Fact::Whispered { socket: 1, channel: name(), number: 0 });
        history.receives_whisper(2, 0);
        history.take(Fact::FaultEnds);
        let history = history.judged(&[(Broken::WebhookMissing, missing)]);
        history.has_lost(Loss::WebhookInFault, 1 - missing);
    }
}

/// A cache channel, with one event after the other by process 1 and subscribers that join.
struct Cached(History, Name);

impl Cached {
    fn new() -> Self {
        let (mut history, name) = (History::default(), Name::from("cache-news"));
        history.reports(Report::Occupied(name.clone()));
        history.take(Fact::FaultEnds);
        Self(history, name)
    }

    fn event(&mut self, number: u64, scope: Option<Scope>) {
        let channel = self.1.clone();
        self.0.take(Fact::Triggered { channel, number, except: None, process: Some(1) });
        if let Some(scope) = scope {
            self.0.take(Fact::Answered { channel: self.1.clone(), number, scope });
        }
    }

    /// A subscriber of process 2, whose first event is this one.
    fn joins(&mut self, socket: u32, first: Option<u64>) {
        self.0.opens(socket, "ann", 2);
        let (asked, channel) = (self.0.at, self.1.clone());
        self.0.take(Fact::Subscribed { socket, channel: channel.clone(), asked, members: None });
        self.0.take(match first {
            Some(number) => Fact::Received { socket, channel, number },
            None => Fact::CacheMiss { socket, channel },
        });
    }
}

#[test]
fn a_cache_that_lacks_the_last_event_is_found() {
    let mut cached = Cached::new();
    cached.event(0, CLUSTER);
    cached.event(1, CLUSTER);
    cached.joins(1, None);
    cached.joins(2, Some(0));
    cached.joins(3, Some(1));
    // That the last one follows does not help: the first was stale.
    cached.joins(4, Some(0));
    cached.0.take(Fact::Received { socket: 4, channel: cached.1.clone(), number: 1 });
    assert_eq!(cached.0.oracle.outstanding(), 0);
    cached.0 = cached.0.judged(&[(Broken::CachedEventMissing, 3)]);
    // A Redis that has lost its data has no cached event.
    cached.0.take(Fact::FaultBegins { cost: WITHOUT_REDIS });
    cached.0.take(Fact::FaultEnds);
    cached.joins(5, None);
    cached.0.judged(&[(Broken::CachedEventMissing, 3)]);
}

/// A trigger that was answered with the scope of a node reaches Redis later, behind events that other nodes published meanwhile:
/// it is the last one of the order that all other nodes see, and so the cached one. The first long run had three of these, after
/// Redis was back.
#[test]
fn an_event_that_redis_got_late_may_be_cached_in_place_of_a_newer_one() {
    for scope in [NODE, None] {
        let mut cached = Cached::new();
        cached.event(0, scope);
        cached.event(1, CLUSTER);
        cached.joins(1, Some(0));
        cached.0.judged(&[]);
    }
}

#[test]
fn a_node_that_lost_its_link_answers_with_what_it_has_cached() {
    let mut cached = Cached::new();
    cached.event(0, CLUSTER);
    cached.event(1, CLUSTER);
    cached.joins(1, Some(0));
    cached.0.take(Fact::LinkLost);
    cached.0 = cached.0.judged(&[]);
    cached.joins(2, Some(1));
    cached.event(2, CLUSTER);
    for socket in [1, 2] {
        cached.0.take(Fact::Received { socket, channel: cached.1.clone(), number: 2 });
    }
    cached.joins(3, Some(1));
    cached.0.judged(&[(Broken::CachedEventMissing, 1)]);
}
