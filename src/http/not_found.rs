//! The answer to a path that is not there: where things are, and which setting makes the two agree.
//!
//! The common cause is a prefix that one side has and the other has not. The PHP SDK resolves its
//! paths against `path` as a browser resolves links: without a slash at its end, the last part of
//! `path` is dropped.

/// Characters of a path that are shown.
const SHOWN_CHARS: usize = 200;

/// What to tell the sender of a request for `path`, where routes are below `prefix`.
pub(super) fn message(prefix: &str, path: &str) -> String {
    let shown: String = path.chars().take(SHOWN_CHARS).collect();
    let there = format!(
        "The HTTP API is at {prefix}/apps/{{app_id}}/…, sockets connect to {prefix}/app/{{key}}"
    );
    let advice = match came_with(path).filter(|came| *came != prefix) {
        None => "".to_owned(),
        Some(came) if prefix.is_empty() => {
            let came: String = came.chars().take(SHOWN_CHARS).collect();
            format!(
                ": this server has no prefix, and the request came with {came:?}. Take it out of 'path' in config/broadcasting.php (wsPath in Echo), or set REVERB_SERVER_PATH={came}"
            )
        }
        Some(_) => format!(
            ", below REVERB_SERVER_PATH={prefix}. In config/broadcasting.php write 'path' => '{prefix}/' among the options of the connection (without the slash at its end the SDK drops the last part), in Echo wsPath: '{prefix}'"
        ),
    };
    format!("There is no {shown:?} here. {there}{advice}")
}

/// What a path of the API or of a socket has before its own part.
fn came_with(path: &str) -> Option<&str> {
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
    fn a_long_path_is_cut() {
        assert!(message("", &format!("/{}/apps/1", "x".repeat(10_000))).len() < 1000);
    }
}
