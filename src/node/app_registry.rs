//! Every app of this process, found by its id and by its key.
//!
//! Owns the slots: an app's place in the list of all apps, which the cluster takes for its index. A
//! slot belongs to one id for as long as the process runs. A removed app leaves its slot empty-handed:
//! it is found no more, and gets the same slot if it is configured again. Readers take no lock.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::channels::Channels;

/// All apps, those that were removed included.
#[derive(Default)]
pub(super) struct AppRegistry {
    current: ArcSwap<AppIndex>,
}

/// The apps at one time.
#[derive(Clone, Default)]
struct AppIndex {
    /// In order of their slots.
    slots: Vec<Arc<Channels>>,
    /// Only apps that are served.
    by_id: HashMap<String, Arc<Channels>>,
    by_key: HashMap<String, Arc<Channels>>,
}

impl AppRegistry {
    /// The app with this id.
    pub(super) fn by_id(&self, id: &str) -> Option<Arc<Channels>> {
        self.current.load().by_id.get(id).cloned()
    }

    /// The app with this key.
    pub(super) fn by_key(&self, key: &str) -> Option<Arc<Channels>> {
        self.current.load().by_key.get(key).cloned()
    }

    /// The channels of every app that is served.
    pub(super) fn served(&self) -> Vec<Arc<Channels>> {
        self.current.load().by_id.values().cloned().collect()
    }

    /// The slot of an id, whether or not its app is served; and the slot that a new id gets.
    pub(super) fn slot(&self, id: &str) -> Result<(usize, Arc<Channels>), usize> {
        let current = self.current.load();
        let found = current.slots.iter().position(|channels| channels.app().id == id);
        found.map(|slot| (slot, current.slots[slot].clone())).ok_or(current.slots.len())
    }

    /// The apps that were served once and are not any more.
    pub(super) fn removed(&self) -> Vec<Arc<Channels>> {
        let current = self.current.load();
        let is_removed =
            |channels: &&Arc<Channels>| !current.by_id.contains_key(&channels.app().id);
        current.slots.iter().filter(is_removed).cloned().collect()
    }

    /// Calls `act` for each app, removed ones included: some of their sockets may still be closing.
    pub(super) fn for_all(&self, act: impl Fn(&Channels)) {
        self.current.load().slots.iter().for_each(|channels| act(channels));
    }

    /// Serves exactly these apps from now on, each found by its id and its present key; those that have
    /// no slot get the next ones, in this order. One caller at a time.
    pub(super) fn serve(&self, apps: &[Arc<Channels>]) {
        let mut slots = self.current.load().slots.clone();
        for channels in apps {
            if !slots.iter().any(|known| Arc::ptr_eq(known, channels)) {
                slots.push(channels.clone());
            }
        }
        let by = |name: fn(&Channels) -> String| {
            apps.iter().map(|channels| (name(channels), channels.clone())).collect()
        };
        let by_id = by(|channels| channels.app().id.clone());
        let by_key = by(|channels| channels.app().key.clone());
        self.current.store(Arc::new(AppIndex { slots, by_id, by_key }));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Arc;
    use std::time::Duration;

    use crate::app::tests::app;
    use crate::app::{App, Apps};
    use crate::config::{Config, Sources};
    use crate::hub::{EventCache, Shards};
    use crate::metrics::Metrics;
    use crate::node::Node;

    fn apps(ids_and_keys: &[(&str, &str)]) -> Apps {
        let app = |(id, key): &(&str, &str)| App {
            id: (*id).to_owned(),
            key: (*key).to_owned(),
            ..app()
        };
        Apps::new(ids_and_keys.iter().map(app)).unwrap()
    }

    fn node(apps: &Apps) -> Node {
        let metrics = Arc::new(Metrics::default());
        let limits = Config::new(&Sources::default()).unwrap().websocket;
        let (shards, _) = Shards::new(1, limits, &metrics);
        let cache = EventCache::new(Duration::from_secs(1), 1);
        Node::new(apps, &shards, cache, metrics, &HashMap::new())
    }

    /// Serves these apps, and returns the ids and codes of those whose sockets are to be closed.
    fn closed(node: &Node, next: &Apps) -> Vec<(String, u16)> {
        let closed = node.serve(next, &HashMap::new());
        let row =
            |closed: crate::node::ClosedApp| (closed.channels.app().id.clone(), closed.code.code());
        closed.into_iter().map(row).collect()
    }

    #[test]
    fn a_slot_belongs_to_one_id_for_ever() {
        let node = node(&apps(&[("1", "k1"), ("2", "k2")]));
        let (first, channels) = node.apps.slot("1").unwrap();
        assert_eq!(closed(&node, &apps(&[("2", "k2"), ("3", "k3")])), [("1".to_owned(), 4001)]);
        assert!(node.channels_by_id("1").is_none() && node.channels_by_key("k1").is_none());
        assert_eq!(node.apps.slot("3").unwrap().0, 2);
        assert_eq!(node.apps.slot("4").err(), Some(3), "no slot is used twice");
        assert_eq!(closed(&node, &apps(&[("1", "k1"), ("2", "k2"), ("3", "k3")])), []);
        assert_eq!(node.apps.slot("1").unwrap().0, first);
        assert!(Arc::ptr_eq(&node.channels_by_id("1").unwrap(), &channels));
    }

    #[test]
    fn an_app_keeps_its_channels_under_new_settings() {
        let node = node(&apps(&[("1", "old")]));
        let channels = node.channels_by_key("old").unwrap();
        assert_eq!(closed(&node, &apps(&[("1", "new")])), []);
        assert!(node.channels_by_key("old").is_none());
        assert!(Arc::ptr_eq(&node.channels_by_key("new").unwrap(), &channels));
        assert_eq!(channels.app().key, "new");
        let disabled = App { id: "1".to_owned(), enabled: false, ..app() };
        assert_eq!(closed(&node, &Apps::new([disabled]).unwrap()), [("1".to_owned(), 4003)]);
        assert!(node.channels_by_id("1").is_some(), "so that its clients get the reason");
    }
}
