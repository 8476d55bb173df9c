//! A program that hands over to another process: which connections notice, and what happens when the other one
//! does not start.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::process::{Command, Output};

use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::harness::server::REVERB_APP;
use crate::harness::successor::Successor;
use crate::harness::wire::Wire;
use crate::harness::{Backend, Folder, Program, TestSocket, within};
use crate::supervision::ServiceManager;

const UP: &str = "GET /up HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
const PROGRAM: &str = env!("CARGO_BIN_EXE_resound");

/// Opens connections, one after the other, each with one request; ends with their number.
fn keep_asking(address: SocketAddr, done: CancellationToken) -> JoinHandle<usize> {
    tokio::spawn(async move {
        let mut answered = 0;
        while !done.is_cancelled() {
            let mut wire = Wire::open(address).await;
            wire.send(UP).await;
            let reply = wire.reply().await;
            assert_eq!(reply.status, 200, "after {answered} that were answered");
            answered += 1;
        }
        answered
    })
}

fn upgrade(pid: u32) -> Output {
    Command::new(PROGRAM).args(["upgrade", "--pid", &pid.to_string()]).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sockets_are_closed_with_4200_and_no_connection_is_refused() {
    let mut program = Program::start(&[("RESOUND_SERVER_WORKERS", "2")]).await;
    let (address, done) = (program.address, CancellationToken::new());
    let asking: Vec<_> = (0..4).map(|_| keep_asking(address, done.clone())).collect();
    let mut sockets = Vec::new();
    for _ in 0..30 {
        sockets.push(Wire::socket(address).await);
    }
    let mut kept_alive = Wire::open(address).await;
    kept_alive.send("GET /up HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(kept_alive.reply().await.status, 200);

    program.signal("USR2");
    let successor = Successor::of(&mut program).await;
    // The successor has reported itself; the announcement begins when the report arrives.
    within("an answer that announces the end of its connection", async {
        loop {
            kept_alive.send("GET /up HTTP/1.1\r\nHost: x\r\n\r\n").await;
            let reply = kept_alive.reply().await;
            assert_eq!(reply.status, 200, "{reply:?}");
            if reply.head.contains("connection: close\r\n") {
                break;
            }
        }
    })
    .await;
    for mut socket in sockets {
        assert_eq!(socket.farewell().await.code, Some(4200));
    }
    assert_eq!(program.ended().await, Some(0));
    let mut socket = Wire::socket(address).await;
    done.cancel();
    for asking in asking {
        assert!(asking.await.unwrap() > 1);
    }
    successor.signal("TERM");
    assert_eq!(socket.farewell().await.code, Some(4200));
    successor.ended().await;
    assert!(TcpStream::connect(address).await.is_err(), "nothing keeps the socket open");
}

#[tokio::test]
async fn the_command_waits_for_the_result_and_prints_it() {
    let mut program = Program::start(&[]).await;
    let (address, pid) = (program.address, program.pid());
    let output = upgrade(pid);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
    let successor = Successor::of(&mut program).await;
    let done = format!("process {} has taken over from process {pid}\n", successor.0);
    assert_eq!(text(&output.stdout), done);
    assert_eq!(program.ended().await, Some(0));
    Wire::socket(address).await;

    let gone = upgrade(pid);
    let reason = format!("error: process {pid} is no server of this program that runs here");
    assert!(text(&gone.stderr).starts_with(&reason), "{gone:?}");
    assert_eq!(gone.status.code(), Some(1));
}

/// Upgrades to a program that does not take over; the text of the error, after which the server goes on.
async fn failed_upgrade(script: Option<&str>) -> String {
    let folder = Folder::new();
    let path = folder.path("resound");
    symlink(PROGRAM, &path).unwrap();
    let timeout = ("RESOUND_SERVER_UPGRADE_TIMEOUT_SECONDS", "1");
    let program = Program::start_at(&path, &[timeout]).await;
    let mut socket = Wire::socket(program.address).await;
    fs::remove_file(&path).unwrap();
    if let Some(script) = script {
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let output = upgrade(program.pid());
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), ""));
    socket.subscribe("still-served").await;
    Wire::socket(program.address).await;
    let error = text(&output.stderr).strip_prefix("error: the upgrade failed: ").unwrap();
    error.replace(&path, "PROGRAM")
}

#[tokio::test]
async fn a_process_that_does_not_take_over_changes_nothing() {
    for (script, error) in [
        (None, "cannot start PROGRAM: No such file or directory (os error 2)\n"),
        (Some("#!/bin/sh\nexit 3\n"), "it ended with exit code 3; its log says why\n"),
        (
            Some("#!/bin/sh\nexec sleep 60\n"),
            "it did not accept connections within 1s (server.upgrade_timeout_seconds)\n",
        ),
    ] {
        assert_eq!(failed_upgrade(script).await, error);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_number_of_workers_may_change() {
    let folder = Folder::new();
    let file = |workers: u32| {
        let listen = "[metrics]\nlisten = \"127.0.0.1:0\"\n";
        folder.write("resound.toml", &format!("[server]\nworkers = {workers}\n{listen}"))
    };
    let mut program = Program::start_with_file(&file(2)).await;
    let (address, done) = (program.address, CancellationToken::new());
    let asking: Vec<_> = (0..2).map(|_| keep_asking(address, done.clone())).collect();
    file(5);
    program.signal("USR2");
    let first = Successor::of(&mut program).await;
    assert_eq!(program.ended().await, Some(0));
    file(1);
    first.signal("USR2");
    let second = Successor::of(&mut program).await;
    first.ended().await;
    let mut sockets = Vec::new();
    for _ in 0..20 {
        sockets.push(Wire::socket(address).await);
    }
    done.cancel();
    for asking in asking {
        assert!(asking.await.unwrap() > 1);
    }
    drop(second);
}

#[tokio::test]
async fn the_file_of_a_unix_socket_goes_to_the_successor() {
    let folder = Folder::new();
    let path = folder.path("socket");
    let addresses = format!("127.0.0.1:0,unix:{path}");
    let mut program = Program::start_on(&addresses, &[]).await;
    program.signal("USR2");
    let successor = Successor::of(&mut program).await;
    assert_eq!(program.ended().await, Some(0));
    UnixStream::connect(&path).await.expect("the successor accepts");
    successor.signal("TERM");
    successor.ended().await;
    assert!(!fs::exists(&path).unwrap());
}

#[tokio::test]
async fn the_service_manager_is_given_the_new_main_process() {
    let manager = ServiceManager::listen();
    let variables = [("NOTIFY_SOCKET", &*manager.path), ("WATCHDOG_USEC", "60000000")];
    let mut program = Program::start(&variables).await;
    let ready = format!("READY=1\nSTATUS=serving on {}", program.address);
    assert_eq!(manager.next().await, ready);
    assert_eq!(manager.next().await, "WATCHDOG=1");
    program.signal("USR2");
    let successor = Successor::of(&mut program).await;
    assert_eq!(manager.next().await, format!("MAINPID={}", successor.0));
    assert_eq!(manager.next().await, ready);
    assert_eq!(manager.next().await, "WATCHDOG=1");
    assert_eq!(program.ended().await, Some(0));
    successor.signal("TERM");
    assert!(manager.next().await.starts_with("STOPPING=1\n"));
}

#[tokio::test]
async fn sockets_of_a_service_manager_replace_the_addresses_of_the_configuration() {
    let folder = Folder::new();
    let (clients, metrics) =
        (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    let (address, scrapes) = (clients.local_addr().unwrap(), metrics.local_addr().unwrap());
    let path = folder.path("socket");
    let back_ends = UnixListener::bind(&path).unwrap();
    // A connection that comes before the server is served too.
    let mut early = Wire::open(address).await;
    early.send(UP).await;
    let sockets = vec![
        ("resound.socket", clients.into()),
        ("metrics", metrics.into()),
        ("api", back_ends.into()),
    ];
    let variables = [("RESOUND_SERVER_PORT", "1"), ("RESOUND_SERVER_WORKERS", "2")];
    let mut program = Program::start_activated(sockets, &variables).await;
    assert_eq!(program.address, address);
    assert_eq!(early.reply().await.status, 200);
    let mut wire = Wire::open(scrapes).await;
    wire.send("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(wire.reply().await.status, 200);
    UnixStream::connect(&path).await.unwrap();

    // They are passed on like the others.
    let mut socket = Wire::socket(address).await;
    program.signal("USR2");
    let _successor = Successor::of(&mut program).await;
    assert_eq!(socket.farewell().await.code, Some(4200));
    assert_eq!(program.ended().await, Some(0));
    Wire::socket(address).await;
}

/// What a pace holds back is delivered by the process that has it, before its sockets are closed.
#[tokio::test]
async fn events_that_wait_for_their_pace_arrive_before_the_socket_closes() {
    let folder = Folder::new();
    let pacing =
        "[[apps.pacing]]\nchannels = \"*\"\nlatest_within_ms = 60000\nspread_over_ms = 60000\n";
    let file = folder.write("resound.toml", &format!("{REVERB_APP}{pacing}"));
    let mut program = Program::start_from(Command::new(PROGRAM), &file).await;
    let mut sockets = Vec::new();
    for _ in 0..20 {
        let mut socket = TestSocket::greeted(program.address, "/app/reverb-key?protocol=7").await;
        socket.subscribe("orders").await;
        sockets.push(socket);
    }
    let mut backend = Backend::new(program.address, "123456", "reverb-key", "reverb-secret");
    for number in 1..=3 {
        backend.trigger("orders", "e", &number.to_string()).await;
    }
    program.signal("USR2");
    let _successor = Successor::of(&mut program).await;
    for socket in &mut sockets {
        let (texts, close) = socket.receive_close().await;
        let event = |data: &str| format!(r#"{{"event":"e","data":"{data}","channel":"orders"}}"#);
        assert_eq!(texts[..2], [event("1"), event("3")]);
        assert_eq!(close.map(|close| u16::from(close.code)), Some(4200));
    }
    assert_eq!(program.ended().await, Some(0));
}
