//! Each situation with its code and its exact sentence.

use std::time::Duration;

use super::{ChannelPast, Exclusion, Situation, Subscribers, VerdictCode, verdict};
use crate::explanation::NearMiss;
use crate::protocol::SocketId;

fn socket() -> SocketId {
    SocketId::parse("1.2").unwrap()
}

fn on(sockets: usize, nodes: u32) -> Subscribers {
    Subscribers { sockets, nodes, is_partial: false }
}

fn check(situation: &Situation<'_>, code: VerdictCode, sentence: &str) {
    let found = verdict(situation);
    assert_eq!((found.code, &*found.sentence), (code, sentence));
}

#[test]
fn what_is_delivered_says_where_and_without_whom() {
    let situation = Situation { channel: "orders", reach: on(3, 2), ..Default::default() };
    check(
        &situation,
        VerdictCode::Delivered,
        "delivered to 3 sockets on 2 nodes, no socket excluded",
    );
    let without = Situation { except: Exclusion::Subscriber(socket()), ..situation.clone() };
    check(
        &without,
        VerdictCode::Delivered,
        "delivered to 2 sockets on 2 nodes, socket 1.2 excluded by socket_id",
    );
    assert_eq!((verdict(&without).sockets, verdict(&without).excluded), (2, Some(true)));
    let outsider = Situation { except: Exclusion::Outsider(socket()), ..situation.clone() };
    check(
        &outsider,
        VerdictCode::Delivered,
        "delivered to 3 sockets on 2 nodes, socket 1.2 of its socket_id is not subscribed",
    );
    let elsewhere = Situation { except: Exclusion::NotHere(socket()), ..situation.clone() };
    check(
        &elsewhere,
        VerdictCode::Delivered,
        "delivered to 3 sockets on 2 nodes, one less if socket 1.2 of its socket_id is subscribed on another node",
    );
    let closed =
        Situation { reach: on(1, 1), except: Exclusion::NotHere(socket()), ..situation.clone() };
    check(
        &closed,
        VerdictCode::Delivered,
        "delivered to 1 socket on 1 node, socket 1.2 of its socket_id is not open here",
    );
    let partial = Situation { reach: Subscribers { is_partial: true, ..on(1, 1) }, ..situation };
    check(
        &partial,
        VerdictCode::DeliveredOnThisNode,
        "Redis is away: delivered to 1 socket of this node only, no socket excluded",
    );
    let away = Some("partition 3 at redis://10.0.0.5:6379".to_owned());
    check(
        &Situation { away: away.clone(), ..partial.clone() },
        VerdictCode::DeliveredOnThisNode,
        "Redis (partition 3 at redis://10.0.0.5:6379) is away: delivered to 1 socket of this node only, no socket excluded",
    );
    let reach = Subscribers { is_partial: true, ..on(0, 0) };
    check(
        &Situation { away, reach, ..partial },
        VerdictCode::NoSubscriber,
        "0 on `orders` (of this node: Redis (partition 3 at redis://10.0.0.5:6379) is away): no socket is subscribed, and no channel has a near name",
    );
}

#[test]
fn the_echo_call_of_the_event_is_named() {
    let event = |event| Situation {
        channel: "servers.5",
        event: Some(event),
        reach: on(1, 1),
        ..Default::default()
    };
    check(
        &event("App\\Events\\ServerUpdated"),
        VerdictCode::Delivered,
        "delivered to 1 socket on 1 node, no socket excluded; a page receives `App\\Events\\ServerUpdated` with `.listen('ServerUpdated')`, without a dot in front",
    );
    check(
        &event("server.updated"),
        VerdictCode::Delivered,
        "delivered to 1 socket on 1 node, no socket excluded; a page receives `server.updated` with `.listen('.server.updated')`, with the dot in front",
    );
    assert_eq!(verdict(&event("client-x")).listen.as_deref(), Some(".listenForWhisper('x')"));
}

#[test]
fn a_public_channel_in_place_of_a_private_one_is_named() {
    let (missed, near) = ("organization.1.capacity", "private-organization.1.capacity");
    let near_misses = vec![NearMiss::new(missed, near, 3).unwrap()];
    let situation = Situation { channel: missed, near_misses, ..Default::default() };
    check(
        &situation,
        VerdictCode::NearMiss,
        "0 on `organization.1.capacity`; 3 sockets on `private-organization.1.capacity`: publish on `PrivateChannel`",
    );
    assert_eq!(verdict(&situation).near_misses.len(), 1);
}

#[test]
fn each_cause_of_a_miss_has_its_sentence() {
    let situation = Situation { channel: "x", ..Default::default() };
    let past = |past| Situation { past, ..situation.clone() };
    check(
        &situation,
        VerdictCode::NoSubscriber,
        "0 on `x`: no socket is subscribed, and no channel has a near name",
    );
    check(
        &past(ChannelPast {
            vacated: Some((Duration::from_millis(2100), Some(socket()))),
            ..Default::default()
        }),
        VerdictCode::LastSocketLeft,
        "0 on `x`; socket 1.2, its last subscriber, left 2.1 s before",
    );
    check(
        &past(ChannelPast {
            refused: Some((Duration::from_secs(3), "why".to_owned())),
            ..Default::default()
        }),
        VerdictCode::SubscriptionRefused,
        "0 on `x`; a subscription to it was refused 3.0 s before: why",
    );
    check(
        &past(ChannelPast { never_since: Some(Duration::from_secs(300)), ..Default::default() }),
        VerdictCode::NeverSubscribed,
        "0 on `x`; no socket has subscribed to it since the server started, 5 min before",
    );
    check(
        &Situation { channel: "private-x", ..Default::default() },
        VerdictCode::NoSubscriber,
        "0 on `private-x`; no socket is subscribed; a page whose auth endpoint answers with an error does not ask for it: the console of its browser has that answer",
    );
    check(
        &Situation { other_apps: vec![("2".to_owned(), 1)], ..situation.clone() },
        VerdictCode::OtherApp,
        "0 on `x`; 1 socket on the channel of this name in app \"2\": the back end publishes with the id and key of another app than the page",
    );
    check(
        &Situation {
            reach: on(1, 1),
            except: Exclusion::Subscriber(socket()),
            ..situation.clone()
        },
        VerdictCode::OnlySubscriberExcluded,
        "0 on `x`: its only subscriber is socket 1.2, which the socket_id of the trigger excludes (`toOthers()`)",
    );
    check(
        &Situation { channel: "a b", invalid_name: Some("why".to_owned()), ..Default::default() },
        VerdictCode::InvalidChannel,
        "0 on `a b`; no channel has this name: why",
    );
    check(
        &Situation { not_searched: Some("too many"), ..situation.clone() },
        VerdictCode::NoSubscriber,
        "0 on `x`; near names were not looked for: too many",
    );
}

#[test]
fn a_departure_long_ago_is_less_likely_than_a_near_name() {
    let near_misses = vec![NearMiss::new("x", "private-x", 1).unwrap()];
    let past =
        ChannelPast { vacated: Some((Duration::from_secs(600), None)), ..Default::default() };
    let situation = Situation { channel: "x", near_misses, past, ..Default::default() };
    check(
        &situation,
        VerdictCode::NearMiss,
        "0 on `x`; 1 socket on `private-x`: publish on `PrivateChannel`; a socket, its last subscriber, left 10 min before",
    );
}

#[test]
fn an_event_that_is_not_encrypted_is_named() {
    let situation = Situation {
        channel: "private-encrypted-x",
        event: Some("a"),
        is_encrypted: Some(false),
        reach: on(1, 1),
        ..Default::default()
    };
    check(
        &situation,
        VerdictCode::NotEncrypted,
        "delivered to 1 socket on 1 node, but none can decrypt it: the data have no nonce and ciphertext; set encryption_master_key_base64 in the back end, or publish on `PrivateChannel`",
    );
}

#[test]
fn a_verdict_is_one_line_of_json() {
    let near_misses = vec![NearMiss::new("x", "private-x", 1).unwrap()];
    let situation = Situation { channel: "x", event: Some("a"), near_misses, ..Default::default() };
    assert_eq!(
        serde_json::to_string(&verdict(&situation)).unwrap(),
        r#"{"verdict":"near_miss","sentence":"0 on `x`; 1 socket on `private-x`: publish on `PrivateChannel`","sockets":0,"nodes":0,"socket_id":null,"excluded":null,"near_misses":[{"channel":"private-x","sockets":1,"likeness":"prefix","change":"publish on `PrivateChannel`"}],"listen":".listen('.a')"}"#
    );
}
