//! What to change so that refusals of one cause end, in a sentence for the developer or the operator.
//!
//! Owns these texts once for all who show them. A rejected connection and an event of Redis have the remedy in their own
//! texts, which the server sends and logs, so they have none here.

use super::refusal::RefusedPart;
use super::refusal_ring::RefusalGroupKey;

/// The remedy of a cause; `None` where the text of each refusal has it.
pub fn remedy(key: &RefusalGroupKey) -> Option<&'static str> {
    let reason = key.reason.unwrap_or_default();
    match key.part {
        RefusedPart::Connection | RefusedPart::Input => None,
        RefusedPart::Handshake => of_handshake(reason),
        RefusedPart::Request => of_request(reason, key.code),
        RefusedPart::Subscription => of_subscription(reason),
        RefusedPart::SignIn => Some(of_sign_in(reason)),
        RefusedPart::Message => of_message(reason),
    }
}

fn of_handshake(reason: &str) -> Option<&'static str> {
    Some(match reason {
        "application_does_not_exist" => {
            "The page connects with a key that no app of this server has: set VITE_REVERB_APP_KEY to REVERB_APP_KEY and build the front end again, or add the app to the configuration."
        }
        "application_disabled" => {
            "The app is switched off: set enabled = true in its configuration."
        }
        "path_not_found" => {
            "The page dials a path that is not /app/{key} below server.path: correct wsPath in Echo, or what the proxy in front does to the path."
        }
        "invalid_version" | "unsupported_protocol" | "no_protocol_version" => {
            "The client speaks another version of the protocol: use a client of Pusher's protocol 4 to 7, such as pusher-js, and do not remove protocol= from its address."
        }
        "origin_not_allowed" => {
            "The page has an origin that the app does not allow: add its host to allowed_origins of the app (REVERB_ALLOWED_ORIGINS), or open the page by a host that is in it."
        }
        "tls_required" => {
            "The page connects without TLS: set forceTLS: true and REVERB_SCHEME=https, or tls.mode = \"optional\"."
        }
        "over_connection_limit" => {
            "The app has as many sockets as max_connections allows: raise it, or close the pages that are not needed."
        }
        "over_server_limit" => {
            "The process has no file descriptor for another socket: raise its limit of open files (LimitNOFILE=, ulimit -n), or add a node."
        }
        "over_memory_limit" => {
            "The process uses as much memory as limits.memory_bytes allows: give it more memory, lower websocket.outbox_bytes if slow readers take it, or add a node."
        }
        "over_handshake_rate" => {
            "More clients connect than may wait: raise server.max_handshakes_per_second or server.max_handshake_wait_seconds, or add a node."
        }
        "over_address_limit" | "address_too_fast" => {
            "One address opens too many sockets: if it is a proxy, list it in server.proxies; otherwise raise server.max_sockets_per_address or server.max_handshakes_per_address_per_second."
        }
        "reconnect_now" | "draining" => {
            "The server shuts down, and clients connect again to the next one: nothing has to be changed."
        }
        _ => return None,
    })
}

fn of_request(reason: &str, code: Option<u16>) -> Option<&'static str> {
    Some(match (reason, code) {
        ("unknown_app", _) => {
            "The back end publishes to an app id that this server does not have: correct REVERB_APP_ID, or add the app."
        }
        ("other_key", _) => {
            "REVERB_APP_KEY of the back end is that of another app than REVERB_APP_ID: take both from one app."
        }
        ("signature", _) => {
            "The request was signed with another secret: correct REVERB_APP_SECRET of the back end, then run php artisan config:clear. `resound check` prints the fingerprint of this server's."
        }
        ("body", _) => {
            "The body is not the one that was signed: a proxy changes it, or the client signs before it writes the body."
        }
        ("timestamp" | "late" | "early", _) => {
            "The clocks of the back end and of this server differ by more than ten minutes: set both by NTP."
        }
        ("missing" | "version", _) => {
            "The request is not signed as Pusher's libraries do: use one of them, or add auth_key, auth_timestamp, auth_version=1.0, body_md5 and auth_signature."
        }
        (_, Some(413)) => {
            "The event is larger than the limit that the cause names: send an id and let pages load the rest, or raise the limit."
        }
        (_, Some(404)) => {
            "Nothing is served at this path: correct the address of the back end, or the path in the proxy."
        }
        (_, Some(405)) => {
            "The path is right and the method is not: a redirect of the proxy may have made a GET of a POST."
        }
        (_, Some(429)) => {
            "The back end or the address sends more than the limit that the cause names: send less, or raise it."
        }
        _ => return None,
    })
}

fn of_subscription(reason: &str) -> Option<&'static str> {
    Some(match reason {
        "no_auth" | "missing" => {
            "The auth endpoint gave the page no signature: set BROADCAST_CONNECTION=reverb, and check that POST /broadcasting/auth answers with {\"auth\":\"key:signature\"}."
        }
        "no_colon"
        | "key_without_signature"
        | "signature_without_key"
        | "upper_case"
        | "no_signature"
        | "malformed" => {
            "The auth endpoint answers in another form than key:signature in lower case hexadecimal digits: use Laravel's, or a Pusher library."
        }
        "other_app_key" | "unknown_key" | "other_key" => {
            "The back end signs with the key of another app than the page connects with: REVERB_APP_KEY and VITE_REVERB_APP_KEY must be equal; build the front end again."
        }
        "other_app_secret" | "unknown_secret" | "signature" => {
            "The back end signs with another secret: correct REVERB_APP_SECRET, then run php artisan config:clear. `resound check` prints the fingerprint of this server's."
        }
        "other_socket" => {
            "The page sends the signature of an earlier connection: do not keep answers of the auth endpoint, which are valid for one socket id."
        }
        "other_channel" => {
            "The auth endpoint signs another spelling of the channel than the page subscribes to: do not add or encode prefixes by hand; Echo.private() adds private- itself."
        }
        "channel_data_altered" | "channel_data_not_signed" | "no_channel_data" => {
            "The channel_data of a presence channel is not the text that was signed: pass the answer of the auth endpoint on as it is."
        }
        "not_valid" | "" => {
            "The name or the message is not one that the protocol has: the cause of each refusal has what is wrong with it."
        }
        _ => BEYOND_LIMIT,
    })
}

fn of_sign_in(reason: &str) -> &'static str {
    match reason {
        "signature" | "other_key" => {
            "The user was signed with another key or secret: correct REVERB_APP_KEY and REVERB_APP_SECRET of the back end."
        }
        "missing" | "malformed" => {
            "The user endpoint gave the page no signature: POST /broadcasting/user-auth must answer with auth and user_data."
        }
        "" => "The user data is not valid: the cause of each refusal has what is wrong with it.",
        _ => BEYOND_LIMIT,
    }
}

fn of_message(reason: &str) -> Option<&'static str> {
    Some(match reason {
        "" => {
            "The page sends what the protocol does not have, or what the app does not allow, such as client events on a public channel: the cause of each refusal has which."
        }
        _ => BEYOND_LIMIT,
    })
}

/// The reason of a limit is its key.
const BEYOND_LIMIT: &str = "A limit was reached whose key is the reason: send less, or raise the key in the configuration of the app.";

#[cfg(test)]
mod tests {
    use super::{RefusalGroupKey, RefusedPart, remedy};
    use crate::protocol::{CloseCode, RefusalCause};

    #[test]
    fn every_cause_that_metrics_have_has_a_remedy() {
        let of = |part, reason| remedy(&RefusalGroupKey { part, reason: Some(reason), code: None });
        for reason in RefusalCause::OF_REQUESTS {
            assert!(of(RefusedPart::Request, reason).is_some(), "{reason}");
        }
        for reason in RefusalCause::OF_SOCKETS {
            for part in [RefusedPart::Subscription, RefusedPart::SignIn] {
                let text = of(part, reason).unwrap();
                assert!(!text.starts_with("A limit"), "{part:?} {reason}");
            }
        }
        let not_at_handshakes = [
            "frame_error",
            "invalid_utf8",
            "message_too_big",
            "terminated",
            "sign_in_refused",
            "not_authorized_in_time",
            "too_slow",
            "flooding",
            "rate_limited",
            "pong_not_received",
        ];
        for code in CloseCode::ALL {
            let is_expected = !not_at_handshakes.contains(&code.label());
            assert_eq!(of(RefusedPart::Handshake, code.label()).is_some(), is_expected, "{code:?}");
        }
    }
}
