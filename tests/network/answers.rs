//! Answers to a socket's own subscriptions, larger than its outbox all together: a reader gets them
//! all, as fast as its link carries them, and is not closed.

use serde_json::{Value, json};

use crate::harness::{Program, TestSocket};
use crate::host::Host;
use crate::line::Shape;
use crate::switch::Switch;

/// A roster of 600 KB.
const MEMBERS: usize = 10;
const INFO_BYTES: usize = 60_000;

const CACHE_CHANNELS: usize = 15;
const CACHED_BYTES: usize = 100_000;

/// A second of the narrow link is 125 KB.
const NARROW: Shape = Shape::narrow(1000);
const FAR: Shape = Shape::far(50);

fn room(number: usize) -> String {
    format!("presence-{number}")
}

fn cache(number: usize) -> String {
    format!("cache-{number}")
}

fn info(member: usize) -> String {
    format!("{member:02}{}", "i".repeat(INFO_BYTES - 2))
}

fn cached(number: usize) -> String {
    format!("{number:02}{}", "c".repeat(CACHED_BYTES - 2))
}

/// Members of so many rooms. They read what is sent to them for as long as the test runs.
async fn furnish(host: &Host, server: &Program, rooms: usize) {
    for member in 0..MEMBERS {
        let mut socket = host.socket(server).await;
        let data = json!({ "user_id": member.to_string(), "user_info": info(member) }).to_string();
        for number in 0..rooms {
            socket.subscribe_signed(&room(number), Some(&data)).await;
        }
        tokio::spawn(async move { socket.read_on().await });
    }
}

/// Sends all subscriptions at once.
async fn subscribe_all(socket: &mut TestSocket, subscriptions: Vec<Value>) {
    for data in subscriptions {
        socket.send_text(&json!({ "event": "pusher:subscribe", "data": data }).to_string()).await;
    }
}

async fn reads_rosters(host: &Host, server: &Program, rooms: usize) {
    let mut socket = host.socket(server).await;
    let own = json!({ "user_id": format!("reader {}", socket.id) }).to_string();
    let subscription = |number| {
        let auth = socket.auth(&room(number), Some(&own));
        json!({ "channel": room(number), "auth": auth, "channel_data": own })
    };
    let subscriptions = (0..rooms).map(subscription).collect();
    subscribe_all(&mut socket, subscriptions).await;
    for number in 0..rooms {
        let answer = socket.receive_answer(&room(number)).await;
        let data: Value = serde_json::from_str(answer["data"].as_str().unwrap()).unwrap();
        for member in 0..MEMBERS {
            let found = &data["presence"]["hash"][member.to_string()];
            assert!(*found == info(member), "member {member} of room {number}");
        }
    }
}

async fn reads_cached_events(host: &Host, server: &Program) {
    let mut socket = host.socket(server).await;
    let subscriptions = (0..CACHE_CHANNELS).map(|number| json!({ "channel": cache(number) }));
    subscribe_all(&mut socket, subscriptions.collect()).await;
    for number in 0..CACHE_CHANNELS {
        socket.receive_answer(&cache(number)).await;
        let event = socket.receive_json().await;
        assert_eq!(event["channel"], cache(number));
        assert!(event["data"] == cached(number), "the last event of channel {number}");
    }
    assert_eq!(socket.receive_all().await, [""; 0]);
}

async fn rosters(shape: Option<Shape>, rooms: usize) {
    let switch = Switch::new();
    let (server, members) = (switch.host(), switch.host());
    let bounds = [
        ("RESOUND_APP_MAX_MESSAGE_SIZE", "65536"),
        ("RESOUND_APP_MAX_PRESENCE_USER_INFO_BYTES", "65536"),
    ];
    let server = server.serve(&bounds).await;
    furnish(&members, &server, rooms).await;
    let reader = shape.map_or_else(|| switch.host(), |shape| switch.host_behind(shape));
    reads_rosters(&reader, &server, rooms).await;
}

pub(crate) async fn two_rosters_of_600_kb_arrive_5_ms_away() {
    rosters(Some(Shape::far(5)), 2).await;
}

pub(crate) async fn ten_rosters_of_600_kb_arrive() {
    rosters(None, 10).await;
}

pub(crate) async fn rosters_arrive_50_ms_away() {
    rosters(Some(FAR), 10).await;
}

pub(crate) async fn rosters_arrive_over_a_narrow_link() {
    rosters(Some(NARROW), 2).await;
}

async fn cached_events(shape: Option<Shape>) {
    let switch = Switch::new();
    let server = switch.host();
    let server = server.serve(&[]).await;
    let reader = shape.map_or_else(|| switch.host(), |shape| switch.host_behind(shape));
    let backend_host = switch.host();
    let mut backend = backend_host.backend(&server).await;
    for number in 0..CACHE_CHANNELS {
        backend.trigger(&cache(number), "event", &cached(number)).await;
    }
    reads_cached_events(&reader, &server).await;
}

pub(crate) async fn fifteen_cached_events_of_100_kb_arrive() {
    cached_events(None).await;
}

pub(crate) async fn cached_events_arrive_50_ms_away() {
    cached_events(Some(FAR)).await;
}

pub(crate) async fn cached_events_arrive_over_a_narrow_link() {
    cached_events(Some(NARROW)).await;
}
