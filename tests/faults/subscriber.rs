//! A client of one channel that records what arrives and when, answers pings, and may come back as pusher-js does.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, client_async, connect_async};

use crate::account::Visit;
use crate::harness::wire::APP;
use crate::stage::until;

/// The name of the gap event in the configuration of every node here.
pub(crate) const GAP_EVENT: &str = "resync";

/// pusher-js waits a second after most closes, and less after 4200; a tenth of it is enough to be no loop.
const PAUSE: Duration = Duration::from_millis(100);

/// A client that listens until it is dropped.
pub(crate) struct Subscriber {
    pub(crate) channel: String,
    visits: Arc<Mutex<Vec<Visit>>>,
    task: JoinHandle<()>,
}

type Stream = WebSocketStream<MaybeTlsStream<TcpStream>>;

impl Subscriber {
    /// Subscribes, and stays away when its connection ends.
    pub(crate) async fn join(address: SocketAddr, channel: &str) -> Self {
        Self::attend(vec![address], channel, 1).await
    }

    /// The same, over a connection that was made elsewhere.
    pub(crate) async fn over(stream: TcpStream, channel: &str) -> Self {
        let url = format!("ws://{}{APP}", stream.peer_addr().expect("a connection"));
        let (stream, _) =
            client_async(url, MaybeTlsStream::Plain(stream)).await.expect("an upgrade");
        let visits = Arc::new(Mutex::new(Vec::new()));
        let (name, record) = (channel.to_owned(), visits.clone());
        let task = tokio::spawn(async move { visit(stream, &name, &record).await });
        Self { channel: channel.to_owned(), visits, task }.granted().await
    }

    /// Subscribes at the first address, and comes back at the next one, in turn, whenever its connection ends.
    pub(crate) async fn returning(addresses: &[SocketAddr], channel: &str) -> Self {
        Self::attend(addresses.to_vec(), channel, usize::MAX).await
    }

    async fn attend(addresses: Vec<SocketAddr>, channel: &str, times: usize) -> Self {
        let visits = Arc::new(Mutex::new(Vec::new()));
        let (name, record) = (channel.to_owned(), visits.clone());
        let task = tokio::spawn(async move {
            let mut pauses = tokio::time::interval(PAUSE);
            pauses.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            let mut connected = 0;
            for address in addresses.iter().cycle() {
                pauses.tick().await;
                if let Ok((stream, _)) = connect_async(format!("ws://{address}{APP}")).await {
                    connected += 1;
                    visit(stream, &name, &record).await;
                }
                if connected == times {
                    return;
                }
            }
        });
        Self { channel: channel.to_owned(), visits, task }.granted().await
    }

    async fn granted(self) -> Self {
        until("a subscription to be granted", async || !self.visits.lock().is_empty()).await;
        self
    }

    pub(crate) fn visits(&self) -> Vec<Visit> {
        self.visits.lock().clone()
    }

    /// How often it was subscribed.
    pub(crate) fn times(&self) -> usize {
        self.visits.lock().len()
    }

    /// Whether its last connection is open.
    pub(crate) fn is_open(&self) -> bool {
        self.visits.lock().last().is_some_and(|visit| visit.ended.is_none())
    }

    /// Whether it is subscribed since before this, or received such a number; a client that went away waits for nothing.
    pub(crate) fn has_reached(&self, number: u64) -> bool {
        let visits = self.visits.lock();
        let last = visits.last().expect("a first visit");
        last.ended.is_some() && self.task.is_finished()
            || last.ended.is_none() && last.highest() >= number
    }

    /// When it first received an event that was published after this.
    pub(crate) fn first_arrival(&self, after: u64) -> Option<Instant> {
        let visits = self.visits.lock();
        let mut all = visits.iter().flat_map(|visit| &visit.arrivals);
        all.find(|(number, _)| *number > after).map(|(_, at)| *at)
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One connection, from the greeting to its end.
async fn visit(mut stream: Stream, channel: &str, visits: &Mutex<Vec<Visit>>) {
    let mut code = None;
    let mut is_granted = false;
    while let Some(Ok(message)) = stream.next().await {
        let text = match message {
            Message::Text(text) => text,
            Message::Close(frame) => {
                code = frame.map(|frame| u16::from(frame.code));
                continue;
            }
            _ => continue,
        };
        let now = Instant::now();
        let received: Value = serde_json::from_str(&text).expect("JSON");
        let data = received["data"].as_str().unwrap_or_default();
        let answer = match received["event"].as_str().expect("an event") {
            "pusher:connection_established" => {
                json!({ "event": "pusher:subscribe", "data": { "channel": channel } })
            }
            "pusher:ping" => json!({ "event": "pusher:pong", "data": {} }),
            "pusher_internal:subscription_succeeded" => {
                visits.lock().push(Visit::beginning(now));
                is_granted = true;
                continue;
            }
            event => {
                if let Some(visit) = visits.lock().last_mut().filter(|_| is_granted) {
                    record(visit, event, data, now);
                }
                continue;
            }
        };
        let _ = stream.send(Message::text(answer.to_string())).await;
    }
    if is_granted {
        visits.lock().last_mut().expect("a visit").ended = Some((Instant::now(), code));
    }
}

fn record(visit: &mut Visit, event: &str, data: &str, now: Instant) {
    if event == GAP_EVENT {
        let data: Value = serde_json::from_str(data).expect("JSON");
        match data["missed"].as_u64() {
            Some(events) => visit.announced += events,
            None => visit.uncounted += 1,
        }
    } else if let Some(number) = data.split(':').next().and_then(|number| number.parse().ok()) {
        visit.arrivals.push((number, now));
    }
}
