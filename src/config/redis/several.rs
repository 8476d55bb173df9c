//! `cluster.urls`: several independent Redis, each with a url of its own.
//!
//! Owns what excludes the list, and what the other keys of the section fill in. The forms of a url are those of
//! `url`.

use super::{HOST_KEYS, RedisKeys, RedisUrl, Secret, WITH_TLS, certificates};
use crate::app::{NodeAddresses, RedisConfig};
use crate::config::error::ConfigError;
use crate::config::values::Setting;

/// As many as there are partitions at most.
const MAX_URLS: usize = 64;

impl RedisConfig {
    /// Those of the list, in its order; `None` if it is empty.
    pub(in crate::config) fn read_list(
        keys: RedisKeys<'_>,
    ) -> Result<Option<Vec<Self>>, ConfigError> {
        let setting = keys.at("urls");
        let texts = setting.texts();
        if texts.is_empty() {
            return Ok(None);
        }
        refuse_others(keys, &setting)?;
        if texts.len() > MAX_URLS {
            return Err(
                setting.flaw(format_args!("has {} urls; allowed are {MAX_URLS}", texts.len()))
            );
        }
        let all: Result<Vec<Self>, ConfigError> =
            (0..).zip(&texts).map(|(at, text)| one(keys, &setting, (at, text))).collect();
        let mut all = all?;
        for (at, redis) in all.iter().enumerate() {
            let is_same = |other: &&Self| {
                (&other.address, other.database) == (&redis.address, redis.database)
            };
            if let Some(before) = all[..at].iter().position(|other| is_same(&other)) {
                return Err(setting.origin.part(format_args!("[{at}]")).flaw(format_args!(
                    "leads to the same Redis as the url at {before}, {}; name each once",
                    redis.address
                )));
            }
        }
        let ca_file = keys.at("ca_file");
        let mut ca = None;
        if let Some(encrypted) = all.iter().find(|redis| redis.address.has_tls()) {
            ca = certificates(&ca_file, &encrypted.address, WITH_TLS)?;
        } else {
            certificates(&ca_file, &all[0].address, WITH_TLS)?;
        }
        for redis in all.iter_mut().filter(|redis| redis.address.has_tls()) {
            redis.ca.clone_from(&ca);
        }
        Ok(Some(all))
    }
}

/// Another address beside the list would be a Redis that nothing uses. Laravel's own variables are no such address:
/// they are those of the application.
fn refuse_others(keys: RedisKeys<'_>, list: &Setting<'_>) -> Result<(), ConfigError> {
    for key in HOST_KEYS {
        let setting = keys.at(key);
        let is_of_laravel = setting.origin.to_string().contains("REDIS_");
        if setting.origin.is_default() || setting.text().is_empty() || is_of_laravel {
            continue;
        }
        return Err(list.flaw(format_args!(
            "excludes {}: remove one of them; a single Redis may stand in the list, too",
            setting.origin
        )));
    }
    Ok(())
}

/// One url, with what the keys of the section add to it.
fn one(
    keys: RedisKeys<'_>,
    list: &Setting<'_>,
    (at, text): (usize, &String),
) -> Result<RedisConfig, ConfigError> {
    let origin = list.origin.part(format_args!("[{at}]"));
    let url = RedisUrl::parse(text).map_err(|flaw| {
        let hint = match text.contains("://") {
            true => "",
            false => "; a url that has commas needs the form [\"redis://a,b\",\"redis://c\"]",
        };
        origin.flaw(format_args!("{flaw}{hint}"))
    })?;
    // Keys of an earlier layer are those of another server.
    let counts = |key: &str| keys.last(key) >= keys.last("urls");
    let part = |key: &str, of_url: Option<String>| {
        of_url.or_else(|| keys.at(key).text_if_any().filter(|_| counts(key)))
    };
    let secret = |text: Option<String>| text.map(|text| Secret::new(&text));
    Ok(RedisConfig {
        username: part("username", url.username),
        password: secret(part("password", url.password)),
        sentinel_username: part("sentinel_username", url.sentinel_username),
        sentinel_password: secret(part("sentinel_password", url.sentinel_password)),
        database: url.database.unwrap_or_default(),
        ca: None,
        address: url.address,
        place: Some(at),
        node_addresses: NodeAddresses::default(),
    })
}
