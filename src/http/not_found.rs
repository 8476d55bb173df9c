//! The text of a 404: where the endpoints are, and which setting to change.
//!
//! The usual cause is a prefix that only one side has. The PHP SDK resolves its paths against `path`
//! as a browser resolves links: without a trailing slash, the last part of `path` is dropped.

/// How many characters of a path the text repeats.
const SHOWN_CHARS: usize = 200;

/// The text for a request of `path`, where the routes are below `prefix`.
pub(super) fn message(prefix: &str, path: &str) -> String {
    let shown: String = path.chars().take(SHOWN_CHARS).collect();
    let there = format!(
        "The HTTP API is at {prefix}/apps/{{app_id}}/…, sockets connect to {prefix}/app/{{key}}"
    );
    if path.ends_with("/broadcasting/auth") || path.ends_with("/broadcasting/user-auth") {
        return format!(
            "There is no {shown:?} here: the app itself authorizes, at its own address (authEndpoint in Echo), unless app.auth.mode is set (RESOUND_APP_AUTH_MODE)"
        );
    }
    let advice = match prefix_of(path).filter(|theirs| *theirs != prefix) {
        None => "".to_owned(),
        Some(theirs) if prefix.is_empty() => {
            let theirs: String = theirs.chars().take(SHOWN_CHARS).collect();
            format!(
                ": this server has no prefix, and the request came with {theirs:?}. Take it out of 'path' in config/broadcasting.php (wsPath in Echo), or set REVERB_SERVER_PATH={theirs}"
            )
        }
        Some(_) => format!(
            ", below REVERB_SERVER_PATH={prefix}. In config/broadcasting.php write 'path' => '{prefix}/' among the options of the connection (without the slash at its end the SDK drops the last part), in Echo wsPath: '{prefix}'"
        ),
    };
    format!("There is no {shown:?} here. {there}{advice}")
}

/// The prefix of a path of the API or the WebSocket endpoint.
fn prefix_of(path: &str) -> Option<&str> {
    let at = path.find("/apps/").or_else(|| path.find("/app/"))?;
    Some(&path[..at])
}

#[cfg(test)]
mod tests {
    use super::message;

    #[test]
    fn a_prefix_that_one_side_lacks_is_named_with_the_key_that_sets_it() {
        let php = "In config/broadcasting.php write 'path' => '/ws/' among the options of the connection (without the slash at its end the SDK drops the last part), in Echo wsPath: '/ws'";
        let below = "The HTTP API is at /ws/apps/{app_id}/…, sockets connect to /ws/app/{key}";
        let top = "The HTTP API is at /apps/{app_id}/…, sockets connect to /app/{key}";
        let none = ": this server has no prefix, and the request came with \"/ws\". Take it out of 'path' in config/broadcasting.php (wsPath in Echo), or set REVERB_SERVER_PATH=/ws";
        for (prefix, path, expected) in [
            ("/ws", "/apps/1/events", format!("{below}, below REVERB_SERVER_PATH=/ws. {php}")),
            ("/ws", "/app/key", format!("{below}, below REVERB_SERVER_PATH=/ws. {php}")),
            (
                "/ws",
                "/other/apps/1/events",
                format!("{below}, below REVERB_SERVER_PATH=/ws. {php}"),
            ),
            ("/ws", "/ws/apps/1/nope", below.to_owned()),
            ("/ws", "/", below.to_owned()),
            ("", "/ws/apps/1/events", format!("{top}{none}")),
            ("", "/ws/app/key", format!("{top}{none}")),
            ("", "/apps/1/nope", top.to_owned()),
            ("", "/nope", top.to_owned()),
        ] {
            let expected = format!("There is no {path:?} here. {expected}");
            assert_eq!(message(prefix, path), expected, "{prefix:?}");
        }
    }

    #[test]
    fn authorization_that_is_off_is_named() {
        let text = message("", "/broadcasting/auth");
        assert!(text.contains("app.auth.mode"), "{text}");
    }

    #[test]
    fn a_long_path_is_cut() {
        assert!(message("", &format!("/{}/apps/1", "x".repeat(10_000))).len() < 1000);
    }
}
