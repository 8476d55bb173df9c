//! The body of a request for authorization: a form, as pusher-js sends it, or a JSON object, as axios does.
//!
//! Pure. Which fields are needed is left to `auth_endpoint`.

use axum::http::StatusCode;
use serde_json::Value;

use super::api_error::ApiError;

/// Fields of one body; a page sends two, and some of its own.
const FIELDS_MAX: usize = 64;

/// The fields in their order. A JSON value that is no text stands as its JSON.
pub(super) fn fields(content_type: &str, body: &[u8]) -> Result<Vec<(String, String)>, ApiError> {
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    let fields = match kind.to_ascii_lowercase().as_str() {
        "application/x-www-form-urlencoded" | "" => form_urlencoded::parse(body)
            .take(FIELDS_MAX + 1)
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect::<Vec<_>>(),
        "application/json" => json_fields(body)?,
        _ => {
            let kind: String = kind.chars().take(64).collect();
            return Err(ApiError::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                format!(
                    "Content-Type is {kind:?}: send a form (application/x-www-form-urlencoded, as pusher-js does) or JSON (application/json)"
                ),
            ));
        }
    };
    if fields.len() > FIELDS_MAX {
        let text =
            format!("The body has more than {FIELDS_MAX} fields: send fewer (auth.params in Echo)");
        return Err(ApiError::bad_request(text));
    }
    Ok(fields)
}

fn json_fields(body: &[u8]) -> Result<Vec<(String, String)>, ApiError> {
    let Ok(Value::Object(object)) = serde_json::from_slice(body) else {
        return Err(ApiError::bad_request(
            "The body is no JSON object: it must be {\"socket_id\":…,\"channel_name\":…}",
        ));
    };
    let text = |value: Value| match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    Ok(object.into_iter().map(|(name, value)| (name, text(value))).collect())
}

#[cfg(test)]
mod tests {
    use super::{FIELDS_MAX, fields};

    fn check(content_type: &str, body: &str, expected: &[(&str, &str)]) {
        let found = fields(content_type, body.as_bytes()).unwrap();
        let found: Vec<_> = found.iter().map(|(key, value)| (&**key, &**value)).collect();
        assert_eq!(found, expected, "{body}");
    }

    #[test]
    fn forms_and_json_have_the_same_fields() {
        let both = [("channel_name", "presence-a"), ("socket_id", "1.2")];
        let form = "application/x-www-form-urlencoded";
        check(form, "channel_name=presence-a&socket_id=1.2", &both);
        check("application/x-www-form-urlencoded; charset=UTF-8", "a=%C3%A9+b", &[("a", "é b")]);
        check("", "a=1&a=2", &[("a", "1"), ("a", "2")]);
        let json = r#"{"channel_name":"presence-a","socket_id":"1.2"}"#;
        check("application/json", json, &both);
        check("Application/JSON;charset=utf-8", r#"{"a":{"b":1}}"#, &[("a", r#"{"b":1}"#)]);
        check("application/json", r#"{"user_id":7}"#, &[("user_id", "7")]);
    }

    #[test]
    fn other_bodies_are_refused() {
        for (kind, body) in [
            ("application/json", ""),
            ("application/json", "[]"),
            ("application/json", "{"),
            ("multipart/form-data; boundary=x", "--x"),
            ("text/plain", "a=b"),
            ("application/x-www-form-urlencoded", &"a=b&".repeat(FIELDS_MAX + 1)),
        ] {
            assert!(fields(kind, body.as_bytes()).is_err(), "{kind} {body}");
        }
    }
}
