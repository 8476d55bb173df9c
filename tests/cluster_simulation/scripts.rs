//! The simulated directory is like the real one: the same requests are given to both, and both answer the
//! same.
//!
//! Left out of the comparison is what hangs on the clock: where a series of numbers begins, and how
//! long something is still kept. What only time brings about is waited for in one test of its own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use resound::cluster::redis::RedisClient;
use resound::cluster::{NodeId, Reply, Request, TopicMessage};
use resound::config::{RedisAddress, RedisConfig};
use resound::redis_connection::LinkError;

use crate::directory::Directory;
use crate::harness::redis::is_left_out;
use crate::harness::{TestRedis, eventually};
use crate::random::Random;
use crate::simulation::number_of_environment;

mod likeness;
mod proof;
mod requests;
mod waiting;

use likeness::{Numbers, like_messages, like_reply};
use requests::{Draw, rules, settings};

/// Sequences of requests, each on keys of its own.
const SEQUENCES: u64 = 120;
const REQUESTS: usize = 80;
pub(crate) const NODES: u64 = 3;

/// Topics and payloads.
type Ear = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

/// All holds of the directory are longer. Of a sequence that took longer, what is held may end between the two clocks.
const AT_ONCE: Duration = Duration::from_secs(2);

/// How often a sequence is played at most until it takes no longer than that.
const ATTEMPTS: usize = 20;

/// How long one answer may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Both of them, and the nodes' connections to the real one.
pub(crate) struct Both {
    clients: Vec<RedisClient>,
    /// What each has received since the last time.
    ears: Vec<Ear>,
    pub(crate) directory: Directory,
    /// What each node has subscribed to, in the simulation.
    topics: Vec<Vec<String>>,
    numbers: Numbers,
}

impl Both {
    pub(crate) async fn new(redis: &TestRedis, prefix: &str, streams: bool) -> Self {
        let (host, tls) = ("127.0.0.1".to_owned(), false);
        let address = RedisAddress::Tcp { host, port: redis.port, tls };
        let config = RedisConfig {
            address,
            place: None,
            username: None,
            password: None,
            sentinel_username: None,
            sentinel_password: None,
            database: 0,
            ca: None,
            node_addresses: Default::default(),
        };
        let (mut clients, mut ears) = (Vec::new(), Vec::new());
        for node in 1..=NODES {
            let identity = (NodeId(node), settings(prefix, streams));
            let ear = Ear::default();
            let received = ear.clone();
            let hear = move |topic: &str, payload: &[u8]| {
                received.lock().push((topic.to_owned(), payload.to_vec()));
            };
            let apps = vec!["1".to_owned()];
            let client = RedisClient::connect(&config, identity, apps, TIMEOUT, hear).await;
            clients.push(client.unwrap());
            ears.push(ear);
        }
        Self {
            clients,
            ears,
            directory: Directory::new(rules(prefix, streams)),
            topics: vec![Vec::new(); NODES as usize],
            numbers: Numbers::default(),
        }
    }

    /// Gives a request of a node to both, `later` milliseconds from now in the simulation. `Err`
    /// names what differs.
    pub(crate) async fn compare(
        &mut self,
        node: u64,
        request: &Request,
        later: u64,
    ) -> Result<(), String> {
        let (for_simulated, for_real) = self.numbers.of_both(request);
        let done = self.directory.carry_out(node, &for_simulated, clock() + later * 1000);
        let replies = self.clients[node as usize - 1].send_batch(&[for_real]).await;
        let reply = replies.map_err(|broken| format!("{request:?}: {broken}"))?.remove(0);
        self.note_topics(node, request);
        self.numbers.learn_reply(request, &reply, &done.reply);
        for (at, received) in self.received(node).await.into_iter().enumerate() {
            let receives = |topic: &str| self.topics[at].iter().any(|one| one == topic);
            let simulated = done.published.iter().filter(|(topic, _)| receives(topic));
            let simulated: Vec<_> =
                simulated.map(|(topic, text)| (topic.to_string(), text.clone())).collect();
            for ((_, real), (_, like)) in received.iter().zip(&simulated) {
                self.numbers.learn_messages(request, real, like);
            }
            let real = like_messages(&received, |real| self.numbers.simulated(request, real));
            same(request, node, (&real, &like_messages(&simulated, |number| number)))?;
        }
        let real = like_reply(reply, |real| self.numbers.simulated(request, real));
        same(request, node, (&real, &like_reply(done.reply, |number| number)))
    }

    /// The first requests of nodes on each link.
    pub(crate) async fn begin(
        &mut self,
        draw: &Draw,
        nodes: impl IntoIterator<Item = u64>,
    ) -> Result<(), String> {
        for node in nodes {
            for request in draw.beginning(node) {
                self.compare(node, &request, 0).await?;
            }
        }
        Ok(())
    }

    /// Asks the real one alone.
    pub(crate) async fn ask(&mut self, node: u64, request: &Request) -> Result<Reply, LinkError> {
        let asked = std::slice::from_ref(request);
        Ok(self.clients[node as usize - 1].send_batch(asked).await?.remove(0))
    }

    fn note_topics(&mut self, node: u64, request: &Request) {
        let topics = &mut self.topics[node as usize - 1];
        match request {
            Request::Subscribe(topic) => topics.push(topic.to_string()),
            Request::Unsubscribe(topic) => topics.retain(|other| **other != **topic),
            _ => {}
        }
        topics.sort();
        topics.dedup();
    }

    /// What each node has received. Behind the answer to one more request is all there will be.
    async fn received(&mut self, first: u64) -> Vec<Vec<(String, Vec<u8>)>> {
        let mut received = Vec::new();
        // The node that sent the request must have its answer before the others are looked at.
        self.clients[first as usize - 1].send_batch(&[Request::ListChannels]).await.unwrap();
        for (client, ear) in self.clients.iter_mut().zip(&self.ears) {
            client.send_batch(&[Request::ListChannels]).await.unwrap();
            received.push(std::mem::take(&mut *ear.lock()));
        }
        received
    }
}

fn same<T: PartialEq + std::fmt::Debug>(
    request: &Request,
    node: u64,
    (real, simulated): (&T, &T),
) -> Result<(), String> {
    if real == simulated {
        return Ok(());
    }
    Err(format!(
        "{request:?} of node {node}\n  Redis says\n{real:#?}\n  and should say\n{simulated:#?}"
    ))
}

/// Microseconds since 1970: Redis on the same machine has the same clock.
pub(crate) fn clock() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.unwrap().as_micros() as u64
}

async fn play(redis: &TestRedis, seed: u64, attempt: usize) -> Result<(), String> {
    let mut random = Random::new(seed);
    let (prefix, streams) = (format!("s{seed}a{attempt}"), random.percent(50));
    let mut both = Both::new(redis, &prefix, streams).await;
    let mut draw = Draw::new(prefix);
    both.begin(&draw, 1..=NODES).await?;
    for number in 0..REQUESTS {
        let node = random.between((1, NODES));
        let request = draw.request(&mut random, node);
        let compared = both.compare(node, &request, 0).await;
        compared.map_err(|why| format!("SCRIPTS_SEED={seed}, request {number}: {why}"))?;
    }
    Ok(())
}

#[tokio::test]
async fn random_requests_are_answered_alike() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::start().await;
    let seeds = match number_of_environment("SCRIPTS_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..SEQUENCES,
    };
    for seed in seeds {
        for attempt in 1..=ATTEMPTS {
            let begin = Instant::now();
            let Err(why) = play(&redis, seed, attempt).await else { break };
            let is_late = begin.elapsed() > AT_ONCE && attempt < ATTEMPTS;
            assert!(is_late, "after {:?}, attempt {attempt}: {why}", begin.elapsed());
        }
    }
}

/// What the encoders of the test write is what the nodes read.
#[tokio::test]
async fn replies_of_the_real_directory_can_be_read() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::start().await;
    let mut both = Both::new(&redis, "read", false).await;
    let mut draw = Draw::new("read".to_owned());
    let mut random = Random::new(1);
    both.begin(&draw, [1]).await.unwrap();
    let state = std::iter::repeat_with(|| draw.request(&mut random, 1))
        .find(|request| matches!(request, Request::State(_)))
        .unwrap();
    both.clients[0].send_batch(&[state]).await.unwrap();
    let mut received = Vec::new();
    eventually("the outcome", async || {
        both.clients[0].send_batch(&[Request::ListChannels]).await.unwrap();
        received.append(&mut both.ears[0].lock());
        !received.is_empty()
    })
    .await;
    let read = |(_, payload): &(String, Vec<u8>)| TopicMessage::read(payload).is_some();
    assert!(received.iter().all(read), "{received:?}");
}
