//! Calls of the server to endpoints that hang, answer without end, or lead elsewhere.

use std::net::SocketAddr;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::canary::Canary;
use crate::harness::server::REVERB_APP;
use crate::harness::{Backend, Folder, Program, TestServer, TestSocket, eventually, within};
use crate::wire::{APP, Wire, join};

/// An endpoint that answers each connection in one way, and reports each with the number of bytes of the answer that were
/// taken.
struct Endpoint {
    address: SocketAddr,
    calls: UnboundedReceiver<usize>,
}

/// What it answers.
#[derive(Clone)]
enum Manner {
    /// These bytes, and then the end.
    Once(String),
    /// The first bytes, then the second ones for ever.
    Endless(&'static str, &'static str),
    /// Nothing, ever.
    Hanging,
}

impl Endpoint {
    async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (called, calls) = unbounded_channel();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (called, manner) = (called.clone(), manner.clone());
                tokio::spawn(async move { called.send(answer(stream, manner).await) });
            }
        });
        Self { address, calls }
    }

    async fn called(&mut self) -> usize {
        within("a call", self.calls.recv()).await.unwrap()
    }
}

/// Answers one connection; returns how many bytes were taken.
async fn answer(mut stream: TcpStream, manner: Manner) -> usize {
    let mut request = [0; 8192];
    let _ = stream.read(&mut request).await;
    let (first, more) = match manner {
        Manner::Once(text) => {
            let _ = stream.write_all(text.as_bytes()).await;
            return text.len();
        }
        Manner::Hanging => {
            // Until the caller has had enough.
            while stream.read(&mut request).await.is_ok_and(|read| read > 0) {}
            return 0;
        }
        Manner::Endless(first, more) => (first, more.repeat(1000)),
    };
    let mut taken = 0;
    let mut next = first.as_bytes();
    while let Ok(sent @ 1..) = stream.write(next).await {
        taken += sent;
        next = if sent == next.len() { more.as_bytes() } else { &next[sent..] };
    }
    taken
}

fn webhook(url: &str) -> String {
    format!("[[apps.webhooks]]\nurl = {url:?}\nevents = [\"channel_occupied\"]\n")
}

/// A file with the app of the tests on any port of this machine.
fn file(folder: &Folder, lines: &str) -> String {
    folder.write("abuse.toml", &format!("{lines}\n"))
}

fn app(before: &str, webhooks: &str) -> String {
    format!("{before}\n{REVERB_APP}{webhooks}")
}

const TAKEN: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_that_hangs_delays_no_other_and_its_queue_is_bounded() {
    const QUEUE: f64 = 20.0;
    const EVENTS: usize = 300;
    let hanging = Endpoint::start(Manner::Hanging).await;
    let mut other = Endpoint::start(Manner::Once(TAKEN.to_owned())).await;
    let webhooks = [hanging.address, other.address].map(|at| webhook(&format!("http://{at}/")));
    let limits = "[webhooks]\nqueue_events = 20\nrequest_timeout_seconds = 5";
    let server = TestServer::with(&app(limits, &webhooks.concat())).await;
    let address = server.address;
    let mut canary = Canary::at(address).await;
    let flood = async move {
        let mut socket = TestSocket::greeted(address, APP).await;
        for number in 0..EVENTS {
            socket.subscribe(&format!("occupied-{number}")).await;
            // One after the other, since the queue of the other endpoint has the same bound.
            other.called().await;
        }
        // Its end would be as many events more.
        (socket, other)
    };
    let key = "webhooks.queue_events = 20, webhooks.request_timeout_seconds = 5";
    let what = "300 events for an endpoint that hangs";
    let _open = canary.beside(what, key, flood).await;
    let waiting = server.metric("resound_webhook_queue_events{app=\"123456\"}");
    let lost = server.metric("resound_webhook_events_lost_total");
    println!("{waiting} events wait, {lost} are counted as lost");
    assert!(waiting <= QUEUE, "{waiting} events wait");
    // That of the canary is one more, and one is under way.
    let dropped = EVENTS as f64 - QUEUE;
    assert!(
        (dropped - 1.0..=dropped + 1.0).contains(&lost),
        "each that is dropped counts once: {lost}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_that_no_endpoint_wants_push_out_none() {
    const OTHERS: usize = 500;
    let mut endpoint = Endpoint::start(Manner::Once(TAKEN.to_owned())).await;
    let only = "channel_prefix = \"orders-\"\n";
    let webhooks = format!("{}{only}", webhook(&format!("http://{}/", endpoint.address)));
    let server = TestServer::with(&app("[webhooks]\nqueue_events = 1", &webhooks)).await;
    let address = server.address;
    let mut canary = Canary::at(address).await;
    let flood = async move {
        let mut socket = Wire::socket(address).await;
        let channel = |number: usize| match number {
            OTHERS => "orders-1".to_owned(),
            _ => format!("other-{number}"),
        };
        // The last one of the first half is wanted, and has all others of the second half behind it.
        let order = (0..OTHERS / 2).chain([OTHERS]).chain(OTHERS / 2..OTHERS);
        let joins = order.flat_map(|number| join(&json!({ "channel": channel(number) })));
        socket.send(joins.collect::<Vec<u8>>()).await;
        endpoint.called().await
    };
    let key = "webhooks.queue_events = 1";
    canary.beside("500 events that no endpoint wants", key, flood).await;
    assert_eq!(server.metric("resound_webhook_events_lost_total"), 0.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_without_end_is_not_read() {
    let body = Manner::Endless("HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n", "x");
    let chunks =
        Manner::Endless("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n");
    let head = Manner::Endless("HTTP/1.1 200 OK\r\n", "X: y\r\n");
    for (what, manner) in
        [("a body without end", body), ("chunks without end", chunks), ("a head without end", head)]
    {
        let mut endpoint = Endpoint::start(manner).await;
        let folder = Folder::new();
        let url = format!("http://{}/", endpoint.address);
        let program = Program::start_with_file(&file(&folder, &webhook_app(&url))).await;
        let address = program.address;
        let mut canary = Canary::at(address).await;
        let before = program.resident();
        let call = async move {
            let mut socket = TestSocket::greeted(address, APP).await;
            socket.subscribe("orders").await;
            endpoint.called().await
        };
        let key = "no key: the body of an answer is not read";
        let taken = canary.beside(what, key, call).await;
        let grown = program.resident().saturating_sub(before);
        println!("{what}: {} KiB taken, {} KiB more resident", taken >> 10, grown >> 10);
        // What the kernels of both ends hold, and what one read takes.
        assert!(taken < 32 << 20, "{what}: {taken} bytes were taken");
        assert!(grown < 8 << 20, "{what}: {grown} bytes more resident");
    }
}

/// The app of a file of its own, whose endpoint is at a url.
fn webhook_app(url: &str) -> String {
    format!("{REVERB_APP}{}", webhook(url))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redirect_to_an_inner_address_is_not_followed() {
    let inner = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let location = format!("http://{}/latest/meta-data/", inner.local_addr().unwrap());
    let folder = Folder::new();
    for status in
        ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"]
    {
        let answer = format!(
            "HTTP/1.1 {status}\r\nLocation: {location}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
        let mut endpoint = Endpoint::start(Manner::Once(answer)).await;
        let url = format!("http://{}/", endpoint.address);
        let mut program = Program::start_with_file(&file(&folder, &webhook_app(&url))).await;
        let mut canary = Canary::at(program.address).await;
        let address = program.address;
        let call = async move {
            let mut socket = TestSocket::greeted(address, APP).await;
            socket.subscribe("orders").await;
            endpoint.called().await
        };
        canary.beside(status, "no key: redirects are not followed", call).await;
        let line = program.log_line("webhook failed").await;
        assert!(line.contains("redirects are not followed"), "{line}");
    }
    let followed = tokio::time::timeout(std::time::Duration::ZERO, inner.accept()).await;
    assert!(followed.is_err(), "nothing connects to where a redirect leads");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_leads_inside_is_refused_when_it_is_called() {
    let folder = Folder::new();
    for (networks, is_called) in
        [("[\"10.0.0.0/8\"]", false), ("[\"127.0.0.0/8\", \"::1\"]", true), ("[\"named\"]", true)]
    {
        let mut endpoint = Endpoint::start(Manner::Once(TAKEN.to_owned())).await;
        let url = format!("http://localhost:{}/", endpoint.address.port());
        let lines = format!("calls.inner_networks = {networks}\n{}", webhook_app(&url));
        let mut program = Program::start_with_file(&file(&folder, &lines)).await;
        let mut canary = Canary::at(program.address).await;
        let address = program.address;
        let subscribed = async move {
            let mut socket = TestSocket::greeted(address, APP).await;
            socket.subscribe("orders").await;
            socket
        };
        let key = format!("calls.inner_networks = {networks}");
        let _socket = canary.beside("a name that leads inside", &key, subscribed).await;
        if is_called {
            endpoint.called().await;
        } else {
            let line = program.log_line("webhook failed").await;
            assert!(line.contains("calls.inner_networks (RESOUND_CALLS_INNER_NETWORKS)"), "{line}");
            assert!(endpoint.calls.try_recv().is_err(), "it was never connected to");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_of_the_app_without_end_is_read_up_to_its_bound() {
    let manner = Manner::Endless("HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n", " ");
    let mut endpoint = Endpoint::start(manner).await;
    let auth = format!(
        "[apps.auth]\nmode = \"ask\"\n[apps.auth.ask]\nurl = \"http://{}/broadcasting/auth\"\n",
        endpoint.address
    );
    let folder = Folder::new();
    let program = Program::start_with_file(&file(&folder, &app("", &auth))).await;
    let address = program.address;
    let mut canary = Canary::at(address).await;
    let before = program.resident();
    let question = async move {
        let mut backend = Backend::new(address, "123456", "reverb-key", "reverb-secret");
        let form = "application/x-www-form-urlencoded";
        let fields = [("cookie", "session=1"), ("content-type", form)];
        let body = "socket_id=1.1&channel_name=private-a";
        let answer = backend.send_with("POST", "/broadcasting/auth", &fields, body).await;
        (answer, endpoint.called().await)
    };
    let key = "256 KiB of an answer";
    let (answer, taken) = canary.beside("an app that answers without end", key, question).await;
    assert!((500..600).contains(&answer.status), "{answer:?}");
    assert!(taken < 32 << 20, "{taken} bytes were taken");
    eventually("the memory to be what it was", async || {
        program.resident().saturating_sub(before) < 8 << 20
    })
    .await;
}
