//! What of an occurrence filters look at, known before the occurrence is made: it borrows, and costs nothing to make.

use super::occurrence::{EventOutcome, Occurrence, OccurrenceKind};
use crate::protocol::SocketId;

/// What of an occurrence decides who takes it; `N` are names of channels.
#[derive(Debug, Clone, Copy)]
pub struct Outline<'a, N = String> {
    /// Its kind.
    pub kind: OccurrenceKind,
    /// The id of the app that it concerns.
    pub app: Option<&'a str>,
    /// What became of it, if that is a question.
    pub outcome: Option<EventOutcome>,
    /// The channels that it concerns.
    pub channels: &'a [N],
    /// The name of its event.
    pub event: Option<&'a str>,
    /// The socket that it concerns.
    pub socket: Option<SocketId>,
}

impl Outline<'_> {
    /// Of an occurrence of which nothing else is known.
    pub fn of(kind: OccurrenceKind) -> Self {
        Self { kind, app: None, outcome: None, channels: &[], event: None, socket: None }
    }
}

impl<N> Outline<'_, N> {
    /// What was missed or refused has a rate of its own, so that a flood of others does not hide it.
    pub(super) fn is_problem(&self) -> bool {
        matches!(self.outcome, Some(EventOutcome::Missed | EventOutcome::Refused))
    }
}

impl Occurrence {
    /// Its outline.
    pub(super) fn outline(&self) -> Outline<'_> {
        Outline {
            kind: self.what.kind(),
            app: self.app.as_deref(),
            outcome: self.what.outcome(),
            channels: self.what.channels(),
            event: self.what.event(),
            socket: self.what.socket(),
        }
    }
}
