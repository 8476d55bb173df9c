//! What a refusal is counted as: a signature that was not accepted, a limit that was reached, or neither.
//!
//! The texts and codes of refusals belong to where they are made.

use super::channel_name::InvalidChannelName;
use super::member::InvalidMember;
use super::signature::{AuthError, Unauthorized};
use super::user::InvalidUser;

/// The cause of a refusal, as metrics name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RefusalCause {
    /// A signature, or what belongs to it.
    Signature(&'static str),
    /// A limit, by its key in the configuration.
    Limit(&'static str),
    /// What was sent is not valid, or not allowed.
    #[default]
    Other,
}

impl RefusalCause {
    /// Every cause with which the signature of a request is refused.
    pub const OF_REQUESTS: [&str; 9] = [
        "unknown_app",
        "missing",
        "other_key",
        "version",
        "timestamp",
        "late",
        "early",
        "signature",
        "body",
    ];

    /// Every cause with which the signature of a subscription or a sign-in is refused.
    pub const OF_SOCKETS: [&str; 4] = ["missing", "malformed", "other_key", "signature"];
}

impl RefusalCause {
    /// The cause of a signature, or the key of the limit.
    pub fn label(self) -> Option<&'static str> {
        match self {
            Self::Signature(label) | Self::Limit(label) => Some(label),
            Self::Other => None,
        }
    }
}

impl From<&Unauthorized> for RefusalCause {
    fn from(why: &Unauthorized) -> Self {
        Self::Signature(match why {
            Unauthorized::Missing(_) => "missing",
            Unauthorized::OtherKey => "other_key",
            Unauthorized::Version => "version",
            Unauthorized::Timestamp => "timestamp",
            Unauthorized::Late { .. } => "late",
            Unauthorized::Early { .. } => "early",
            Unauthorized::Signature => "signature",
            Unauthorized::Body => "body",
        })
    }
}

impl From<&AuthError> for RefusalCause {
    fn from(why: &AuthError) -> Self {
        Self::Signature(match why {
            AuthError::Missing => "missing",
            AuthError::Malformed => "malformed",
            AuthError::OtherKey { .. } => "other_key",
            AuthError::Mismatch { .. } => "signature",
        })
    }
}

impl From<&InvalidChannelName> for RefusalCause {
    fn from(why: &InvalidChannelName) -> Self {
        match why {
            InvalidChannelName::TooLong { .. } => Self::Limit("max_channel_name_bytes"),
            _ => Self::Other,
        }
    }
}

impl From<&InvalidMember> for RefusalCause {
    fn from(why: &InvalidMember) -> Self {
        match why {
            InvalidMember::TooLarge { key, .. } => Self::Limit(key),
            _ => Self::Other,
        }
    }
}

impl From<&InvalidUser> for RefusalCause {
    fn from(why: &InvalidUser) -> Self {
        match why {
            InvalidUser::IdTooLong { .. } => Self::Limit("max_presence_user_id_bytes"),
            _ => Self::Other,
        }
    }
}
