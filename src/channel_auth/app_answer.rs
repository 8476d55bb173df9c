//! What an answer of the app's own endpoint means, and the text for each that permits nothing.
//!
//! Nothing that it sends counts before its signature is verified with the app's secret.

use reqwest::header::LOCATION;
use reqwest::{Response, StatusCode};
use serde::Deserialize;

use super::bounded_body::read_body;
use super::grant::Grant;
use super::memory::Permission;
use super::refusal::AuthRefusal;
use super::request::AuthSubject;
use crate::app::App;
use crate::metrics::AuthResult;
use crate::network_fault::NetworkFault;
use crate::protocol::SocketId;
use crate::protocol::signature::{check_channel, check_user};

/// A user info has 10 KB by default; a page for people may be larger, and is not read.
const ANSWER_BYTES_MAX: usize = 256 * 1024;

#[derive(Deserialize)]
struct Signed {
    auth: Option<String>,
    channel_data: Option<String>,
    user_data: Option<String>,
    shared_secret: Option<String>,
}

/// Whether a refusal is about the session, so that a second question would be answered alike.
pub(super) fn is_lasting(refusal: &AuthRefusal) -> bool {
    matches!(refusal.status, 401 | 403 | 419)
}

/// The permission of an answer, or of none.
pub(super) async fn permission(
    answer: reqwest::Result<Response>,
    app: &App,
    subject: &AuthSubject,
    socket_id: SocketId,
) -> Permission {
    let answer = answer.map_err(|error| no_answer(&error))?;
    if !answer.status().is_success() {
        let location = answer.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        return Err(of_status(answer.status(), location.unwrap_or_default()));
    }
    let body = read_body(answer, ANSWER_BYTES_MAX).await.map_err(|error| no_answer(&error))?;
    of_body(&body.unwrap_or_default(), app, subject, socket_id)
}

/// A body that came with 200.
fn of_body(body: &[u8], app: &App, subject: &AuthSubject, socket_id: SocketId) -> Permission {
    let failed = |text: String| AuthRefusal::new(502, AuthResult::AppFailed, text);
    if body.trim_ascii().is_empty() {
        let text = "The app's own endpoint answered 200 with nothing in it: its BROADCAST_CONNECTION must be reverb or pusher (log and null sign nothing), and its configuration not an old cached one (php artisan config:clear)";
        return Err(failed(text.to_owned()));
    }
    let signed: Option<Signed> = serde_json::from_slice(body).ok();
    let Some(Signed { auth: Some(auth), channel_data, user_data, shared_secret }) = signed else {
        let text = "The app's own endpoint answered 200 without an auth: app.auth.ask.url must be the route of Broadcast::routes(), and the app's BROADCAST_CONNECTION reverb or pusher";
        return Err(failed(text.to_owned()));
    };
    let checked = match subject {
        AuthSubject::Channel(channel) => {
            check_channel(app, socket_id, channel.as_str(), Some(&auth), channel_data.as_deref())
        }
        AuthSubject::User => {
            check_user(app, socket_id, &auth, user_data.as_deref().unwrap_or_default())
        }
    };
    checked.map_err(|flaw| {
        failed(format!("The app's own endpoint signs as another app: {flaw} (REVERB_APP_KEY and REVERB_APP_SECRET in its .env)"))
    })?;
    let data = match subject {
        AuthSubject::Channel(_) => channel_data,
        AuthSubject::User => user_data,
    };
    let grant = Grant { data, shared_secret };
    grant.check(app, subject)?;
    Ok(grant)
}

/// An answer that is not 2xx. Its status is passed on, but for a redirect, which the page would follow.
fn of_status(status: StatusCode, location: &str) -> AuthRefusal {
    let number = status.as_u16();
    let refused = |text: &str| AuthRefusal::new(number, AuthResult::NotPermitted, text);
    match number {
        300..=399 => {
            let location: String = location.chars().take(200).collect();
            let text = format!(
                "The app's own endpoint redirects to {location:?}, as it does without a session: is the user logged in, and do the page's cookies reach this server? If it moved, app.auth.ask.url must be its new address"
            );
            AuthRefusal::new(401, AuthResult::NoCredentials, text)
        }
        401 => AuthRefusal::new(
            401,
            AuthResult::NoCredentials,
            "The app answered 401: the session or the token is not one of a logged-in user (log in again; cookies and tokens must be among app.auth.ask.headers)",
        ),
        403 => refused(
            "The app answered 403: routes/channels.php does not permit this channel to this user, or has no such channel",
        ),
        404 => AuthRefusal::new(
            502,
            AuthResult::AppFailed,
            "The app answered 404: app.auth.ask.url must be the route of Broadcast::routes()",
        ),
        419 => refused(
            "The app answered 419: the CSRF token is missing or of another session (X-CSRF-TOKEN or X-XSRF-TOKEN must be sent, and be among app.auth.ask.headers)",
        ),
        429 => AuthRefusal::new(
            429,
            AuthResult::Overloaded,
            "The app answered 429: raise the limit of requests that its route has (throttle, RateLimiter)",
        ),
        400..=499 => refused(
            "The app's own endpoint refused the request: open the page's request to it in the app's log",
        ),
        _ => AuthRefusal::new(
            number,
            AuthResult::AppFailed,
            format!("The app's own endpoint answered {number}: see the log of the app"),
        ),
    }
}

fn no_answer(error: &reqwest::Error) -> AuthRefusal {
    if error.is_timeout() {
        return AuthRefusal::new(
            504,
            AuthResult::NoAnswer,
            "The app's own endpoint gave no answer within app.auth.ask.timeout_seconds: make it faster, or raise that",
        );
    }
    let fault = match NetworkFault::of(error) {
        Some(fault) => fault.to_string(),
        None => "the connection failed".to_owned(),
    };
    let text = format!("The app's own endpoint cannot be reached: {fault} (app.auth.ask.url)");
    AuthRefusal::new(502, AuthResult::NoAnswer, text)
}

#[cfg(test)]
mod tests {
    use reqwest::StatusCode;

    use super::{is_lasting, of_body, of_status};
    use crate::app::App;
    use crate::channel_auth::request::AuthSubject;
    use crate::channel_auth::tests::app;
    use crate::protocol::signature::{signed_channel, signed_user};
    use crate::protocol::{ChannelName, SocketId};

    fn socket() -> SocketId {
        SocketId::parse("1.2").unwrap()
    }

    fn channel(name: &str) -> AuthSubject {
        AuthSubject::Channel(ChannelName::parse(name, 200).unwrap())
    }

    fn refused(app: &App, subject: &AuthSubject, body: &str) -> (u16, String) {
        let refusal = of_body(body.as_bytes(), app, subject, socket()).unwrap_err();
        (refusal.status, refusal.text.to_string())
    }

    #[test]
    fn what_the_app_signed_is_taken() {
        let app = app();
        let data = r#"{"user_id":"7"}"#;
        let auth = signed_channel(&app, socket(), "presence-a", Some(data));
        let body = serde_json::json!({ "auth": auth, "channel_data": data }).to_string();
        let grant = of_body(body.as_bytes(), &app, &channel("presence-a"), socket()).unwrap();
        assert_eq!(grant.data.as_deref(), Some(data));
        let data = r#"{"id":"7"}"#;
        let auth = signed_user(&app, socket(), data);
        let body = serde_json::json!({ "auth": auth, "user_data": data }).to_string();
        let grant = of_body(body.as_bytes(), &app, &AuthSubject::User, socket()).unwrap();
        assert_eq!(grant.data.as_deref(), Some(data));
    }

    #[test]
    fn what_it_did_not_sign_is_refused() {
        let app = app();
        let auth = signed_channel(&app, socket(), "private-a", None);
        for (body, part) in [
            (String::new(), "BROADCAST_CONNECTION"),
            ("true".to_owned(), "without an auth"),
            ("<html>".to_owned(), "without an auth"),
            (r#"{"channel_data":"{}"}"#.to_owned(), "without an auth"),
            (r#"{"auth":"key:00"}"#.to_owned(), "REVERB_APP_SECRET"),
            (r#"{"auth":"other:00"}"#.to_owned(), "was made for the app key"),
            // Data that was put beside a signature for the channel alone.
            (format!(r#"{{"auth":"{auth}","channel_data":"{{}}"}}"#), "does not fit"),
        ] {
            let (status, text) = refused(&app, &channel("private-a"), &body);
            assert!(status == 502 && text.contains(part), "{body}: {status} {text}");
        }
        let other = format!(r#"{{"auth":"{auth}"}}"#);
        assert_eq!(refused(&app, &channel("private-b"), &other).0, 502);
        assert_eq!(refused(&app, &AuthSubject::User, &other).0, 502);
    }

    #[test]
    fn each_status_is_passed_on_with_a_text_but_for_redirects() {
        for (status, passed_on, part, lasts) in [
            (302, 401, "redirects to \"/login\"", true),
            (401, 401, "logged-in", true),
            (403, 403, "routes/channels.php", true),
            (404, 502, "app.auth.ask.url", false),
            (419, 419, "X-CSRF-TOKEN", true),
            (422, 422, "refused", false),
            (429, 429, "limit", false),
            (500, 500, "answered 500", false),
            (503, 503, "answered 503", false),
        ] {
            let refusal = of_status(StatusCode::from_u16(status).unwrap(), "/login");
            assert_eq!(refusal.status, passed_on, "{status}");
            assert!(refusal.text.contains(part), "{}", refusal.text);
            assert_eq!(is_lasting(&refusal), lasts, "{status}");
        }
    }
}
