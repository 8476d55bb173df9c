//! [`ProbeError`]: why a probe has no evidence.

use std::error::Error;
use std::io;
use std::time::Duration;

use crate::network_fault::NetworkFault;

/// Why a probe returns nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProbeError {
    /// A cause that has a name.
    #[error("{0}")]
    Fault(NetworkFault),
    /// The time of the probe was over.
    #[error("no answer came within {} ms", .0.as_millis())]
    Late(Duration),
    /// The peer answers with something that is no HTTP.
    #[error("the peer does not answer with HTTP/1.1 ({0})")]
    NotHttp(String),
    /// Another cause, in the words of the library.
    #[error("{0}")]
    Other(String),
}

impl ProbeError {
    /// The named cause in the chain of an error, or its text.
    pub(super) fn of(error: &(dyn Error + 'static)) -> Self {
        match NetworkFault::of(error) {
            Some(NetworkFault::Tls(text)) => Self::Other(text),
            Some(fault) => Self::Fault(fault),
            None => Self::Other(error.to_string()),
        }
    }
}

impl From<io::Error> for ProbeError {
    fn from(error: io::Error) -> Self {
        Self::of(&error)
    }
}

/// Bounds a probe.
pub(super) async fn within<T, E: Into<ProbeError>>(
    limit: Duration,
    probe: impl Future<Output = Result<T, E>>,
) -> Result<T, ProbeError> {
    match tokio::time::timeout(limit, probe).await {
        Ok(done) => done.map_err(Into::into),
        Err(_) => Err(ProbeError::Late(limit)),
    }
}
