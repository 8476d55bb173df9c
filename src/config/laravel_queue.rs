//! `laravel-queue://`: the address of a webhook whose events become jobs in a queue of Laravel.
//!
//! Owns the parameters of the queue and of its job. The address of Redis is read as that of `cluster.url` is.
//! A message never shows the address, which may hold a password.

use percent_encoding::percent_decode_str;

use super::error::ConfigError;
use super::redis::{RedisUrl, certificates};
use super::values::{Setting, Values};
use crate::app::{LaravelQueue, NodeAddresses, RedisConfig, Secret};

/// What the address begins with; a scheme of `cluster.url` may follow a `+`.
const SCHEME: &str = "laravel-queue";

const FORMS: &str = "it must be laravel-queue://[user:password@]host[:port][/database]?job=App\\Realtime@handle, or \
                     laravel-queue+ and then an address as cluster.url takes it, such as \
                     laravel-queue+rediss://host?job=App\\Realtime@handle";

const PARAMETERS: &str = "job, queue, prefix, tries, backoff and timeout, and those of cluster.url";

const JOB: &str =
    "it must be the class and the method that a worker calls, such as job=App\\Realtime@handle";

/// Whether an address is one of these.
pub(super) fn is_laravel_queue(text: &str) -> bool {
    let rest = text.get(..SCHEME.len()).filter(|scheme| scheme.eq_ignore_ascii_case(SCHEME));
    rest.is_some() && text[SCHEME.len()..].starts_with(['+', ':'])
}

/// The parameters of an address that are those of the queue.
#[derive(Default)]
struct Parameters {
    job: Option<String>,
    queue: Option<String>,
    prefix: Option<String>,
    tries: Option<String>,
    backoff: Option<String>,
    timeout: Option<String>,
}

impl Parameters {
    fn named(&mut self, name: &str) -> Option<&mut Option<String>> {
        Some(match name {
            "job" => &mut self.job,
            "queue" => &mut self.queue,
            "prefix" => &mut self.prefix,
            "tries" => &mut self.tries,
            "backoff" => &mut self.backoff,
            "timeout" => &mut self.timeout,
            _ => return None,
        })
    }

    /// Takes the parameters of the queue; the rest is returned as it stands.
    fn take(&mut self, query: &str) -> Result<String, String> {
        let mut others = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let Some(parameter) = self.named(name) else {
                others.push(pair);
                continue;
            };
            let value = percent_decode_str(value).decode_utf8();
            let value = value.map_err(|_| format!("has a {name} that is not UTF-8"))?;
            if value.contains(char::is_control) {
                return Err(format!("has a {name} with a control character"));
            }
            if parameter.replace(value.into_owned()).is_some() {
                return Err(format!("has {name} twice; remove one of them"));
            }
        }
        Ok(others.join("&"))
    }
}

/// Reads the address, and the password and root CA that stand beside it.
pub(super) fn laravel_queue(values: Values<'_>) -> Result<LaravelQueue, ConfigError> {
    let url = values.at("url");
    let flaw = |text: String| url.flaw(text);
    let mut parameters = Parameters::default();
    let parsed = parse(&url.text(), &mut parameters).map_err(flaw)?;
    let ca = certificates(
        &values.at("ca_file"),
        &parsed.address,
        "begin the url with laravel-queue+rediss://",
    )?;
    let password = password(&values.at("password"), parsed.password)?;
    let secret = |text: Option<String>| text.map(|text| Secret::new(&text));
    let redis = RedisConfig {
        address: parsed.address,
        place: None,
        username: parsed.username,
        password: secret(password),
        sentinel_username: parsed.sentinel_username,
        sentinel_password: secret(parsed.sentinel_password),
        database: parsed.database.unwrap_or_default(),
        ca,
        node_addresses: NodeAddresses::default(),
    };
    Ok(LaravelQueue {
        redis,
        prefix: parameters.prefix.unwrap_or_default(),
        queue: queue(parameters.queue).map_err(flaw)?,
        job: job(parameters.job).map_err(flaw)?,
        tries: number("tries", parameters.tries).map_err(flaw)?,
        backoff_seconds: number("backoff", parameters.backoff).map_err(flaw)?,
        timeout_seconds: number("timeout", parameters.timeout).map_err(flaw)?,
    })
}

fn parse(text: &str, parameters: &mut Parameters) -> Result<RedisUrl, String> {
    let (address, query) = text.split_once('?').unwrap_or((text, ""));
    let address = match &address[SCHEME.len()..] {
        rest if rest.starts_with("://") => format!("redis{rest}"),
        rest => rest.trim_start_matches('+').to_owned(),
    };
    let others = parameters.take(query)?;
    let url = RedisUrl::parse(&format!("{address}?{others}"));
    // The same flaws as of `cluster.url`, with the form of this address.
    url.map_err(|flaw| {
        let flaw = flaw.replace(RedisUrl::FORMS, FORMS);
        match flaw.strip_prefix(RedisUrl::UNKNOWN_PARAMETER) {
            Some(_) => format!("{}; known are {PARAMETERS}", RedisUrl::UNKNOWN_PARAMETER),
            None => flaw,
        }
    })
}

fn password(setting: &Setting<'_>, of_url: Option<String>) -> Result<Option<String>, ConfigError> {
    match (setting.text_if_any(), of_url) {
        (Some(_), Some(_)) => {
            Err(setting.flaw("stands beside a url that has a password; remove one of them"))
        }
        (text, of_url) => Ok(text.or(of_url)),
    }
}

/// A worker reads several queues whose names stand with commas between.
fn queue(text: Option<String>) -> Result<String, String> {
    match text {
        None => Ok("default".to_owned()),
        Some(name) if name.is_empty() || name.contains([',', ' ']) => {
            Err("has a queue that is no name; it must be one of those that a worker reads, such as queue=default".to_owned())
        }
        Some(name) => Ok(name),
    }
}

fn job(text: Option<String>) -> Result<String, String> {
    let text = text.filter(|text| !text.is_empty()).ok_or_else(|| format!("has no job; {JOB}"))?;
    let is_name = |name: &str| {
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || !c.is_ascii();
        !name.is_empty()
            && name.chars().all(is_part)
            && !name.starts_with(|c: char| c.is_ascii_digit())
    };
    let (class, method) = text.split_once('@').unwrap_or((&text, "fire"));
    if class.contains("\\\\") {
        return Err(format!("has a job with two backslashes in a row, as PHP sees it; {JOB}"));
    }
    match class.strip_prefix('\\').unwrap_or(class).split('\\').all(is_name) && is_name(method) {
        true => Ok(text),
        false => Err(format!("has a job that is no class and method; {JOB}")),
    }
}

fn number(name: &str, text: Option<String>) -> Result<Option<u32>, String> {
    let Some(text) = text else { return Ok(None) };
    match text.parse() {
        Ok(number) if number <= 86_400 => Ok(Some(number)),
        _ => Err(format!("has a {name} that is no number from 0 to 86400")),
    }
}
