//! A change of the configuration while the server runs: which apps are served, their settings, their
//! webhooks.
//!
//! Owns the order of the change, and the pace at which sockets of apps that are gone are closed. Reading
//! the configuration is left to `cli`; what needs a restart is named and left as it is.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::bail;
use parking_lot::Mutex;
use tokio::task::JoinSet;

use super::certificate_watch::CertificateWatch;
use super::drain_pace::{DrainPace, STEP};
use crate::channel_auth::ChannelAuth;
use crate::config::{Config, PendingKey};
use crate::internal::InternalApi;
use crate::metrics::Condition;
use crate::node::{ClosedApp, Node};
use crate::protocol::CloseCode;
use crate::tls::Change;
use crate::webhook::Webhooks;

/// How long the webhooks of a removed app go on after its last socket: a leave waits three seconds.
const LINGER: Duration = Duration::from_secs(5);

/// The keys of certificate files, which are read again while TLS is on.
const CERTIFICATE_KEYS: [&str; 4] =
    ["tls.certificate", "tls.key", "tls.sni_certificates", "tls.sni_keys"];

/// Changes the configuration of a running server.
pub struct Reloader {
    node: Arc<Node>,
    webhooks: Arc<Webhooks>,
    auth: Arc<ChannelAuth>,
    certificates: Option<Arc<CertificateWatch>>,
    internal: Option<Arc<InternalApi>>,
    /// The configuration at the start, which keys that need a restart still have.
    started: Config,
    current: Mutex<Config>,
    closing: Mutex<JoinSet<()>>,
}

/// What a reload has changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ReloadReport {
    /// The ids of apps that are served now and were not before.
    pub added: BTreeSet<String>,
    /// The ids of apps that have other settings than before.
    pub changed: BTreeSet<String>,
    /// The ids of apps that are not served any more.
    pub removed: BTreeSet<String>,
    /// What takes effect after a restart.
    pub pending: Vec<PendingKey>,
}

impl Reloader {
    pub(super) fn new(
        config: &Config,
        node: Arc<Node>,
        webhooks: Arc<Webhooks>,
        auth: Arc<ChannelAuth>,
        certificates: Option<Arc<CertificateWatch>>,
    ) -> Self {
        let reloader = Self {
            node,
            webhooks,
            auth,
            certificates,
            internal: None,
            started: config.clone(),
            current: Mutex::new(config.clone()),
            closing: Mutex::default(),
        };
        reloader.loaded();
        reloader
    }

    /// Replaces the tokens of the internal listener too.
    pub(super) fn with_internal(self, internal: Arc<InternalApi>) -> Self {
        Self { internal: Some(internal), ..self }
    }

    /// Applies a configuration that is valid. An error has changed nothing. To be called on the runtime of
    /// the server.
    pub fn apply(&self, config: &Config) -> anyhow::Result<ReloadReport> {
        if config.development.is_some() && self.started.development.is_none() {
            bail!(
                "no app is configured, and a running server does not change to the development app: \
                 configure an app, or restart without one"
            );
        }
        let prepared = self.webhooks.prepare(&config.apps)?;
        let auth = self.auth.prepare(&config.apps)?;
        // The last step that may fail, and the first that changes something.
        if let Some((certificates, tls)) = self.certificates.as_ref().zip(config.tls.as_ref())
            && let Change::Refused(error) = certificates.reload(tls.files.clone())
        {
            return Err(error.into());
        }
        let report = self.report(config);
        let sinks = self.webhooks.apply(prepared);
        let closed = self.node.serve(&config.apps, &sinks);
        self.auth.apply(auth);
        self.internal.iter().for_each(|internal| internal.apply(&config.internal));
        *self.current.lock() = config.clone();
        let mut closing = self.closing.lock();
        // Those of the last reload: what is still to be closed is among `closed`.
        closing.abort_all();
        for app in closed {
            let per_second = self.started.server.drain_sockets_per_second;
            closing.spawn(close(app, self.node.clone(), self.webhooks.clone(), per_second));
        }
        self.loaded();
        Ok(report)
    }

    /// A configuration could not be read or applied: the metrics and `/ready` show it.
    pub fn failed(&self) {
        let metrics = self.node.metrics();
        metrics.configuration.last_reload_successful.set(0);
        metrics.process.condition.set(Condition::ConfigurationRefused, true);
    }

    fn loaded(&self) {
        let metrics = self.node.metrics();
        metrics.configuration.last_reload_successful.set(1);
        metrics.process.condition.set(Condition::ConfigurationRefused, false);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        metrics.configuration.last_reload_timestamp_seconds.set(now.as_secs());
    }

    fn report(&self, config: &Config) -> ReloadReport {
        let before = &self.current.lock().apps;
        let mut report = ReloadReport::default();
        for app in config.apps.iter() {
            match before.by_id(&app.id) {
                None => drop(report.added.insert(app.id.clone())),
                Some(known) if known != app => drop(report.changed.insert(app.id.clone())),
                Some(_) => {}
            }
        }
        let gone = before.iter().filter(|app| config.apps.by_id(&app.id).is_none());
        report.removed = gone.map(|app| app.id.clone()).collect();
        report.pending = self.started.resolved.pending(&config.resolved);
        // Certificates are replaced, while TLS itself is switched on or off by a restart.
        if self.certificates.is_some() && config.tls.is_some() {
            report.pending.retain(|pending| !CERTIFICATE_KEYS.contains(&&*pending.key));
        }
        report
    }
}

/// Closes the sockets of an app at a pace, until it has had none for [`LINGER`], or is served again. Then
/// ends the webhooks of a removed one.
async fn close(closed: ClosedApp, node: Arc<Node>, webhooks: Arc<Webhooks>, per_second: usize) {
    let ClosedApp { channels, code } = closed;
    let id = channels.app().id.clone();
    let is_removed = code == CloseCode::ApplicationDoesNotExist;
    let is_closed = || if is_removed { !node.serves(&id) } else { !channels.app().enabled };
    let mut pace = DrainPace::new(0, per_second, None);
    let mut ticks = tokio::time::interval(STEP);
    let mut closed_at = Instant::now();
    while is_closed() && closed_at.elapsed() < LINGER {
        ticks.tick().await;
        if channels.open_sockets() > 0 {
            closed_at = Instant::now();
            channels.hub().end_some(pace.next_step(closed_at), code);
        }
    }
    if is_removed && is_closed() {
        webhooks.retire(&id);
    }
}
