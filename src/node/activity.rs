//! What happens on the channels of one app, as occurrences for those who look.
//!
//! Each function costs one relaxed load where no tap takes it. An event that a viewer is shown is kept with what
//! explains it ([`RecentTriggers`]).

use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::OnceCell;

use super::reached::{self, Reached};
use super::recent_deliveries::{KeptDelivery, RecentDeliveries};
use super::recent_triggers::{RECEIVERS_MAX, RecentTriggers, ShownChannel, ShownTrigger};
use crate::explanation::{self, TriggerId, TriggerIds};
use crate::hub::Hub;
use crate::observation::{
    Connection, Delivery, EventOutcome, JoinOrLeave, Observation, OccurrenceKind, Outline, Payload,
    Published, TriggerSource, What, now_ms,
};
use crate::protocol::session::Relay;
use crate::protocol::{ChannelName, Frame, SocketId, server_message};

/// What happens on the channels of one app.
#[derive(Clone)]
pub struct Activity {
    app_id: Arc<str>,
    hub: Arc<Hub>,
    trigger_ids: Arc<TriggerIds>,
    recent: Arc<RecentTriggers>,
}

/// What shows that an event was queued for sockets.
const SHOW_DELIVERIES: [OccurrenceKind; 2] = [OccurrenceKind::Trigger, OccurrenceKind::Delivery];

/// An event that was queued for the subscribers of a channel.
#[derive(Clone, Copy)]
struct DeliveredEvent<'a> {
    channel: &'a ChannelName,
    name: &'a str,
    data: &'a str,
    except: Option<SocketId>,
    subscribers: usize,
}

/// An event that was accepted for all of its channels.
#[derive(Debug, Clone, Copy)]
pub struct AcceptedEvent<'a> {
    /// Where it came from.
    pub source: TriggerSource,
    /// The id of its trigger; `None` if none was drawn yet.
    pub id: Option<TriggerId>,
    /// Its channels.
    pub channels: &'a [ChannelName],
    /// Its name on the wire.
    pub name: &'a str,
    /// Its data.
    pub data: &'a str,
    /// The socket that does not receive it.
    pub except: Option<SocketId>,
}

impl Activity {
    pub(super) fn new(hub: Arc<Hub>, recent: Arc<RecentTriggers>) -> Self {
        let app_id = hub.app().id.as_str().into();
        Self { app_id, hub, trigger_ids: Arc::new(TriggerIds::new(rand::random())), recent }
    }

    /// Who looks.
    pub fn observation(&self) -> &Arc<Observation> {
        self.hub.shards().observation()
    }

    /// An id for an event, which is drawn when something is written about it.
    pub fn draw_trigger_id(&self) -> TriggerId {
        self.trigger_ids.draw()
    }

    /// The events of all apps that were shown of late.
    pub(super) fn recent(&self) -> &RecentTriggers {
        &self.recent
    }

    /// Who received the last of them on this node.
    pub(super) fn deliveries(&self) -> &RecentDeliveries {
        self.recent.deliveries()
    }

    /// An event was published; `reached` has its channels in order.
    pub fn triggered(&self, event: AcceptedEvent<'_>, reached: &[Reached]) {
        if !self.observation().wants(OccurrenceKind::Trigger) {
            return;
        }
        let id = event.id.unwrap_or_else(|| self.draw_trigger_id());
        let senders = usize::from(event.source == TriggerSource::ClientEvent);
        let outcome = reached::outcome(reached, senders);
        let outline = Outline {
            outcome,
            event: Some(event.name),
            socket: event.except,
            ..self.outline(OccurrenceKind::Trigger, event.channels)
        };
        let is_shown = self.observation().record(&outline, || {
            What::Trigger(Published {
                id: Some(id.to_string()),
                source: event.source,
                channels: event.channels.iter().map(|name| name.as_str().to_owned()).collect(),
                event: event.name.to_owned(),
                except: event.except,
                subscribers: reached::subscribers(reached),
                outcome,
                payload: self.observation().payload(event.data),
            })
        });
        if is_shown {
            self.keep(id, event, reached);
        }
    }

    /// Keeps what explains the event. The shards look up who is subscribed behind its delivery.
    fn keep(&self, id: TriggerId, event: AcceptedEvent<'_>, reached: &[Reached]) {
        let AcceptedEvent { source, channels, name, data, except, .. } = event;
        let (app_id, open_sockets) = (&self.app_id, self.hub.socket_count());
        let payload = Payload::of(data, Payload::SHOWN_BYTES);
        let shown = ShownTrigger { id, app_id, source, name, except, payload, open_sockets };
        self.recent.keep(shown, channels.len(), |most, is_listed| {
            let channels = channels.iter().zip(reached).take(most);
            let look = |(channel, &reached): (&ChannelName, &Reached)| ShownChannel {
                name: channel.clone(),
                reached,
                is_encrypted: channel.is_encrypted().then(|| explanation::is_encrypted(data)),
                excepted: except.and_then(|socket| self.hub.find(channel, socket)),
                receivers: is_listed.then(|| self.hub.list(channel, RECEIVERS_MAX)),
            };
            channels.map(look).collect()
        });
    }

    /// An event was queued for the subscribers of a channel.
    pub(super) fn delivered(
        &self,
        channel: &ChannelName,
        (name, data): (&str, &str),
        except: Option<SocketId>,
        subscribers: usize,
    ) {
        if subscribers == 0 || !self.observation().wants_any(&SHOW_DELIVERIES) {
            return;
        }
        let event = DeliveredEvent { channel, name, data, except, subscribers };
        self.show_delivery(event);
        if self.deliveries().admits() {
            self.keep_delivery(event);
        }
    }

    fn show_delivery(&self, event: DeliveredEvent<'_>) {
        let DeliveredEvent { channel, name, data, except, subscribers } = event;
        let outline = Outline {
            outcome: Some(EventOutcome::Delivered),
            event: Some(name),
            socket: except,
            ..self.outline(OccurrenceKind::Delivery, std::slice::from_ref(channel))
        };
        self.observation().record(&outline, || {
            What::Delivery(Delivery {
                channel: channel.as_str().to_owned(),
                event: name.to_owned(),
                except,
                subscribers,
                payload: self.observation().payload(data),
            })
        });
    }

    /// Keeps who receives the event here. The shards list the subscribers behind its delivery.
    fn keep_delivery(&self, event: DeliveredEvent<'_>) {
        self.deliveries().keep(KeptDelivery {
            app_id: self.app_id.clone(),
            channel: event.channel.as_str().to_owned(),
            event: event.name.to_owned(),
            bytes: event.data.len(),
            except: event.except,
            at_ms: now_ms(),
            listed: Mutex::new(self.hub.list(event.channel, RECEIVERS_MAX)),
            receivers: OnceCell::new(),
        });
    }

    /// The same of a frame, which is read only if a tap takes it, or its receivers are kept.
    pub(super) fn delivered_frame(
        &self,
        channel: &ChannelName,
        frame: &Frame,
        except: Option<SocketId>,
        subscribers: usize,
    ) {
        if subscribers == 0 || !self.observation().wants_any(&SHOW_DELIVERIES) {
            return;
        }
        let is_kept = self.deliveries().admits();
        if !is_kept && !self.observation().wants(OccurrenceKind::Delivery) {
            return;
        }
        let Some((name, data)) = server_message::event_parts(frame) else { return };
        let (name, data): (&str, &str) = (&name, &data);
        let event = DeliveredEvent { channel, name, data, except, subscribers };
        self.show_delivery(event);
        if is_kept {
            self.keep_delivery(event);
        }
    }

    /// A client event is about to be published; what it returns is for [`relayed`](Self::relayed).
    pub(super) fn relays(&self, relay: &Relay) -> Option<Box<(ChannelName, String, String)>> {
        let is_wanted = self.observation().wants_any(&SHOW_DELIVERIES);
        is_wanted
            .then(|| Box::new((relay.channel.clone(), relay.event.clone(), relay.data.clone())))
    }

    /// A client event was published; `subscribers` are those of this node, where they are known.
    pub(super) fn relayed(
        &self,
        (channel, name, data): &(ChannelName, String, String),
        sender: SocketId,
        subscribers: Option<usize>,
    ) {
        let (source, except) = (TriggerSource::ClientEvent, Some(sender));
        let channels = std::slice::from_ref(channel);
        let reached = subscribers.map_or(Reached::Undecided, Reached::All);
        self.triggered(
            AcceptedEvent { source, id: None, channels, name, data, except },
            &[reached],
        );
        self.delivered(channel, (name, data), except, subscribers.unwrap_or(0));
    }

    /// An event that another program published was delivered on this node.
    pub(super) fn received(
        &self,
        source: TriggerSource,
        channel: &ChannelName,
        (name, data): (&str, &str),
        except: Option<SocketId>,
        subscribers: usize,
    ) {
        let channels = std::slice::from_ref(channel);
        let event = AcceptedEvent { source, id: None, channels, name, data, except };
        self.triggered(event, &[Reached::All(subscribers)]);
        self.delivered(channel, (name, data), except, subscribers);
    }

    /// A socket joined a channel.
    pub(super) fn joined(&self, socket: SocketId, channel: &ChannelName, user_id: Option<&str>) {
        self.observation().record(
            &self.of_socket(OccurrenceKind::Subscribed, socket, std::slice::from_ref(channel)),
            || What::Subscribed(subscription(socket, channel, user_id)),
        );
    }

    /// A socket left a channel.
    pub(super) fn left(&self, socket: SocketId, channel: &ChannelName, user_id: Option<&str>) {
        self.observation().record(
            &self.of_socket(OccurrenceKind::Unsubscribed, socket, std::slice::from_ref(channel)),
            || What::Unsubscribed(subscription(socket, channel, user_id)),
        );
    }

    /// A socket opened.
    pub(super) fn opened(&self, socket: SocketId, client: Option<IpAddr>) {
        let outline = self.of_socket(OccurrenceKind::Connected, socket, &[]);
        self.observation().record(&outline, || What::Connected(Connection { socket, client }));
    }

    fn outline<'a>(
        &'a self,
        kind: OccurrenceKind,
        channels: &'a [ChannelName],
    ) -> Outline<'a, ChannelName> {
        let app = Some(&*self.app_id);
        Outline { kind, app, outcome: None, channels, event: None, socket: None }
    }

    fn of_socket<'a>(
        &'a self,
        kind: OccurrenceKind,
        socket: SocketId,
        channels: &'a [ChannelName],
    ) -> Outline<'a, ChannelName> {
        Outline { socket: Some(socket), ..self.outline(kind, channels) }
    }
}

fn subscription(socket: SocketId, channel: &ChannelName, user_id: Option<&str>) -> JoinOrLeave {
    JoinOrLeave {
        socket,
        channel: channel.as_str().to_owned(),
        user_id: user_id.map(str::to_owned),
    }
}
