//! In which order sockets are listed. A shard orders what one step of a look has found, `node` what all steps have.

use super::sighting::LineFacts;
use crate::protocol::SocketId;

/// In which order sockets are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SocketOrder {
    /// The newest first.
    #[default]
    Newest,
    /// The oldest first.
    Oldest,
    /// Those with the fullest outbox first.
    Outbox,
    /// Those that were sent most bytes first.
    Sent,
    /// Those that sent most bytes first.
    Received,
}

/// The place of a socket in an order: those with the least come first, and no two have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SocketRank(u64, SocketId);

impl SocketOrder {
    /// All of them, by name.
    pub const NAMES: [(&'static str, Self); 5] = [
        ("newest", Self::Newest),
        ("oldest", Self::Oldest),
        ("outbox", Self::Outbox),
        ("sent", Self::Sent),
        ("received", Self::Received),
    ];

    /// The rank of a socket that opened then and for which so many bytes wait; its connection is asked only where
    /// the order needs it.
    pub(super) fn rank(
        self,
        socket: SocketId,
        (opened, outbox_bytes): (u32, usize),
        line: impl FnOnce() -> LineFacts,
    ) -> SocketRank {
        let key = match self {
            Self::Newest => u64::from(u32::MAX - opened),
            Self::Oldest => opened.into(),
            Self::Outbox => u64::MAX - outbox_bytes as u64,
            Self::Sent => u64::MAX - line().sent_bytes,
            Self::Received => u64::MAX - line().received_bytes,
        };
        SocketRank(key, socket)
    }
}

#[cfg(test)]
mod tests {
    use super::{LineFacts, SocketId, SocketOrder};

    #[test]
    fn each_order_has_its_first() {
        let sockets = [
            (
                "1.1",
                (1, 30),
                LineFacts { sent_bytes: 5, received_bytes: 8, ..LineFacts::default() },
            ),
            (
                "1.2",
                (2, 10),
                LineFacts { sent_bytes: 9, received_bytes: 7, ..LineFacts::default() },
            ),
            (
                "1.3",
                (3, 20),
                LineFacts { sent_bytes: 6, received_bytes: 9, ..LineFacts::default() },
            ),
        ];
        for (name, first) in [
            ("newest", "1.3"),
            ("oldest", "1.1"),
            ("outbox", "1.1"),
            ("sent", "1.2"),
            ("received", "1.3"),
        ] {
            let (_, order) =
                SocketOrder::NAMES.into_iter().find(|(known, _)| *known == name).unwrap();
            let ranked = sockets.iter().map(|(id, facts, line)| {
                (order.rank(SocketId::parse(id).unwrap(), *facts, || line.clone()), *id)
            });
            assert_eq!(ranked.min().unwrap().1, first, "{order:?}");
        }
    }
}
