//! One user in a presence channel, as the back end signed them in `channel_data`.
//!
//! The `user_info` stays the bytes that were signed: Echo hands it to `here()` untouched.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::signed_data::{self, InvalidSignedData};
use crate::app::AppLimits;

/// Who joins: distinct by `user_id`, which is text everywhere on the wire.
#[derive(Debug, Clone)]
pub struct Member {
    /// The id; a number in `channel_data` becomes its text.
    pub user_id: Arc<str>,
    /// The JSON value of `user_info`; `None` where the back end gave none.
    pub user_info: Option<Box<RawValue>>,
}

/// Why `channel_data` names no member.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMember {
    /// A presence channel was joined without `channel_data`.
    #[error("presence channels need channel_data from the auth endpoint, with a user_id")]
    Missing,
    /// Not an object with an id that every client can read.
    #[error("channel_data {0}")]
    Data(#[from] InvalidSignedData),
    /// Over one of the app's bounds.
    #[error("the {what} has {bytes} bytes; the limit is {bytes_max} ({key})")]
    TooLarge {
        /// Which part.
        what: &'static str,
        /// Its size.
        bytes: usize,
        /// The bound.
        bytes_max: usize,
        /// The configuration key of the bound.
        key: &'static str,
    },
}

#[derive(Deserialize)]
struct ChannelData {
    user_id: Option<Box<RawValue>>,
    user_info: Option<Box<RawValue>>,
}

impl Member {
    /// Reads signed `channel_data`.
    pub fn parse(channel_data: Option<&str>, limits: &AppLimits) -> Result<Self, InvalidMember> {
        let text = channel_data.filter(|text| !text.is_empty()).ok_or(InvalidMember::Missing)?;
        let data: ChannelData = signed_data::object(text)?;
        let user_id = signed_data::id(data.user_id.as_deref(), "user_id")?;
        Self { user_id: user_id.into(), user_info: data.user_info }.within(limits)
    }

    /// The same member, if it keeps the app's bounds.
    pub fn within(self, limits: &AppLimits) -> Result<Self, InvalidMember> {
        let info_bytes = self.user_info.as_ref().map_or(0, |info| info.get().len());
        let (id_max, info_max) = (limits.presence_user_id_bytes, limits.presence_user_info_bytes);
        bounded("user_id", self.user_id.len(), id_max, "presence_user_id_bytes")?;
        bounded("user_info", info_bytes, info_max, "presence_user_info_bytes")?;
        Ok(self)
    }

    /// The JSON text of `user_info`, `null` where there is none.
    pub fn info_json(&self) -> &str {
        self.user_info.as_ref().map_or("null", |info| info.get())
    }
}

fn bounded(
    what: &'static str,
    bytes: usize,
    bytes_max: usize,
    key: &'static str,
) -> Result<(), InvalidMember> {
    if bytes <= bytes_max {
        return Ok(());
    }
    Err(InvalidMember::TooLarge { what, bytes, bytes_max, key })
}

#[cfg(test)]
mod tests {
    use super::{InvalidMember, InvalidSignedData, Member};
    use crate::app::tests::limits;

    fn check(channel_data: &str, user_id: &str, info: &str) {
        let member = Member::parse(Some(channel_data), &limits()).unwrap();
        assert_eq!((&*member.user_id, member.info_json()), (user_id, info), "{channel_data}");
    }

    #[test]
    fn ids_become_text_and_info_stays_as_signed() {
        check(r#"{"user_id":"7"}"#, "7", "null");
        check(r#"{"user_id":7,"user_info":{"a":{}, "b":[]}}"#, "7", r#"{"a":{}, "b":[]}"#);
        check(r#"{"user_info":"x","user_id":"é"}"#, "é", r#""x""#);
        check(r#"{"user_id":"__proto__","user_info":null}"#, "__proto__", "null");
        check(r#"{"user_id":12345678901234567890123}"#, "12345678901234567890123", "null");
    }

    #[test]
    fn what_names_nobody_is_refused() {
        let check = |text, why| assert_eq!(Member::parse(text, &limits()).unwrap_err(), why);
        check(None, InvalidMember::Missing);
        check(Some(""), InvalidMember::Missing);
        let data = |text, why: InvalidSignedData| check(Some(text), why.into());
        data("[]", InvalidSignedData::NoObject("a list"));
        data("{}", InvalidSignedData::NoId("user_id"));
        data(r#"{"user_info":{}}"#, InvalidSignedData::NoId("user_id"));
        let found = "an empty string";
        data(r#"{"user_id":""}"#, InvalidSignedData::BadId { key: "user_id", found });
        let long = format!(r#"{{"user_id":"{}"}}"#, "x".repeat(129));
        assert_eq!(
            Member::parse(Some(&long), &limits()).unwrap_err().to_string(),
            "the user_id has 129 bytes; the limit is 128 (presence_user_id_bytes)"
        );
    }
}
