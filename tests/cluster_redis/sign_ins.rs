//! What a sign-in promises over several nodes.

use std::time::Duration;

use crate::harness::redis::{TestRedis, is_left_out};
use crate::harness::server::REVERB_APP;
use crate::harness::socket::signed;
use crate::harness::{Backend, TestCluster, TestSocket};
use crate::relay::{Passage, Relay};

/// For each octet between the node of the user and Redis: the sign-in takes twice as long to come into effect, and the trigger of
/// the other node takes a thousandth of that.
const LATE: Duration = Duration::from_millis(300);

/// Two nodes, of which one has a late link: a socket there, and a back end that publishes at the other one.
struct LateNode {
    socket: TestSocket,
    backend: Backend,
    _cluster: TestCluster,
    _relay: Relay,
    _redis: TestRedis,
}

impl LateNode {
    async fn start() -> Self {
        let redis = TestRedis::start().await;
        let relay = Relay::before(redis.port).await;
        let mut cluster = TestCluster::with(&redis, 1, REVERB_APP).await;
        cluster.join(&relay.url(), REVERB_APP).await;
        cluster.settle().await;
        let socket = cluster.nodes[1].connect().await;
        let backend = cluster.nodes[0].backend();
        relay.set(Passage::Delayed(LATE));
        Self { socket, backend, _cluster: cluster, _relay: relay, _redis: redis }
    }
}

#[tokio::test]
async fn an_event_to_a_user_reaches_the_socket_that_has_the_answer_to_its_sign_in() {
    if is_left_out() {
        return;
    }
    let mut late = LateNode::start().await;
    let (socket, backend) = (&mut late.socket, &mut late.backend);
    let long: Vec<String> = (0..101).map(|id| id.to_string()).collect();
    let user = serde_json::json!({ "id": "7", "watchlist": long });
    socket.sign_in(&user.to_string()).await;
    backend.trigger("#server-to-user-7", "hello", "{}").await;
    let mut events = Vec::new();
    while events.last().is_none_or(|event| event != "hello") {
        let event = socket.receive_json().await["event"].as_str().unwrap().to_owned();
        events.push(event);
    }
    // What the answer would come before on one node comes behind it here, too.
    assert_eq!(events[0], "pusher:error", "4302");
    assert!(events.len() <= 3, "{events:?}");
}

/// The answer to the second one came at once, before the socket was in the user's channel: an event behind it was lost.
#[tokio::test]
async fn a_sign_in_that_is_repeated_is_answered_behind_the_first() {
    if is_left_out() {
        return;
    }
    let mut late = LateNode::start().await;
    let (socket, backend) = (&mut late.socket, &mut late.backend);
    let user_data = r#"{"id":"7"}"#;
    let auth = signed(&format!("{}::user::{user_data}", socket.id));
    let data = serde_json::json!({ "auth": auth, "user_data": user_data });
    let sign_in = serde_json::json!({ "event": "pusher:signin", "data": data }).to_string();
    for _ in 0..3 {
        socket.send_text(&sign_in).await;
    }
    let event = |message: serde_json::Value| message["event"].as_str().unwrap().to_owned();
    assert_eq!(event(socket.receive_json().await), "pusher:signin_success");
    backend.trigger("#server-to-user-7", "hello", "{}").await;
    let mut events = Vec::new();
    while events.last().is_none_or(|event| event != "hello") {
        events.push(event(socket.receive_json().await));
    }
    assert_eq!(events, ["pusher:signin_success", "pusher:signin_success", "hello"]);
    // Signed in, it is answered at once.
    socket.sign_in(user_data).await;
}
