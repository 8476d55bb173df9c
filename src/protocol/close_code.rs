//! Every code a socket can be closed with, its text, and what pusher-js does then.
//!
//! pusher-js: 4000–4099 stop the client until the page is reloaded, 4100–4199 bring it back
//! after a second, 4200–4299 at once, and anything from 4300 stops it: never close with that.

/// Why the server closes a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CloseCode {
    /// A frame against RFC 6455.
    FrameError,
    /// Text that is not UTF-8.
    InvalidUtf8,
    /// A message over the app's `max_message_size`, or in too many or too slow fragments.
    MessageTooBig,
    /// Unknown key: stops the client.
    ApplicationDoesNotExist,
    /// The app is switched off: stops the client.
    ApplicationDisabled,
    /// Not `/app/{key}`: stops the client.
    PathNotFound,
    /// `protocol` is no number: stops the client.
    InvalidVersion,
    /// `protocol` is not served: stops the client.
    UnsupportedProtocol,
    /// `protocol` is missing where it is required: stops the client.
    NoProtocolVersion,
    /// The page's origin is not on the allow list: stops the client.
    OriginNotAllowed,
    /// The back end terminated the user's connections: stops the client.
    Terminated,
    /// `pusher:signin` without a valid signature or user: stops the client.
    SignInRefused,
    /// Neither signed in nor on a private or presence channel in time: stops the client.
    NotAuthorizedInTime,
    /// The app has all the sockets it may have: the client tries again.
    OverConnectionLimit,
    /// The server has no room for another socket: the client tries again.
    OverServerLimit,
    /// More waits for this socket than the outbox may hold: the client comes back.
    TooSlow,
    /// Many more messages than a page sends, with no effect: the client comes back.
    Flooding,
    /// Over Reverb's rate limit with `terminate_on_limit`: the client comes back.
    RateLimited,
    /// The server shuts down: the client reconnects at once, to another node.
    ReconnectNow,
    /// The server is shutting down and takes nobody new: the client tries again in a second.
    Draining,
    /// No sign of life after a ping.
    PongNotReceived,
}

impl CloseCode {
    /// The number in the close frame.
    pub fn code(self) -> u16 {
        match self {
            Self::FrameError => 1002,
            Self::InvalidUtf8 => 1007,
            Self::MessageTooBig => 1009,
            Self::ApplicationDoesNotExist => 4001,
            Self::ApplicationDisabled => 4003,
            Self::PathNotFound => 4005,
            Self::InvalidVersion => 4006,
            Self::UnsupportedProtocol => 4007,
            Self::NoProtocolVersion => 4008,
            Self::OriginNotAllowed
            | Self::Terminated
            | Self::SignInRefused
            | Self::NotAuthorizedInTime => 4009,
            Self::OverConnectionLimit
            | Self::OverServerLimit
            | Self::TooSlow
            | Self::Flooding
            | Self::RateLimited
            | Self::Draining => 4100,
            Self::ReconnectNow => 4200,
            Self::PongNotReceived => 4201,
        }
    }

    /// The text beside the number; Reverb's where it has one. At most 123 bytes (RFC 6455).
    pub fn reason(self) -> &'static str {
        match self {
            Self::FrameError => "Frame violates RFC 6455",
            Self::InvalidUtf8 => "Text is not UTF-8",
            Self::MessageTooBig => "Maximum message size exceeded",
            Self::ApplicationDoesNotExist => "Application does not exist",
            Self::ApplicationDisabled => "Application is disabled",
            Self::PathNotFound => "Path not found, connect to /app/{key}",
            Self::InvalidVersion => "Invalid protocol version, send a number from 4 to 7",
            Self::UnsupportedProtocol => "Unsupported protocol version, supported are 4 to 7",
            Self::NoProtocolVersion => "No protocol version given, add protocol=7",
            Self::OriginNotAllowed => "Origin not allowed",
            Self::Terminated => "You got disconnected by the app.",
            Self::SignInRefused => "Sign-in refused: the pusher:error event before this says why",
            Self::NotAuthorizedInTime => "Connection not authorized within timeout",
            Self::OverConnectionLimit => "Application is over connection quota",
            Self::OverServerLimit => "Server is over its limit of connections",
            Self::TooSlow => "Over capacity: the client reads too slowly",
            Self::Flooding => "Over capacity: the client sends too many messages",
            Self::RateLimited => "Rate limit exceeded",
            Self::ReconnectNow => "Server is shutting down, reconnect now",
            Self::Draining => "Server is shutting down, try again",
            Self::PongNotReceived => "Pong reply not received in time",
        }
    }

    /// Whether a `pusher:error` event tells the reason before the close frame.
    ///
    /// Pusher's own codes do; RFC 6455's are about frames, and the peer may not read another. Why a
    /// sign-in was refused differs from one to the next: its answer is the event.
    pub fn is_announced(self) -> bool {
        self.code() >= 4000 && self != Self::SignInRefused
    }
}

#[cfg(test)]
mod tests {
    use super::CloseCode;

    const ALL: [CloseCode; 21] = [
        CloseCode::FrameError,
        CloseCode::InvalidUtf8,
        CloseCode::MessageTooBig,
        CloseCode::ApplicationDoesNotExist,
        CloseCode::ApplicationDisabled,
        CloseCode::PathNotFound,
        CloseCode::InvalidVersion,
        CloseCode::UnsupportedProtocol,
        CloseCode::NoProtocolVersion,
        CloseCode::OriginNotAllowed,
        CloseCode::Terminated,
        CloseCode::SignInRefused,
        CloseCode::NotAuthorizedInTime,
        CloseCode::OverConnectionLimit,
        CloseCode::OverServerLimit,
        CloseCode::TooSlow,
        CloseCode::Flooding,
        CloseCode::RateLimited,
        CloseCode::ReconnectNow,
        CloseCode::Draining,
        CloseCode::PongNotReceived,
    ];

    #[test]
    fn no_passing_condition_stops_a_client_for_good() {
        for code in ALL {
            assert!(code.code() < 4300, "{code:?}: pusher-js stays away from 43xx closes");
            assert!(code.reason().len() <= 123, "{code:?}: too long for a close frame");
        }
        use CloseCode::{Draining, Flooding, OverConnectionLimit, OverServerLimit};
        use CloseCode::{RateLimited, ReconnectNow, TooSlow};
        let full = [OverConnectionLimit, OverServerLimit, RateLimited, TooSlow];
        for passing in full.into_iter().chain([Draining, Flooding, ReconnectNow]) {
            assert!((4100..4300).contains(&passing.code()), "{passing:?}");
        }
    }
}
