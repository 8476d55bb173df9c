//! A configuration that changes under load: no request fails, no event is lost, and sockets of an app that is
//! gone are closed at the configured pace.

use std::time::{Duration, Instant};

use crate::harness::{Backend, Folder, Program, TestSocket};

const FIRST: &str = "/app/reverb-key?protocol=7";

/// The app of the variables starts from `lines`; beside it the apps with these numbers.
fn toml(lines: &str, apps: &[u32]) -> String {
    let app = |id: &u32| format!("[[apps]]\nid = \"{id}\"\nkey = \"k{id}\"\nsecret = \"s{id}\"\n");
    let apps: String = apps.iter().map(app).collect();
    format!("[server]\ndrain_sockets_per_second = 25\n[app]\n{lines}\n{apps}")
}

async fn reload(program: &mut Program, folder: &Folder, text: &str) {
    folder.write("a.toml", text);
    program.signal("HUP");
    let line = program.log_line("the configuration is ").await;
    assert!(line.contains("is in use"), "{line}");
}

#[tokio::test]
async fn no_request_fails_and_no_event_is_lost_while_apps_come_and_go() {
    let folder = Folder::new();
    let file = folder.write("a.toml", &toml("", &[8]));
    let mut program = Program::start_with_file(&file).await;
    let address = program.address;
    let mut sockets = Vec::new();
    for _ in 0..50 {
        let mut socket = TestSocket::greeted(address, FIRST).await;
        socket.subscribe("orders").await;
        sockets.push(socket);
    }
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let triggers = tokio::spawn(async move {
        let mut backend = Backend::new(address, "123456", "reverb-key", "reverb-secret");
        let (mut count, mut stopped) = (0, stopped);
        while stopped.try_recv().is_err() {
            // Fails unless the answer is 200.
            backend.trigger("orders", "counted", &count.to_string()).await;
            count += 1;
        }
        count
    });
    for round in 0..10 {
        let apps = [8, 9 + round];
        let lines = format!("max_subscriptions = {}", 100 + round);
        reload(&mut program, &folder, &toml(&lines, &apps)).await;
        let new = Backend::new(
            address,
            &apps[1].to_string(),
            &format!("k{}", apps[1]),
            &format!("s{}", apps[1]),
        );
        { new }.trigger("orders", "new", "{}").await;
    }
    stop.send(()).unwrap();
    let count = triggers.await.unwrap();
    for socket in &mut sockets {
        for number in 0..count {
            let message = socket.receive().await;
            assert!(message.contains(&format!("\"data\":\"{number}\"")), "{number}: {message}");
        }
    }
    assert!(count >= 10, "{count} triggers");
}

#[tokio::test]
async fn sockets_of_an_app_that_is_gone_are_closed_at_the_pace_of_a_drain() {
    let folder = Folder::new();
    let file = folder.write("a.toml", &toml("", &[8]));
    let mut program = Program::start_with_file(&file).await;
    let mut bystander = TestSocket::greeted(program.address, FIRST).await;
    for (text, code) in [(toml("", &[]), 4001), (toml("enabled = false", &[8]), 4003)] {
        reload(&mut program, &folder, &toml("", &[8])).await;
        let mut sockets = Vec::new();
        for _ in 0..50 {
            sockets.push(TestSocket::greeted(program.address, "/app/k8?protocol=7").await);
        }
        let start = Instant::now();
        reload(&mut program, &folder, &text).await;
        let mut refused = TestSocket::open(program.address, "/app/k8?protocol=7").await;
        let (_, close) = refused.receive_close().await;
        assert_eq!(close.map(|close| u16::from(close.code)), Some(code));
        for mut socket in sockets {
            let (_, close) = socket.receive_close().await;
            assert_eq!(close.map(|close| u16::from(close.code)), Some(code));
        }
        // 50 at 25 a second; the first step is at once.
        assert!(start.elapsed() >= Duration::from_millis(1500), "{:?}", start.elapsed());
        if code == 4001 {
            bystander.subscribe("orders").await;
        }
    }
}

/// A session keeps its limits in a copy, which is renewed with its next message.
#[tokio::test]
async fn open_sockets_get_new_limits_with_their_next_message() {
    let folder = Folder::new();
    let file = folder.write("a.toml", &toml("max_subscriptions = 1", &[8]));
    let mut program = Program::start_with_file(&file).await;
    let mut socket = TestSocket::greeted(program.address, "/app/k8?protocol=7").await;
    socket.subscribe("a").await;
    let subscribe = r#"{"event":"pusher:subscribe","data":{"channel":"b"}}"#;
    socket.send_text(subscribe).await;
    assert!(socket.receive().await.contains("max_subscriptions"));
    reload(&mut program, &folder, &toml("max_subscriptions = 2", &[8])).await;
    // The second frame of the refusal, for old clients.
    assert!(socket.receive().await.contains("pusher:error"));
    socket.send_text(subscribe).await;
    assert!(socket.receive().await.contains("subscription_succeeded"));
}
