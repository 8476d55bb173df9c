//! Where a server listens: several addresses, both families, unix sockets, and the HTTP API apart.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, UnixStream};
use tokio::task::AbortHandle;

use crate::harness::server::{REVERB_APP, config};
use crate::harness::wire::{Wire, frame};
use crate::harness::{Backend, Folder, Program, TestServer, TestSocket, wire};

const UP: &str = "GET /up HTTP/1.1\r\nHost: x\r\n\r\n";
const TLS_HELLO: &[u8] = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";

/// Passes TCP connections on to a unix socket, as a proxy does.
struct Relay {
    address: SocketAddr,
    task: AbortHandle,
}

impl Relay {
    async fn to(path: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let relay = async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let path = path.clone();
                tokio::spawn(async move {
                    let mut server = UnixStream::connect(path).await.expect("a listener");
                    let _ = copy_bidirectional(&mut client, &mut server).await;
                });
            }
        };
        Self { address, task: tokio::spawn(relay).abort_handle() }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The configuration of Reverb's app with these lists instead of host and port.
fn with_lists(server: &str, http: &str) -> String {
    let server = format!("listen = [{server}]\nworkers = 2\n[http]\nlisten = [{http}]\n");
    REVERB_APP.replace("host = \"127.0.0.1\"\nport = 0\nworkers = 2\n", &server)
}

async fn ask(address: SocketAddr, request: &str) -> wire::Reply {
    let mut wire = Wire::open(address).await;
    wire.send(request).await;
    wire.reply().await
}

#[tokio::test]
async fn a_unix_socket_serves_sockets_and_back_ends() {
    let folder = Folder::new();
    let path = folder.path("resound.sock");
    let listen = format!("\"127.0.0.1:0\", \"unix:{path}?mode=0600\"");
    let server = TestServer::with(&with_lists(&listen, "")).await;
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let relay = Relay::to(path.clone()).await;
    let mut over_unix = TestSocket::greeted(relay.address, wire::APP).await;
    let mut over_tcp = server.connect().await;
    over_unix.subscribe("news").await;
    over_tcp.subscribe("news").await;
    // Larger than what the kernel takes at once, so that the shard waits for room.
    let large = "x".repeat(9000);
    let mut backend = Backend::new(relay.address, "123456", "reverb-key", "reverb-secret");
    for _ in 0..100 {
        backend.trigger("news", "large", &large).await;
    }
    for _ in 0..100 {
        assert_eq!(over_unix.receive_json().await["event"], "large");
        assert_eq!(over_tcp.receive_json().await["event"], "large");
    }
    // A close frame is answered, and the connection ends in order.
    let mut wire = Wire::socket(relay.address).await;
    wire.send(frame(wire::CLOSE, 1000_u16.to_be_bytes())).await;
    assert_eq!(wire.farewell().await.code, Some(1000));
    drop(over_unix);
    server.ended().await;
    assert!(!fs::exists(&path).unwrap(), "the file is removed at the end");
}

#[tokio::test]
async fn a_unix_socket_in_use_is_refused_and_a_dead_one_replaced() {
    let folder = Folder::new();
    let path = folder.path("resound.sock");
    let lists = with_lists(&format!("\"127.0.0.1:0\", \"unix:{path}\""), "");
    let refused = async || {
        let server = resound::server::Server::bind(&config(&lists)).await;
        server.err().expect("a refusal").to_string()
    };
    let living = TestServer::with(&lists).await;
    let prefix = format!("cannot listen on unix:{path} (server.listen from test.toml): ");
    assert_eq!(
        refused().await,
        format!("{prefix}another process listens there; stop it, or choose another path")
    );
    assert_eq!(ask(Relay::to(path.clone()).await.address, UP).await.status, 200);
    living.ended().await;

    // What a process leaves that is killed.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(fs::metadata(&path).unwrap().file_type().is_socket());
    let server = TestServer::with(&lists).await;
    assert_eq!(ask(Relay::to(path.clone()).await.address, UP).await.status, 200);
    server.ended().await;

    fs::write(&path, "of a user").unwrap();
    assert_eq!(
        refused().await,
        format!("{prefix}there is a file that is no socket; move it away, or choose another path")
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), "of a user");
}

#[tokio::test]
async fn one_address_takes_both_families_and_shows_ipv4_as_ipv4() {
    let mut program = Program::start_on("[::]:0,127.0.0.1:0", &[]).await;
    let port = program.address.port();
    for host in ["127.0.0.1", "[::1]"] {
        let address: SocketAddr = format!("{host}:{port}").parse().unwrap();
        assert_eq!(ask(address, UP).await.status, 200, "{host}");
        drop(Wire::socket(address).await);
    }
    let mut wire = Wire::open(SocketAddr::from(([127, 0, 0, 1], port))).await;
    wire.send(TLS_HELLO).await;
    wire.rest().await;
    let line = program.log_line("a TLS handshake arrived").await;
    assert!(line.contains("peer=127.0.0.1:"), "{line}");
}

#[tokio::test]
async fn the_http_api_is_served_at_its_own_address_only() {
    let server = TestServer::with(&with_lists("\"127.0.0.1:0\"", "\"127.0.0.1:0\"")).await;
    let api = server.api_address.expect("an address of the API");
    let mut socket = server.connect().await;
    socket.subscribe("news").await;
    let answer = server.backend().post("/events", "{}").await;
    assert_eq!(answer.status, 404);
    assert_eq!(
        answer.body,
        "The HTTP API is not served at this address, since http.listen (RESOUND_HTTP_LISTEN) gives it another one: point the back end there (REVERB_HOST and REVERB_PORT in its .env), or take http.listen out"
    );
    let mut backend = Backend::new(api, "123456", "reverb-key", "reverb-secret");
    backend.trigger("news", "greeting", "hello").await;
    assert_eq!(socket.receive_json().await["event"], "greeting");
    for address in [server.address, api] {
        assert_eq!(ask(address, UP).await.status, 200);
        drop(TestSocket::greeted(address, wire::APP).await);
    }
}

#[tokio::test]
async fn an_api_call_to_a_public_address_is_logged() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let api = free.local_addr().unwrap().to_string();
    drop(free);
    let mut program = Program::start(&[("RESOUND_HTTP_LISTEN", &api)]).await;
    let call = "POST /apps/123456/events HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(ask(program.address, call).await.status, 404);
    let line = program.log_line("request refused").await;
    assert!(line.contains("status=404") && line.contains("http.listen"), "{line}");
    assert_eq!(ask(api.parse().unwrap(), call).await.status, 401);
}

#[tokio::test]
async fn the_top_answers_what_this_is() {
    let server = TestServer::start().await;
    let answer = ask(server.address, "GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.body,
        "This is Resound, a WebSocket server for the Pusher protocol: sockets connect to /app/{key}, back ends publish at /apps/{app_id}/events.\n"
    );
    let below = REVERB_APP.replace("workers = 2", "workers = 2\npath = \"/ws\"");
    let server = TestServer::with(&below).await;
    for path in ["/", "/ws", "/ws/"] {
        let answer = ask(server.address, &format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")).await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.body.contains(" connect to /ws/app/{key}, "), "{}", answer.body);
    }
}
