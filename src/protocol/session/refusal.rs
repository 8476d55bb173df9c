//! The refusals of a session: their codes and texts.

use super::Action;
use crate::protocol::CloseCode;
use crate::protocol::RefusalCause;
use crate::protocol::channel_name;
use crate::protocol::member::InvalidMember;
use crate::protocol::server_message::{ErrorEvent, SubscriptionError};
use crate::protocol::signature::AuthError;

/// The refusal of a presence channel that has `members` members, the limit.
pub fn presence_full(members: usize) -> SubscriptionError {
    let error =
        format!("the presence channel has {members} members, the limit (max_presence_members)");
    limit_reached(4100, "max_presence_members", error)
}

pub(super) const FLOODING: Action = Action::Close(CloseCode::Flooding);

/// Characters of an unsupported event name that the answer repeats. The channel of a refused
/// subscription is repeated whole: the client finds its subscription by that name.
const SHOWN_CHARS_MAX: usize = 200;

pub(super) fn unsupported(event: &str) -> Action {
    let event: String = event.chars().take(SHOWN_CHARS_MAX).collect();
    let text = format!(
        "Unsupported event {event:?}: clients may send pusher:subscribe, pusher:unsubscribe, pusher:signin, pusher:ping, pusher:pong and client-… events"
    );
    reject(4200, text)
}

pub(super) fn reject(code: u16, message: impl Into<String>) -> Action {
    Action::Reject(error_event(code, message))
}

pub(super) fn error_event(code: u16, message: impl Into<String>) -> ErrorEvent {
    ErrorEvent { code, message: message.into(), cause: RefusalCause::Other }
}

/// A message that exceeds the limit with this key.
pub(super) fn reject_beyond(limit: &'static str, message: impl Into<String>) -> Action {
    let cause = RefusalCause::Limit(limit);
    Action::Reject(ErrorEvent { code: 4301, message: message.into(), cause })
}

pub(super) fn refuse_sign_in<W: std::fmt::Display>(why: &W) -> Action
where
    for<'a> RefusalCause: From<&'a W>,
{
    let (code, message) = (CloseCode::SignInRefused.code(), format!("Sign-in refused: {why}"));
    Action::RefuseSignIn(ErrorEvent { code, message, cause: why.into() })
}

pub(super) fn limit_reached(status: u16, key: &'static str, error: String) -> SubscriptionError {
    SubscriptionError { kind: "LimitReached", error, status, cause: RefusalCause::Limit(key) }
}

impl From<AuthError> for SubscriptionError {
    fn from(why: AuthError) -> Self {
        let cause = (&why).into();
        Self { kind: "AuthError", error: why.to_string(), status: 401, cause }
    }
}

impl From<channel_name::InvalidChannelName> for SubscriptionError {
    fn from(why: channel_name::InvalidChannelName) -> Self {
        use channel_name::InvalidChannelName::TooLong;
        let kind = if matches!(why, TooLong { .. }) { "LimitReached" } else { "InvalidChannel" };
        Self { kind, error: why.to_string(), status: 4009, cause: (&why).into() }
    }
}

impl From<InvalidMember> for SubscriptionError {
    fn from(why: InvalidMember) -> Self {
        let (kind, status) = match why {
            InvalidMember::TooLarge { .. } => ("LimitReached", 4301),
            InvalidMember::Missing | InvalidMember::Data(_) => ("AuthError", 401),
        };
        Self { kind, error: why.to_string(), status, cause: (&why).into() }
    }
}
