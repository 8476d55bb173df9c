//! Why a subscription was refused: in the log of the server, and never in the answer to the client.

use serde_json::json;

use crate::harness::{Program, TestSocket};

async fn greeted(program: &Program) -> TestSocket {
    TestSocket::greeted(program.address, "/app/reverb-key?protocol=7").await
}

/// The line of the log about a subscription with this auth. The client's answer is what it was.
async fn refused(
    program: &mut Program,
    socket: &mut TestSocket,
    channel: &str,
    auth: &str,
) -> String {
    let data = json!({ "channel": channel, "auth": auth });
    socket.send_text(&json!({ "event": "pusher:subscribe", "data": data }).to_string()).await;
    let answer = socket.receive().await;
    assert!(answer.contains("pusher:subscription_error"), "{answer}");
    assert!(!answer.contains("was signed for socket"), "{answer}");
    socket.receive().await;
    program.log_line("subscription refused").await
}

#[tokio::test]
async fn a_signature_for_an_earlier_socket_is_found() {
    let mut program = Program::start(&[]).await;
    let earlier = greeted(&program).await;
    let mut socket = greeted(&program).await;
    let auth = earlier.auth("private-x", None);
    let line = refused(&mut program, &mut socket, "private-x", &auth).await;
    let because =
        format!("auth was signed for socket {}, and this is socket {}", earlier.id, socket.id);
    assert!(line.contains(&because) && line.contains("other_socket"), "{line}");
}

#[tokio::test]
async fn a_doubled_prefix_is_found() {
    let mut program = Program::start(&[]).await;
    let mut socket = greeted(&program).await;
    let auth = socket.auth("private-x", None);
    let line = refused(&mut program, &mut socket, "private-private-x", &auth).await;
    let because = "the signature is for the channel `private-x`, and the client asked for `private-private-x`";
    assert!(line.contains(because) && line.contains("other_channel"), "{line}");
}
