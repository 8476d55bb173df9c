//! What a row injects its fault into: a publisher at each node, and at each node a subscriber of each publisher.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::account::{Published, Tally, answer_times, judge};
use crate::node::Node;
use crate::publisher::{Pace, Publisher, Stopped};
use crate::subscriber::Subscriber;

/// Longer than anything takes on two cores that also compile and run other suites.
const DEADLINE: Duration = Duration::from_secs(180);

/// Between two looks: a row that waits leaves the processor to the others.
const LOOK: Duration = Duration::from_millis(10);

/// Publishers and subscribers at work.
#[derive(Default)]
pub(crate) struct Stage {
    publishers: Vec<Publisher>,
    /// Each with the publisher that it listens to, and whether its node is that of the publisher.
    subscribers: Vec<(usize, bool, Subscriber)>,
}

/// The p99 of events that a fault must not delay. On an idle machine it is a few milliseconds; at a load of 25 on two cores the
/// scheduler alone took 2.8 s.
pub(crate) const PROMPT: Duration = Duration::from_secs(6);

/// What became of all events of a stage.
pub(crate) struct Ending {
    /// At subscribers of the publisher's own node, and of others.
    pub(crate) local: Tally,
    pub(crate) remote: Tally,
    pub(crate) published: Vec<Vec<Published>>,
    /// In the order in which they were added.
    pub(crate) subscribers: Vec<Subscriber>,
}

/// Waits until something holds; panics with `what` when it does not come to hold.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let mut looks = tokio::time::interval(LOOK);
    let all = async {
        while !holds().await {
            looks.tick().await;
        }
    };
    let ended = tokio::time::timeout(DEADLINE, all).await;
    assert!(ended.is_ok(), "waited {DEADLINE:?} in vain for {what}");
}

impl Stage {
    /// A publisher at each node and a subscriber of each at every node, all of which receive events.
    pub(crate) async fn between(nodes: &[Node], pace: Pace) -> Self {
        let addresses: Vec<SocketAddr> = nodes.iter().map(Node::address).collect();
        let stage = Self::at(&addresses, pace).await;
        stage.flows().await;
        stage
    }

    /// The same where events need not flow yet.
    pub(crate) async fn at(addresses: &[SocketAddr], pace: Pace) -> Self {
        let mut stage = Self::default();
        for (index, address) in addresses.iter().enumerate() {
            let channel = format!("from-{index}");
            for (at, listener) in addresses.iter().enumerate() {
                let subscriber = Subscriber::join(*listener, &channel).await;
                stage.subscribers.push((index, at == index, subscriber));
            }
            stage.publishers.push(Publisher::start(&[*address], &channel, pace));
        }
        stage
    }

    /// A publisher at some addresses in turn, without a subscriber yet; its number.
    pub(crate) fn publish(&mut self, publisher: Publisher) -> usize {
        self.publishers.push(publisher);
        self.publishers.len() - 1
    }

    /// One more subscriber of a publisher.
    pub(crate) fn listen(&mut self, to: usize, is_local: bool, subscriber: Subscriber) {
        self.subscribers.push((to, is_local, subscriber));
    }

    /// Waits until every subscriber that is connected received an event that was published after this moment; how long
    /// that took.
    pub(crate) async fn flows(&self) -> Duration {
        let begin = Instant::now();
        let sent = |publisher: &Publisher| publisher.record().last().map_or(0, |one| one.number);
        let marks: Vec<u64> = self.publishers.iter().map(sent).collect();
        until("events to flow", async || {
            self.subscribers.iter().all(|(to, _, subscriber)| {
                !subscriber.is_open() || subscriber.first_arrival(marks[*to]).is_some()
            })
        })
        .await;
        let arrivals = self.subscribers.iter().filter(|(_, _, subscriber)| subscriber.is_open());
        let arrivals =
            arrivals.filter_map(|(to, _, subscriber)| subscriber.first_arrival(marks[*to]));
        arrivals.max().map_or(Duration::ZERO, |last| last.saturating_duration_since(begin))
    }

    /// How many publishes of all publishers were accepted so far.
    pub(crate) fn accepted(&self) -> usize {
        self.publishers.iter().map(Publisher::accepted).sum()
    }

    /// Waits for so many more accepted publishes: a fault that no event meets is no fault.
    pub(crate) async fn publishes(&self, more: usize) {
        let wanted = self.accepted() + more;
        until("publishes", async || self.accepted() >= wanted).await;
    }

    pub(crate) fn subscribers(&self) -> impl Iterator<Item = &Subscriber> {
        self.subscribers.iter().map(|(_, _, subscriber)| subscriber)
    }

    /// Stops the publishers, waits until what is under way has arrived, and judges.
    pub(crate) async fn end(self) -> Ending {
        self.end_without(usize::MAX).await
    }

    /// The same where the node of one publisher is gone: what that one had answered is waited for, and no more.
    pub(crate) async fn end_without(self, gone: usize) -> Ending {
        let (mut local, mut remote) = (Tally::default(), Tally::default());
        let mut published = Vec::new();
        for (index, publisher) in self.publishers.into_iter().enumerate() {
            let own = || self.subscribers.iter().filter(|(to, _, _)| *to == index);
            let mut stopped = publisher.stop().await;
            let subscribers = own().map(|(_, _, subscriber)| subscriber);
            let horizon = match index == gone {
                false => flush(&mut stopped, subscribers).await,
                true => last_accepted(&stopped, subscribers).await,
            };
            let record = stopped.record();
            let (mut here, mut there) = (Tally::default(), Tally::default());
            for (_, is_local, subscriber) in own() {
                assert_eq!(subscriber.channel, stopped.channel());
                for visit in subscriber.visits() {
                    let tally = judge(&record, &visit, horizon);
                    if *is_local { here.add(tally) } else { there.add(tally) }
                }
            }
            let sum = |one: &Tally, other: &Tally| one.published + other.published;
            let sums = (sum(&local, &here), sum(&remote, &there));
            local.add(here);
            remote.add(there);
            (local.published, remote.published) = sums;
            published.push(record);
        }
        let subscribers = self.subscribers.into_iter().map(|(_, _, subscriber)| subscriber);
        Ending { local, remote, published, subscribers: subscribers.collect() }
    }
}

/// Publishes until every subscriber that is there received one of the last events; the number of it. The first of them
/// may be lost itself, or refused.
async fn flush<'a>(
    stopped: &mut Stopped,
    subscribers: impl Iterator<Item = &'a Subscriber> + Clone,
) -> u64 {
    let begin = Instant::now();
    while begin.elapsed() < DEADLINE {
        let Some(number) = stopped.publish().await else { continue };
        let arrived = until_reached(number, subscribers.clone());
        if tokio::time::timeout(Duration::from_secs(2), arrived).await.is_ok() {
            return number;
        }
    }
    panic!("the last events of {} did not arrive in {DEADLINE:?}", stopped.channel());
}

/// Waits until the last event that was accepted has arrived; its number.
async fn last_accepted<'a>(
    stopped: &Stopped,
    subscribers: impl Iterator<Item = &'a Subscriber> + Clone,
) -> u64 {
    let record = stopped.record();
    let last = record.iter().filter(|one| one.accepted).map(|one| one.number).max().unwrap_or(0);
    let arrived = until_reached(last, subscribers);
    // What does not arrive is lost, and counted as that.
    let _ = tokio::time::timeout(Duration::from_secs(10), arrived).await;
    last
}

async fn until_reached<'a>(number: u64, subscribers: impl Iterator<Item = &'a Subscriber> + Clone) {
    let mut looks = tokio::time::interval(LOOK);
    while !subscribers.clone().all(|subscriber| subscriber.has_reached(number)) {
        looks.tick().await;
    }
}

impl Ending {
    /// Both together.
    pub(crate) fn all(&self) -> Tally {
        let published = self.local.published.max(self.remote.published);
        let mut all = self.local.clone();
        all.add(self.remote.clone());
        Tally { published, ..all }
    }

    /// The time within which 99 of 100 publishes were answered.
    pub(crate) fn answers_p99(&self) -> Duration {
        crate::account::p99(self.published.iter().flat_map(|one| answer_times(one)).collect())
    }

    /// How many publishes got no answer, or another one than 200.
    pub(crate) fn refused(&self) -> usize {
        self.published.iter().flatten().filter(|one| !one.accepted).count()
    }

    /// What holds in every row: no event twice, none out of order, and no loss that is not announced.
    pub(crate) fn is_honest(&self) {
        let all = self.all();
        assert_eq!((all.duplicated, all.reordered), (0, 0), "twice, out of order");
        assert_eq!(all.silent, 0, "lost without a gap event");
    }

    /// What holds where nothing may be lost.
    pub(crate) fn is_whole(&self) {
        self.is_honest();
        assert_eq!((self.local.lost, self.remote.lost), (0, 0), "lost");
    }
}
