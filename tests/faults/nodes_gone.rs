//! Rows 3, 4, 15 and 17: a node is killed, stands still, is starved, or is stopped.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::harness::wire::APP;
use crate::harness::{TestRedis, TestSocket};
use crate::node::{Node, PATIENT, peak};
use crate::publisher::Pace;
use crate::sheet::Line;
use crate::stage::{Stage, until};
use crate::subscriber::Subscriber;

const ROOM: &str = "presence-room";

/// The matrix has 15 s for the members of a node that is gone; the lease of the defaults is 5 s.
const TOLD_WITHIN: Duration = Duration::from_secs(15);

/// Beside compilers a process gets its turn late.
const GRACE: Duration = Duration::from_secs(10);

/// Sockets of the node that goes, beside those of the stage.
const CROWD: usize = 40;

async fn member(node: &Node, user: &str) -> TestSocket {
    let mut socket = TestSocket::greeted(node.address(), APP).await;
    let data = format!(r#"{{"user_id":"{user}"}}"#);
    socket.subscribe_signed(ROOM, Some(&data)).await;
    socket
}

/// The next of these events in the room.
async fn receives(socket: &mut TestSocket, event: &str) {
    let wanted = format!("pusher_internal:{event}");
    loop {
        let text = socket.receive().await;
        if text.contains("pusher:ping") {
            socket.send_text(r#"{"event":"pusher:pong","data":{}}"#).await;
        } else if text.contains(&wanted) {
            return;
        }
    }
}

async fn crowd(address: SocketAddr, count: usize) -> Vec<Subscriber> {
    let mut crowd = Vec::new();
    for _ in 0..count {
        crowd.push(Subscriber::join(address, "crowd").await);
    }
    crowd
}

pub(crate) async fn row_03_a_node_is_killed() {
    let redis = TestRedis::start().await;
    let mut nodes = Node::cluster(&redis.url, 2, &[]).await;
    let mut stage = Stage::between(&nodes[..1], Pace::STEADY).await;
    let both = [nodes[1].address(), nodes[0].address()];
    let moving = Subscriber::returning(&both, "from-0").await;
    stage.listen(0, false, moving);
    stage.flows().await;
    let mut staying = member(&nodes[0], "stays").await;
    let _gone = member(&nodes[1], "goes").await;
    receives(&mut staying, "member_added").await;
    let high = peak(&nodes);
    let begin = Instant::now();
    // Dropping a node is SIGKILL.
    drop(nodes.pop());
    receives(&mut staying, "member_removed").await;
    let told = begin.elapsed();
    let path = signed_get(&nodes[0], "/channels/presence-room/users");
    let users = nodes[0].get(nodes[0].address(), &path).await;
    stage.flows().await;
    let ending = stage.end().await;
    let visits = ending.subscribers[1].visits();
    let away = visits[1].granted.saturating_duration_since(begin);
    let line = Line {
        row: (3, "a"),
        fault: "SIGKILL of one of two nodes",
        recovered: Some(told),
        peak: peak(&nodes).max(high),
        beside: format!(
            "members gone after {:.2} s; its subscriber is back on the other node after {:.2} s",
            told.as_secs_f64(),
            away.as_secs_f64()
        ),
    };
    line.show(&ending);
    ending.is_honest();
    assert_eq!(ending.local.lost, 0, "lost on the node that stays");
    assert_eq!(visits.len(), 2, "its subscriber came back");
    assert_eq!(users, r#"{"users":[{"id":"stays"}]}"#);
    assert!(told < TOLD_WITHIN + GRACE, "{told:?}");
}

fn signed_get(node: &Node, path: &str) -> String {
    let backend =
        crate::harness::Backend::new(node.address(), "123456", "reverb-key", "reverb-secret");
    let path = format!("/apps/123456{path}");
    format!("{path}?{}", backend.query("GET", &path, &[], ""))
}

/// For longer than its lease: the others take it for dead, and it comes back.
pub(crate) async fn row_03_a_node_stands_still() {
    let redis = TestRedis::start().await;
    let lease = [("RESOUND_CLUSTER_LEASE_SECONDS", "2"), ("RESOUND_CLUSTER_TIMEOUT_MS", "1000")];
    let nodes = Node::cluster(&redis.url, 2, &lease).await;
    let mut stage = Stage::between(&nodes[..1], Pace::STEADY).await;
    stage.listen(0, false, Subscriber::join(nodes[1].address(), "from-0").await);
    stage.flows().await;
    let mut staying = member(&nodes[0], "stays").await;
    let _stopped = member(&nodes[1], "stopped").await;
    receives(&mut staying, "member_added").await;
    let begin = Instant::now();
    nodes[1].signal("STOP");
    receives(&mut staying, "member_removed").await;
    let told = begin.elapsed();
    stage.publishes(20).await;
    nodes[1].signal("CONT");
    let begin = Instant::now();
    receives(&mut staying, "member_added").await;
    stage.flows().await;
    let took = begin.elapsed();
    let ending = stage.end().await;
    let line = Line {
        row: (3, "b"),
        fault: "SIGSTOP of one of two nodes until its lease of 2 s is over, then SIGCONT",
        recovered: Some(took),
        peak: peak(&nodes),
        beside: format!("members gone after {:.2} s", told.as_secs_f64()),
    };
    line.show(&ending);
    ending.is_honest();
    assert_eq!(ending.local.lost, 0, "lost on the node that goes on");
    assert!(told < TOLD_WITHIN + GRACE, "{told:?}");
}

pub(crate) async fn row_04_sigterm() {
    const DRAIN: Duration = Duration::from_secs(6);
    let redis = TestRedis::start().await;
    let pace =
        [("RESOUND_SERVER_DRAIN_SECONDS", "6"), ("RESOUND_SERVER_DRAIN_SOCKETS_PER_SECOND", "20")];
    let variables = [&PATIENT[..], &pace].concat();
    let mut nodes = Node::cluster(&redis.url, 2, &variables).await;
    let stage = Stage::between(&nodes, Pace::STEADY).await;
    let crowd = crowd(nodes[1].address(), CROWD).await;
    let high = peak(&nodes);
    let begin = Instant::now();
    let leaving = nodes.pop().expect("two nodes");
    leaving.signal("TERM");
    until("every socket to be closed", async || crowd.iter().all(|one| !one.is_open())).await;
    assert_eq!(leaving.program.exit_code().await, Some(0));
    let exit = begin.elapsed();
    let ends: Vec<_> = crowd.iter().map(|one| one.visits()[0].ended.expect("an end")).collect();
    let after = |at: Option<Instant>| at.map_or(0.0, |at| (at - begin).as_secs_f64());
    let first = after(ends.iter().map(|end| end.0).min());
    let last = after(ends.iter().map(|end| end.0).max());
    let with_code = ends.iter().filter(|end| end.1 == Some(4200)).count();
    // The publisher of the node that has gone publishes to nothing now: its stage ends without it.
    let ending = stage.end_without(1).await;
    let line = Line {
        row: (4, ""),
        fault: "SIGTERM of one of two nodes, at 20 sockets a second",
        recovered: None,
        peak: peak(&nodes).max(high),
        beside: format!(
            "{with_code} of {CROWD} closed with 4200, from {first:.2} to {last:.2} s; exit after {:.2} s",
            exit.as_secs_f64()
        ),
    };
    line.show(&ending);
    ending.is_whole();
    assert_eq!(with_code, CROWD);
    // 42 sockets, and the first steps may come late.
    assert!(last - first > 1.0, "paced: {first} to {last}");
    assert!(exit < DRAIN + Duration::from_secs(2) + GRACE, "{exit:?}");
}

/// A loop that takes all of a core that it gets. Dropping it ends it.
struct BusyLoop(Child);

impl BusyLoop {
    fn on_core_0() -> Self {
        let mut command = Command::new("taskset");
        command.args(["-c", "0", "timeout", "30", "sh", "-c", "while :; do :; done"]);
        Self(command.stdin(Stdio::null()).spawn().expect("taskset, of the package util-linux"))
    }
}

impl Drop for BusyLoop {
    fn drop(&mut self) {
        // SIGTERM, which `timeout` passes on to the loop.
        let id = self.0.id().to_string();
        let _ = Command::new("kill").arg(&id).status();
        let _ = self.0.wait();
    }
}

/// Sockets that are pinged each second have three to answer. None of them may be closed because their server had no
/// time to read the answer.
pub(crate) async fn row_15_a_node_is_starved() {
    const STARVED: Duration = Duration::from_secs(4);
    const SOCKETS: usize = 200;
    let mut command = Command::new("taskset");
    command.args(["-c", "0"]);
    let pings = [("RESOUND_APP_PING_INTERVAL", "1"), ("RESOUND_APP_PONG_TIMEOUT_SECONDS", "3")];
    let nodes = [Node::by(command, &pings).await];
    let stage = Stage::between(&nodes, Pace::STEADY).await;
    let crowd = crowd(nodes[0].address(), SOCKETS).await;
    let loops: Vec<BusyLoop> = (0..4).map(|_| BusyLoop::on_core_0()).collect();
    let begin = Instant::now();
    lasts(begin, STARVED, &stage).await;
    nodes[0].signal("STOP");
    // Longer than the second until a ping and the three until its answer is late.
    tokio::time::sleep_until((Instant::now() + Duration::from_secs(5)).into()).await;
    nodes[0].signal("CONT");
    let took = stage.flows().await;
    drop(loops);
    // Another ping, after which a socket that counts as dead would be closed.
    lasts(Instant::now(), Duration::from_secs(2), &stage).await;
    let closed = crowd.iter().filter(|one| !one.is_open()).count();
    let ending = stage.end().await;
    let line = Line {
        row: (15, ""),
        fault: "a node shares one core with 4 busy loops for 9 s, stands still for 5 of them",
        recovered: Some(took),
        peak: peak(&nodes),
        beside: format!(
            "{closed} of {SOCKETS} closed; p99 {:.0} ms",
            ending.local.p99().as_secs_f64() * 1e3
        ),
    };
    line.show(&ending);
    ending.is_whole();
    assert_eq!(closed, 0, "closed though they answered: 4201 without a cause");
}

async fn lasts(since: Instant, time: Duration, stage: &Stage) {
    stage.publishes(5).await;
    tokio::time::sleep_until((since + time).into()).await;
}

/// Clients on a thread of their own: what they take of the processor delays no publisher and no subscriber of a stage.
struct Crowd {
    members: Vec<Subscriber>,
    _thread: DropGuard,
}

impl Crowd {
    /// Joins at the first address, and comes back at the next.
    async fn join(addresses: [SocketAddr; 2], count: usize) -> Self {
        // What comes back after a kill is not slowed down.
        const AT_ONCE: usize = 100;
        let (joined, members) = oneshot::channel();
        let over = CancellationToken::new();
        let ended = over.clone();
        thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let mut members = Vec::new();
                while members.len() < count {
                    let some = (0..AT_ONCE).map(|_| Subscriber::returning(&addresses, "crowd"));
                    members.extend(join_all(some).await);
                }
                let _ = joined.send(members);
                ended.cancelled().await;
            });
        });
        let members = members.await.expect("a crowd that has joined");
        Self { members, _thread: over.drop_guard() }
    }

    /// Waits until so many of a hundred were subscribed twice.
    async fn is_back(&self, share: usize) {
        until("the crowd to come back", async || {
            let back = self.members.iter().filter(|one| one.times() >= 2).count();
            back * 100 >= self.members.len() * share
        })
        .await;
    }
}

pub(crate) async fn row_17_a_crowd_comes_back_after_a_kill() {
    const CLIENTS: usize = 2000;
    rlimit::increase_nofile_limit(16_384).expect("the right to raise a soft limit");
    let redis = TestRedis::start().await;
    let mut nodes = Node::cluster(&redis.url, 2, &PATIENT).await;
    let stage = Stage::between(&nodes[..1], Pace::STEADY).await;
    let both = [nodes[1].address(), nodes[0].address()];
    let crowd = Crowd::join(both, CLIENTS).await;
    let high = peak(&nodes);
    let before = requests_and_commands(&redis).await;
    let published = stage.accepted();
    let begin = Instant::now();
    drop(nodes.pop());
    crowd.is_back(99).await;
    let most = begin.elapsed();
    crowd.is_back(100).await;
    let all = begin.elapsed();
    let closed_again = crowd.members.iter().filter(|one| one.times() > 2 || !one.is_open()).count();
    // Each publish is one script, and one command in it.
    let published = stage.accepted() - published;
    let after = requests_and_commands(&redis).await;
    let requests = (after.0 - before.0).saturating_sub(published) as f64 / CLIENTS as f64;
    let commands = (after.1 - before.1).saturating_sub(2 * published) as f64 / CLIENTS as f64;
    let ending = stage.end().await;
    let line = Line {
        row: (17, ""),
        fault: "SIGKILL of a node with 2 000 clients, which come back to the other one",
        recovered: Some(all),
        peak: peak(&nodes).max(high),
        beside: format!(
            "99 % back after {:.2} s; {requests:.2} requests to Redis for each, {commands:.2} commands in them",
            most.as_secs_f64()
        ),
    };
    line.show(&ending);
    ending.is_whole();
    assert_eq!(closed_again, 0, "clients that were closed again");
    assert!(most < Duration::from_secs(30) + GRACE, "{most:?}");
    // One states all joins of a channel that wait; how many do depends on how fast they come.
    assert!(requests <= 1.0, "{requests} requests to Redis for each client");
}

/// Scripts that Redis was asked to run so far, and commands that it executed, those of scripts among them.
async fn requests_and_commands(redis: &TestRedis) -> (usize, usize) {
    let info: String = redis.ask(&["INFO", "everything"]).await;
    let number = |begin: &str| {
        let line = info.lines().find_map(|line| line.strip_prefix(begin)).unwrap_or("0");
        line.split(',')
            .next()
            .and_then(|count| count.trim().parse::<usize>().ok())
            .expect("a number")
    };
    let scripts = number("cmdstat_evalsha:calls=") + number("cmdstat_eval:calls=");
    (scripts, number("total_commands_processed:"))
}
