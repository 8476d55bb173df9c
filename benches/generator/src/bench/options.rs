//! The flags of the load: sockets, channels, events, time.
//!
//! Owns their defaults and the rules between them.

use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::phase::{EventSource, Pace, Phase};
use crate::run_state::PUBLISHERS_MAX;

/// Enough events to see a p99, few enough for any machine.
const RATE: f64 = 50.0;
/// Half of what Pusher accepts from one socket.
const CLIENT_EVENTS_PER_SOCKET: f64 = 5.0;
/// Long enough for any number of events, short enough to be counted in nanoseconds.
const AS_LONG_AS_IT_TAKES: Duration = Duration::from_secs(7 * 86_400);

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Kind {
    /// Subscriptions need no signature.
    Public,
    /// Subscriptions are signed.
    Private,
    /// Subscriptions are signed, and each socket is a member of its own.
    Presence,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Publish {
    /// Signed requests to the HTTP API.
    Http,
    /// Client events of the sockets themselves, on private and presence channels.
    Client,
    /// Nothing: the sockets are only held.
    None,
}

/// The flags of the load.
#[derive(Debug, Clone, Args)]
pub struct BenchOptions {
    /// Sockets.
    #[arg(long, default_value = "100", value_parser = at_least_one)]
    pub(super) connections: usize,
    /// Channels, over which the sockets are spread evenly.
    #[arg(long, default_value = "1", value_parser = at_least_one)]
    pub(super) channels: usize,
    /// Channels each socket subscribes to.
    #[arg(long, default_value = "1", value_name = "N", value_parser = at_least_one)]
    pub(super) subscriptions_per_socket: usize,
    /// Which channels.
    #[arg(long, value_enum, default_value = "public")]
    pub(super) kind: Kind,
    /// Who publishes.
    #[arg(long, value_enum, default_value = "http")]
    pub(super) publish: Publish,
    /// Bytes of an event's data; a marker of 45 bytes is the least.
    #[arg(long, default_value = "128", value_name = "BYTES")]
    pub(super) payload: usize,
    /// Open loop: events a second in all, each at its time [default: 50].
    #[arg(long, value_parser = positive, conflicts_with = "in_flight")]
    pub(super) rate: Option<f64>,
    /// Closed loop: events under way; the next follows when one has reached all subscribers.
    #[arg(long, value_name = "K", value_parser = at_least_one)]
    pub(super) in_flight: Option<usize>,
    /// Events of one request; above 1 they go to /batch_events.
    #[arg(long, default_value = "1", value_name = "N", value_parser = at_least_one)]
    pub(super) batch: usize,
    /// How long to measure [default: 10, or until all --events are through].
    #[arg(long, value_name = "SECONDS", value_parser = positive)]
    pub(super) duration: Option<f64>,
    /// Stop after this many events.
    #[arg(long, value_name = "N")]
    pub(super) events: Option<u64>,
    /// Seconds of load before anything is measured; 0 is none.
    #[arg(long, default_value = "1", value_name = "SECONDS", value_parser = seconds)]
    warm_up: f64,
    /// Seconds to wait for the last deliveries; what has not come by then is lost.
    #[arg(long, default_value = "10", value_name = "SECONDS", value_parser = seconds)]
    patience: f64,
    /// Ask for permessage-deflate.
    #[arg(long)]
    pub(super) deflate: bool,
    /// Threads that read [default: one for each 4 cores, at most 4].
    #[arg(long, default_value = "0", hide_default_value = true)]
    pub(super) threads: usize,
    /// A process of the server on this machine, to measure its CPU and memory; may be repeated.
    #[arg(long)]
    pub(super) pid: Vec<u32>,
}

/// A flag that cannot be used: which one, and what to change.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidFlag(String);

impl InvalidFlag {
    pub(super) fn new(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl BenchOptions {
    /// Checks the rules between flags; each flag is valid by itself.
    pub(super) fn check(&self) -> Result<(), InvalidFlag> {
        let refuse = |text: &str| Err(InvalidFlag::new(text));
        let is_client = self.publish == Publish::Client;
        if is_client && self.kind == Kind::Public {
            return refuse(
                "--publish is client; client events need signed channels: add --kind private or \
                 --kind presence",
            );
        }
        if is_client && self.batch > 1 {
            return refuse("--batch is for --publish http: client events go one by one");
        }
        if let Some(in_flight) = self.in_flight.filter(|in_flight| *in_flight > PUBLISHERS_MAX) {
            return refuse(&format!(
                "--in-flight is {in_flight}; at most {PUBLISHERS_MAX} are supported"
            ));
        }
        if self.publish == Publish::None && (self.rate.is_some() || self.in_flight.is_some()) {
            return refuse("--publish is none; then --rate and --in-flight have no meaning");
        }
        Ok(())
    }

    pub(super) fn publishes_over_http(&self) -> bool {
        self.publish == Publish::Http
    }

    /// The phase that is measured.
    pub(super) fn phase(&self) -> Phase {
        let duration = match (self.duration, self.events) {
            (Some(seconds), _) => Duration::from_secs_f64(seconds),
            (None, None) => Duration::from_secs(10),
            (None, Some(_)) if self.publish == Publish::None => Duration::from_secs(10),
            (None, Some(_)) => AS_LONG_AS_IT_TAKES,
        };
        Phase { events: self.events, ..self.load(duration) }
    }

    /// The phase before it.
    pub(super) fn warm_up(&self) -> Option<Phase> {
        let is_wanted = self.warm_up > 0.0 && self.publish != Publish::None;
        is_wanted.then(|| self.load(Duration::from_secs_f64(self.warm_up)))
    }

    fn load(&self, duration: Duration) -> Phase {
        let pace = match (self.publish, self.in_flight, self.rate) {
            (Publish::None, ..) => Pace::Idle,
            (_, Some(in_flight), _) => Pace::InFlight(in_flight),
            (_, None, Some(rate)) => Pace::Rate(rate),
            (Publish::Http, None, None) => Pace::Rate(RATE),
            (Publish::Client, None, None) => {
                Pace::Rate(RATE.min(CLIENT_EVENTS_PER_SOCKET * self.connections as f64))
            }
        };
        let source = match self.publish {
            Publish::Client => EventSource::Clients,
            Publish::Http | Publish::None => EventSource::BackEnd,
        };
        Phase {
            pace,
            source,
            payload_bytes: self.payload,
            batch: self.batch,
            patience: Duration::from_secs_f64(self.patience),
            pids: self.pid.clone(),
            ..Phase::idle(duration)
        }
    }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("it must be a whole number above 0".to_owned()),
        Ok(number) => Ok(number),
    }
}

fn positive(text: &str) -> Result<f64, String> {
    let number = seconds(text).ok().filter(|number| *number > 0.0);
    number.ok_or_else(|| "it must be a number above 0".to_owned())
}

/// Up to a day: longer is a wrong unit, not a wish. A rate may be as large.
fn seconds(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number| (0.0..=10_000_000.0).contains(number));
    number.ok_or_else(|| "it must be a number".to_owned())
}
