//! What Reverb's servers and this node have for each other: events, the end of a user's sockets, look-ups.
//!
//! Owns which app and which channels a message is for. The messages are those of
//! [`redis_input`](crate::redis_input); rosters stay apart, as they do between Reverb's own servers.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use serde_json::{Map, Value, json};

use super::channels::Channels;
use super::coordinator::TriggeredEvent;
use super::{ClusterStatus, Node};
use crate::hub::ChannelCounts;
use crate::observation::TriggerSource;
use crate::protocol::server_message::OutboundEvent;
use crate::protocol::{Broadcast, ChannelName, check_event_name};
use crate::redis_input::{ReverbEvent, ReverbLookup, ReverbOwner};

/// How the names of client events begin.
const CLIENT_EVENT: &str = "client-";

impl ReverbOwner for Node {
    fn deliver(&self, event: &ReverbEvent<'_>) -> Result<bool, String> {
        let Some(channels) = self.channels_by_id(&event.app) else { return Ok(false) };
        let app = Arc::clone(&channels.app());
        check_event_name(&event.name, &app.limits).map_err(|why| why.to_string())?;
        let (bytes, most) = (event.data.len(), app.limits.event_data_bytes);
        if bytes > most {
            return Err(format!(
                "its data has {bytes} bytes; the limit is {most}: raise max_event_data_bytes"
            ));
        }
        for name in &event.channels {
            let name = ChannelName::parse(name, app.limits.channel_name_bytes);
            deliver(&channels, &name.map_err(|why| why.to_string())?, event);
        }
        Ok(true)
    }

    fn terminate(&self, app: &str, user_id: &str) -> bool {
        let channels = self.channels_by_id(app);
        channels.map(|channels| channels.hub().terminate_user(user_id)).is_some()
    }

    fn look_up(&self, app: &str, lookup: &ReverbLookup) -> Option<Value> {
        let channels = self.channels_by_id(app)?;
        // Nodes of a cluster have one roster, and each would report it.
        let is_alone = self.cluster_status() == ClusterStatus::Off;
        Some(if is_alone { found(&channels, lookup) } else { json!([]) })
    }

    fn missed(&self) {
        self.apps.for_all(|channels| {
            for (name, _) in channels.hub().occupied("") {
                channels.hub().deliver_gap_event(&name, None);
            }
        });
    }

    fn ready(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.shards.ready())
    }
}

fn deliver(channels: &Channels, name: &ChannelName, event: &ReverbEvent<'_>) {
    let now = Instant::now();
    let outbound = OutboundEvent::triggered(&event.name, &event.data, now);
    let (data, except, hub) = (&*event.data, event.except, channels.hub());
    let is_client_event = event.name.starts_with(CLIENT_EVENT);
    let subscribers = match &event.user_id {
        Some(user_id) if is_client_event => {
            hub.deliver(name, &Broadcast::new(outbound.frame_from(name, user_id)), except)
        }
        None if is_client_event => hub.deliver(name, &Broadcast::new(outbound.frame(name)), except),
        _ => {
            let event = TriggeredEvent { channel: name, event: &outbound, data, except };
            channels.coordinator().deliver(event, now)
        }
    };
    let parts = (&*event.name, data);
    channels.activity().received(TriggerSource::Reverb, name, parts, except, subscribers);
    tracing::debug!(target: "resound::stream", app = channels.app().id, channel = %name, event = &*event.name, bytes = data.len(), subscribers, "event of Reverb received");
}

/// What this node has, in the form in which Reverb's servers add up their answers.
fn found(channels: &Channels, lookup: &ReverbLookup) -> Value {
    let hub = channels.hub();
    match lookup {
        ReverbLookup::Connections => vec![0; channels.open_sockets() as usize].into(),
        ReverbLookup::Channel { name, info } => attributes(channels, name, info),
        ReverbLookup::Channels { prefix, names, info } => {
            let of_name = |name: &str| (name.to_owned(), attributes(channels, name, info));
            let all: Map<String, Value> = match names.as_slice() {
                [] => hub.occupied(prefix).iter().map(|(name, _)| of_name(name.as_str())).collect(),
                names => names.iter().map(|name| of_name(name)).collect(),
            };
            all.into()
        }
        ReverbLookup::Users(name) => {
            let members = ChannelName::parse(name, usize::MAX).map(|name| hub.members(&name));
            members.unwrap_or_default().iter().map(|id| json!({ "id": &**id })).collect()
        }
        ReverbLookup::Unknown => json!([]),
    }
}

/// The attributes of one channel that `info` names.
fn attributes(channels: &Channels, name: &str, info: &str) -> Value {
    let name = ChannelName::parse(name, usize::MAX);
    let counts = name.ok().and_then(|name| channels.hub().counts(&name));
    let mut found = Map::new();
    for attribute in info.split(',') {
        let value = match (attribute, &counts) {
            ("occupied", counts) => counts.is_some().into(),
            ("user_count", Some(ChannelCounts { user_count: Some(users), .. })) => (*users).into(),
            (
                "subscription_count",
                Some(ChannelCounts { user_count: None, subscription_count }),
            ) => (*subscription_count).into(),
            _ => continue,
        };
        found.insert(attribute.to_owned(), value);
    }
    found.into()
}
