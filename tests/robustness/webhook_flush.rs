//! Webhooks at the end of a server: what waits is sent within the time of the drain, and what cannot be sent
//! is counted.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::AbortHandle;

use crate::harness::server::REVERB_APP;
use crate::harness::successor::Successor;
use crate::harness::{Folder, Program, TestServer, TestSocket, within};
use crate::shutdown::ends_within;

/// An endpoint that answers 200. Dropping it ends it.
struct WebhookEndpoint {
    url: String,
    bodies: UnboundedReceiver<String>,
    task: AbortHandle,
}

impl WebhookEndpoint {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let (received, bodies) = unbounded_channel();
        let serve = async move {
            while let Ok((call, _)) = listener.accept().await {
                tokio::spawn(answer(call, received.clone()));
            }
        };
        Self { url, bodies, task: tokio::spawn(serve).abort_handle() }
    }

    /// The bodies of the calls until now.
    fn received(&mut self) -> String {
        std::iter::from_fn(|| self.bodies.try_recv().ok()).collect()
    }
}

impl Drop for WebhookEndpoint {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(mut call: TcpStream, received: UnboundedSender<String>) {
    let mut text = String::new();
    let mut bytes = [0; 4096];
    while let Ok(length @ 1..) = call.read(&mut bytes).await {
        text.push_str(std::str::from_utf8(&bytes[..length]).unwrap());
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let announced = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if body.len() == announced.unwrap().parse::<usize>().unwrap() {
            let _ = received.send(body.to_owned());
            text.clear();
            call.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        }
    }
}

/// Reverb's test app with a webhook, in a file.
fn file(folder: &Folder, drain_seconds: u32, url: &str) -> String {
    let app = REVERB_APP.replace("port = 0", &format!("port = 0\ndrain_seconds = {drain_seconds}"));
    folder.write("resound.toml", &format!("{app}[[apps.webhooks]]\nurl = \"{url}\"\n"))
}

async fn subscribed(program: &Program) -> TestSocket {
    let mut socket = TestSocket::greeted(program.address, "/app/reverb-key").await;
    socket.subscribe("orders").await;
    socket
}

#[tokio::test]
async fn events_that_wait_for_a_batch_or_a_return_are_sent_before_the_end() {
    let mut endpoint = WebhookEndpoint::start().await;
    let app = REVERB_APP.replace("port = 0", "port = 0\ndrain_seconds = 60");
    let webhook = format!("url = \"{}\"\nbatch_window_ms = 60000", endpoint.url);
    let server = TestServer::with(&format!("{app}[[apps.webhooks]]\n{webhook}\n")).await;
    let mut socket = server.connect().await;
    socket.subscribe("orders").await;
    drop(socket);
    ends_within(server, 40).await;
    let received = endpoint.received();
    let (occupied, vacated) = (received.find("channel_occupied"), received.find("channel_vacated"));
    assert!(occupied.is_some() && occupied < vacated, "{received}");
}

#[tokio::test]
async fn events_that_cannot_be_sent_are_counted_when_the_time_is_over() {
    let folder = Folder::new();
    // Nothing listens on the port of the discard protocol.
    let file = file(&folder, 2, "http://127.0.0.1:9/");
    let mut program = Program::start_with_file(&file).await;
    let _socket = subscribed(&program).await;
    program.log_line("webhook failed").await;
    program.terminate();
    let line = program.log_line("could not be sent before the end of the server").await;
    assert!(line.contains("WARN") && line.ends_with("lost=2"), "{line}");
    assert_eq!(program.exit_code().await, Some(0));
}

#[tokio::test]
async fn a_second_signal_waits_for_no_webhook() {
    let folder = Folder::new();
    let file = file(&folder, 3600, "http://127.0.0.1:9/");
    let mut program = Program::start_with_file(&file).await;
    let socket = subscribed(&program).await;
    program.terminate();
    program.log_line("stopping").await;
    drop(socket);
    // Signals within half a second count as one.
    let mut line = String::new();
    while !line.contains("a second signal") {
        program.terminate();
        line = program.log_line("signal").await;
    }
    let begin = Instant::now();
    program.log_line("could not be sent before the end of the server").await;
    assert_eq!(program.exit_code().await, Some(1));
    assert!(begin.elapsed() < Duration::from_secs(40), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn sockets_that_move_to_another_process_have_not_left() {
    let mut endpoint = WebhookEndpoint::start().await;
    let folder = Folder::new();
    let file = file(&folder, 10, &endpoint.url);
    let mut program = Program::start_with_file(&file).await;
    let socket = subscribed(&program).await;
    let occupied = within("a call", endpoint.bodies.recv()).await.unwrap();
    assert!(occupied.contains("channel_occupied"), "{occupied}");
    program.signal("USR2");
    let _successor = Successor::of(&mut program).await;
    assert_eq!(program.ended().await, Some(0));
    drop(socket);
    assert_eq!(endpoint.received(), "");
}
