//! The text of client messages in the log of the message stream (`--debug`).
//!
//! Masks signatures and cuts long texts. Called only when that log is enabled.

use std::borrow::Cow;

use serde_json::Value;

/// Characters of a message that are logged; Reverb cuts at 200 too.
const LOGGED_CHARS: usize = 200;

/// A client message with its `auth` masked, at most 200 characters of it.
pub fn readable(message: &str) -> String {
    let Ok(mut value) = serde_json::from_str::<Value>(message) else {
        return cut(message).into_owned();
    };
    if let Some(data) = value.get_mut("data") {
        if let Some(object) = data.as_str().and_then(|text| serde_json::from_str(text).ok()) {
            *data = object;
        }
        if let Some(auth) = data.get_mut("auth") {
            *auth = "…".into();
        }
    }
    cut(&value.to_string()).into_owned()
}

/// The first characters of a text that a client chose.
pub(super) fn cut(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(LOGGED_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]).into(),
        None => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::readable;

    #[test]
    fn signatures_are_masked_in_both_forms_of_data() {
        for data in
            [r#"{"auth":"key:abc","channel":"c"}"#, r#""{\"auth\":\"key:abc\",\"channel\":\"c\"}""#]
        {
            let message = format!(r#"{{"event":"pusher:subscribe","data":{data}}}"#);
            let expected = r#"{"data":{"auth":"…","channel":"c"},"event":"pusher:subscribe"}"#;
            assert_eq!(readable(&message), expected);
        }
    }

    #[test]
    fn a_long_message_is_cut() {
        assert_eq!(readable(&"é".repeat(500)).chars().count(), 201);
    }
}
