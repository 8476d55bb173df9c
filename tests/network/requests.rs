//! Requests of back ends that are far away or behind a narrow link.

use std::time::{Duration, Instant};

use futures_util::future::join;
use serde_json::json;

use crate::harness::{Answer, eventually};
use crate::line::Shape;
use crate::switch::Switch;

const HASTY: [(&str, &str); 1] = [("RESOUND_HTTP_BODY_TIMEOUT_SECONDS", "1")];

/// 200 KB need 3 s over this link: the time-out ends bodies that stall, not bodies that are slow.
pub(crate) async fn a_body_that_keeps_coming_outlasts_its_time_out() {
    let switch = Switch::new();
    let (server, subscriber) = (switch.host(), switch.host());
    let back_end = switch.host_behind(Shape::narrow(512));
    let program = server.serve(&HASTY).await;
    let mut socket = subscriber.socket(&program).await;
    socket.subscribe("room").await;
    let mut backend = back_end.backend(&program).await;
    let data = ["a", "b"].map(|letter| letter.repeat(100_000));
    let event = |data| json!({ "name": "event", "channel": "room", "data": data });
    let body = json!({ "batch": data.each_ref().map(event) }).to_string();
    let begin = Instant::now();
    let answer = backend.post("/batch_events", &body).await;
    let took = begin.elapsed();
    assert_eq!(answer, Answer { status: 200, body: "{}".to_owned() });
    assert!(took > Duration::from_secs(2), "{took:?}");
    for data in data {
        assert!(socket.receive_json().await["data"] == data);
    }
}

/// Its link is cut in the middle of the body, for longer than the time-out: what came before counts.
pub(crate) async fn a_body_whose_link_is_cut_and_healed_arrives() {
    let switch = Switch::new();
    let (server, subscriber) = (switch.host(), switch.host());
    let back_end = switch.host_behind(Shape::narrow(512));
    let program = server.serve(&HASTY).await;
    let mut socket = subscriber.socket(&program).await;
    socket.subscribe("room").await;
    let mut backend = back_end.backend(&program).await;
    let data = "x".repeat(100_000);
    let before = server.packets_received();
    let cut = async {
        eventually("the body to begin", async || server.packets_received() > before + 20).await;
        back_end.link.cut();
        let begin = Instant::now();
        let mut other = subscriber.backend(&program).await;
        while begin.elapsed() < Duration::from_millis(1500) {
            other.trigger("elsewhere", "event", "served meanwhile").await;
        }
        back_end.link.heal();
    };
    join(backend.trigger("room", "event", &data), cut).await;
    assert!(socket.receive_json().await["data"] == data);
    assert_eq!(socket.receive_all().await, [""; 0]);
}
