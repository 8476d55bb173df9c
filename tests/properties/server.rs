//! The server's side of a schedule: a node without a transport, its sockets in their places, a
//! clock that only [`Step::Wait`] moves, and a record of all webhook events.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use hmac::{Hmac, KeyInit, Mac};
use resound::app::{App, Apps, ClientEvents, Secret};
use resound::channel_rules::{WebhookEvent, WebhookPayload, WebhookSink};
use resound::hub::{Hub, Shard};
use resound::metrics::Metrics;
use resound::node::{Arrival, ConnectionPermit, Node, Socket};
use resound::protocol::server_message::OutboundEvent;
use resound::protocol::{ClientLibrary, SocketId};
use serde_json::json;
use sha2::Sha256;

use crate::fixture::{app, cache, name, shards};
use crate::received::{DEFLATE_MIN_BYTES, Memory, Received, Wire, received};
use crate::record::Record;
use crate::report::Report;
use crate::schedule::{
    CACHE_SECONDS, CHANNELS, SOCKETS, Settings, Shows, Step, WAIT_SECONDS, channel_data, user_data,
};

struct Client {
    id: SocketId,
    /// `None` once it is dropped.
    socket: Option<Socket>,
    wire: Arc<Wire>,
}

/// A node, and how many sockets of all its apps are open.
struct Ground {
    node: Node,
    shards: RefCell<Vec<Shard>>,
    places: Cell<usize>,
}

/// The server of one app under a schedule.
pub(crate) struct Server {
    ground: Rc<Ground>,
    app: App,
    hub: Arc<Hub>,
    record: Arc<Record>,
    clients: [Option<Client>; SOCKETS],
    now: Instant,
    report: Report,
    /// Every webhook event from the start.
    pub(crate) all_seen: Vec<WebhookEvent>,
}

impl Server {
    pub(crate) fn new(settings: Settings) -> Self {
        Self::several(&[settings]).remove(0)
    }

    /// The apps of one node, each of which has a schedule of its own.
    pub(crate) fn several(settings: &[Settings]) -> Vec<Self> {
        let apps: Vec<App> =
            settings.iter().enumerate().map(|(at, settings)| app_with(at, settings)).collect();
        let metrics = Arc::new(Metrics::default());
        let (inboxes, shards) = shards(&metrics, DEFLATE_MIN_BYTES);
        let records: Vec<Arc<Record>> = apps.iter().map(|_| Arc::default()).collect();
        let sink = |(app, record): (&App, &Arc<Record>)| -> (String, Arc<dyn WebhookSink>) {
            (app.id.clone(), record.clone())
        };
        let webhooks: HashMap<_, _> = apps.iter().zip(&records).map(sink).collect();
        let cache = cache(Duration::from_secs(CACHE_SECONDS));
        let all = Apps::new(apps.clone()).unwrap();
        let node = Node::new(&all, &inboxes, cache, metrics, &webhooks);
        let (shards, places) = (RefCell::new(shards), Cell::new(0));
        let ground = Rc::new(Ground { node, shards, places });
        let server = |(app, record): (App, Arc<Record>)| Self {
            hub: ground.node.channels_by_id(&app.id).unwrap().hub().clone(),
            ground: ground.clone(),
            app,
            record,
            clients: Default::default(),
            now: Instant::now(),
            report: Report::default(),
            all_seen: Vec::new(),
        };
        apps.into_iter().zip(records).map(server).collect()
    }

    /// Lets one thing happen and everything that follows from it.
    pub(crate) fn apply(&mut self, number: usize, step: &Step) -> Report {
        let now = self.now;
        match *step {
            Step::Connect(place) => self.connect(place),
            Step::Subscribe(place, channel, shows) => self.subscribe(place, channel, shows),
            Step::Unsubscribe(place, channel) => {
                let data = json!({ "channel": channel });
                self.send(place, &json!({ "event": "pusher:unsubscribe", "data": data }));
            }
            Step::SignIn { socket, user, info, ref watches, signed } => {
                let user_data = user_data(user, info, watches);
                let text = |id| format!("{id}::user::{}", if signed { &user_data } else { "" });
                let Some(auth) = self.signature(socket, text) else { return self.look() };
                let data = json!({ "auth": auth, "user_data": user_data });
                self.send(socket, &json!({ "event": "pusher:signin", "data": data }));
            }
            Step::ClientEvent(place, channel) => {
                let data = json!({ "n": number }).to_string();
                let event = json!({ "event": "client-x", "channel": channel, "data": data });
                self.send(place, &event);
            }
            Step::Trigger(channel, except) => {
                let data = number.to_string();
                let event = OutboundEvent::new("news", &data);
                let except = except.and_then(|place| self.clients[place].as_ref());
                let except = except.map(|client| client.id);
                let answer = self.hub.trigger(&name(channel), &event, &data, except, now);
                self.report.facts.push(format!("delivered to {answer}"));
            }
            Step::Close(place) => {
                if let Some(client) = &self.clients[place] {
                    self.ground.node.shards().finish(client.id, Some(1000));
                }
            }
            Step::Crash(place) => self.drop(place),
            Step::Terminate(user) => {
                let answer = self.hub.terminate_user(user);
                self.report.facts.push(format!("terminated {answer}"));
            }
            Step::Wait => self.now += Duration::from_secs(WAIT_SECONDS),
        }
        self.look()
    }

    /// Drops the ended sockets, one after the other, and reports what can be observed.
    fn look(&mut self) -> Report {
        self.listen();
        let is_ended = |client: &Client| client.wire.is_ending();
        let ended = |at: &usize| self.clients[*at].as_ref().is_some_and(is_ended);
        for place in (0..SOCKETS).filter(ended).collect::<Vec<_>>() {
            self.drop(place);
        }
        let seen = self.record.take();
        self.report.seen = seen.iter().map(|event| self.line(event)).collect();
        self.report.seen.sort_by(|a, b| a.channel.cmp(&b.channel));
        self.all_seen.extend(seen);
        self.query();
        std::mem::take(&mut self.report)
    }

    fn connect(&mut self, at: usize) {
        if self.clients[at].is_some() {
            return;
        }
        let shards = self.ground.node.shards();
        let id = shards.new_socket_id(at % shards.count());
        let wire = Arc::new(Wire::default());
        let transport =
            Arc::new(Memory { wire: wire.clone(), reads_deflated: at.is_multiple_of(3) });
        let channels = self.ground.node.channels_by_id(&self.app.id).unwrap();
        let permit =
            ConnectionPermit::acquire(&channels).now_or_never().unwrap().expect("no bound");
        let arrival = Arrival {
            permit,
            id,
            client: None,
            library: ClientLibrary::Other,
            transport,
            answer: None,
        };
        let socket = Socket::open(arrival, self.now);
        self.clients[at] = Some(Client { id: socket.id(), socket: Some(socket), wire });
        self.ground.places.update(|places| places + 1);
    }

    fn subscribe(&mut self, place: usize, channel: &str, shows: Shows) {
        let member = match shows {
            Shows::As(user, info) if channel.starts_with("presence-") => {
                Some(channel_data(user, info))
            }
            _ => None,
        };
        let signed = member.as_ref().map(|data| format!(":{data}")).unwrap_or_default();
        let wrong = if matches!(shows, Shows::Wrong) { "x" } else { "" };
        let auth = self.signature(place, |id| format!("{id}:{channel}{signed}{wrong}"));
        let mut data = json!({ "channel": channel, "auth": auth });
        if matches!(shows, Shows::Nothing) {
            data["auth"] = json!("");
        }
        if let Some(member) = member {
            data["channel_data"] = json!(member);
        }
        self.send(place, &json!({ "event": "pusher:subscribe", "data": data }));
    }

    fn send(&mut self, place: usize, message: &serde_json::Value) {
        let socket = self.clients[place].as_mut().and_then(|client| client.socket.as_mut());
        if let Some(socket) = socket {
            socket.receive(&message.to_string(), self.now);
        }
    }

    /// What the back end answers: an implementation of its own.
    fn signature(&self, place: usize, text: impl Fn(SocketId) -> String) -> Option<String> {
        let id = self.clients[place].as_ref()?.id;
        let mut mac = Hmac::<Sha256>::new_from_slice(self.app.secret.reveal().as_bytes()).unwrap();
        mac.update(text(id).as_bytes());
        Some(format!("{}:{}", self.app.key, hex::encode(mac.finalize().into_bytes())))
    }

    /// A dropped socket leaves its channels in any order, so what others receive is sorted by channel.
    fn drop(&mut self, place: usize) {
        self.listen();
        let before: Vec<usize> = self.report.received.iter().map(Vec::len).collect();
        let Some(client) = &mut self.clients[place] else { return };
        let id = client.id;
        drop(client.socket.take());
        self.listen();
        for (all, before) in self.report.received.iter_mut().zip(before) {
            all[before..].sort_by(|a, b| a.channel.cmp(&b.channel));
        }
        self.ground.node.shards().forget(id);
        self.clients[place] = None;
        self.ground.places.update(|places| places - 1);
    }

    fn listen(&mut self) {
        self.ground.settle();
        for (client, all) in self.clients.iter().zip(&mut self.report.received) {
            let Some(client) = client else { continue };
            let own = format!("established {}", client.id);
            let known = |message: Received| match message.text == own {
                true => received("", "established"),
                false => message,
            };
            all.extend(client.wire.take().into_iter().map(known));
        }
    }

    fn line(&self, event: &WebhookEvent) -> Received {
        let text = match &event.payload {
            WebhookPayload::ChannelOccupied => "occupied".to_owned(),
            WebhookPayload::ChannelVacated => "vacated".to_owned(),
            WebhookPayload::MemberAdded(user) => format!("member_added {user}"),
            WebhookPayload::MemberRemoved(user) => format!("member_removed {user}"),
            WebhookPayload::CacheMiss => "cache_miss".to_owned(),
            WebhookPayload::SubscriptionCount(count) => format!("count {count}"),
            WebhookPayload::ClientEvent { event, data, socket_id, user_id } => {
                let is_sender = |client: &Option<Client>| {
                    client.as_ref().is_some_and(|client| client.id == *socket_id)
                };
                let place = self.clients.iter().position(is_sender);
                format!("{event} {data:?} of {place:?} as {user_id:?}")
            }
        };
        received(event.channel.as_str(), text)
    }

    fn query(&mut self) {
        self.ground.settle();
        let (hub, facts) = (&self.hub, &mut self.report.facts);
        for prefix in ["", "presence-"] {
            let listed = hub.occupied(prefix).into_iter().map(|(name, counts)| {
                format!("{name} {} {:?}", counts.subscription_count, counts.user_count)
            });
            facts.push(format!("occupied {prefix:?}: {}", listed.collect::<Vec<_>>().join(", ")));
        }
        for channel in CHANNELS {
            let (counts, event) =
                (hub.counts(&name(channel)), hub.last_event(&name(channel), self.now));
            let counts = counts.map(|counts| (counts.subscription_count, counts.user_count));
            let mut members = hub.members(&name(channel));
            members.sort();
            facts.push(format!("{channel}: {counts:?} {members:?} {event:?}"));
        }
        facts.push(format!("{} sockets, {} channels", hub.socket_count(), hub.channel_count()));
        let own = self.clients.iter().flatten().count();
        let others = self.ground.places.get() - own;
        let seats = self.ground.node.shards().socket_count();
        facts.push(format!("{} seats", seats - others));
    }
}

impl Ground {
    fn settle(&self) {
        self.node.shards().settle(&mut self.shards.borrow_mut());
    }
}

/// The app at a place of the configuration; each has credentials of its own.
fn app_with(at: usize, settings: &Settings) -> App {
    let mut app = app();
    if at > 0 {
        (app.id, app.key) = (format!("{}", at + 1), format!("key-{at}"));
        app.secret = Secret::new(&format!("secret-{at}"));
    }
    app.subscription_count_events = settings.counts;
    app.watchlist_events = settings.watchlists;
    app.terminate_presence_users = settings.terminate_presence;
    app.limits.subscriptions = settings.subscriptions;
    app.limits.presence_members = settings.members;
    if settings.whispers_everywhere {
        app.accept_client_events_from = ClientEvents::All;
    }
    app
}
