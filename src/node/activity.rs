//! What happens on the channels of one app, as occurrences for those who look.
//!
//! Each function costs one relaxed load where no tap takes it.

use std::net::IpAddr;
use std::sync::Arc;

use crate::observation::{
    Connection, Delivery, JoinOrLeave, Observation, OccurrenceKind, Published, TriggerSource, What,
};
use crate::protocol::session::Relay;
use crate::protocol::{ChannelName, Frame, SocketId, server_message};

/// What happens on the channels of one app.
#[derive(Clone)]
pub struct Activity {
    app_id: Arc<str>,
    observation: Arc<Observation>,
}

/// An event that was accepted for all of its channels.
#[derive(Debug, Clone, Copy)]
pub struct AcceptedEvent<'a> {
    /// Where it came from.
    pub source: TriggerSource,
    /// The id of its trigger.
    pub id: Option<&'a str>,
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
    pub(super) fn new(app_id: &str, observation: Arc<Observation>) -> Self {
        Self { app_id: app_id.into(), observation }
    }

    /// Who looks.
    pub fn observation(&self) -> &Arc<Observation> {
        &self.observation
    }

    /// An event was accepted; `subscribers` are those of this node, where they are known.
    pub fn triggered(&self, event: AcceptedEvent<'_>, subscribers: Option<usize>) {
        self.record(OccurrenceKind::Trigger, || {
            What::Trigger(Published {
                id: event.id.map(str::to_owned),
                source: event.source,
                channels: event.channels.iter().map(|name| name.as_str().to_owned()).collect(),
                event: event.name.to_owned(),
                except: event.except,
                subscribers,
                payload: self.observation.payload(event.data),
            })
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
        if subscribers == 0 {
            return;
        }
        self.record(OccurrenceKind::Delivery, || {
            What::Delivery(Delivery {
                channel: channel.as_str().to_owned(),
                event: name.to_owned(),
                except,
                subscribers,
                payload: self.observation.payload(data),
            })
        });
    }

    /// The same of a frame, which is read only if a tap takes it.
    pub(super) fn delivered_frame(
        &self,
        channel: &ChannelName,
        frame: &Frame,
        except: Option<SocketId>,
        subscribers: usize,
    ) {
        if subscribers > 0
            && self.observation.wants(OccurrenceKind::Delivery)
            && let Some((name, data)) = server_message::event_parts(frame)
        {
            self.delivered(channel, (&name, &data), except, subscribers);
        }
    }

    /// A client event is about to be published; what it returns is for [`relayed`](Self::relayed).
    pub(super) fn relays(&self, relay: &Relay) -> Option<Box<(ChannelName, String, String)>> {
        let is_wanted = [OccurrenceKind::Trigger, OccurrenceKind::Delivery]
            .into_iter()
            .any(|kind| self.observation.wants(kind));
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
        self.triggered(
            AcceptedEvent { source, id: None, channels, name, data, except },
            subscribers,
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
        self.triggered(event, Some(subscribers));
        self.delivered(channel, (name, data), except, subscribers);
    }

    /// A socket joined a channel.
    pub(super) fn joined(&self, socket: SocketId, channel: &ChannelName, user_id: Option<&str>) {
        self.record(OccurrenceKind::Subscribed, || {
            What::Subscribed(subscription(socket, channel, user_id))
        });
    }

    /// A socket left a channel.
    pub(super) fn left(&self, socket: SocketId, channel: &ChannelName, user_id: Option<&str>) {
        self.record(OccurrenceKind::Unsubscribed, || {
            What::Unsubscribed(subscription(socket, channel, user_id))
        });
    }

    /// A socket opened.
    pub(super) fn opened(&self, socket: SocketId, client: Option<IpAddr>) {
        self.record(OccurrenceKind::Connected, || What::Connected(Connection { socket, client }));
    }

    fn record(&self, kind: OccurrenceKind, what: impl FnOnce() -> What) {
        self.observation.record(kind, || (Some(self.app_id.as_ref().to_owned()), what()));
    }
}

fn subscription(socket: SocketId, channel: &ChannelName, user_id: Option<&str>) -> JoinOrLeave {
    JoinOrLeave {
        socket,
        channel: channel.as_str().to_owned(),
        user_id: user_id.map(str::to_owned),
    }
}
