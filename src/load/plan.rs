//! Who connects where and subscribes to what.
//!
//! Owns the values a crowd is made from. Refuses to know how it is connected.

use super::Target;
use crate::app::Secret;

/// What a back end has in its `.env`.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// Names the app in the HTTP API.
    pub app_id: String,
    /// Names the app on the WebSocket side.
    pub key: String,
    /// Signs subscriptions and requests.
    pub secret: Secret,
}

/// One socket of the crowd: its node and its channels, as indexes into the [`Plan`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seat {
    /// Which target it connects to.
    pub target: usize,
    /// Which channels it subscribes to.
    pub channels: Vec<usize>,
}

/// A crowd before it exists.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The nodes; requests go to them in turn.
    pub targets: Vec<Target>,
    /// The app.
    pub credentials: Credentials,
    /// Names with their prefix: `private-` and `presence-` are signed for, other names are not.
    pub channels: Vec<String>,
    /// The sockets.
    pub seats: Vec<Seat>,
    /// Ask for `permessage-deflate`.
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
            seats: Seat::spread(connections, 1, 1, 1),
            deflate: false,
            threads: 0,
        }
    }
}

impl Seat {
    /// Sockets evenly over channels, and those of each channel evenly over targets; each socket
    /// subscribes to `subscriptions` channels, at most all.
    pub fn spread(
        connections: usize,
        targets: usize,
        channels: usize,
        subscriptions: usize,
    ) -> Vec<Self> {
        let subscriptions = subscriptions.min(channels);
        let seat = |index: usize| Self {
            target: (index / channels) % targets,
            channels: (0..subscriptions)
                .map(|nth| (index * subscriptions + nth) % channels)
                .collect(),
        };
        (0..connections).map(seat).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Seat;

    #[test]
    fn seats_are_spread_over_channels_and_targets() {
        let seats = Seat::spread(8, 2, 2, 1);
        let on = |target, channel| {
            let seat = Seat { target, channels: vec![channel] };
            seats.iter().filter(|other| **other == seat).count()
        };
        assert_eq!([on(0, 0), on(0, 1), on(1, 0), on(1, 1)], [2, 2, 2, 2]);
    }

    #[test]
    fn several_subscriptions_are_of_different_channels() {
        let seats = Seat::spread(3, 1, 3, 2);
        let channels: Vec<_> = seats.into_iter().map(|seat| seat.channels).collect();
        assert_eq!(channels, [[0, 1], [2, 0], [1, 2]]);
        assert_eq!(Seat::spread(1, 1, 2, 9)[0].channels, [0, 1]);
    }
}
