//! Where something happens: one channel of one app, and what it is called between nodes.
//!
//! Owns the form of topics, keys and references.

use std::sync::Arc;

use super::NodeId;
use crate::protocol::ChannelName;
use crate::protocol::channel_name::{user_channel, user_of_channel};

/// One channel of one app.
#[derive(Debug, Clone)]
pub struct ChannelKey {
    /// The app, by its place in the configuration.
    pub app: usize,
    pub(in crate::cluster) text: Arc<str>,
    /// `None` for the channel of a user whose id no channel name can hold: it exists only for
    /// those who watch that user.
    pub(in crate::cluster) name: Option<ChannelName>,
}

impl ChannelKey {
    /// A channel.
    pub fn channel(app: usize, name: &ChannelName) -> Self {
        Self { app, text: name.as_str().into(), name: Some(name.clone()) }
    }

    /// The own channel of a user.
    pub fn user(app: usize, user_id: &str) -> Self {
        Self::read(app, &user_channel(user_id))
    }

    /// The channel a reference names; names on the wire were checked by the node that wrote them.
    pub(in crate::cluster) fn read(app: usize, text: &str) -> Self {
        Self { app, text: text.into(), name: ChannelName::parse(text, usize::MAX).ok() }
    }

    /// Whose own channel this is.
    pub(in crate::cluster) fn user_id(&self) -> Option<&str> {
        user_of_channel(&self.text)
    }

    /// Whether the directory keeps who is there: members, or that a user is signed in.
    pub(in crate::cluster) fn has_roster(&self) -> bool {
        self.user_id().is_some() || self.is_presence()
    }

    pub(in crate::cluster) fn is_presence(&self) -> bool {
        self.name.as_ref().is_some_and(ChannelName::is_presence)
    }

    pub(in crate::cluster) fn is_cache(&self) -> bool {
        self.name.as_ref().is_some_and(ChannelName::is_cache)
    }

    /// The topic, which is also the beginning of every key of the channel.
    pub fn topic(&self, prefix: &str, app_id: &str) -> Arc<str> {
        format!("{prefix}{{{app_id}:{}}}", self.text).into()
    }
}

/// The topic on which the directory answers a node.
pub fn node_topic(prefix: &str, node: NodeId) -> Arc<str> {
    format!("{prefix}:node:{node}").into()
}

/// The topic of messages for every node.
pub(in crate::cluster) fn common_topic(prefix: &str) -> Arc<str> {
    format!("{prefix}:all").into()
}

/// The key of the channels in which a node has sockets.
pub(in crate::cluster) fn channels(prefix: &str, node: NodeId) -> String {
    format!("{prefix}:node:{node}:channels")
}

/// The key of the occupied channels of an app.
pub(in crate::cluster) fn occupied(prefix: &str, app_id: &str) -> String {
    format!("{prefix}{{{app_id}}}:occupied")
}

/// The key of the sockets that each node has of an app.
pub(in crate::cluster) fn connections(prefix: &str, app_id: &str) -> String {
    format!("{prefix}{{{app_id}}}:connections")
}

/// The key that exists as long as Redis has not lost its data.
pub(in crate::cluster) fn epoch(prefix: &str) -> String {
    format!("{prefix}:epoch")
}

#[cfg(test)]
mod tests {
    use super::ChannelKey;
    use crate::protocol::ChannelName;

    #[test]
    fn a_topic_is_prefix_and_hash_tag() {
        let key = ChannelKey::channel(0, &ChannelName::parse("presence-a", 200).unwrap());
        assert_eq!(&*key.topic("resound", "7"), "resound{7:presence-a}");
        assert!(key.has_roster() && key.is_presence());
    }

    #[test]
    fn every_user_has_a_channel_but_not_always_a_name() {
        let (ann, odd) = (ChannelKey::user(0, "ann"), ChannelKey::user(0, "a b"));
        assert_eq!((ann.user_id(), odd.user_id()), (Some("ann"), Some("a b")));
        assert!(ann.name.is_some() && odd.name.is_none());
        assert!(odd.has_roster() && !odd.is_presence());
    }
}
