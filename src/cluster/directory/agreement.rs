//! What the nodes of a cluster have to agree on, and where they do not.
//!
//! Pure. Each node writes a [`Claim`] into the directory; each compares its own with those of the nodes
//! that live. A difference is no reason to stop: during a rolling change of the configuration there is
//! one for minutes. It is named in the log and in `/ready` for as long as it lasts.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize, Serializer};
use sha2::Sha256;

use super::{FORMAT, NodeId};
use crate::app::{App, Secret};

/// What one node is configured with, as far as all nodes must agree on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::cluster) struct Claim {
    format: u8,
    /// How events travel: `pubsub` or `streams`.
    transport: String,
    /// By the app's id.
    apps: BTreeMap<String, Marks>,
}

/// What makes a change of an app's credentials visible and shows nothing of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Marks {
    key: String,
    secret: String,
    /// While a secret is rotated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    previous: Option<SecretMarks>,
}

/// The marks that an app has where its previous secret is its only one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct SecretMarks {
    key: String,
    secret: String,
}

/// A setting in which other live nodes differ from this one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Disagreement {
    /// What it is about.
    pub about: DisagreementKind,
    /// The app's id, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// The other nodes.
    pub nodes: Vec<String>,
}

/// What nodes may disagree on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DisagreementKind {
    /// The version of messages.
    Format,
    /// `cluster.transport`.
    Transport,
    /// The other node does not have the app.
    AppMissingThere,
    /// This node does not have the app.
    AppMissingHere,
    /// The app's key.
    Key,
    /// The app's secret.
    Secret,
}

impl DisagreementKind {
    /// Its name in answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Format => "format",
            Self::Transport => "transport",
            Self::AppMissingThere => "app_missing_there",
            Self::AppMissingHere => "app_missing_here",
            Self::Key => "key",
            Self::Secret => "secret",
        }
    }
}

impl Serialize for DisagreementKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl Claim {
    /// The claim of this node.
    pub(in crate::cluster) fn of<'a>(
        apps: impl Iterator<Item = &'a App>,
        keeps_events: bool,
    ) -> Self {
        let transport = if keeps_events { "streams" } else { "pubsub" }.to_owned();
        let of_secret = |app: &App, secret: &Secret| {
            let mark = |part: &str, text: &str| {
                mark(secret.reveal(), &format!("{part} {} {text}", app.id))
            };
            SecretMarks { key: mark("key", &app.key), secret: mark("secret", "") }
        };
        let marks = |app: &App| {
            let SecretMarks { key, secret } = of_secret(app, &app.secret);
            let previous = app.previous_secret.as_ref().map(|secret| of_secret(app, secret));
            Marks { key, secret, previous }
        };
        Self {
            format: FORMAT,
            transport,
            apps: apps.map(|app| (app.id.clone(), marks(app))).collect(),
        }
    }

    /// Where the claims of others differ from this one. A claim that cannot be read is one of
    /// another format.
    pub(in crate::cluster) fn disagreements(
        &self,
        others: &[(NodeId, Option<Self>)],
    ) -> Vec<Disagreement> {
        let mut nodes: BTreeMap<(DisagreementKind, Option<String>), BTreeSet<String>> =
            BTreeMap::new();
        for (node, other) in others {
            for (about, app) in self.differences(other.as_ref()) {
                nodes.entry((about, app)).or_default().insert(node.to_string());
            }
        }
        let disagreement = |((about, app), nodes): (_, BTreeSet<String>)| Disagreement {
            about,
            app,
            nodes: nodes.into_iter().collect(),
        };
        nodes.into_iter().map(disagreement).collect()
    }

    fn differences(&self, other: Option<&Self>) -> Vec<(DisagreementKind, Option<String>)> {
        let Some(other) = other.filter(|other| other.format == self.format) else {
            return vec![(DisagreementKind::Format, None)];
        };
        let mut all = Vec::new();
        if other.transport != self.transport {
            all.push((DisagreementKind::Transport, None));
        }
        for (id, marks) in &self.apps {
            let about = match other.apps.get(id) {
                None => DisagreementKind::AppMissingThere,
                Some(there) => match marks.compare(there) {
                    Some(about) => about,
                    None => continue,
                },
            };
            all.push((about, Some(id.clone())));
        }
        let missing = other.apps.keys().filter(|id| !self.apps.contains_key(*id));
        all.extend(missing.map(|id| (DisagreementKind::AppMissingHere, Some(id.clone()))));
        all
    }
}

impl Marks {
    /// The marks by each secret that is accepted.
    fn by_secret(&self) -> impl Iterator<Item = (&str, &str)> {
        let previous = self.previous.as_ref().map(|marks| (&*marks.key, &*marks.secret));
        std::iter::once((&*self.key, &*self.secret)).chain(previous)
    }

    /// What differs. One secret that both accept is agreement: during a rotation some nodes have the
    /// new one already, and the others do not need it yet.
    fn compare(&self, there: &Self) -> Option<DisagreementKind> {
        let same = |ours: &str| there.by_secret().find(|(_, theirs)| *theirs == ours);
        let shared = self.by_secret().find_map(|(key, secret)| Some((key, same(secret)?.0)));
        match shared {
            None => Some(DisagreementKind::Secret),
            Some((ours, theirs)) if ours != theirs => Some(DisagreementKind::Key),
            Some(_) => None,
        }
    }
}

/// Four bytes of an HMAC with the app's secret. A guess of the secret can be checked against them, as it
/// can against the signature that every client of a private channel has: that is an HMAC, too.
fn mark(secret: &str, text: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any key length");
    mac.update(b"resound cluster agreement ");
    mac.update(text.as_bytes());
    hex::encode(&mac.finalize().into_bytes()[..4])
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let app = self.app.as_deref().unwrap_or_default();
        match self.about {
            DisagreementKind::Format => f.write_str(
                "they exchange messages in another format, so events do not cross: run the same version of Resound on all nodes",
            ),
            DisagreementKind::Transport => f.write_str(
                "they have another cluster.transport, so events that were missed cannot all be read again: set the same on all nodes",
            ),
            DisagreementKind::AppMissingThere => write!(
                f,
                "they do not serve app {app}: configure the same apps on all nodes, or give installations that are not one cluster another cluster.prefix"
            ),
            DisagreementKind::AppMissingHere => write!(
                f,
                "they serve app {app}, which this node does not: configure the same apps on all nodes, or give installations that are not one cluster another cluster.prefix"
            ),
            DisagreementKind::Key => write!(
                f,
                "app {app} has another key there, so clients find it on some nodes only: configure the same key on all nodes"
            ),
            DisagreementKind::Secret => write!(
                f,
                "app {app} has another secret there, so signatures are refused on some nodes: configure the same secret on all nodes, or give installations that are not one cluster another cluster.prefix"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{App, Claim, DisagreementKind};
    use crate::app::Secret;
    use crate::app::tests::app;
    use crate::cluster::NodeId;

    fn claim(apps: &[(&str, &str, &str)], keeps: bool) -> Claim {
        let app = |(id, key, secret): &(&str, &str, &str)| App {
            id: (*id).to_owned(),
            key: (*key).to_owned(),
            secret: Secret::new(secret),
            ..app()
        };
        let apps: Vec<App> = apps.iter().map(app).collect();
        Claim::of(apps.iter(), keeps)
    }

    fn check(other: Option<Claim>, expected: &[(DisagreementKind, Option<&str>)]) {
        let ours = claim(&[("1", "k", "s"), ("2", "k2", "s2")], false);
        let found = ours.disagreements(&[(NodeId(7), other.clone()), (NodeId(8), other)]);
        let seen: Vec<_> = found.iter().map(|found| (found.about, found.app.as_deref())).collect();
        assert_eq!(seen, expected);
        assert!(
            found.iter().all(|found| found.nodes == [NodeId(7), NodeId(8)].map(|n| n.to_string()))
        );
    }

    #[test]
    fn each_difference_is_named() {
        check(Some(claim(&[("1", "k", "s"), ("2", "k2", "s2")], false)), &[]);
        check(
            Some(claim(&[("1", "k", "s"), ("2", "k2", "s2")], true)),
            &[(DisagreementKind::Transport, None)],
        );
        check(
            Some(claim(&[("1", "other", "s"), ("2", "k2", "other")], false)),
            &[(DisagreementKind::Key, Some("1")), (DisagreementKind::Secret, Some("2"))],
        );
        check(
            Some(claim(&[("1", "k", "s"), ("3", "k3", "s3")], false)),
            &[
                (DisagreementKind::AppMissingThere, Some("2")),
                (DisagreementKind::AppMissingHere, Some("3")),
            ],
        );
        check(None, &[(DisagreementKind::Format, None)]);
        let newer = Claim { format: super::FORMAT + 1, ..claim(&[], false) };
        check(Some(newer), &[(DisagreementKind::Format, None)]);
    }

    #[test]
    fn a_secret_that_both_accept_is_agreement() {
        let rotated = |key: &str, secret: &str, previous: Option<&str>| {
            let previous_secret = previous.map(Secret::new);
            let (id, secret) = ("1".to_owned(), Secret::new(secret));
            let app = App { id, key: key.to_owned(), secret, previous_secret, ..app() };
            Claim::of(std::iter::once(&app), false)
        };
        let about = |ours: &Claim, theirs: &Claim| {
            let found = ours.disagreements(&[(NodeId(7), Some(theirs.clone()))]);
            found.iter().map(|found| found.about).collect::<Vec<_>>()
        };
        let (old, new) = (rotated("k", "old", None), rotated("k", "new", None));
        let both = rotated("k", "new", Some("old"));
        let other_key = rotated("k2", "new", Some("old"));
        for (ours, theirs, expected) in [
            (&both, &old, None),
            (&both, &new, None),
            (&both, &both, None),
            (&old, &new, Some(DisagreementKind::Secret)),
            (&other_key, &old, Some(DisagreementKind::Key)),
            (&other_key, &both, Some(DisagreementKind::Key)),
        ] {
            let expected: Vec<_> = expected.into_iter().collect();
            assert_eq!(about(ours, theirs), expected, "{ours:?} {theirs:?}");
            assert_eq!(about(theirs, ours), expected, "{theirs:?} {ours:?}");
        }
    }

    #[test]
    fn a_claim_shows_neither_key_nor_secret() {
        let text = serde_json::to_string(&claim(&[("1", "app-key", "app-secret")], false)).unwrap();
        assert!(!text.contains("app-key") && !text.contains("app-secret"), "{text}");
        let read: Claim = serde_json::from_str(&text).unwrap();
        assert_eq!(read, claim(&[("1", "app-key", "app-secret")], false));
    }
}
