//! Sockets that join one core while it reads again the events it missed: none receives what was published before its
//! join, nor its cached event twice, and none waits without an end. What one gets that joined before that, without Redis.

use resound::channel_rules::WebhookPayload;
use resound::cluster::{CachedReply, ChannelEffect, ChannelState, Effect, MissedEvents};

use crate::directory::messages::{Bytes, Outcome};
use crate::stage::{NUMBER, OTHER, Stage, event};

/// What became of the sockets of the channel, in order and in words.
fn effects(stage: &mut Stage) -> Vec<String> {
    let effects = stage.part.core.alone().take_effects();
    let text = |payload: &[u8]| String::from_utf8(payload.to_vec()).unwrap();
    let word = |effect: Effect| match effect {
        Effect::Channel { action: ChannelEffect::AddSubscriber(socket, reply), .. } => {
            let cached = match reply.cached {
                CachedReply::Event(frame) => text(frame.payload()),
                other => format!("{other:?}"),
            };
            Some(format!("+{} {cached}", socket.halves().0))
        }
        Effect::Channel { action: ChannelEffect::Refuse(socket, _), .. } => {
            Some(format!("-{}", socket.halves().0))
        }
        Effect::Channel { action: ChannelEffect::Deliver { frame, .. }, .. } => {
            let text = text(frame.payload());
            (!text.contains("pusher_internal:")).then_some(text)
        }
        Effect::Channel { action: ChannelEffect::Missed(MissedEvents::Events(missed)), .. } => {
            Some(format!("{missed} missed"))
        }
        Effect::Channel { action: ChannelEffect::Missed(MissedEvents::Unknown), .. } => {
            Some("unknown".to_owned())
        }
        Effect::Webhook { event, .. } if event.payload == WebhookPayload::CacheMiss => {
            Some("miss".to_owned())
        }
        _ => None,
    };
    effects.into_iter().filter_map(word).collect()
}

/// The event with this number behind those before the test.
fn kept(behind: u64) -> Vec<u8> {
    event(OTHER, behind, NUMBER + behind, &behind.to_string())
}

/// The answer to a state when so many events have been published: it returns those behind the known one up to `to`.
fn answer(state: &ChannelState, published: u64, to: u64) -> Outcome {
    let missed = (state.known + 1 - NUMBER..=to).map(|behind| Bytes(kept(behind)));
    Outcome {
        number: NUMBER + published,
        total: 1,
        cached: state.flags.cached.then(|| published.to_string()),
        missed: missed.filter(|_| state.flags.missed).collect(),
        more: state.flags.missed && to < published,
        ..Outcome::default()
    }
}

/// A channel with one socket, whose node connects again. The next request reads what was missed.
fn reconnected() -> Stage {
    let mut stage = Stage::keeping_events("cache-news");
    stage.part.core.alone().disconnected();
    stage.connects();
    stage.part.core.alone().take_effects();
    stage
}

#[test]
fn a_join_during_a_replay_of_several_parts_is_answered_behind_the_last_of_them() {
    let mut stage = reconnected();
    stage.request_join(2);
    let first = stage.state().expect("the state is sent again");
    stage.topic_is_subscribed();
    assert!(first.flags.missed && first.flags.cached && first.known == NUMBER);
    stage.request_join(3);
    let second = stage.state().expect("a join is a request");
    stage.answers(first.request, &answer(&first, 4, 2)).unwrap();
    assert_eq!(effects(&mut stage), ["1", "2"]);
    let third = stage.state().expect("the next part");
    assert!(third.flags.missed && third.flags.cached && third.known == NUMBER + 2);
    // Of a request that was sent before, and returns the same events again.
    stage.answers(second.request, &answer(&second, 4, 2)).unwrap();
    assert_eq!(effects(&mut stage), [""; 0]);
    stage.receives(&kept(5)).unwrap();
    stage.answers(third.request, &answer(&third, 5, 5)).unwrap();
    assert_eq!(effects(&mut stage), ["3", "4", "5", "+2 5", "+3 5"]);
    stage.receives(&kept(6)).unwrap();
    assert_eq!(effects(&mut stage), ["6"]);
}

/// A comparison returns what is behind the last number, which a forged message has taken.
#[test]
fn an_event_whose_number_was_forged_arrives_also_during_a_comparison() {
    let mut stage = Stage::keeping_events("news");
    stage.receives(&event(OTHER, 9, NUMBER + 1, "forged")).unwrap();
    stage.receives(&event(OTHER, 9, NUMBER - 50, "forged")).unwrap();
    let comparison = stage.state().expect("a comparison");
    stage.receives(&kept(1)).unwrap();
    stage.receives(&kept(2)).unwrap();
    assert_eq!(effects(&mut stage), ["forged", "forged", "1"]);
    stage.answers(comparison.request, &answer(&comparison, 2, 2)).unwrap();
    stage.receives(&kept(3)).unwrap();
    assert_eq!(effects(&mut stage), ["2", "3"]);
}

/// The reply to the first request arrives before its outcome, so the second one is sent with the same known number.
#[test]
fn two_requests_that_read_the_same_events_deliver_them_once() {
    let mut stage = reconnected();
    let first = stage.state().expect("the state is sent again");
    stage.topic_is_subscribed();
    stage.request_join(2);
    let second = stage.state().expect("a join is a request");
    assert!(second.flags.missed && second.known == first.known);
    stage.answers(first.request, &answer(&first, 2, 2)).unwrap();
    assert_eq!(effects(&mut stage), ["1", "2"]);
    stage.receives(&kept(3)).unwrap();
    assert_eq!(effects(&mut stage), ["3"]);
    stage.answers(second.request, &answer(&second, 3, 3)).unwrap();
    assert_eq!(effects(&mut stage), ["+2 3"]);
    stage.receives(&kept(4)).unwrap();
    assert_eq!(effects(&mut stage), ["4"]);
}

#[test]
fn a_join_whose_answer_comes_before_that_of_a_comparison_waits_for_it() {
    for is_sent in [false, true] {
        let mut stage = Stage::keeping_events("cache-news");
        stage.request_join(2);
        let join = stage.state().expect("a join is a request");
        stage.receives(&event(OTHER, 9, NUMBER + 9, "forged")).unwrap();
        stage.receives(&kept(1)).unwrap();
        let sent_before = is_sent.then(|| stage.state().expect("a comparison"));
        stage.answers(join.request, &answer(&join, 1, 0)).unwrap();
        assert_eq!(effects(&mut stage), [""; 0], "the event comes with the comparison");
        let comparison = sent_before.or_else(|| stage.state()).expect("a comparison");
        assert!(comparison.flags.missed && comparison.flags.cached);
        stage.answers(comparison.request, &answer(&comparison, 1, 1)).unwrap();
        assert_eq!(effects(&mut stage), ["1", "+2 1"]);
        assert!(stage.state().is_none(), "nothing is left to do");
    }
}

#[test]
fn a_join_does_not_wait_for_a_comparison_that_returns_nothing_of_before() {
    let mut stage = Stage::keeping_events("cache-news");
    stage.request_join(2);
    let join = stage.state().expect("a join is a request");
    stage.receives(&event(OTHER, 9, NUMBER + 9, "forged")).unwrap();
    stage.answers(join.request, &answer(&join, 0, 0)).unwrap();
    assert_eq!(effects(&mut stage), ["+2 0"]);
}

/// Redis tells a node that it sends the webhook of a miss, and after three seconds the next one that asks.
#[test]
fn a_miss_is_reported_once_however_long_its_join_waits() {
    let mut stage = reconnected();
    stage.request_join(2);
    let missing = |state: &ChannelState, published, to| Outcome {
        cached: None,
        report_miss: state.flags.cached,
        ..answer(state, published, to)
    };
    let first = stage.state().expect("the state is sent again");
    stage.topic_is_subscribed();
    stage.answers(first.request, &missing(&first, 2, 1)).unwrap();
    assert_eq!(effects(&mut stage), ["1"]);
    let second = stage.state().expect("the next part");
    stage.answers(second.request, &missing(&second, 2, 2)).unwrap();
    assert_eq!(effects(&mut stage), ["2", "+2 Miss", "miss"]);
    // The next one that misses is another one.
    stage.request_join(3);
    let third = stage.state().expect("a join is a request");
    stage.answers(third.request, &missing(&third, 2, 2)).unwrap();
    assert_eq!(effects(&mut stage), ["+3 Miss", "miss"]);
}

/// Within those three seconds Redis tells no node a second time.
#[test]
fn a_miss_that_was_found_while_its_join_waits_is_reported_with_the_join() {
    for (filled, expected) in
        [(None, ["2", "+2 Miss", "miss"].as_slice()), (Some("2"), &["2", "+2 2"])]
    {
        let mut stage = reconnected();
        stage.request_join(2);
        let first = stage.state().expect("the state is sent again");
        stage.topic_is_subscribed();
        let missing = Outcome { cached: None, report_miss: true, ..answer(&first, 2, 1) };
        stage.answers(first.request, &missing).unwrap();
        assert_eq!(effects(&mut stage), ["1"]);
        let second = stage.state().expect("the next part");
        let cached = filled.map(str::to_owned);
        stage.answers(second.request, &Outcome { cached, ..answer(&second, 2, 2) }).unwrap();
        assert_eq!(effects(&mut stage), expected);
    }
}

/// The node answers it itself, with what it kept, and no other one reports the miss.
#[test]
fn a_miss_whose_join_waits_is_reported_when_the_link_is_lost() {
    let mut stage = reconnected();
    stage.request_join(2);
    let first = stage.state().expect("the state is sent again");
    let missing = Outcome { cached: None, report_miss: true, ..answer(&first, 2, 1) };
    stage.answers(first.request, &missing).unwrap();
    assert_eq!(effects(&mut stage), ["1"]);
    stage.part.core.alone().disconnected();
    assert_eq!(effects(&mut stage), ["+2 Local", "miss"]);
    stage.connects();
    stage.part.core.alone().disconnected();
    assert_eq!(effects(&mut stage), [""; 0]);
}

/// Redis keeps no times, so what was published before such a join is not known.
#[test]
fn a_join_without_redis_gets_what_its_channel_missed_since_the_cut() {
    let mut stage = Stage::keeping_events("cache-news");
    stage.part.core.alone().disconnected();
    stage.request_join(2);
    assert_eq!(effects(&mut stage), ["+2 Local"]);
    stage.connects();
    let state = stage.state().expect("the state is sent again");
    stage.topic_is_subscribed();
    assert!(state.flags.missed && !state.flags.cached);
    stage.answers(state.request, &answer(&state, 2, 2)).unwrap();
    assert_eq!(effects(&mut stage), ["1", "2"]);
}

/// The directory has named no number that the channel had before.
#[test]
fn a_channel_that_began_without_redis_gets_nothing_from_before() {
    let mut stage = Stage::keeping_events("cache-news");
    stage.part.core.alone().disconnected();
    let (spot, first) = (stage.spot.clone(), stage.socket(1));
    stage.part.core.alone().leave(&spot, first, Some("1"));
    stage.request_join(2);
    assert_eq!(effects(&mut stage), ["+2 Local"]);
    stage.connects();
    let state = stage.state().expect("the state is sent again");
    stage.topic_is_subscribed();
    assert!(!state.flags.missed && state.known == 0);
    let outcome = Outcome { number: NUMBER + 2, total: 1, ..Outcome::default() };
    stage.answers(state.request, &outcome).unwrap();
    assert_eq!(effects(&mut stage), ["unknown"]);
}

#[test]
fn a_refused_join_does_not_wait() {
    let mut stage = reconnected();
    stage.request_join(2);
    let first = stage.state().expect("the state is sent again");
    stage.topic_is_subscribed();
    let refused = vec!["2".to_owned()];
    stage.answers(first.request, &Outcome { refused, ..answer(&first, 3, 2) }).unwrap();
    assert_eq!(effects(&mut stage), ["1", "2", "-2"]);
}

/// An outsider lets each comparison be followed by another one, and there are always two requests under way.
#[test]
fn a_join_is_answered_although_comparisons_have_no_end() {
    let mut stage = Stage::keeping_events("cache-news");
    let mut under_way = std::collections::VecDeque::new();
    let mut joined = 1;
    for published in 1..100 {
        joined += 1;
        stage.request_join(joined);
        under_way.extend(stage.state());
        stage.receives(&event(OTHER, 9, NUMBER + published + 9, "forged")).unwrap();
        stage.receives(&kept(published)).unwrap();
        let Some(state) = (under_way.len() > 2).then(|| under_way.pop_front()).flatten() else {
            continue;
        };
        stage.answers(state.request, &answer(&state, published, published)).unwrap();
    }
    let answered = effects(&mut stage).iter().filter(|word| word.starts_with('+')).count();
    assert!(answered > 90, "{answered} of {}", joined - 1);
}

/// More is published in each round trip than one answer returns.
#[test]
fn a_replay_that_falls_behind_ends_with_a_report_of_what_it_lacks() {
    let mut stage = reconnected();
    stage.request_join(2);
    let mut published = 20;
    let mut returned = 0;
    for parts in 0.. {
        let state = stage.state().expect("the next part");
        stage.topic_is_subscribed();
        (returned, published) = (returned + 10, published + 11);
        stage.answers(state.request, &answer(&state, published, returned)).unwrap();
        let words = effects(&mut stage);
        let Some(at) = words.iter().position(|word| word.starts_with('+')) else {
            assert!(parts < 2_000, "the join waits");
            continue;
        };
        let missed = format!("{} missed", published - returned);
        assert!(words[..at].contains(&missed), "{missed}: {words:?}");
        assert_eq!(words[at], format!("+2 {published}"));
        break;
    }
    stage.receives(&kept(published + 1)).unwrap();
    assert_eq!(effects(&mut stage), [(published + 1).to_string()]);
}
