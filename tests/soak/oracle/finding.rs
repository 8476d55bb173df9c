//! What the oracle found: broken promises, and losses that were announced or counted.

use std::collections::BTreeMap;
use std::fmt::{self, Display};

/// Findings of which the text is kept; of the others the number.
const TEXTS_MAX: usize = 40;

/// A promise that was broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Broken {
    LostInSilence,
    Doubled,
    Reordered,
    Echoed,
    CachedEventMissing,
    WhisperLost,
    RosterContradicted,
    MemberMissing,
    MemberTooMany,
    ClosedWithoutCause,
    NotTerminated,
    Refused,
    WebhookMissing,
    WebhookDoubled,
    /// A count of the server that is not the true one.
    CountWrong,
    NotConverged,
    NotReturned,
}

/// A loss with a cause that the server has stated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Loss {
    /// The answer said that only the sockets of one node have the event.
    ScopeNode,
    /// The same, and the channel was sent that it lost events.
    ScopeNodeAnnounced,
    /// The channel was sent the number of lost events.
    AnnouncedWithNumber,
    /// The channel was sent that events may be lost.
    AnnouncedWithoutNumber,
    /// Client events while nodes were without Redis; they have no answer.
    WhisperWithoutRedis,
    /// Webhooks that waited in what was killed.
    WebhookInFault,
}

impl Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::ScopeNode => "scope node",
            Self::ScopeNodeAnnounced => "scope node, announced",
            Self::AnnouncedWithNumber => "announced, counted",
            Self::AnnouncedWithoutNumber => "announced, number unknown",
            Self::WhisperWithoutRedis => "whispers without Redis",
            Self::WebhookInFault => "webhooks in a fault",
        })
    }
}

#[derive(Debug, Default)]
pub(crate) struct Findings {
    broken: BTreeMap<Broken, u64>,
    losses: BTreeMap<Loss, u64>,
    texts: Vec<String>,
    notes: Vec<String>,
}

impl Findings {
    pub(crate) fn add(&mut self, broken: Broken, text: impl Display) {
        *self.broken.entry(broken).or_default() += 1;
        if self.texts.len() < TEXTS_MAX {
            self.texts.push(format!("{broken:?}: {text}"));
        }
    }

    pub(crate) fn count_loss(&mut self, loss: Loss, events: u64) {
        if events > 0 {
            *self.losses.entry(loss).or_default() += events;
        }
    }

    /// What exactly was lost with a cause, of the first ones.
    pub(crate) fn notes(&self) -> &[String] {
        &self.notes
    }

    pub(crate) fn note(&mut self, text: String) {
        if self.notes.len() < TEXTS_MAX {
            self.notes.push(text);
        }
    }

    pub(crate) fn broken(&self, broken: Broken) -> u64 {
        self.broken.get(&broken).copied().unwrap_or(0)
    }

    pub(crate) fn lost(&self, loss: Loss) -> u64 {
        self.losses.get(&loss).copied().unwrap_or(0)
    }

    pub(crate) fn losses(&self) -> impl Iterator<Item = (Loss, u64)> + '_ {
        self.losses.iter().map(|(loss, events)| (*loss, *events))
    }

    /// The broken promises with how often each was, and then the first ones in words.
    pub(crate) fn report(&self) -> Option<String> {
        let counts = self.broken.iter().map(|(broken, count)| format!("{count} × {broken:?}"));
        let lines: Vec<String> = counts.chain(self.texts.iter().cloned()).collect();
        (!self.broken.is_empty()).then(|| lines.join("\n"))
    }
}
