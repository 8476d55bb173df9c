//! Rows 5 to 10: a Redis that is late, dies, stands still, is full, is slow, fails over, or cannot be reached.
//!
//! In each of them a node serves its own sockets as if nothing were wrong, and what the other node loses is announced.

use std::time::{Duration, Instant};

use crate::harness::redis_access::Watched;
use crate::harness::{TestRedis, TestRedisCluster};
use crate::node::{Node, PATIENT, peak};
use crate::publisher::{Pace, Publisher};
use crate::relay::{Passage, Relay};
use crate::sheet::Line;
use crate::stage::{Ending, Stage, until};
use crate::subscriber::Subscriber;

/// How long a Redis is away: the matrix has 3 s for a restart and 5 s for one that stands still.
const RESTART: Duration = Duration::from_secs(3);
const STOPPED: Duration = Duration::from_secs(5);

/// The matrix allows 2 or 3 s on a machine of its own; here others compile.
const BACK_WITHIN: Duration = Duration::from_secs(20);

/// What a subscriber may wait on its own node: the matrix allows 50 ms beside an idle machine, and an event that waits
/// for its Redis is delivered after `cluster.local_delivery_after_ms`, 250 ms.
const SILENT_AT_MOST: Duration = Duration::from_secs(4);

/// A lease that outlasts the fault: members are the matter of other rows.
const LEASE: [(&str, &str); 1] = [("RESOUND_CLUSTER_LEASE_SECONDS", "30")];

/// Waits until nodes have noticed that their Redis is away; a fault that is not noticed makes the row void.
async fn noticed(nodes: &[Node]) -> Duration {
    let begin = Instant::now();
    for node in nodes {
        until("a node to notice that its Redis is away", async || !node.is_linked().await).await;
    }
    begin.elapsed()
}

/// Waits until they have it again, and until events of each reach the other.
async fn recovered(nodes: &[Node], stage: &Stage) -> Duration {
    let begin = Instant::now();
    for node in nodes {
        node.sees(nodes.len()).await;
    }
    stage.flows().await;
    begin.elapsed()
}

/// The length of the fault: events are published meanwhile, which is what the row is about.
async fn lasts(since: Instant, time: Duration, stage: &Stage) {
    stage.publishes(20).await;
    tokio::time::sleep_until((since + time).into()).await;
}

/// What holds in all of them.
fn serves_its_own(ending: &Ending, recovered: Duration) {
    ending.is_honest();
    assert_eq!(ending.local.lost, 0, "lost on the node of the publisher");
    assert_eq!(ending.refused(), 0, "publishes that were not answered 200");
    assert!(ending.local.silence < SILENT_AT_MOST, "silent for {:?}", ending.local.silence);
    assert!(recovered < BACK_WITHIN, "{recovered:?}");
}

/// Redis has the numbers of all events, so gap events count what was lost, and no event more.
fn has_numbers(ending: &Ending) {
    let all = ending.all();
    assert_eq!((all.announced, all.uncounted), (all.lost, 0), "announced, uncounted");
}

/// Redis has no number from before: what was lost cannot be counted, and each subscriber of the other node receives a gap
/// event that says so.
fn has_no_number(ending: &Ending) {
    let all = ending.all();
    assert!(all.announced == 0 && all.uncounted > 0, "{} counted", all.announced);
}

fn local(ending: &Ending) -> String {
    format!(
        "own node: lost {}, p99 {:.0} ms, silence {:.2} s; answers p99 {:.0} ms",
        ending.local.lost,
        ending.local.p99().as_secs_f64() * 1e3,
        ending.local.silence.as_secs_f64(),
        ending.answers_p99().as_secs_f64() * 1e3
    )
}

pub(crate) async fn row_05_redis_is_down_at_the_start() {
    let mut redis = TestRedis::start().await;
    redis.kill();
    let mut nodes = Vec::new();
    for _ in 0..2 {
        nodes.push(Node::member(&redis.url, &LEASE).await);
    }
    for node in &nodes {
        let ready = node.ready().await;
        assert!(ready.contains(r#""ready":true,"cluster":"degraded""#), "{ready}");
    }
    let addresses = [nodes[0].address(), nodes[1].address()];
    let stage = Stage::at(&addresses, Pace::STEADY).await;
    stage.publishes(40).await;
    redis.restart().await;
    let took = recovered(&nodes, &stage).await;
    let ending = stage.end().await;
    let line = Line {
        row: (5, ""),
        fault: "Redis is down at the start of two nodes: no event before has a number",
        recovered: Some(took),
        peak: peak(&nodes),
        beside: local(&ending),
    };
    line.show(&ending);
    serves_its_own(&ending, took);
    has_no_number(&ending);
}

/// Kills a Redis and starts it again after [`RESTART`].
async fn restarts(redis: &mut TestRedis) -> (Vec<Node>, Ending, Duration) {
    let nodes = Node::cluster(&redis.url, 2, &LEASE).await;
    let stage = Stage::between(&nodes, Pace::STEADY).await;
    let since = Instant::now();
    redis.kill();
    noticed(&nodes).await;
    lasts(since, RESTART, &stage).await;
    redis.restart().await;
    let took = recovered(&nodes, &stage).await;
    (nodes, stage.end().await, took)
}

pub(crate) async fn row_06_redis_is_killed_and_comes_back_empty() {
    let (nodes, ending, took) = restarts(&mut TestRedis::start().await).await;
    let line = Line {
        row: (6, "a"),
        fault: "Redis is killed, and back and empty after 3 s: the numbers of events are gone with it",
        recovered: Some(took),
        peak: peak(&nodes),
        beside: local(&ending),
    };
    line.show(&ending);
    serves_its_own(&ending, took);
    has_no_number(&ending);
}

pub(crate) async fn row_06_redis_is_killed_and_comes_back_with_its_data() {
    let (nodes, ending, took) = restarts(&mut TestRedis::persistent().await).await;
    let line = Line {
        row: (6, "b"),
        fault: "Redis is killed, and back with its data after 3 s",
        recovered: Some(took),
        peak: peak(&nodes),
        beside: local(&ending),
    };
    line.show(&ending);
    serves_its_own(&ending, took);
    has_numbers(&ending);
}

pub(crate) async fn row_06_redis_is_full() {
    let redis = TestRedis::with(&["--maxmemory-policy", "noeviction"]).await;
    let nodes = Node::cluster(&redis.url, 2, &LEASE).await;
    let stage = Stage::between(&nodes, Pace::STEADY).await;
    let since = Instant::now();
    let _: String = redis.ask(&["CONFIG", "SET", "maxmemory", "1"]).await;
    noticed(&nodes).await;
    lasts(since, RESTART, &stage).await;
    let refused: redis::RedisResult<String> = redis.try_ask(&["SET", "key", "value"]).await;
    let refusal = refused.expect_err("a Redis that is full").to_string();
    assert!(refusal.contains("OOM"), "{refusal}");
    let _: String = redis.ask(&["CONFIG", "SET", "maxmemory", "0"]).await;
    let took = recovered(&nodes, &stage).await;
    let ending = stage.end().await;
    let line = Line {
        row: (6, "c"),
        fault: "Redis is full (maxmemory, noeviction) for 3 s",
        recovered: Some(took),
        peak: peak(&nodes),
        beside: local(&ending),
    };
    line.show(&ending);
    serves_its_own(&ending, took);
}

pub(crate) async fn row_07_redis_stands_still() {
    let redis = TestRedis::start().await;
    let nodes = Node::cluster(&redis.url, 2, &LEASE).await;
    let stage = Stage::between(&nodes, Pace::STEADY).await;
    let since = Instant::now();
    redis.stop();
    let seconds = noticed(&nodes).await;
    lasts(since, STOPPED, &stage).await;
    redis.go_on();
    let took = recovered(&nodes, &stage).await;
    let ending = stage.end().await;
    let line = Line {
        row: (7, ""),
        fault: "Redis stands still (SIGSTOP) for 5 s",
        recovered: Some(took),
        peak: peak(&nodes),
        beside: format!("noticed after {:.2} s; {}", seconds.as_secs_f64(), local(&ending)),
    };
    line.show(&ending);
    serves_its_own(&ending, took);
    let answers = ending.answers_p99();
    assert!(answers < SILENT_AT_MOST, "publishes are answered within {answers:?}");
}

pub(crate) async fn row_07_redis_is_slow() {
    let redis = TestRedis::start().await;
    let relay = Relay::before(redis.port).await;
    let nodes = Node::cluster(&relay.url(), 2, &PATIENT).await;
    let stage = Stage::between(&nodes, Pace::STEADY).await;
    relay.set(Passage::Delayed(Duration::from_millis(150)));
    stage.publishes(20).await;
    relay.set(Passage::Open);
    let took = stage.flows().await;
    let ending = stage.end().await;
    let line = Line {
        row: (7, "b"),
        fault: "Redis is slow: each octet is 150 ms late, in both directions",
        recovered: Some(took),
        peak: peak(&nodes),
        beside: local(&ending),
    };
    line.show(&ending);
    ending.is_whole();
    let slowest = ending.published.iter().flat_map(|one| crate::account::answer_times(one)).max();
    assert!(slowest >= Some(Duration::from_millis(250)), "nothing was late: {slowest:?}");
}

pub(crate) async fn row_08_sentinel_fails_over() {
    let mut redis = Watched::start().await;
    let nodes = Node::cluster(&redis.url, 2, &LEASE).await;
    let stage = Stage::between(&nodes, Pace::STEADY).await;
    redis.fail_over().await;
    let took = recovered(&nodes, &stage).await;
    let lost = nodes[0].metric("resound_cluster_links_lost_total").await;
    let ending = stage.end().await;
    let keys: i64 = redis.replica.ask(&["DBSIZE"]).await;
    let line = Line {
        row: (8, "a"),
        fault: "the primary is killed, and Sentinel makes the replica the primary",
        recovered: Some(took),
        peak: peak(&nodes),
        beside: local(&ending),
    };
    line.show(&ending);
    serves_its_own(&ending, took);
    assert!(keys > 0 && lost >= 1.0, "the replica is what is used now");
}

/// To another master of a Redis Cluster, with all keys of the nodes.
pub(crate) async fn row_08_a_slot_moves() {
    let redis = TestRedisCluster::start().await;
    let nodes = Node::cluster(&redis.url(), 2, &LEASE).await;
    let stage = Stage::between(&nodes, Pace::STEADY).await;
    let owner = redis.owner("resound").await;
    let slot: u16 = redis.nodes[0].ask(&["CLUSTER", "KEYSLOT", "resound:{0}"]).await;
    let to = (owner + 1) % 3;
    let begin = Instant::now();
    redis.move_slots(slot..slot + 1, owner, to).await;
    let moving = begin.elapsed();
    for node in &nodes {
        until("a lost link", async || node.metric("resound_cluster_links_lost_total").await >= 1.0)
            .await;
    }
    let took = recovered(&nodes, &stage).await;
    let ending = stage.end().await;
    let line = Line {
        row: (8, "b"),
        fault: "the slot of the nodes moves to another master of a Redis Cluster",
        recovered: Some(took),
        peak: peak(&nodes),
        beside: format!("moved within {:.2} s; {}", moving.as_secs_f64(), local(&ending)),
    };
    line.show(&ending);
    serves_its_own(&ending, took);
    has_numbers(&ending);
    assert_eq!(redis.owner("resound").await, to, "where the keys are now");
}

pub(crate) async fn row_09_a_node_is_cut_off_from_redis() {
    let redis = TestRedis::start().await;
    let relay = Relay::before(redis.port).await;
    let near = Node::member(&redis.url, &LEASE).await;
    let far = Node::member(&relay.url(), &LEASE).await;
    let nodes = [near, far];
    for node in &nodes {
        node.sees(2).await;
    }
    let stage = Stage::between(&nodes, Pace::STEADY).await;
    let since = Instant::now();
    relay.set(Passage::Held);
    let seconds = noticed(&nodes[1..]).await;
    lasts(since, STOPPED, &stage).await;
    relay.set(Passage::Open);
    let took = recovered(&nodes, &stage).await;
    let ending = stage.end().await;
    let line = Line {
        row: (9, ""),
        fault: "the octets between one node and Redis are held for 5 s",
        recovered: Some(took),
        peak: peak(&nodes),
        beside: format!("noticed after {:.2} s; {}", seconds.as_secs_f64(), local(&ending)),
    };
    line.show(&ending);
    serves_its_own(&ending, took);
    assert!(ending.remote.lost > 0, "pub/sub keeps nothing for a node that is away: a void run");
}

pub(crate) async fn row_10_redis_kills_the_links() {
    let redis = TestRedis::start().await;
    let nodes = Node::cluster(&redis.url, 2, &LEASE).await;
    let stage = Stage::between(&nodes, Pace::STEADY).await;
    let killed: i64 = redis.ask(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
    assert!(killed >= 2, "{killed} links");
    for node in &nodes {
        until("a lost link", async || node.metric("resound_cluster_links_lost_total").await >= 1.0)
            .await;
    }
    let took = recovered(&nodes, &stage).await;
    let ending = stage.end().await;
    let line = Line {
        row: (10, "a"),
        fault: "CLIENT KILL of the links of both nodes",
        recovered: Some(took),
        peak: peak(&nodes),
        beside: local(&ending),
    };
    line.show(&ending);
    serves_its_own(&ending, took);
}

/// A node stands still while events of 100 KB wait for it: Redis closes its link.
pub(crate) async fn row_10_redis_cuts_a_link_whose_output_waits() {
    let limit = ["--client-output-buffer-limit", "pubsub 256kb 128kb 1"];
    let mut redis = TestRedis::with(&limit).await;
    let nodes = Node::cluster(&redis.url, 2, &PATIENT).await;
    let mut stage = Stage::default();
    let channel = "heavy";
    let heavy = Pace { every: Duration::from_millis(5), weight: 90_000 };
    let to = stage.publish(Publisher::start(&[nodes[0].address()], channel, heavy));
    for (at, node) in nodes.iter().enumerate() {
        let subscriber = Subscriber::join(node.address(), channel).await;
        stage.listen(to, at == 0, subscriber);
    }
    stage.flows().await;
    nodes[1].signal("STOP");
    redis.log_line("output buffer limits").await;
    nodes[1].signal("CONT");
    let begin = Instant::now();
    nodes[1].sees(2).await;
    stage.flows().await;
    let took = begin.elapsed();
    let ending = stage.end().await;
    let line = Line {
        row: (10, "b"),
        fault: "a node stands still until Redis cuts its link (client-output-buffer-limit)",
        recovered: Some(took),
        peak: peak(&nodes),
        beside: format!("events of 90 KB; {}", local(&ending)),
    };
    line.show(&ending);
    serves_its_own(&ending, took);
    assert!(ending.remote.lost > 0, "what waited is lost: a void run");
}
