//! The set of keys of one app, from a file or an address: fetched once for many requests, kept while its source
//! is away, fetched again when it is old or a token names a key that it lacks.
//!
//! Owns when to fetch. What a set consists of is left to `key_set`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use parking_lot::Mutex;
use reqwest::{Client, Url};
use tokio::sync::watch;

use super::bounded_body::read_body;
use super::key_set::KeySet;
use super::tasks::Tasks;
use super::token::TokenHead;
use crate::app::KeySetLocation;
use crate::call_targets::CallTargets;
use crate::http_client::http_client;
use crate::metrics::Metrics;
use crate::network_fault::NetworkFault;

/// Between two attempts, whatever tokens name: invented key ids must not flood the issuer.
const INTERVAL_MIN: Duration = Duration::from_secs(10);

/// The same while there are no keys at all.
const INTERVAL_WITHOUT_KEYS: Duration = Duration::from_secs(1);

/// How long keys are used whose source cannot be reached: longer than outages, and not for ever, since a
/// withdrawn key is among them.
const STALE_MAX: Duration = Duration::from_secs(24 * 60 * 60);

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const TIMEOUT: Duration = Duration::from_secs(5);

/// Sets have 2 to 20 KB.
const SET_BYTES_MAX: usize = 256 * 1024;

/// The keys of one app, and where they come from.
pub(super) struct KeySource {
    app_id: String,
    location: KeySetLocation,
    max_age: Duration,
    /// `None` for a file.
    client: Option<Client>,
    state: Mutex<State>,
    tasks: Arc<Tasks>,
    metrics: Arc<Metrics>,
}

#[derive(Default)]
struct State {
    known: KnownKeys,
    /// Open while a fetch is under way.
    fetch: Option<watch::Receiver<()>>,
}

/// What is known of a set, as a value.
#[derive(Debug, Clone, Default)]
struct KnownKeys {
    /// With the time they were fetched at.
    keys: Option<(Arc<KeySet>, Instant)>,
    attempted_at: Option<Instant>,
    failure: Option<Arc<str>>,
}

/// What a token needs.
#[derive(Debug)]
enum Step {
    Use(Arc<KeySet>),
    /// They are old: a later request gets newer ones.
    UseAndFetch(Arc<KeySet>),
    Fetch,
    Unavailable(Arc<str>),
}

impl KnownKeys {
    fn step(&self, head: &TokenHead, max_age: Duration, now: Instant) -> Step {
        let current = self.keys.as_ref().filter(|(_, since)| now < *since + STALE_MAX);
        let interval = if current.is_some() { INTERVAL_MIN } else { INTERVAL_WITHOUT_KEYS };
        let may_fetch = self.attempted_at.is_none_or(|attempted| now >= attempted + interval);
        match current {
            None if may_fetch => Step::Fetch,
            None => Step::Unavailable(self.failure.clone().unwrap_or_else(|| "…".into())),
            Some(_) if may_fetch && !self.has(head) => Step::Fetch,
            // Nothing was asked for so long that a withdrawn key may be among them.
            Some((_, since)) if may_fetch && now >= *since + 2 * max_age => Step::Fetch,
            Some((keys, since)) if may_fetch && now >= *since + max_age => {
                Step::UseAndFetch(keys.clone())
            }
            Some((keys, _)) => Step::Use(keys.clone()),
        }
    }

    fn has(&self, head: &TokenHead) -> bool {
        self.keys.as_ref().is_some_and(|(keys, _)| head.is_known(keys))
    }
}

impl KeySource {
    /// Fetches nothing yet, but for a file, which must be readable.
    pub(super) fn new(
        app_id: &str,
        location: &KeySetLocation,
        max_age: Duration,
        targets: &CallTargets,
        tasks: &Arc<Tasks>,
        metrics: &Arc<Metrics>,
    ) -> anyhow::Result<Self> {
        let mut known = KnownKeys::default();
        let client = match location {
            KeySetLocation::File(path) => {
                let read = || -> Result<KeySet, String> {
                    let json = std::fs::read(path).map_err(|error| error.to_string())?;
                    KeySet::parse(&json).map_err(|error| error.to_string())
                };
                let keys = read().map_err(|flaw| {
                    anyhow::anyhow!("app {app_id}: auth.jwt.jwks is {path:?}; {flaw}")
                })?;
                known.keys = Some((Arc::new(keys), Instant::now()));
                None
            }
            KeySetLocation::Url(url) => {
                let url = Url::parse(url)
                    .with_context(|| format!("app {app_id}: auth.jwt.jwks is no URL; it must be a file, or like https://issuer.example/.well-known/jwks.json"))?;
                let builder = http_client(&url, targets, CONNECT_TIMEOUT, TIMEOUT)
                    .with_context(|| format!("app {app_id}: auth.jwt.jwks"))?;
                Some(builder.build().with_context(|| {
                    format!("app {app_id}: cannot prepare auth.jwt.jwks: are the certificates of authorities (package ca-certificates) installed?")
                })?)
            }
        };
        Ok(Self {
            app_id: app_id.to_owned(),
            location: location.clone(),
            max_age,
            client,
            state: Mutex::new(State { known, fetch: None }),
            tasks: tasks.clone(),
            metrics: metrics.clone(),
        })
    }

    /// The keys for a token, fetched before if need be. The error is why there are none.
    pub(super) async fn keys(self: &Arc<Self>, head: &TokenHead) -> Result<Arc<KeySet>, Arc<str>> {
        let mut has_waited = false;
        loop {
            let mut fetch = {
                let mut state = self.state.lock();
                match state.known.step(head, self.max_age, Instant::now()) {
                    Step::Use(keys) => return Ok(keys),
                    Step::UseAndFetch(keys) => {
                        self.fetch(&mut state);
                        return Ok(keys);
                    }
                    Step::Unavailable(failure) => return Err(failure),
                    Step::Fetch if has_waited => {
                        return Err("the server shuts down, and fetches no keys".into());
                    }
                    Step::Fetch => self.fetch(&mut state),
                }
            };
            // Nothing is ever sent: the end of the task closes it.
            let _ = fetch.changed().await;
            has_waited = true;
        }
    }

    /// The fetch that is under way, begun if there is none.
    fn fetch(self: &Arc<Self>, state: &mut State) -> watch::Receiver<()> {
        if let Some(fetch) = state.fetch.as_ref().filter(|fetch| fetch.has_changed().is_ok()) {
            return fetch.clone();
        }
        let (done, fetch) = watch::channel(());
        state.fetch = Some(fetch.clone());
        let source = self.clone();
        self.tasks.spawn(async move {
            let loaded = source.load().await;
            source.store(loaded, Instant::now());
            drop(done);
        });
        fetch
    }

    fn store(&self, loaded: Result<KeySet, String>, now: Instant) {
        let result = if loaded.is_ok() { "fetched" } else { "failed" };
        self.metrics.channel_auth.keys_fetched(&self.app_id, result);
        let known = &mut self.state.lock().known;
        known.attempted_at = Some(now);
        match loaded {
            Ok(keys) => known.keys = Some((Arc::new(keys), now)),
            Err(failure) => {
                let (app, has_keys) = (&self.app_id, known.keys.is_some());
                tracing::warn!(
                    app,
                    failure,
                    has_keys,
                    "the keys of tokens cannot be fetched: check app.auth.jwt.jwks; those that are known are used for a day"
                );
                known.failure = Some(failure.into());
            }
        }
    }

    async fn load(&self) -> Result<KeySet, String> {
        let json = match (&self.location, &self.client) {
            (KeySetLocation::Url(url), Some(client)) => {
                let answer = client.get(url).send().await.map_err(fault)?;
                if !answer.status().is_success() {
                    return Err(format!("it answered {}", answer.status()));
                }
                read_body(answer, SET_BYTES_MAX)
                    .await
                    .map_err(fault)?
                    .ok_or_else(|| format!("it answered with more than {SET_BYTES_MAX} bytes"))?
            }
            (KeySetLocation::File(path), _) => {
                let path = path.clone();
                let read = tokio::task::spawn_blocking(move || std::fs::read(path));
                let read = read.await.map_err(|error| error.to_string())?;
                read.map_err(|error| error.to_string())?
            }
            (KeySetLocation::Url(_), None) => unreachable!("an address has a client"),
        };
        KeySet::parse(&json).map_err(|error| error.to_string())
    }
}

fn fault(error: reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("no answer came within {} s", TIMEOUT.as_secs());
    }
    match NetworkFault::of(&error) {
        Some(fault) => fault.to_string(),
        None => error.without_url().to_string(),
    }
}
