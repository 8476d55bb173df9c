//! A member of a presence channel, as the back end signed it in `channel_data`.
//!
//! `user_info` keeps the bytes that were signed: Echo passes it to `here()` unchanged.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::signed_data::{self, InvalidSignedData};
use crate::app::AppLimits;

/// One user of a presence channel. A user with several sockets is one member.
#[derive(Debug, Clone)]
pub struct Member {
    /// The id, always text on the wire; a number in `channel_data` becomes its digits.
    pub user_id: Arc<str>,
    /// The JSON value of `user_info`, if the back end signed one.
    pub user_info: Option<Box<RawValue>>,
}

/// Why `channel_data` does not describe a member.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMember {
    /// The subscription had no `channel_data`.
    #[error("presence channels need channel_data from the auth endpoint, with a user_id")]
    Missing,
    /// It is not an object with an id that every client can read.
    #[error("channel_data {0}")]
    Data(#[from] InvalidSignedData),
    /// It exceeds a limit of the app.
    #[error("the {what} has {bytes} bytes; the limit is {bytes_max} ({key})")]
    TooLarge {
        /// The field.
        what: &'static str,
        /// The size of the field.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
        /// The configuration key of the limit.
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

    /// The member, if it is within the app's limits.
    pub fn within(self, limits: &AppLimits) -> Result<Self, InvalidMember> {
        let info_bytes = self.user_info.as_ref().map_or(0, |info| info.get().len());
        let (id_max, info_max) = (limits.presence_user_id_bytes, limits.presence_user_info_bytes);
        check_bytes("user_id", self.user_id.len(), id_max, "max_presence_user_id_bytes")?;
        check_bytes("user_info", info_bytes, info_max, "max_presence_user_info_bytes")?;
        Ok(self)
    }

    /// The JSON text of `user_info`, or `null`.
    pub fn info_json(&self) -> &str {
        self.user_info.as_ref().map_or("null", |info| info.get())
    }
}

fn check_bytes(
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
    fn invalid_channel_data_is_refused_with_its_cause() {
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
            "the user_id has 129 bytes; the limit is 128 (max_presence_user_id_bytes)"
        );
    }
}
