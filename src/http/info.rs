//! The `info` parameter, and the attributes of a channel that it selects.

use serde::Serialize;

use super::api_error::ApiError;
use crate::hub::ChannelCounts;
use crate::protocol::ChannelName;

/// The requested attributes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct InfoParameter {
    pub(super) user_count: bool,
    pub(super) subscription_count: bool,
    pub(super) cache: bool,
}

/// The attributes of one channel in an answer; those that were not requested are left out.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct ChannelAttributes {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) user_count: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) subscription_count: Option<usize>,
}

impl InfoParameter {
    /// Parses a comma separated list, which may be empty.
    pub(super) fn parse(list: Option<&str>) -> Result<Self, ApiError> {
        let mut info = Self::default();
        for attribute in list.unwrap_or_default().split(',').map(str::trim) {
            match attribute {
                "" => {}
                "user_count" => info.user_count = true,
                "subscription_count" => info.subscription_count = true,
                "cache" => info.cache = true,
                other => {
                    let other: String = other.chars().take(64).collect();
                    return Err(ApiError::bad_request(format!(
                        "{other:?} is no attribute: info should be a comma separated list of attributes (user_count, subscription_count, cache)"
                    )));
                }
            }
        }
        Ok(info)
    }

    /// The requested attributes of a channel; `user_count` exists on presence channels only.
    pub(super) fn attributes(
        self,
        name: &ChannelName,
        counts: Option<ChannelCounts>,
    ) -> ChannelAttributes {
        let counts = counts.unwrap_or(ChannelCounts { subscription_count: 0, user_count: None });
        let users = name.is_presence().then(|| counts.user_count.unwrap_or(0));
        ChannelAttributes {
            user_count: users.filter(|_| self.user_count),
            subscription_count: self.subscription_count.then_some(counts.subscription_count),
        }
    }
}
