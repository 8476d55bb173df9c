//! `[[laravel_redis]]` and `[beside_reverb]`: the Redis that Laravel and Reverb publish to.
//!
//! Owns which app an input is for, its prefix or topic, and the layers of an entry. The forms of an address are
//! those of `redis`; what is received is read by the room `redis_input`.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::environment::{self, Environment};
use super::error::{ConfigError, ValueOrigin};
use super::layers::{self, Layer};
use super::redis::RedisKeys;
use super::schema::{self, LARAVEL_REDIS, Schema};
use super::values::{Setting, ValueTable, Values};
use crate::app::{Apps, RedisConfig};

const TIMEOUT_MS: RangeInclusive<u64> = 100..=60_000;
/// A topic is a prefix and the name of a channel; a longer prefix is a mistake.
const MAX_PREFIX_BYTES: usize = 200;
/// For an answer of the Redis of Reverb.
const REVERB_TIMEOUT: Duration = Duration::from_secs(1);
/// Bytes of messages of Reverb that may wait to be delivered.
const REVERB_QUEUE_BYTES: usize = 16 << 20;

/// One entry of `[[laravel_redis]]`: what Laravel's `redis` broadcaster publishes for one app.
#[derive(Debug, Clone)]
pub struct LaravelRedisConfig {
    /// The id of the app.
    pub app: String,
    /// What stands before the name of each channel.
    pub prefix: String,
    /// Where Redis is.
    pub redis: RedisConfig,
    /// After which a Redis that does not answer counts as away.
    pub timeout: Duration,
    /// Bytes of messages that may wait to be delivered.
    pub queue_bytes: usize,
}

/// `[beside_reverb]`: the topic on which Reverb's servers exchange events.
#[derive(Debug, Clone)]
pub struct BesideReverbConfig {
    /// Where Redis is.
    pub redis: RedisConfig,
    /// The topic.
    pub channel: String,
    /// After which a Redis that does not answer counts as away.
    pub timeout: Duration,
    /// Bytes of messages that may wait, in each direction.
    pub queue_bytes: usize,
}

/// One entry of `[[laravel_redis]]` with everything below it.
pub(super) struct InputEntry {
    /// `laravel_redis[0]`
    section: String,
    layers: Vec<Layer>,
    /// All layers, one over the other.
    pub(super) table: ValueTable,
    origin: ValueOrigin,
}

/// The entries of the file, over Laravel's variables and the defaults.
pub(super) fn entries(
    merged: &ValueTable,
    variables: &Environment,
    schema: &Schema,
) -> Result<Vec<InputEntry>, ConfigError> {
    let Some(list) = Values::of(merged).get(LARAVEL_REDIS) else { return Ok(Vec::new()) };
    let of_laravel = environment::laravel_redis_layer(variables, schema)?;
    let entry = |(index, (origin, table)): (usize, (ValueOrigin, ValueTable))| {
        let section = format!("{LARAVEL_REDIS}[{index}]");
        let mut defaults = schema::laravel_redis();
        // Not a key of the file: pub/sub ignores it.
        defaults.insert("database".to_owned(), 0.into());
        let of_default =
            |key: &str| ValueOrigin::of_default(&format!("{section}.{key}")).to_string();
        let defaults = Layer::of_toml(&defaults, &of_default);
        let layers = vec![defaults, of_laravel.clone(), Layer::from(table)];
        InputEntry { table: layers::merge(layers.clone()), section, layers, origin }
    };
    Ok(list.tables().into_iter().enumerate().map(entry).collect())
}

/// Checks every entry.
pub(super) fn laravel_redis(
    entries: &[InputEntry],
    apps: &Apps,
) -> Result<Vec<LaravelRedisConfig>, ConfigError> {
    let mut all: Vec<LaravelRedisConfig> = Vec::new();
    for entry in entries {
        let input = entry.read(apps)?;
        let is_same =
            |other: &LaravelRedisConfig| other.app == input.app && other.prefix == input.prefix;
        if all.iter().any(is_same) {
            return Err(entry.origin.flaw(
                "has the app and the prefix of an entry before it: each event would be delivered twice; remove one",
            ));
        }
        all.push(input);
    }
    Ok(all)
}

impl InputEntry {
    fn read(&self, apps: &Apps) -> Result<LaravelRedisConfig, ConfigError> {
        let values = Values::of(&self.table);
        let section = &self.section;
        let keys = RedisKeys { values, layers: &self.layers, path: "", section };
        let mut redis = RedisConfig::read(keys)?;
        // Laravel's REDIS_DB, which is no topic's.
        redis.database = 0;
        Ok(LaravelRedisConfig {
            app: self.app(&values.at("app"), apps)?,
            prefix: self.prefix(&values.at("prefix"))?,
            redis,
            timeout: values.at("timeout_ms").millis(TIMEOUT_MS)?,
            queue_bytes: values.at("queue_bytes").bytes()?,
        })
    }

    /// The app that is named, or the only one.
    fn app(&self, setting: &Setting<'_>, apps: &Apps) -> Result<String, ConfigError> {
        if let Some(id) = setting.text_if_any() {
            let allowed = "it must be the id of a configured app (REVERB_APP_ID)";
            return setting.parsed(|_| apps.by_id(&id).map(|app| app.id.clone()), allowed);
        }
        match apps.iter().collect::<Vec<_>>().as_slice() {
            [only] => Ok(only.id.clone()),
            _ => Err(self.origin.part(".app").refuse(
                "missing",
                "several apps are configured, so it must be the id of the one that gets these events",
            )),
        }
    }

    /// Required: with a wrong prefix nothing arrives, and nothing shows it.
    fn prefix(&self, setting: &Setting<'_>) -> Result<String, ConfigError> {
        if !self.layers.last().is_some_and(|entry| entry.sets("prefix")) {
            return Err(self.origin.part(".prefix").refuse(
                "missing",
                "it must be the prefix of Laravel's Redis connection: REDIS_PREFIX of its .env, or \
                 options.prefix in config/database.php, such as \"laravel-database-\"; \"\" is no prefix",
            ));
        }
        let allowed = format!(
            "it must be one line of at most {MAX_PREFIX_BYTES} bytes, as in Laravel's config/database.php"
        );
        let fits = |text: &str| text.len() <= MAX_PREFIX_BYTES && !text.contains(char::is_control);
        setting.parsed(|text| fits(text).then(|| text.to_owned()), allowed)
    }
}

/// Whether the values switch it on.
pub(super) fn is_beside_reverb(values: Values<'_>) -> bool {
    values.at("beside_reverb.url").text_if_any().is_some()
}

/// `None` while it is off.
pub(super) fn beside_reverb(values: Values<'_>) -> Result<Option<BesideReverbConfig>, ConfigError> {
    if !is_beside_reverb(values) {
        return Ok(None);
    }
    let (url, ca_file) = (values.at("beside_reverb.url"), values.at("beside_reverb.ca_file"));
    let channel = values.at("beside_reverb.channel");
    let allowed = "it must be the topic of Reverb: REVERB_SCALING_CHANNEL, by default reverb";
    let fits = |text: &str| {
        (1..=MAX_PREFIX_BYTES).contains(&text.len()) && !text.contains(char::is_control)
    };
    Ok(Some(BesideReverbConfig {
        redis: RedisConfig::of_url(&url, &ca_file)?,
        channel: channel.parsed(|text| fits(text).then(|| text.to_owned()), allowed)?,
        timeout: REVERB_TIMEOUT,
        queue_bytes: REVERB_QUEUE_BYTES,
    }))
}
