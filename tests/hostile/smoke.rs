//! to be replaced
use crate::harness::TestServer;

#[tokio::test]
async fn an_event_arrives() {
    let server = TestServer::start().await;
    let mut socket = server.connect().await;
    socket.subscribe("a").await;
    socket.subscribe_signed("private-a", None).await;
    server.backend().trigger("a", "e", "{}").await;
    assert_eq!(socket.hear().await, r#"{"event":"e","data":"{}","channel":"a"}"#);
    drop(socket);
    crate::harness::eventually("no connections", async || {
        server.metric("resound_connections") == 0.0
    })
    .await;
    server.ended().await;
}
