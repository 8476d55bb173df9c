//! The subscriptions of one socket and the state of each.
//!
//! On a single node a subscription is granted at once. In a cluster it is pending until the directory
//! has decided; what a pending subscription permits is left to the session.

use std::collections::HashMap;
use std::sync::Arc;

use crate::protocol::ChannelName;

/// All subscriptions of a socket.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    /// Each channel; on presence channels with the user id of the member.
    user_ids: HashMap<ChannelName, Option<Arc<str>>>,
    /// Those of them that are pending; all others are granted. Apart from the map, where the state would
    /// cost eight bytes per subscription, and no `Vec`, which would cost eight per socket.
    pending: Box<[ChannelName]>,
}

impl Subscriptions {
    pub(super) fn insert(&mut self, channel: ChannelName, user_id: Option<Arc<str>>) {
        self.user_ids.insert(channel, user_id);
    }

    pub(super) fn contains(&self, channel: &ChannelName) -> bool {
        self.user_ids.contains_key(channel)
    }

    /// The channel of this name, and the user id of the member.
    pub(super) fn get(&self, channel: &str) -> Option<(&ChannelName, &Option<Arc<str>>)> {
        self.user_ids.get_key_value(channel)
    }

    pub(super) fn len(&self) -> usize {
        self.user_ids.len()
    }

    /// So many of them, in order of name.
    pub(super) fn first(&self, most: usize) -> Vec<(ChannelName, Option<Arc<str>>)> {
        let mut all: Vec<_> = self.user_ids.iter().collect();
        all.sort_unstable_by_key(|(channel, _)| channel.as_str());
        let first = all.into_iter().take(most);
        first.map(|(channel, user_id)| (channel.clone(), user_id.clone())).collect()
    }

    /// Marks a subscription as pending until [`grant`](Self::grant) or [`withdraw`](Self::withdraw).
    pub(super) fn set_pending(&mut self, channel: &ChannelName) {
        let mut pending = std::mem::take(&mut self.pending).into_vec();
        pending.push(channel.clone());
        self.pending = pending.into();
    }

    /// Grants a subscription. False if the socket has left the channel meanwhile.
    pub(super) fn grant(&mut self, channel: &ChannelName) -> bool {
        self.end_pending(channel.as_str());
        self.user_ids.contains_key(channel)
    }

    /// Removes a subscription that was refused while it was pending. Returns the user id of the member.
    pub(super) fn withdraw(&mut self, channel: &ChannelName) -> Option<Arc<str>> {
        if !self.end_pending(channel.as_str()) {
            return None;
        }
        self.user_ids.remove(channel).flatten()
    }

    pub(super) fn remove(&mut self, channel: &str) -> Option<(ChannelName, Option<Arc<str>>)> {
        self.end_pending(channel);
        self.user_ids.remove_entry(channel)
    }

    /// Removes all of them, in order of name: a socket that ends leaves its channels in one order everywhere, so that a
    /// simulation of one seed is always the same.
    pub(super) fn take(&mut self) -> impl Iterator<Item = (ChannelName, Option<Arc<str>>)> + use<> {
        self.pending = Box::default();
        let mut all: Vec<_> = self.user_ids.drain().collect();
        all.sort_unstable_by(|(one, _), (other, _)| one.as_str().cmp(other.as_str()));
        all.into_iter()
    }

    /// Whether a channel that needs a signature is among those that are pending.
    pub(super) fn awaits_authorization(&self) -> bool {
        self.pending.iter().any(ChannelName::needs_auth)
    }

    /// False if the subscription was not pending.
    fn end_pending(&mut self, channel: &str) -> bool {
        let Some(at) = self.pending.iter().position(|pending| pending.as_str() == channel) else {
            return false;
        };
        let mut pending = std::mem::take(&mut self.pending).into_vec();
        pending.swap_remove(at);
        self.pending = pending.into();
        true
    }
}

#[cfg(test)]
mod tests {
    use super::{Arc, ChannelName, Subscriptions};

    fn pending(text: &str) -> (Subscriptions, ChannelName) {
        let (mut subscriptions, channel) =
            (Subscriptions::default(), ChannelName::parse(text, 200).unwrap());
        subscriptions.insert(channel.clone(), Some("7".into()));
        subscriptions.set_pending(&channel);
        (subscriptions, channel)
    }

    #[test]
    fn a_pending_subscription_is_granted_or_withdrawn() {
        let (mut subscriptions, channel) = pending("presence-a");
        assert!(subscriptions.awaits_authorization());
        assert!(subscriptions.grant(&channel));
        assert!(!subscriptions.awaits_authorization());
        assert_eq!(subscriptions.withdraw(&channel), None, "granted is final");
        assert!(subscriptions.contains(&channel));

        let (mut subscriptions, channel) = pending("presence-a");
        assert_eq!(subscriptions.withdraw(&channel), Some(Arc::from("7")));
        assert_eq!(subscriptions.len(), 0);
    }

    #[test]
    fn a_decision_after_the_leave_changes_nothing() {
        let (mut subscriptions, channel) = pending("presence-a");
        assert!(subscriptions.remove("presence-a").is_some());
        assert!(!subscriptions.grant(&channel));
        assert_eq!(subscriptions.withdraw(&channel), None);
        assert!(!subscriptions.awaits_authorization());
    }
}
