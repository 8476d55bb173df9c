//! Which sockets an event reached on one channel, as far as this node can tell when it was published.

use super::coordinator::TriggerEnd;
use crate::observation::EventOutcome;

/// Which sockets an event reached on one channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reached {
    /// This number of subscribers, which are all.
    All(usize),
    /// This number of subscribers of this node: Redis is away.
    Here(usize),
    /// Some; their number is in the directory.
    Some,
    /// That is decided later, or by other nodes.
    Undecided,
}

impl Reached {
    /// Of a published event; `here` are the subscribers of this node, `all` those of all nodes where this one has
    /// them.
    pub(super) fn of(end: TriggerEnd, all: Option<usize>, here: impl FnOnce() -> usize) -> Self {
        match (end, all) {
            (TriggerEnd::Missed, _) => Self::All(0),
            (TriggerEnd::ThisNodeOnly, _) => Self::Here(here()),
            (TriggerEnd::Received, Some(all)) => Self::All(all),
            (TriggerEnd::Received, None) => Self::Some,
        }
    }

    /// The subscribers, where their number is known.
    pub(super) fn subscribers(self) -> Option<usize> {
        match self {
            Self::All(sockets) | Self::Here(sockets) => Some(sockets),
            Self::Some | Self::Undecided => None,
        }
    }

    /// What became of the event there; `senders` of the subscribers do not receive it.
    pub(super) fn outcome(self, senders: usize) -> Option<EventOutcome> {
        match self {
            Self::All(sockets) | Self::Here(sockets) if sockets > senders => {
                Some(EventOutcome::Delivered)
            }
            Self::All(_) | Self::Here(_) => Some(EventOutcome::Missed),
            Self::Some => Some(EventOutcome::Delivered),
            Self::Undecided => None,
        }
    }
}

/// The subscribers of all channels of an event, where their number is known.
pub(super) fn subscribers(reached: &[Reached]) -> Option<usize> {
    reached.iter().try_fold(0, |sum, one| Some(sum + one.subscribers()?))
}

/// What became of an event with these channels.
pub(super) fn outcome(reached: &[Reached], senders: usize) -> Option<EventOutcome> {
    let outcomes = || reached.iter().map(|one| one.outcome(senders));
    let is_delivered = outcomes().any(|it| it == Some(EventOutcome::Delivered));
    let is_missed = outcomes().all(|it| it == Some(EventOutcome::Missed));
    match (is_delivered, is_missed) {
        (true, _) => Some(EventOutcome::Delivered),
        (false, true) => Some(EventOutcome::Missed),
        (false, false) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{EventOutcome, Reached, outcome, subscribers};

    #[test]
    fn an_event_is_delivered_where_one_of_its_channels_has_a_receiver() {
        use Reached::{All, Here, Some as Elsewhere, Undecided};
        for (reached, senders, expected, count) in [
            (&[All(0)][..], 0, Some(EventOutcome::Missed), Some(0)),
            (&[All(0), All(2)], 0, Some(EventOutcome::Delivered), Some(2)),
            (&[All(1)], 1, Some(EventOutcome::Missed), Some(1)),
            (&[Here(0), Elsewhere], 0, Some(EventOutcome::Delivered), None),
            (&[Undecided], 1, None, None),
            (&[All(0), Undecided], 0, None, None),
        ] {
            assert_eq!(outcome(reached, senders), expected, "{reached:?}");
            assert_eq!(subscribers(reached), count, "{reached:?}");
        }
    }
}
