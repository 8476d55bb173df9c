//! A permission without its signature, and the answer that is made of it for one socket.
//!
//! Pure. The signature is of the app's secret, as the app's own endpoint makes it.

use serde::Serialize;

use super::refusal::AuthRefusal;
use super::request::{AuthRequest, AuthSubject};
use crate::app::App;
use crate::metrics::AuthResult;
use crate::protocol::signature::{signed_channel, signed_user};
use crate::protocol::{Member, User};

/// What a socket is given with its signature.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Grant {
    /// `channel_data` or `user_data`, the JSON text of an object.
    pub(super) data: Option<String>,
    /// The secret of an encrypted channel.
    pub(super) shared_secret: Option<String>,
}

/// In the order in which the SDKs for PHP write it.
#[derive(Serialize)]
struct Answer<'a> {
    auth: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel_data: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_data: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shared_secret: Option<&'a str>,
}

impl Grant {
    /// The answer for the socket of a request, as JSON.
    pub(super) fn sign(&self, app: &App, request: &AuthRequest<'_>) -> String {
        let (data, shared_secret) = (self.data.as_deref(), self.shared_secret.as_deref());
        let answer = match &request.subject {
            AuthSubject::Channel(channel) => Answer {
                auth: signed_channel(app, request.socket_id, channel.as_str(), data),
                channel_data: data,
                user_data: None,
                shared_secret,
            },
            AuthSubject::User => Answer {
                auth: signed_user(app, request.socket_id, data.unwrap_or_default()),
                channel_data: None,
                user_data: data,
                shared_secret: None,
            },
        };
        serde_json::to_string(&answer).expect("texts serialize")
    }

    /// Whether the subscription or the sign-in will be accepted with this data: within the limits of the app,
    /// and readable for every client.
    pub(super) fn check(&self, app: &App, subject: &AuthSubject) -> Result<(), AuthRefusal> {
        let data = self.data.as_deref();
        let checked = match subject {
            AuthSubject::Channel(channel) if channel.is_presence() => {
                Member::parse(data, &app.limits).map(drop).map_err(|flaw| flaw.to_string())
            }
            AuthSubject::Channel(_) => Ok(()),
            AuthSubject::User => User::parse(data.unwrap_or_default(), &app.limits)
                .map(drop)
                .map_err(|flaw| flaw.to_string()),
        };
        checked.map_err(|flaw| {
            AuthRefusal::new(
                403,
                AuthResult::NotPermitted,
                format!("The user is not accepted: {flaw}"),
            )
        })
    }
}
