//! What is to be done: the crowd, the load, the time.
//!
//! Owns those arguments, their defaults and the rules between them. Refuses to know the server.

use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::config::Problem;
use crate::load::{LANES_MAX, Pace, Phase, Publisher};

/// Enough events to see a p99, few enough for any machine.
const RATE: f64 = 50.0;
/// Pusher takes 10 client events a second of one socket; this leaves room.
const CLIENT_EVENTS_PER_SOCKET: f64 = 5.0;
/// Long enough for any number of events, short enough to be counted in nanoseconds.
const AS_LONG_AS_IT_TAKES: Duration = Duration::from_secs(7 * 86_400);

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Kind {
    /// Anybody may subscribe.
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

#[derive(Debug, Clone, Args)]
pub(super) struct Task {
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
}

impl Task {
    /// What the flags are together; each of them is right by itself.
    pub(super) fn check(&self) -> Result<(), Problem> {
        let is_client = self.publish == Publish::Client;
        if is_client && self.kind == Kind::Public {
            return Err(Problem::new(
                "flag --publish is client; client events need signed channels: add --kind private \
                 or --kind presence",
            ));
        }
        if is_client && self.batch > 1 {
            return Err(Problem::new(
                "flag --batch is for --publish http: client events go one by one",
            ));
        }
        if let Some(in_flight) = self.in_flight.filter(|in_flight| *in_flight > LANES_MAX) {
            return Err(Problem::new(format!(
                "flag --in-flight is {in_flight}; at most {LANES_MAX} are supported"
            )));
        }
        if self.publish == Publish::None && (self.rate.is_some() || self.in_flight.is_some()) {
            return Err(Problem::new(
                "flag --publish is none; then --rate and --in-flight have no meaning",
            ));
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
        let publisher =
            if self.publish == Publish::Client { Publisher::Client } else { Publisher::Http };
        Phase {
            pace,
            publisher,
            payload_bytes: self.payload,
            batch: self.batch,
            patience: Duration::from_secs_f64(self.patience),
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
