//! Row 30, and what row 29 has of two versions: a node hands over to another process, of the same build or of another one.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;
use std::time::{Duration, Instant};

use resound::build_info::{DESCRIPTION, VERSION};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::harness::successor::Successor;
use crate::harness::wire::Wire;
use crate::harness::{Folder, TestRedis};
use crate::node::{Node, PATIENT, peak};
use crate::publisher::Pace;
use crate::sheet::Line;
use crate::stage::{Ending, Stage, until};
use crate::subscriber::Subscriber;

const PROGRAM: &str = env!("CARGO_BIN_EXE_resound");

/// Nodes, the last of which is upgraded, with clients of it that come back, and connections that are opened all the time.
struct Upgrade {
    stage: Stage,
    done: CancellationToken,
    asking: Vec<JoinHandle<usize>>,
}

impl Upgrade {
    async fn prepare(nodes: &[Node]) -> Self {
        let mut stage = Stage::between(nodes, Pace::STEADY).await;
        let upgraded = nodes[1].address();
        for to in 0..2 {
            let channel = format!("from-{to}");
            stage.listen(to, to == 1, Subscriber::returning(&[upgraded], &channel).await);
        }
        let done = CancellationToken::new();
        let asking = (0..2).map(|_| tokio::spawn(keep_asking(upgraded, done.clone()))).collect();
        Self { stage, done, asking }
    }

    /// Ends the numbered events; how many connections were answered.
    async fn end(self) -> (Ending, usize) {
        self.done.cancel();
        let mut answered = 0;
        for asking in self.asking {
            answered += asking.await.expect("no connection is refused");
        }
        (self.stage.end().await, answered)
    }
}

/// Opens connections one after the other, each with one request; how many were answered.
async fn keep_asking(address: SocketAddr, done: CancellationToken) -> usize {
    let mut answered = 0;
    while !done.is_cancelled() {
        let stream = TcpStream::connect(address).await.expect("no connection is refused");
        let mut wire = Wire::over(stream);
        wire.send("GET /up HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
        assert_eq!(wire.reply().await.status, 200, "after {answered} that were answered");
        answered += 1;
    }
    answered
}

/// Has the last node hand over, until events flow through the process that took over; how long that took.
async fn hand_over(nodes: &mut [Node], upgrade: &Upgrade) -> (Successor, Duration) {
    let begin = Instant::now();
    nodes[1].signal("USR2");
    let successor = Successor::of(&mut nodes[1].program).await;
    let took = begin.elapsed();
    // Its log stays open: the successor writes to it, too.
    until("the old process to end", async || nodes[1].program.has_ended()).await;
    upgrade.stage.flows().await;
    (successor, took)
}

const DRAIN: (&str, &str) = ("RESOUND_SERVER_DRAIN_SECONDS", "3");

pub(crate) async fn row_30_an_upgrade() {
    let redis = TestRedis::start().await;
    let variables = [&PATIENT[..], &[DRAIN]].concat();
    let mut nodes = Node::cluster(&redis.url, 2, &variables).await;
    let upgrade = Upgrade::prepare(&nodes).await;
    let high = peak(&nodes);
    let (successor, took) = hand_over(&mut nodes, &upgrade).await;
    let (ending, answered) = upgrade.end().await;
    let line = Line {
        row: (30, "a"),
        fault: "SIGUSR2: one of two nodes hands over to a new process",
        recovered: Some(took),
        peak: peak(&nodes[..1]).max(high),
        beside: format!(
            "0 of {answered} connections refused; {} publishes not answered 200",
            ending.refused()
        ),
    };
    line.show(&ending);
    ending.is_whole();
    assert_eq!(ending.refused(), 0);
    assert!(answered > 2);
    drop(successor);
}

/// The program as another build: with another version in its bytes, of the same length.
fn another_build(path: &str) -> String {
    let version: String =
        VERSION.chars().map(|sign| if sign.is_ascii_digit() { '9' } else { sign }).collect();
    let other = DESCRIPTION.replacen(VERSION, &version, 1);
    let mut bytes = fs::read(PROGRAM).unwrap();
    let own = DESCRIPTION.as_bytes();
    let places = places_of(&bytes, own);
    assert!(!places.is_empty(), "the program has no {DESCRIPTION:?}");
    for place in places {
        bytes[place..place + own.len()].copy_from_slice(other.as_bytes());
    }
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    let output = Command::new(path).arg("--version").output().expect("a program");
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("resound {other}\n"));
    other
}

/// The places at which a text begins.
fn places_of(bytes: &[u8], text: &[u8]) -> Vec<usize> {
    let begins = |at: &usize| bytes[*at] == text[0] && bytes[*at..].starts_with(text);
    (0..bytes.len()).filter(begins).collect()
}

/// Two builds serve one cluster, as they do while a new version is rolled out.
pub(crate) async fn row_30_an_upgrade_to_another_build() {
    let folder = Folder::new();
    let (path, next) = (folder.path("resound"), folder.path("next"));
    symlink(PROGRAM, &path).unwrap();
    let other = another_build(&next);
    let redis = TestRedis::start().await;
    let variables = [&PATIENT[..], &[DRAIN]].concat();
    let mut nodes = vec![
        Node::member(&redis.url, &variables).await,
        Node::member_at(&path, &redis.url, &variables).await,
    ];
    for node in &nodes {
        node.sees(2).await;
    }
    let upgrade = Upgrade::prepare(&nodes).await;
    let high = peak(&nodes);
    fs::rename(&next, &path).unwrap();
    let (successor, took) = hand_over(&mut nodes, &upgrade).await;
    let runs = fs::read_link(format!("/proc/{}/exe", successor.0)).unwrap();
    upgrade.stage.publishes(80).await;
    let (ending, answered) = upgrade.end().await;
    let line = Line {
        row: (30, "b"),
        fault: "SIGUSR2: one of two nodes hands over to another build of the program",
        recovered: Some(took),
        peak: peak(&nodes[..1]).max(high),
        beside: format!(
            "to {other}; 0 of {answered} connections refused; {} publishes not answered 200",
            ending.refused()
        ),
    };
    line.show(&ending);
    ending.is_whole();
    assert_eq!(ending.refused(), 0);
    assert_eq!(runs, fs::canonicalize(&path).unwrap(), "what runs is the other build");
    assert!(answered > 2);
    drop(successor);
}
