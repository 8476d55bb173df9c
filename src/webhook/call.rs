//! What one call of an endpoint sends: the body of a request, or jobs. It is made once and stays the same for as long as it
//! is retried and kept; sending it is left to `http_calls` and `job_queue`.

use super::job_queue::JobBatch;

/// What a call sends; the same again with each retry.
#[derive(Debug)]
pub(super) enum Call {
    Body(Vec<u8>),
    Jobs(JobBatch),
}

impl Call {
    /// What it takes while it is kept.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Body(body) => body.len(),
            Self::Jobs(batch) => batch.bytes(),
        }
    }
}
