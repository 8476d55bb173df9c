//! What the first event of a socket in a cache channel must be: the last one of a back end that Redis had when the socket
//! asked, or without Redis the last one that its node had.

use std::sync::Arc;

use resound::protocol::SocketId;

use super::World;
use crate::events::Event;
use crate::profile::CACHE;

/// Who answered.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum CachedBy {
    Directory,
    /// This node, without Redis.
    Node,
    /// One of the two: the link ended while the answer was under way.
    Either,
}

impl World {
    /// A socket was answered in a cache channel, with this event or with none.
    pub(super) fn cached_is_right(
        &mut self,
        (socket, name): (SocketId, &Arc<str>),
        event: Option<usize>,
        by: CachedBy,
    ) {
        let by_directory = || self.is_last_of_directory((socket, name), event);
        let by_node = || self.is_last_of_node((socket, name), event);
        let verdict = match by {
            CachedBy::Directory => by_directory(),
            CachedBy::Node => by_node(),
            CachedBy::Either => by_directory().or_else(|_| by_node()),
        };
        if let Err(why) = verdict {
            self.is_wrong(format!("{socket} has {event:?} from the cache of {name}: {why}"));
        }
    }

    /// It is none that Redis had replaced before the socket asked. A Redis that lost its data may have lost it too.
    fn is_last_of_directory(
        &self,
        (socket, name): (SocketId, &Arc<str>),
        event: Option<usize>,
    ) -> Result<(), String> {
        let server = &self.servers[self.profile.part_of(name)];
        if server.life > 1 {
            return Ok(());
        }
        let since = self.clients[&socket].views[name].since;
        let mut cached = server.accepted.iter().enumerate().filter(|(_, accepted)| {
            let event = &self.events[accepted.event];
            event.is_of_back_end && event.channel == *name
        });
        let at = event.map(|event| {
            let found = cached.clone().rfind(|(_, accepted)| accepted.event == event);
            found.map(|(at, _)| at).ok_or("Redis never had it")
        });
        let at = at.transpose()?;
        // One that may have expired needs not be there.
        let is_due = |at: u64| at <= since && self.now < at + CACHE;
        // One that was sent again and ignored stays where it was.
        let first = |at: usize, event| !server.accepted[..at].iter().any(|one| one.event == event);
        let last = cached.rfind(|(at, accepted)| is_due(accepted.at) && first(*at, accepted.event));
        match last {
            Some((last, accepted)) if at.is_none_or(|at| at < last) => {
                Err(format!("Redis had {} before the socket asked", accepted.event))
            }
            _ => Ok(()),
        }
    }

    /// It is none behind which the node had delivered another one before the socket asked, unless that one is the earlier
    /// one in the order of Redis: the node delivered the event without Redis, and Redis had it later.
    fn is_last_of_node(
        &self,
        (socket, name): (SocketId, &Arc<str>),
        event: Option<usize>,
    ) -> Result<(), String> {
        let Some(client) = self.clients.get(&socket) else { return Ok(()) };
        let (at, since) = (client.machine, client.views[name].since);
        let delivered = &self.machines[at].delivered;
        // Without whole nodes it is answered in the moment in which it asks, or in which the link ends.
        let until = if self.profile.is_whole { since } else { self.now };
        let had = |event: usize| {
            let Some(read_at) = delivered.get(&event) else { return false };
            let Event { is_of_back_end, ref channel, .. } = self.events[event];
            is_of_back_end && channel == name && *read_at <= until
        };
        let Some(event) = event else {
            let had = delivered.keys().find(|event| had(**event));
            return had.map_or(Ok(()), |event| Err(format!("the node had delivered {event}")));
        };
        let accepted = &self.servers[self.profile.part_of(name)].accepted;
        let place = |event| accepted.iter().position(|accepted| accepted.event == event);
        let is_earlier = |other| place(other).zip(place(event)).is_some_and(|(a, b)| a < b);
        let here = self.clients.values().filter(|other| other.machine == at);
        for view in here.filter_map(|other| other.views.get(name)) {
            let mut later = view.received.iter().skip_while(|received| **received != event).skip(1);
            let is_later = |later: usize| later != event && had(later) && !is_earlier(later);
            if let Some(later) = later.find(|later| is_later(**later)) {
                return Err(format!("the node had delivered {later} behind it"));
            }
        }
        Ok(())
    }
}
