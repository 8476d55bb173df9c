//! What the keys and topics of a cluster begin with on the server at hand.
//!
//! A Redis Cluster deals out keys over slots by what stands between their first braces, and a script may use keys
//! of one slot alone. So the prefix ends with a hash tag there: everything of a cluster is in one slot, on one
//! server. The names that the rest of the program uses have no tag; they are translated where commands are made
//! and messages are read.

use std::borrow::Cow;

/// Behind the prefix in a Redis Cluster.
const TAG: &str = ":{0}";

/// The commands for topics.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TopicWords {
    pub(crate) subscribe: &'static str,
    pub(crate) unsubscribe: &'static str,
    pub(crate) publish: &'static str,
}

/// Each server of a Redis Cluster passes these on to all others.
const COMMON: TopicWords =
    TopicWords { subscribe: "SUBSCRIBE", unsubscribe: "UNSUBSCRIBE", publish: "PUBLISH" };

/// These stay on the server that owns the slot of the topic.
const SHARDED: TopicWords =
    TopicWords { subscribe: "SSUBSCRIBE", unsubscribe: "SUNSUBSCRIBE", publish: "SPUBLISH" };

/// The names of one cluster on one kind of server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeySpace {
    /// In the program.
    plain: String,
    /// On the server.
    stored: String,
    is_sharded: bool,
}

impl KeySpace {
    /// On a Redis that has all keys.
    pub(crate) fn of_one_server(prefix: &str) -> Self {
        Self { plain: prefix.to_owned(), stored: prefix.to_owned(), is_sharded: false }
    }

    /// In a Redis Cluster. The prefix of one of several partitions has a tag anyway.
    pub(crate) fn of_redis_cluster(prefix: &str) -> Self {
        let tag = if prefix.ends_with('}') { "" } else { TAG };
        Self { plain: prefix.to_owned(), stored: format!("{prefix}{tag}"), is_sharded: true }
    }

    /// What all names begin with on the server.
    pub(crate) fn prefix(&self) -> &str {
        &self.stored
    }

    /// Whether keys and topics belong to a slot.
    pub(crate) fn is_sharded(&self) -> bool {
        self.is_sharded
    }

    pub(crate) fn words(&self) -> &'static TopicWords {
        if self.is_sharded { &SHARDED } else { &COMMON }
    }

    /// A key that never exists, in the slot of all others. While the slot is moved from one server to another, a
    /// script that names it is refused as a whole. Otherwise it would run until it reaches a key that is on the
    /// other server.
    pub(crate) fn guard(&self) -> String {
        format!("{}:slot", self.stored)
    }

    /// A name as it is on the server.
    pub(crate) fn stored<'a>(&self, name: &'a str) -> Cow<'a, str> {
        Self::exchange(name, &self.plain, &self.stored)
    }

    /// A name of the server as the program has it.
    pub(crate) fn plain<'a>(&self, name: &'a str) -> Cow<'a, str> {
        Self::exchange(name, &self.stored, &self.plain)
    }

    fn exchange<'a>(name: &'a str, from: &str, to: &str) -> Cow<'a, str> {
        match name.strip_prefix(from) {
            Some(rest) if from.len() != to.len() => format!("{to}{rest}").into(),
            _ => name.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::KeySpace;

    #[test]
    fn names_are_the_same_on_one_server_and_tagged_in_a_redis_cluster() {
        let (one, tagged) = (KeySpace::of_one_server("r"), KeySpace::of_redis_cluster("r"));
        for (name, stored) in [("r{7:orders}", "r:{0}{7:orders}"), ("r:all", "r:{0}:all")] {
            assert_eq!((one.stored(name), one.plain(name)), (name.into(), name.into()));
            assert_eq!((tagged.stored(name), tagged.plain(stored)), (stored.into(), name.into()));
        }
        assert_eq!((tagged.prefix(), &*tagged.guard()), ("r:{0}", "r:{0}:slot"));
        assert_eq!(tagged.plain("other:all"), "other:all");
        let part = KeySpace::of_redis_cluster("r:2:{8}");
        assert_eq!((part.prefix(), &*part.stored("r:2:{8}:all")), ("r:2:{8}", "r:2:{8}:all"));
        assert_eq!((one.words().publish, tagged.words().publish), ("PUBLISH", "SPUBLISH"));
    }
}
