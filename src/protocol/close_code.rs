//! Every code that a socket can be closed with, its text, and how pusher-js reacts.
//!
//! After 4000 pusher-js reconnects with TLS, after the others up to 4099 it does not reconnect until the page is reloaded, after 4100 to 4199 it
//! reconnects in a second, after 4200 to 4299 at once. Codes from 4300 stop it, so none is used here.

/// Why the server closes a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CloseCode {
    /// A frame violates RFC 6455.
    FrameError,
    /// A text message is not UTF-8.
    InvalidUtf8,
    /// A message exceeds the app's `max_message_size`, the number of fragments or the time for one.
    MessageTooBig,
    /// The connection is not encrypted, and the server requires it. pusher-js connects again with TLS.
    TlsRequired,
    /// No app has the key. Stops the client.
    ApplicationDoesNotExist,
    /// The app is disabled. Stops the client.
    ApplicationDisabled,
    /// The path is not `/app/{key}`. Stops the client.
    PathNotFound,
    /// `protocol` is not a number. Stops the client.
    InvalidVersion,
    /// `protocol` is not supported. Stops the client.
    UnsupportedProtocol,
    /// `protocol` is missing and the app requires it. Stops the client.
    NoProtocolVersion,
    /// The page's origin is not allowed. Stops the client.
    OriginNotAllowed,
    /// The back end terminated the user's connections. Stops the client.
    Terminated,
    /// `pusher:signin` had no valid signature or user. Stops the client.
    SignInRefused,
    /// The client neither signed in nor joined a private or presence channel in time. Stops it.
    NotAuthorizedInTime,
    /// The app has as many sockets as it may have. The client reconnects in a second.
    OverConnectionLimit,
    /// The server has no file descriptor for another socket. The client reconnects in a second.
    OverServerLimit,
    /// The process uses as much memory as it may. The client reconnects in a second.
    OverMemoryLimit,
    /// More clients connect at once than may wait. The client reconnects in a second.
    OverHandshakeRate,
    /// The client's address has as many sockets as it may have. The client reconnects in a second.
    OverAddressLimit,
    /// The client's address connects more often than it may. The client reconnects in a second.
    AddressTooFast,
    /// The client reads so slowly that its outbox is full. It reconnects in a second.
    TooSlow,
    /// The client sends far more messages than a page does, and none is relayed. It reconnects in a second.
    Flooding,
    /// The client exceeds Reverb's rate limit with `terminate_on_limit`. It reconnects in a second.
    RateLimited,
    /// The server shuts down and closes its sockets. The client reconnects at once, to another node.
    ReconnectNow,
    /// The server shuts down and accepts no new socket. The client reconnects in a second.
    Draining,
    /// The client did not answer a ping. It reconnects at once.
    PongNotReceived,
}

impl CloseCode {
    /// All of them.
    pub const ALL: [Self; 26] = [
        Self::FrameError,
        Self::InvalidUtf8,
        Self::MessageTooBig,
        Self::TlsRequired,
        Self::ApplicationDoesNotExist,
        Self::ApplicationDisabled,
        Self::PathNotFound,
        Self::InvalidVersion,
        Self::UnsupportedProtocol,
        Self::NoProtocolVersion,
        Self::OriginNotAllowed,
        Self::Terminated,
        Self::SignInRefused,
        Self::NotAuthorizedInTime,
        Self::OverConnectionLimit,
        Self::OverServerLimit,
        Self::OverMemoryLimit,
        Self::OverHandshakeRate,
        Self::OverAddressLimit,
        Self::AddressTooFast,
        Self::TooSlow,
        Self::Flooding,
        Self::RateLimited,
        Self::ReconnectNow,
        Self::Draining,
        Self::PongNotReceived,
    ];

    /// The number in the close frame.
    pub fn code(self) -> u16 {
        match self {
            Self::FrameError => 1002,
            Self::InvalidUtf8 => 1007,
            Self::MessageTooBig => 1009,
            Self::TlsRequired => 4000,
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
            | Self::OverMemoryLimit
            | Self::OverHandshakeRate
            | Self::OverAddressLimit
            | Self::AddressTooFast
            | Self::TooSlow
            | Self::Flooding
            | Self::RateLimited
            | Self::Draining => 4100,
            Self::ReconnectNow => 4200,
            Self::PongNotReceived => 4201,
        }
    }

    /// Its name in metrics: several reasons share a code.
    pub fn label(self) -> &'static str {
        match self {
            Self::FrameError => "frame_error",
            Self::InvalidUtf8 => "invalid_utf8",
            Self::MessageTooBig => "message_too_big",
            Self::TlsRequired => "tls_required",
            Self::ApplicationDoesNotExist => "application_does_not_exist",
            Self::ApplicationDisabled => "application_disabled",
            Self::PathNotFound => "path_not_found",
            Self::InvalidVersion => "invalid_version",
            Self::UnsupportedProtocol => "unsupported_protocol",
            Self::NoProtocolVersion => "no_protocol_version",
            Self::OriginNotAllowed => "origin_not_allowed",
            Self::Terminated => "terminated",
            Self::SignInRefused => "sign_in_refused",
            Self::NotAuthorizedInTime => "not_authorized_in_time",
            Self::OverConnectionLimit => "over_connection_limit",
            Self::OverServerLimit => "over_server_limit",
            Self::OverMemoryLimit => "over_memory_limit",
            Self::OverHandshakeRate => "over_handshake_rate",
            Self::OverAddressLimit => "over_address_limit",
            Self::AddressTooFast => "address_too_fast",
            Self::TooSlow => "too_slow",
            Self::Flooding => "flooding",
            Self::RateLimited => "rate_limited",
            Self::ReconnectNow => "reconnect_now",
            Self::Draining => "draining",
            Self::PongNotReceived => "pong_not_received",
        }
    }

    /// The text in the close frame: Reverb's, where it has one. At most 123 bytes (RFC 6455).
    pub fn reason(self) -> &'static str {
        match self {
            Self::FrameError => "Frame violates RFC 6455",
            Self::InvalidUtf8 => "Text is not UTF-8",
            Self::MessageTooBig => "Maximum message size exceeded",
            Self::TlsRequired => "This port serves TLS only, connect with wss://",
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
            Self::OverMemoryLimit => "Server is short of memory, try again",
            Self::OverHandshakeRate => "Server is opening too many connections, try again",
            Self::OverAddressLimit => "Too many connections from this address",
            Self::AddressTooFast => "Too many connections a second from this address",
            Self::TooSlow => "Over capacity: the client reads too slowly",
            Self::Flooding => "Over capacity: the client sends too many messages",
            Self::RateLimited => "Rate limit exceeded",
            Self::ReconnectNow => "Server is shutting down, reconnect now",
            Self::Draining => "Server is shutting down, try again",
            Self::PongNotReceived => "Pong reply not received in time",
        }
    }

    /// Whether a `pusher:error` event with the same code and text precedes the close frame.
    ///
    /// True for Pusher's codes. After a violation of RFC 6455 the peer may read no further message. A
    /// refused sign-in has an event of its own, which names the cause.
    pub fn is_announced(self) -> bool {
        self.code() >= 4000 && self != Self::SignInRefused
    }
}

#[cfg(test)]
mod tests {
    use super::CloseCode;

    #[test]
    fn temporary_conditions_let_a_client_reconnect() {
        for code in CloseCode::ALL {
            assert!(code.code() < 4300, "{code:?}: pusher-js does not reconnect after 43xx");
            assert!(code.reason().len() <= 123, "{code:?}: too long for a close frame");
        }
        use CloseCode::{Draining, Flooding, OverConnectionLimit, OverServerLimit};
        use CloseCode::{RateLimited, ReconnectNow, TooSlow};
        let full = [OverConnectionLimit, OverServerLimit, RateLimited, TooSlow];
        for temporary in full.into_iter().chain([Draining, Flooding, ReconnectNow]) {
            assert!((4100..4300).contains(&temporary.code()), "{temporary:?}");
        }
    }
}
