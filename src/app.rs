//! Applications: their credentials, their settings and their limits.
//!
//! Owns [`App`], its [`Secret`], the Redis servers that are used, and the look-up by id and by key
//! ([`Apps`]). `config` builds these values, the other rooms only read them.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

mod auth;
mod laravel_env;
mod laravel_queue;
mod origin;
mod pacing;
mod public_key;
mod redis_server;
mod secret;
mod webhook;
mod wildcard;

pub use auth::{
    AskRules, AuthMode, AuthSettings, KeySetLocation, MasterKey, TokenKeys, TokenRules,
};
pub use laravel_env::{PublicAddress, laravel_env};
pub use laravel_queue::LaravelQueue;
pub use origin::{OriginPattern, Origins};
pub use pacing::{Pacing, PacingRule};
pub use public_key::PublicKey;
pub use redis_server::{HostPort, NodeAddress, NodeAddresses, RedisAddress, RedisConfig};
pub use secret::{Secret, fingerprint};
pub use webhook::{Webhook, WebhookKind, WebhookTarget};
pub use wildcard::fits_pattern;

/// One application: the credentials a Laravel project has in its `.env`, and what it may use.
///
/// The names follow Reverb's `config/reverb.php` where it has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct App {
    /// `REVERB_APP_ID`: names the app in the paths of the HTTP API. Text, even if it looks like a number.
    pub id: String,
    /// `REVERB_APP_KEY`: public, names the app in the WebSocket path.
    pub key: String,
    /// `REVERB_APP_SECRET`: signs everything.
    pub secret: Secret,
    /// `REVERB_APP_PREVIOUS_SECRET`: what it signed is accepted too, while a secret is rotated.
    pub previous_secret: Option<Secret>,
    /// A disabled app refuses sockets with 4003 and API calls with 403.
    pub enabled: bool,
    /// Which pages may connect.
    pub allowed_origins: Origins,
    /// Sent to clients: the time without a message after which they ping.
    pub activity_timeout: Duration,
    /// The time without a message of a client after which the server pings it.
    pub ping_interval: Duration,
    /// The time from the server's ping to any message or frame; after it the socket is closed with 4201.
    pub pong_timeout: Duration,
    /// Refuse sockets of clients that do not send `protocol=…` with 4008.
    pub require_protocol: bool,
    /// Pusher's "authorized connections": a socket that has neither signed in nor joined a private
    /// or presence channel by then is closed with 4009. `None`: off.
    pub authorization_timeout: Option<Duration>,
    /// Whether signed-in users get events about the users of their watchlist.
    pub watchlist_events: bool,
    /// Whether subscribers get their number, on all but presence channels.
    pub subscription_count_events: bool,
    /// Whether terminating a user also closes sockets that only joined a presence channel as that
    /// user, as Reverb does.
    pub terminate_presence_users: bool,
    /// The event that subscribers of a channel are sent when this node may have missed events of
    /// it. `None`: off.
    pub gap_event: Option<String>,
    /// How this server authorizes subscriptions and sign-ins. `None`: the app does it alone.
    pub auth: Option<AuthSettings>,
    /// The endpoints that are called for events of its channels.
    pub webhooks: Vec<Webhook>,
    /// The pace of events on some channels; of the entries that cover a channel the first counts.
    pub pacing: Vec<Pacing>,
    /// The senders whose client events are relayed.
    pub accept_client_events_from: ClientEvents,
    /// The limits of what its clients and back ends may send.
    pub limits: AppLimits,
}

impl App {
    /// The pace of events on this channel; `None`: as they come.
    pub fn pacing_of(&self, channel: &str) -> Option<PacingRule> {
        self.pacing.iter().find(|pacing| pacing.covers(channel)).map(|pacing| pacing.rule)
    }

    /// The secrets with which signatures are accepted.
    pub fn secrets(&self) -> impl Iterator<Item = &Secret> {
        std::iter::once(&self.secret).chain(&self.previous_secret)
    }
}

/// Every limit of one app, and what happens beyond it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppLimits {
    /// Sockets open at once; one more is closed with 4100, so that it tries again. `None`: no bound.
    pub connections: Option<u32>,
    /// Bytes of one client message over all its fragments; more is closed with 1009.
    pub message_bytes: usize,
    /// Channels one socket may be subscribed to; one more gets a subscription error.
    pub subscriptions: usize,
    /// Client events a second of one socket; more get 4301. `None`: no bound.
    pub client_events_per_second: Option<u32>,
    /// Reverb's limit on all messages of one socket. `None`: off.
    pub messages: Option<MessageRate>,
    /// Bytes of a channel name.
    pub channel_name_bytes: usize,
    /// Characters of an event name.
    pub event_name_chars: usize,
    /// Bytes of the `data` of one event; more gets 413 or 4301.
    pub event_data_bytes: usize,
    /// Bytes of `data` above which the event is delivered, logged and counted as oversized.
    pub event_data_warn_bytes: usize,
    /// Channels of one trigger; more get 400.
    pub channels_per_event: usize,
    /// Events of one batch; more get 400.
    pub events_per_batch: usize,
    /// Distinct members of one presence channel; one more gets a subscription error.
    pub presence_members: usize,
    /// User ids of one watchlist; of a longer one the first are taken, and the error is 4302.
    pub watchlist_users: usize,
    /// Bytes of a presence `user_id`.
    pub presence_user_id_bytes: usize,
    /// Bytes of a presence `user_info`.
    pub presence_user_info_bytes: usize,
}

/// 1 GiB; a larger size or count is a wrong unit.
const LARGEST: u64 = 1 << 30;

impl AppLimits {
    /// Each limit from the key of `config/defaults.toml` that sets it. `read` returns the number of a key,
    /// or refuses it if it is not in the range.
    pub fn read<E>(
        messages: Option<MessageRate>,
        read: impl Fn(&'static str, RangeInclusive<u64>) -> Result<u64, E>,
    ) -> Result<Self, E> {
        let size = |key| read(key, 1..=LARGEST).map(|number| number as usize);
        // 0 is no bound.
        let bound = |key| {
            read(key, 0..=u32::MAX.into())
                .map(|number| Some(number as u32).filter(|most| *most > 0))
        };
        Ok(Self {
            connections: bound("max_connections")?,
            message_bytes: size("max_message_size")?,
            subscriptions: size("max_subscriptions")?,
            client_events_per_second: bound("max_client_events_per_second")?,
            messages,
            channel_name_bytes: size("max_channel_name_bytes")?,
            event_name_chars: size("max_event_name_chars")?,
            event_data_bytes: size("max_event_data_bytes")?,
            event_data_warn_bytes: size("event_data_warn_bytes")?,
            channels_per_event: size("max_channels_per_event")?,
            events_per_batch: size("max_events_per_batch")?,
            presence_members: size("max_presence_members")?,
            watchlist_users: size("max_watchlist_users")?,
            presence_user_id_bytes: size("max_presence_user_id_bytes")?,
            presence_user_info_bytes: size("max_presence_user_info_bytes")?,
        })
    }
}

/// Reverb's `rate_limiting`: a fixed window over all messages of one socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageRate {
    /// Messages per window.
    pub max_attempts: u32,
    /// Length of the window.
    pub decay: Duration,
    /// Close the socket at the limit instead of only refusing the message.
    pub terminate_on_limit: bool,
}

/// Reverb's `accept_client_events_from`. The sender must be subscribed to the channel in every case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientEvents {
    /// On private and presence channels: Pusher's rule.
    Members,
    /// On public channels too.
    All,
    /// Nowhere.
    None,
}

/// All apps of the process.
#[derive(Debug, Clone, Default)]
pub struct Apps {
    by_id: HashMap<String, Arc<App>>,
    by_key: HashMap<String, Arc<App>>,
}

/// Two apps that claim the same id or key.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Duplicate {
    /// The same id twice.
    #[error("two apps have the id \"{0}\"")]
    Id(String),
    /// The same key twice.
    #[error("two apps have the key \"{0}\"")]
    Key(String),
}

impl Apps {
    /// Builds the two indexes; ids and keys must each be unique.
    pub fn new(apps: impl IntoIterator<Item = App>) -> Result<Self, Duplicate> {
        let mut all = Self::default();
        for app in apps.into_iter().map(Arc::new) {
            if all.by_id.insert(app.id.clone(), app.clone()).is_some() {
                return Err(Duplicate::Id(app.id.clone()));
            }
            if all.by_key.insert(app.key.clone(), app.clone()).is_some() {
                return Err(Duplicate::Key(app.key.clone()));
            }
        }
        Ok(all)
    }

    /// The app a back end names in `/apps/{id}/…`.
    pub fn by_id(&self, id: &str) -> Option<&Arc<App>> {
        self.by_id.get(id)
    }

    /// The app a client names in `/app/{key}`.
    pub fn by_key(&self, key: &str) -> Option<&Arc<App>> {
        self.by_key.get(key)
    }

    /// Every app, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<App>> {
        self.by_id.values()
    }

    /// Whether there is no app at all.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }
}

#[cfg(test)]
pub(crate) mod tests;
