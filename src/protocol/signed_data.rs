//! The common form of `channel_data` and `user_data`: a signed JSON object with the id of a user.
//!
//! The signature is checked before, by `signature`.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::json::{self, JsonError, JsonObject};

/// Why signed data is not valid, worded to follow the name of the data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSignedData {
    /// It is not JSON that every client can read.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// It is a JSON string that holds JSON.
    #[error(
        "is encoded twice: it must be the JSON text of an object, not of a string that holds one"
    )]
    EncodedTwice,
    /// It is another JSON value.
    #[error("must be a JSON object, not {0}")]
    NoObject(&'static str),
    /// The id is missing or null.
    #[error("has no {0}")]
    NoId(&'static str),
    /// The id is neither a string nor a number.
    #[error("must have a string or a number as its {key}, not {found}")]
    BadId {
        /// The field of the id.
        key: &'static str,
        /// The kind of its value.
        found: &'static str,
    },
}

/// Reads the object, after checking that every client can read it.
pub(super) fn object<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, InvalidSignedData> {
    json::check(text)?;
    match text.trim_ascii_start().as_bytes().first() {
        Some(b'{') => {}
        Some(b'"') => return Err(InvalidSignedData::EncodedTwice),
        _ => return Err(InvalidSignedData::NoObject(kind(text))),
    }
    let JsonObject(read) =
        serde_json::from_str(text).expect("the fields of signed data take any JSON value");
    Ok(read)
}

/// The id in the field `key`: a string as it is, a number as its digits.
pub(super) fn id(raw: Option<&RawValue>, key: &'static str) -> Result<String, InvalidSignedData> {
    let raw = raw.ok_or(InvalidSignedData::NoId(key))?.get();
    user_id(raw).ok_or(InvalidSignedData::BadId { key, found: kind(raw) })
}

/// The user id that a JSON value stands for; `None` if it is no id.
pub(super) fn user_id(raw: &str) -> Option<String> {
    let text = match raw.as_bytes().first()? {
        b'"' => serde_json::from_str(raw).ok()?,
        b'-' | b'0'..=b'9' => raw.to_owned(),
        _ => return None,
    };
    (!text.is_empty()).then_some(text)
}

fn kind(json: &str) -> &'static str {
    match json.trim_ascii_start().as_bytes().first() {
        Some(b'[') => "a list",
        Some(b'{') => "an object",
        Some(b'n') => "null",
        Some(b't') => "true",
        Some(b'f') => "false",
        Some(b'"') => "an empty string",
        _ => "a number",
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::value::RawValue;

    use super::{InvalidSignedData, id, object};

    #[derive(Debug, Deserialize)]
    struct TestData {
        id: Option<Box<RawValue>>,
    }

    fn read(text: &str) -> Result<String, InvalidSignedData> {
        let data: TestData = object(text)?;
        id(data.id.as_deref(), "id")
    }

    #[test]
    fn strings_and_numbers_are_ids() {
        for (text, expected) in [
            (r#"{"id":"7"}"#, "7"),
            (r#" {"id": 7, "id2": true}"#, "7"),
            (r#"{"id":"\ud83d\ude00"}"#, "😀"),
            (r#"{"id":12345678901234567890123}"#, "12345678901234567890123"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn each_cause_has_its_text() {
        for (text, why) in [
            ("", "is no JSON"),
            ("Ann", "is no JSON"),
            (r#"{"id":"7",}"#, "is no JSON"),
            (r#"{"id":"7","id":"8"}"#, r#"has the key "id" twice in one object"#),
            ("null", "must be a JSON object, not null"),
            ("7", "must be a JSON object, not a number"),
            (r#"["7"]"#, "must be a JSON object, not a list"),
            ("{}", "has no id"),
            (r#"{"id":null}"#, "has no id"),
            (r#"{"id":true}"#, "must have a string or a number as its id, not true"),
            (r#"{"id":false}"#, "must have a string or a number as its id, not false"),
            (r#"{"id":["7"]}"#, "must have a string or a number as its id, not a list"),
            (r#"{"id":{"a":7}}"#, "must have a string or a number as its id, not an object"),
            (r#"{"id":""}"#, "must have a string or a number as its id, not an empty string"),
        ] {
            assert_eq!(read(text).unwrap_err().to_string(), why, "{text}");
        }
        assert_eq!(read(r#""{\"id\":\"7\"}""#), Err(InvalidSignedData::EncodedTwice));
    }
}
