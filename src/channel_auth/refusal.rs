//! Why a subscription or a sign-in is not authorized: a status, a text with what to change, and what it is
//! counted as.

use std::sync::Arc;

use crate::metrics::AuthResult;

/// A refusal of the endpoint. Cheap to clone: one may answer many requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthRefusal {
    /// The status of the answer.
    pub status: u16,
    /// The body of the answer.
    pub text: Arc<str>,
    /// What the metrics count.
    pub result: AuthResult,
}

impl AuthRefusal {
    /// A refusal with this status.
    pub fn new(status: u16, result: AuthResult, text: impl Into<Arc<str>>) -> Self {
        Self { status, text: text.into(), result }
    }

    /// The request cannot be read.
    pub fn invalid(text: impl Into<Arc<str>>) -> Self {
        Self::new(400, AuthResult::Invalid, text)
    }

    pub(super) fn not_permitted(text: impl Into<Arc<str>>) -> Self {
        Self::new(403, AuthResult::NotPermitted, text)
    }
}
