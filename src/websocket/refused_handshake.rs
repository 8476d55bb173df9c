//! What the operator is shown of a refused handshake: its app, the close code, and what to change.
//!
//! The client gets the close code alone. How often a line is written is left to the log, what is kept of the rows to
//! `observation`.

use std::net::IpAddr;

use crate::observation::{Refusal, RefusedPart};
use crate::protocol::CloseCode;

/// Characters of a path or a key that a client chose.
const TEXT_CHARS: usize = 100;

/// A handshake that was refused.
pub(super) struct RefusedHandshake<'a> {
    pub(super) code: CloseCode,
    pub(super) client: Option<IpAddr>,
    /// The path of the request, if it was refused for what the request has.
    pub(super) path: Option<&'a str>,
    /// The origin of the page, likewise.
    pub(super) origin: Option<&'a str>,
    /// The prefix of all paths of this server.
    pub(super) prefix: &'a str,
}

impl RefusedHandshake<'_> {
    /// Writes to the log what no app is known for: other refusals have the log of their app, or are counted, since a
    /// full server refuses each handshake.
    pub(super) fn log(&self) {
        if !matches!(self.code, CloseCode::ApplicationDoesNotExist | CloseCode::PathNotFound) {
            return;
        }
        let (code, cause, because) = (self.code.code(), self.code.reason(), self.because());
        let client = self.client.map(tracing::field::display);
        tracing::info!(code, cause, because, client, "connection refused");
    }

    /// The row for those who look at the node.
    pub(super) fn row(&self) -> Refusal {
        Refusal::new(RefusedPart::Handshake, &self.because())
            .with_code(self.code.code())
            .with_reason(Some(self.code.label()))
            .of_client(self.client.map(|client| client.to_string()))
            .of_origin(self.origin)
    }

    fn because(&self) -> String {
        let Self { code, path, prefix, .. } = self;
        let Some(path) = path else { return code.reason().to_owned() };
        let path: String = path.chars().take(TEXT_CHARS).collect();
        match code {
            CloseCode::ApplicationDoesNotExist => {
                let key = path.rsplit('/').next().unwrap_or_default();
                format!(
                    "no app of this server has the key {key:?}: the page has another VITE_REVERB_APP_KEY than REVERB_APP_KEY, or was built before that changed"
                )
            }
            CloseCode::PathNotFound => format!(
                "the handshake was for {path:?}, and sockets connect to {prefix}/app/{{key}}: correct wsPath of the page, or the path that the proxy passes on"
            ),
            _ => format!("{} (the handshake was for {path:?})", code.reason()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CloseCode, RefusedHandshake};

    #[test]
    fn the_sentence_names_what_to_change() {
        let check = |code, path, expected: &str| {
            let refused =
                RefusedHandshake { code, client: None, path, origin: None, prefix: "/ws" };
            assert_eq!(refused.because(), expected);
        };
        check(
            CloseCode::ApplicationDoesNotExist,
            Some("/ws/app/other"),
            "no app of this server has the key \"other\": the page has another VITE_REVERB_APP_KEY than REVERB_APP_KEY, or was built before that changed",
        );
        check(
            CloseCode::PathNotFound,
            Some("/app/k"),
            "the handshake was for \"/app/k\", and sockets connect to /ws/app/{key}: correct wsPath of the page, or the path that the proxy passes on",
        );
        check(
            CloseCode::OriginNotAllowed,
            Some("/ws/app/k"),
            "Origin not allowed (the handshake was for \"/ws/app/k\")",
        );
        check(CloseCode::OverConnectionLimit, None, "Application is over connection quota");
    }
}
