//! The sockets of a pool: which node each connects to and which channels it subscribes to.
//!
//! Owns the values a pool is made from. How the sockets connect is left to the workers.

use super::credentials::Credentials;
use super::target::Target;

/// One socket of the pool: its node and its channels, as indexes into the [`Plan`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedSocket {
    /// The node it connects to.
    pub target: usize,
    /// The channels it subscribes to.
    pub channels: Vec<usize>,
}

/// What [`ClientPool::connect`](super::ClientPool::connect) opens.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The nodes; requests go to them in turn.
    pub targets: Vec<Target>,
    /// The app.
    pub credentials: Credentials,
    /// Names with their prefix: subscriptions to `private-` and `presence-` channels are signed.
    pub channels: Vec<String>,
    /// The sockets.
    pub sockets: Vec<PlannedSocket>,
    /// Whether to offer `permessage-deflate`.
    pub deflate: bool,
    /// Threads that read; 0 is one for each 4 cores, and 4 at most.
    pub threads: usize,
}

impl Plan {
    /// `connections` sockets on one target and one channel.
    pub fn simple(
        target: Target,
        credentials: Credentials,
        channel: &str,
        connections: usize,
    ) -> Self {
        Self {
            targets: vec![target],
            credentials,
            channels: vec![channel.to_owned()],
            sockets: PlannedSocket::spread(connections, 1, 1, 1),
            deflate: false,
            threads: 0,
        }
    }

    /// The node of a socket.
    pub(super) fn target(&self, socket: usize) -> &Target {
        &self.targets[self.sockets[socket].target]
    }
}

impl PlannedSocket {
    /// Sockets evenly over channels, and those of each channel evenly over targets; each socket
    /// subscribes to `subscriptions` channels, at most all.
    pub fn spread(
        connections: usize,
        targets: usize,
        channels: usize,
        subscriptions: usize,
    ) -> Vec<Self> {
        let subscriptions = subscriptions.min(channels);
        let index = |index: usize| Self {
            target: (index / channels) % targets,
            channels: (0..subscriptions)
                .map(|nth| (index * subscriptions + nth) % channels)
                .collect(),
        };
        (0..connections).map(index).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::PlannedSocket;

    #[test]
    fn sockets_are_spread_over_channels_and_targets() {
        let sockets = PlannedSocket::spread(8, 2, 2, 1);
        let on = |target, channel| {
            let index = PlannedSocket { target, channels: vec![channel] };
            sockets.iter().filter(|other| **other == index).count()
        };
        assert_eq!([on(0, 0), on(0, 1), on(1, 0), on(1, 1)], [2, 2, 2, 2]);
    }

    #[test]
    fn several_subscriptions_are_of_different_channels() {
        let sockets = PlannedSocket::spread(3, 1, 3, 2);
        let channels: Vec<_> = sockets.into_iter().map(|index| index.channels).collect();
        assert_eq!(channels, [[0, 1], [2, 0], [1, 2]]);
        assert_eq!(PlannedSocket::spread(1, 1, 2, 9)[0].channels, [0, 1]);
    }
}
