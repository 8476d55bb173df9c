//! What a page asks for, and what it brings along.

use std::net::IpAddr;

use reqwest::header::{AUTHORIZATION, HeaderMap};

use crate::protocol::{ChannelName, SocketId};

/// One request for authorization, read and well-formed.
#[derive(Debug)]
pub struct AuthRequest<'a> {
    /// What is to be authorized.
    pub subject: AuthSubject,
    /// The socket it is for.
    pub socket_id: SocketId,
    /// The fields of the body, in their order.
    pub fields: &'a [(String, String)],
    /// The header fields.
    pub headers: &'a HeaderMap,
    /// The query behind the path, without `app_key`.
    pub query: &'a str,
    /// The body as it was sent.
    pub body: &'a [u8],
    /// Who asks.
    pub caller: AuthCaller,
}

/// What is to be authorized.
#[derive(Debug, Clone)]
pub enum AuthSubject {
    /// A subscription.
    Channel(ChannelName),
    /// A sign-in.
    User,
}

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub struct AuthCaller {
    /// The address of the client, if it has one.
    pub address: Option<IpAddr>,
    /// Whether it is a process of this machine.
    pub is_local: bool,
}

impl AuthRequest<'_> {
    /// A field of the body; of several with one name the last counts, as in PHP.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.fields.iter().rev();
        fields.find_map(|(key, value)| (key == name).then_some(value.as_str()))
    }

    /// The token of `Authorization: Bearer`.
    pub(super) fn bearer(&self) -> Option<&str> {
        let (scheme, token) = self.headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    }
}
