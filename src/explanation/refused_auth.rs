//! Why the `auth` of a subscription was not accepted: by which secret, for which socket, channel or `channel_data`
//! it was made.
//!
//! Owns what is tried and how much of it: [`SIGNATURES_MAX`] signatures for one refusal. For the operator alone; the
//! client gets the answer of `protocol::signature`. How often it may be asked is left to the caller.

use std::borrow::Cow;
use std::sync::Arc;

use percent_encoding::percent_decode_str;

use crate::app::{App, Secret};
use crate::protocol::SocketId;
use crate::protocol::channel_name::{ChannelType, bare_name, typed_names, without_type};
use crate::protocol::signature::is_signature;

/// Signatures that are computed for one refusal at most: 0.1 ms.
pub const SIGNATURES_MAX: usize = 192;

/// Secrets of other apps that are tried.
const OTHER_SECRETS_MAX: usize = 32;

/// What is there to find out the reason.
#[derive(Debug, Clone, Copy)]
pub struct AuthEvidence<'a> {
    /// The app of the socket.
    pub app: &'a App,
    /// All apps of this server.
    pub apps: &'a [Arc<App>],
    /// The socket.
    pub socket: SocketId,
    /// Sockets of the app that were opened or closed of late.
    pub recent_sockets: &'a [SocketId],
    /// The channel as the client wrote it.
    pub channel: &'a str,
    /// What the client sent as `auth`.
    pub auth: Option<&'a str>,
    /// What it sent as `channel_data`.
    pub channel_data: Option<&'a str>,
}

impl<'a> AuthEvidence<'a> {
    fn other_apps(&self) -> impl Iterator<Item = &'a Arc<App>> {
        let own = self.app.id.as_str();
        self.apps.iter().filter(move |other| other.id != own)
    }
}

/// Why an `auth` was not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// For programs.
    pub code: &'static str,
    /// For the operator.
    pub sentence: String,
}

/// The signature under question, and how many more may be computed.
struct Trial<'a> {
    signature: &'a str,
    left: usize,
}

impl Trial<'_> {
    fn fits<'p>(&mut self, secret: &Secret, parts: impl IntoIterator<Item = &'p str>) -> bool {
        if self.left == 0 {
            return false;
        }
        self.left -= 1;
        is_signature(secret, parts, self.signature)
    }
}

/// Why the `auth` of a subscription was refused.
pub fn reason(evidence: &AuthEvidence<'_>) -> Reason {
    match signature_of(evidence) {
        Ok(signature) => {
            let mut trial = Trial { signature, left: SIGNATURES_MAX };
            let found = other_secret(evidence, &mut trial)
                .or_else(|| other_data(evidence, &mut trial))
                .or_else(|| other_channel(evidence, &mut trial))
                .or_else(|| other_socket(evidence, &mut trial));
            found.unwrap_or_else(|| unknown_secret(evidence))
        }
        Err(reason) => reason,
    }
}

/// The signature in `auth`, if it has the form and the key of the app.
fn signature_of<'a>(evidence: &AuthEvidence<'a>) -> Result<&'a str, Reason> {
    let app = evidence.app;
    let auth = evidence.auth.unwrap_or_default();
    if auth.is_empty() {
        return Err(because(
            "no_auth",
            "the client sent no auth: the auth endpoint answered without one (an empty body, or `true` as Laravel's redis and log broadcasters do), or the page has no auth endpoint",
        ));
    }
    let (key, signature) = match auth.rsplit_once(':') {
        Some((key, signature)) => (key, signature),
        None if is_hex(auth) => ("", auth),
        None if auth == app.key => (auth, ""),
        None => {
            return Err(because(
                "no_colon",
                "auth has no colon: the auth endpoint must answer with key:signature",
            ));
        }
    };
    if signature.is_empty() {
        return Err(because(
            "key_without_signature",
            "auth is a key without a signature: the auth endpoint has no secret, or did not sign",
        ));
    }
    if key.is_empty() {
        return Err(because(
            "signature_without_key",
            "auth is a signature without the key in front: the auth endpoint has no key (REVERB_APP_KEY)",
        ));
    }
    if key != app.key {
        return Err(other_key(evidence, key));
    }
    if is_hex(&signature.to_ascii_lowercase()) && !is_hex(signature) {
        return Err(because(
            "upper_case",
            "the signature is in upper case; hexadecimal digits must be in lower case",
        ));
    }
    if !is_hex(signature) {
        let text = format!(
            "the signature has {} characters and is not made of 64 hexadecimal digits: it is no HMAC-SHA256 in hex",
            signature.chars().count()
        );
        return Err(because("no_signature", text));
    }
    Ok(signature)
}

fn other_key(evidence: &AuthEvidence<'_>, key: &str) -> Reason {
    match evidence.apps.iter().find(|other| other.key == key) {
        Some(other) => because(
            "other_app_key",
            format!(
                "auth has the key of app {:?}, and the page connects to app {:?}: REVERB_APP_KEY of the back end and VITE_REVERB_APP_KEY of the page differ",
                other.id, evidence.app.id
            ),
        ),
        None => {
            let key: String = key.chars().take(64).collect();
            because(
                "unknown_key",
                format!(
                    "auth has the key {key:?}, which no app of this server has: REVERB_APP_KEY of the back end is another one than the page's"
                ),
            )
        }
    }
}

fn other_secret(evidence: &AuthEvidence<'_>, trial: &mut Trial<'_>) -> Option<Reason> {
    let signed = signed(evidence);
    let secrets = evidence.other_apps().flat_map(|other| {
        let previous = other.previous_secret.iter().map(move |secret| (other, secret, "previous "));
        std::iter::once((other, &other.secret, "")).chain(previous)
    });
    let found = secrets
        .take(OTHER_SECRETS_MAX)
        .find(|(_, secret, _)| trial.fits(secret, signed.iter().map(|part| &**part)));
    found.map(|(other, secret, which)| {
        let (theirs, ours) = (secret.fingerprint(), evidence.app.secret.fingerprint());
        because(
            "other_app_secret",
            format!(
                "auth was signed with the {which}secret of app {:?} ({theirs}); this app has another ({ours}): correct REVERB_APP_SECRET of the back end",
                other.id
            ),
        )
    })
}

fn other_data(evidence: &AuthEvidence<'_>, trial: &mut Trial<'_>) -> Option<Reason> {
    let (app, channel) = (evidence.app, evidence.channel);
    let socket = evidence.socket.to_string();
    let Some(data) = evidence.channel_data.filter(|data| !data.is_empty()) else {
        let needs_data = ChannelType::of_prefix(channel) == ChannelType::Presence;
        return needs_data.then(|| because("no_channel_data", "a presence channel needs the channel_data that the auth endpoint signed, and the client sent none: the auth endpoint must answer with it"));
    };
    if app.secrets().any(|secret| trial.fits(secret, [&*socket, ":", channel])) {
        return Some(because(
            "channel_data_not_signed",
            "the signature was made without the channel_data that the client sent: the auth endpoint must sign it too, or leave it out",
        ));
    }
    let spellings = data_spellings(data);
    let is_signed = |data: &String| {
        let parts = [socket.as_str(), ":", channel, ":", data];
        app.secrets().any(|secret| trial.fits(secret, parts))
    };
    spellings.iter().any(is_signed).then(|| {
        because("channel_data_altered", "the channel_data was written anew after it was signed (spaces or escapes differ): it must be passed on as text, byte for byte")
    })
}

fn other_channel(evidence: &AuthEvidence<'_>, trial: &mut Trial<'_>) -> Option<Reason> {
    let (app, channel) = (evidence.app, evidence.channel);
    let mut signed = signed(evidence);
    let found = channel_spellings(channel).into_iter().find(|spelling| {
        signed[2] = Cow::Owned(spelling.clone());
        app.secrets().any(|secret| trial.fits(secret, signed.iter().map(|part| &**part)))
    })?;
    let cause = if bare_name(channel).1 > 1 {
        "the page subscribes with a prefix twice: Echo's private() and join() add it"
    } else if bare_name(&found).1 > 1 {
        "the back end signed a name with a prefix twice"
    } else if bare_name(&found).0 == bare_name(channel).0 {
        "the prefix was removed or added on the way to the auth endpoint"
    } else {
        "a proxy or the auth endpoint changed the name"
    };
    let text = format!(
        "the signature is for the channel `{found}`, and the client asked for `{channel}`: {cause}"
    );
    Some(because("other_channel", text))
}

fn other_socket(evidence: &AuthEvidence<'_>, trial: &mut Trial<'_>) -> Option<Reason> {
    let mut signed = signed(evidence);
    let others = evidence.recent_sockets.iter().filter(|socket| **socket != evidence.socket);
    let found = others.copied().find(|socket| {
        signed[0] = Cow::Owned(socket.to_string());
        let secrets = evidence.app.secrets();
        let mut parts = secrets.map(|secret| trial.fits(secret, signed.iter().map(|part| &**part)));
        parts.any(|fits| fits)
    })?;
    let text = format!(
        "auth was signed for socket {found}, and this is socket {}: the page kept the answer of its auth endpoint from an earlier connection",
        evidence.socket
    );
    Some(because("other_socket", text))
}

fn unknown_secret(evidence: &AuthEvidence<'_>) -> Reason {
    let app = evidence.app;
    let secrets: Vec<String> = app.secrets().map(Secret::fingerprint).collect();
    let others = match evidence.other_apps().count() {
        0 => String::new(),
        count => format!(", none of the {count} other apps has it"),
    };
    let text = format!(
        "auth was signed with a secret that this server does not have{others} (this app: {}), for a socket that is not among the last ones, or for other text; compare in Laravel: php artisan tinker --execute=\"echo substr(hash('sha256', config('broadcasting.connections.reverb.secret')), 0, 8);\"",
        secrets.join(", ")
    );
    because("unknown_secret", text)
}

/// The text that must be signed: socket, colon, channel, and with `channel_data` a colon and it.
fn signed<'a>(evidence: &AuthEvidence<'a>) -> Vec<Cow<'a, str>> {
    let socket = Cow::Owned(evidence.socket.to_string());
    let mut parts = vec![socket, Cow::Borrowed(":"), Cow::Borrowed(evidence.channel)];
    if let Some(data) = evidence.channel_data.filter(|data| !data.is_empty()) {
        parts.extend([Cow::Borrowed(":"), Cow::Borrowed(data)]);
    }
    parts
}

/// What a client or a proxy may have made of a name, or have been given instead of it.
fn channel_spellings(channel: &str) -> Vec<String> {
    let (_, without) = without_type(channel);
    let prefix = &channel[..channel.len() - without.len()];
    let decoded = percent_decode_str(channel).decode_utf8_lossy().into_owned();
    let mut all = vec![decoded, without.to_owned(), format!("{prefix}{channel}")];
    all.extend(typed_names(bare_name(channel).0));
    all.extend([
        channel.to_ascii_lowercase(),
        channel.replace('.', "/"),
        channel.trim().to_owned(),
    ]);
    all.retain(|spelling| spelling != channel);
    all
}

/// What the back end may have signed, if the client wrote the same JSON anew.
fn data_spellings(data: &str) -> Vec<String> {
    let compact = without_spaces(data);
    let unquoted: Option<String> = serde_json::from_str(data).ok();
    let mut all =
        vec![data.trim().to_owned(), compact.replace("\\/", "/"), compact.replace('/', "\\/")];
    all.extend(unquoted);
    all.push(compact);
    all.retain(|spelling| spelling != data);
    all
}

/// A JSON text without the spaces between its tokens.
fn without_spaces(json: &str) -> String {
    let (mut in_text, mut is_escaped) = (false, false);
    let is_kept = |letter: &char| {
        let is_space = !in_text && letter.is_ascii_whitespace();
        in_text ^= *letter == '"' && !is_escaped;
        is_escaped = in_text && *letter == '\\' && !is_escaped;
        !is_space
    };
    json.chars().filter(is_kept).collect()
}

fn is_hex(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn because(code: &'static str, sentence: impl Into<String>) -> Reason {
    Reason { code, sentence: sentence.into() }
}

#[cfg(test)]
#[path = "refused_auth/tests.rs"]
mod tests;
