//! The Pusher protocol of this server, as transcripts of the messages both sides send.
//!
//! Every file under `transcripts/` is played four times: on the rules alone ([`pure`], simulated time), against a whole
//! server, and against three nodes that share a Redis or a Redis Cluster ([`port`]); some with several partitions too.
//! `CONFORMANCE_TARGET=127.0.0.1:8080` plays them against any other server as well and prints where
//! it differs. The language is described in [`transcript`]; README.md names the decision that each file
//! stands for.

#![allow(clippy::unwrap_used, reason = "all of this crate is a test, the functions around it too")]

#[path = "../harness/mod.rs"]
mod harness;

mod credentials;
mod fill;
mod headers;
mod line;
mod play;
mod port;
mod pure;
mod reference;
mod client_messages;
mod table;
mod transcript;

use std::net::ToSocketAddrs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use harness::{TestRedis, TestRedisCluster};
use play::{Failure, play};
use port::Port;
use pure::Pure;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use transcript::{Mode, Transcript};

/// Servers that run at once; each holds a few descriptors, of which a process may have 1024.
const SERVERS: usize = 16;

/// Clusters that run at once: three servers each.
const CLUSTERS: usize = 6;

/// Those about the order of events on different channels, which may be in different partitions.
const ACROSS_CHANNELS: [&str; 4] = [
    "events/an_event_to_many_channels_comes_once_per_channel.txt",
    "events/order_is_kept.txt",
    "http_batch/events_are_delivered_in_order.txt",
    "subscribe/a_storm_is_answered_once_each_in_order.txt",
];

/// Where this suite's files are.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance")
}

/// Every transcript, by name.
fn transcripts() -> Vec<Transcript> {
    let mut all = Vec::new();
    for topic in entries(&folder().join("transcripts")) {
        for file in entries(&topic) {
            let name = file.strip_prefix(folder().join("transcripts")).unwrap();
            let text = std::fs::read_to_string(&file).unwrap();
            let parsed = Transcript::parse(&name.display().to_string(), &text);
            all.push(parsed.unwrap_or_else(|error| panic!("{error}")));
        }
    }
    assert!(!all.is_empty(), "there are no transcripts");
    all
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let listed = std::fs::read_dir(folder).unwrap_or_else(|_| panic!("no folder {folder:?}"));
    let mut paths: Vec<PathBuf> = listed.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// Panics with all differences at once: one change of behaviour is best seen whole.
fn report(played: usize, failures: &[Failure]) {
    let mut all: Vec<String> = failures.iter().map(ToString::to_string).collect();
    all.sort();
    assert!(all.is_empty(), "{} of {played} transcripts differ\n\n{}", all.len(), all.join("\n"));
}

#[tokio::test]
async fn the_rules_follow_every_transcript() {
    let all: Vec<Transcript> =
        transcripts().into_iter().filter(|transcript| transcript.plays(Mode::Pure)).collect();
    let mut failures = Vec::new();
    for transcript in &all {
        failures.extend(play(&mut Pure::new(transcript), transcript).await.err());
    }
    report(all.len(), &failures);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_follows_every_transcript() {
    play_all(Mode::Port, SERVERS, None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_nodes_follow_every_transcript() {
    if harness::redis::is_left_out() {
        return;
    }
    let redis = TestRedis::start().await;
    play_all(Mode::Cluster, CLUSTERS, Some(Nodes::on(&redis.url))).await;
}

/// All with one partition. With three, what differs is where a channel is, so every fourth one is enough;
/// `CONFORMANCE_EVERY=1` plays all, `CONFORMANCE_PARTITIONS=5` with another number.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_nodes_on_a_redis_cluster_follow_transcripts() {
    if harness::redis::is_left_out() {
        return;
    }
    let redis = TestRedisCluster::start().await;
    #[allow(clippy::disallowed_methods, reason = "no configuration: it selects what is tested")]
    let number = |name: &str, default: usize| {
        std::env::var(name).map_or(default, |number| number.parse().unwrap())
    };
    let one = Nodes::on(&redis.url());
    let several = Nodes {
        partitions: number("CONFORMANCE_PARTITIONS", 3),
        every: number("CONFORMANCE_EVERY", 4),
        ..one.clone()
    };
    play_all(Mode::Cluster, CLUSTERS, Some(one)).await;
    play_all(Mode::Cluster, CLUSTERS, Some(several)).await;
}

/// The nodes that transcripts are played on.
#[derive(Clone)]
struct Nodes {
    redis: String,
    partitions: usize,
    /// Of all transcripts every first, second or further one.
    every: usize,
}

impl Nodes {
    /// For all transcripts, with one partition.
    fn on(redis: &str) -> Self {
        Self { redis: redis.to_owned(), partitions: 1, every: 1 }
    }

    fn play(&self, transcript: &Transcript) -> bool {
        self.partitions == 1 || !ACROSS_CHANNELS.contains(&&*transcript.name)
    }
}

/// Plays so many at once, since one that differs may wait until its deadline; with a Redis on several
/// nodes each.
async fn play_all(mode: Mode, at_once: usize, nodes: Option<Nodes>) {
    let all = transcripts().into_iter().filter(|transcript| {
        transcript.plays(mode) && nodes.as_ref().is_none_or(|nodes| nodes.play(transcript))
    });
    let every = nodes.as_ref().map_or(1, |nodes| nodes.every);
    let all: Vec<Transcript> = all.step_by(every).collect();
    let (count, permits) = (all.len(), Arc::new(Semaphore::new(at_once)));
    let mut plays = JoinSet::new();
    for transcript in all {
        let permits = permits.clone();
        let nodes = nodes.clone();
        plays.spawn(async move {
            let _permit = permits.acquire_owned().await;
            let mut subject = match &nodes {
                None => Port::of_our_own(&transcript).await,
                Some(Nodes { redis, partitions, .. }) => {
                    let keys = format!("cluster.partitions = {partitions}\n");
                    Port::of_a_cluster(&transcript, (redis, &keys)).await
                }
            };
            play(&mut subject, &transcript).await.err()
        });
    }
    let failures: Vec<Failure> = plays.join_all().await.into_iter().flatten().collect();
    report(count, &failures);
}

/// Prints where another server differs; no difference fails the test.
///
/// The server must serve the apps of [`Transcript::toml`]. Transcripts that configure more are left
/// out, since this test cannot configure it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_server_is_compared() {
    #[allow(clippy::disallowed_methods, reason = "no configuration: it names the peer of a test")]
    let Ok(target) = std::env::var("CONFORMANCE_TARGET") else { return };
    let target = target.trim_start_matches("ws://").trim_end_matches('/');
    let address = target.to_socket_addrs().ok().and_then(|mut found| found.next());
    let address = address.unwrap_or_else(|| panic!("CONFORMANCE_TARGET={target}: no host:port"));
    let as_shipped = |transcript: &Transcript| {
        transcript.plays(Mode::Port) && transcript.app.is_empty() && transcript.config.is_empty()
    };
    let all: Vec<Transcript> = transcripts().into_iter().filter(as_shipped).collect();
    let mut differ = 0;
    for transcript in &all {
        let mut server = Port::of_others(address);
        if let Err(difference) = play(&mut server, transcript).await {
            differ += 1;
            println!("{difference}");
        }
        server.disconnect_all().await;
    }
    println!("{target} differs in {differ} of {} transcripts", all.len());
}
