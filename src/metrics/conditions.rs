//! What keeps the server from being ready or whole, for `GET /ready`, the metrics and alerts.
//!
//! Each condition is raised and cleared where it arises; it has one name everywhere, a severity, and a text
//! with what to change. The answer to probes is left to `http`.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use prometheus_client::encoding::{EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;

/// Whether load balancers should still send connections here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// No: another node may serve them. `GET /ready` answers 503.
    Unready,
    /// Yes, but something is missing. `GET /ready` answers 200.
    Degraded,
}

/// Something that keeps the server from being ready or whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// The listeners are bound, and no connection is served yet.
    Starting,
    /// Sockets are being closed, and no new one opens.
    Draining,
    /// No descriptor is left for another socket.
    DescriptorsExhausted,
    /// At most a tenth of the descriptors for sockets is left.
    DescriptorsLow,
    /// The process uses as much memory as it may.
    MemoryShort,
    /// The link to Redis is down.
    RedisAway,
    /// Other nodes on this Redis have other settings.
    ClusterDisagreements,
    /// A link to a Redis that Laravel or Reverb publishes to is down.
    RedisInputAway,
    /// The queue of a webhook is full.
    WebhookQueueFull,
    /// Log lines were lost within the last minute.
    LogLinesDropped,
    /// The certificate files cannot be used, and the certificates from before are in use.
    CertificatesRefused,
    /// A certificate in use has expired, or is not valid yet.
    CertificateExpired,
    /// The last configuration was refused, and the one before it is in use.
    ConfigurationRefused,
}

impl Condition {
    /// All of them, in the order of their declaration.
    pub const ALL: [Self; 13] = [
        Self::Starting,
        Self::Draining,
        Self::DescriptorsExhausted,
        Self::DescriptorsLow,
        Self::MemoryShort,
        Self::RedisAway,
        Self::ClusterDisagreements,
        Self::RedisInputAway,
        Self::WebhookQueueFull,
        Self::LogLinesDropped,
        Self::CertificatesRefused,
        Self::CertificateExpired,
        Self::ConfigurationRefused,
    ];

    /// Its name in answers and labels.
    pub fn label(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Draining => "draining",
            Self::DescriptorsExhausted => "descriptors_exhausted",
            Self::DescriptorsLow => "descriptors_low",
            Self::MemoryShort => "memory_short",
            Self::RedisAway => "redis_away",
            Self::ClusterDisagreements => "cluster_disagreements",
            Self::RedisInputAway => "redis_input_away",
            Self::WebhookQueueFull => "webhook_queue_full",
            Self::LogLinesDropped => "log_lines_dropped",
            Self::CertificatesRefused => "certificates_refused",
            Self::CertificateExpired => "certificate_expired",
            Self::ConfigurationRefused => "configuration_refused",
        }
    }

    /// How severe it is.
    pub fn severity(self) -> Severity {
        match self {
            Self::Starting | Self::Draining | Self::DescriptorsExhausted => Severity::Unready,
            Self::DescriptorsLow
            | Self::MemoryShort
            | Self::RedisAway
            | Self::ClusterDisagreements
            | Self::RedisInputAway
            | Self::WebhookQueueFull
            | Self::LogLinesDropped
            | Self::CertificatesRefused
            | Self::CertificateExpired
            | Self::ConfigurationRefused => Severity::Degraded,
        }
    }

    /// What has happened and what to change.
    pub fn text(self) -> &'static str {
        match self {
            Self::Starting => "the server is starting",
            Self::Draining => "the server is stopping",
            Self::DescriptorsExhausted => {
                "no file descriptors are left for more sockets: raise the limit of open files"
            }
            Self::DescriptorsLow => {
                "few file descriptors are left for more sockets: raise the limit of open files"
            }
            Self::MemoryShort => {
                "the process uses as much memory as limits.memory_bytes allows: new sockets are refused and the slowest are closed; give it more memory, or add a node"
            }
            Self::RedisAway => {
                "Redis is away: events reach the sockets of this node only; the log names the cause"
            }
            Self::ClusterDisagreements => {
                "other nodes on this Redis have other settings, which disagreements lists"
            }
            Self::RedisInputAway => {
                "a Redis that Laravel or Reverb publishes to is away: its events do not arrive; the log names the cause"
            }
            Self::WebhookQueueFull => {
                "the queue of a webhook is full, and its oldest events are dropped: is its endpoint slow or away?"
            }
            Self::LogLinesDropped => {
                "log lines were lost within the last minute: free space on the disk of the log, or read stderr faster"
            }
            Self::CertificatesRefused => {
                "the files of [tls] cannot be used, and the certificates from before are in use; the log names the cause"
            }
            Self::CertificateExpired => {
                "a certificate has expired or is not valid yet, and clients refuse it: renew the file of tls.certificate"
            }
            Self::ConfigurationRefused => {
                "the last reload was refused, and the configuration before it is in use: the log names what to correct"
            }
        }
    }
}

/// Which conditions hold now, and how many times each: several parts of a server may be in the same. Clones
/// share them.
#[derive(Debug, Clone, Default)]
pub struct Conditions(Arc<[AtomicU32; Condition::ALL.len()]>);

impl Conditions {
    /// Records whether a condition holds, for one that has a single cause.
    pub fn set(&self, condition: Condition, holds: bool) {
        self.count(condition).store(holds.into(), Ordering::Relaxed);
    }

    /// Records that one more part of the server is in a condition.
    pub fn raise(&self, condition: Condition) {
        self.count(condition).fetch_add(1, Ordering::Relaxed);
    }

    /// Records that a part of the server for which it was raised is in that condition no longer.
    pub fn clear(&self, condition: Condition) {
        self.count(condition).fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether a condition holds.
    pub fn holds(&self, condition: Condition) -> bool {
        self.count(condition).load(Ordering::Relaxed) > 0
    }

    fn count(&self, condition: Condition) -> &AtomicU32 {
        &self.0[condition as usize]
    }

    /// Those that hold, in the order of their declaration.
    pub fn current(&self) -> impl Iterator<Item = Condition> + '_ {
        Condition::ALL.into_iter().filter(|&condition| self.holds(condition))
    }
}

impl EncodeMetric for Conditions {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        for condition in Condition::ALL {
            let label = [("condition", condition.label())];
            encoder.encode_family(&label)?.encode_gauge(&u64::from(self.holds(condition)))?;
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Gauge
    }
}

#[cfg(test)]
mod tests {
    use super::{Condition, Conditions};

    #[test]
    fn each_condition_is_raised_and_cleared_by_itself() {
        for (index, condition) in Condition::ALL.into_iter().enumerate() {
            assert_eq!(condition as usize, index, "ALL has the order of the declaration");
            let conditions = Conditions::default();
            conditions.set(condition, true);
            assert_eq!(conditions.current().collect::<Vec<_>>(), [condition]);
            conditions.set(condition, false);
            assert_eq!(conditions.current().count(), 0);
            conditions.raise(condition);
            conditions.raise(condition);
            conditions.clear(condition);
            assert!(conditions.holds(condition), "one part is still in it");
            conditions.clear(condition);
            assert!(!conditions.holds(condition));
        }
    }
}
