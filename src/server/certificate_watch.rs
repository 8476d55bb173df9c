//! Keeps the certificates of the server up to date: looks at their files, and reports what was found.
//!
//! Owns when the files are looked at, and the log lines and metrics about certificates. What is in the files,
//! and which certificates are in use, is decided by `tls`.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;
use tokio::time::interval;

use crate::config::TlsConfig;
use crate::metrics::{Condition, Metrics};
use crate::tls::{CertificateFiles, CertificateStatus, Certificates, Change};

/// How often dates are looked at where the files are not.
const DATES_INTERVAL: Duration = Duration::from_secs(60);

/// How long before its end a certificate is warned of. Those that are valid for 90 days are replaced 30 days
/// before, so this one was not.
const EXPIRY_WARNING: Duration = Duration::from_secs(14 * DAY_SECONDS);

/// Between two warnings of one end.
const WARNING_INTERVAL: Duration = Duration::from_secs(DAY_SECONDS);

const DAY_SECONDS: u64 = 24 * 60 * 60;

/// The certificates of a server, and how they are reported.
pub(super) struct CertificateWatch {
    certificates: Arc<Certificates>,
    metrics: Arc<Metrics>,
    /// When the dates were warned of last.
    warned: Mutex<Option<Instant>>,
}

impl CertificateWatch {
    /// Reads the certificates of a configuration.
    pub(super) fn new(tls: &TlsConfig, metrics: &Arc<Metrics>) -> anyhow::Result<Arc<Self>> {
        let certificates = Arc::new(Certificates::read(tls.files.clone())?);
        let watch = Self { certificates, metrics: metrics.clone(), warned: Mutex::new(None) };
        watch.report_status(unix_time());
        Ok(Arc::new(watch))
    }

    pub(super) fn certificates(&self) -> &Arc<Certificates> {
        &self.certificates
    }

    /// Looks at the files every `looks`, and at the dates in any case, for as long as the process runs.
    pub(super) async fn run(self: Arc<Self>, looks: Option<Duration>) {
        let mut ticks = interval(looks.unwrap_or(DATES_INTERVAL));
        loop {
            ticks.tick().await;
            let now = unix_time();
            if looks.is_some() {
                self.report(&self.certificates.look(now), now);
            } else {
                self.report_status(now);
            }
        }
    }

    /// Reads these files now, whether or not they have changed.
    pub(super) fn reload(&self, files: Vec<CertificateFiles>) -> Change {
        let now = unix_time();
        let change = self.certificates.reload(files, now);
        self.report(&change, now);
        change
    }

    fn report(&self, change: &Change, now: Duration) {
        let metrics = &self.metrics.tls;
        match change {
            Change::None => {}
            Change::Replaced => {
                *self.warned.lock() = None;
                metrics.certificates_reloaded("replaced");
                let days = days_left(&self.certificates.status(now), now);
                tracing::info!(days, "new certificates are in use; open connections go on");
            }
            Change::Refused(error) => {
                metrics.certificates_reloaded("refused");
                tracing::error!(
                    file = %error.path.display(),
                    cause = %error.flaw,
                    "the certificates cannot be replaced, and those in use stay"
                );
            }
        }
        self.report_status(now);
    }

    fn report_status(&self, now: Duration) {
        let status = self.certificates.status(now);
        let metrics = &self.metrics;
        metrics.tls.certificate_expiry_timestamp_seconds.set(status.not_after.as_secs());
        let conditions = &metrics.process.condition;
        conditions.set(Condition::CertificatesRefused, status.failure.is_some());
        conditions.set(Condition::CertificateExpired, !status.is_valid);
        if status.is_valid && status.not_after > now + EXPIRY_WARNING {
            return;
        }
        let mut warned = self.warned.lock();
        if warned.is_some_and(|at| at.elapsed() < WARNING_INTERVAL) {
            return;
        }
        *warned = Some(Instant::now());
        let days = days_left(&status, now);
        if status.is_valid {
            tracing::warn!(
                days,
                "a certificate in use expires soon: renew the file of tls.certificate"
            );
        } else {
            tracing::error!(
                days,
                "a certificate in use has expired or is not valid yet, and clients refuse it: renew the file of tls.certificate"
            );
        }
    }
}

/// Whole days until the first certificate in use expires; negative after it.
fn days_left(status: &CertificateStatus, now: Duration) -> i64 {
    let seconds = status.not_after.as_secs() as i64 - now.as_secs() as i64;
    seconds.div_euclid(DAY_SECONDS as i64)
}

fn unix_time() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}
