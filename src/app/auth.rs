//! How an app has subscriptions and sign-ins authorized by this server: by a token, by asking the app's own
//! endpoint, or without a question.
//!
//! Plain settings. The decisions are those of the room `channel_auth`.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::Secret;
use super::public_key::PublicKey;

/// The endpoints of one app, and what decides there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthSettings {
    /// The path that Echo's `authEndpoint` names.
    pub path: String,
    /// The path that pusher-js's `userAuthentication` names.
    pub user_path: String,
    /// What decides.
    pub mode: AuthMode,
    /// The key of `private-encrypted-` channels, which modes without a back end need.
    pub master_key: Option<MasterKey>,
}

/// What decides about a subscription or a sign-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuthMode {
    /// The claims of a signed token.
    Jwt(Box<TokenRules>),
    /// The app's own endpoint, whose answers are remembered for a while.
    Ask(Box<AskRules>),
    /// Everything is allowed, to processes of this machine: for development.
    SignEverything,
}

impl AuthSettings {
    /// How many calls to other services it makes at once.
    pub fn calls_max(&self) -> usize {
        match &self.mode {
            AuthMode::Jwt(_) => 1,
            AuthMode::Ask(rules) => rules.concurrent,
            AuthMode::SignEverything => 0,
        }
    }
}

/// Which tokens count, and what they permit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRules {
    /// What verifies the signature.
    pub keys: TokenKeys,
    /// Accepted values of `iss`; empty: any.
    pub issuers: Vec<String>,
    /// Accepted values of `aud`; empty: only tokens without one.
    pub audiences: Vec<String>,
    /// How far the clocks of issuer and server may differ.
    pub leeway: Duration,
    /// The field of the body in which a page sends the token, if not as `Authorization: Bearer`.
    pub parameter: String,
    /// Patterns of channels, with claims in braces.
    pub channels: Vec<String>,
    /// The claim with further patterns; empty: none.
    pub channels_claim: String,
    /// The claim with the id of the user.
    pub user_id: String,
    /// The claim with the user info; empty: the whole token, of which only `user_info_fields` are taken.
    pub user_info: String,
    /// The fields that become the user info; empty: all of `user_info`.
    pub user_info_fields: Vec<String>,
    /// The claim with the watchlist; empty: none.
    pub watchlist: String,
}

/// Where the keys of tokens are. The key decides the algorithm, never the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenKeys {
    /// HS256.
    Secret(Secret),
    /// RS256, ES256 or EdDSA, by the kind of the key.
    Public(PublicKey),
    /// Several keys, named by the tokens' `kid`.
    Set {
        /// Where the set is.
        location: KeySetLocation,
        /// How long it counts as current.
        max_age: Duration,
    },
}

/// Where a JSON Web Key Set is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySetLocation {
    /// A file.
    File(PathBuf),
    /// An `https://` or `http://` address.
    Url(String),
}

/// How the app's own endpoint is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskRules {
    /// The app's own endpoint for channels.
    pub url: String,
    /// The same for sign-ins; `None`: sign-ins are refused.
    pub user_url: Option<String>,
    /// The header fields that are passed on beside Cookie and Authorization, in lower case.
    pub headers: Vec<String>,
    /// How long a permission is remembered; zero: never.
    pub remember: Duration,
    /// How long a refusal is remembered.
    pub remember_refusals: Duration,
    /// Bytes of all that is remembered.
    pub remembered_bytes: usize,
    /// Questions at once.
    pub concurrent: usize,
    /// For one question, and for the wait before it.
    pub timeout: Duration,
}

/// The master key of encrypted channels, never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct MasterKey([u8; 32]);

impl MasterKey {
    /// Reads the base64 of 32 bytes, as Pusher's SDKs have it.
    pub fn parse(text: &str) -> Option<Self> {
        STANDARD.decode(text).ok()?.try_into().ok().map(Self)
    }

    /// The secret that the clients of one channel share: as Pusher's SDKs derive it.
    pub fn shared_secret(&self, channel: &str) -> String {
        STANDARD.encode(Sha256::new().chain_update(channel).chain_update(self.0).finalize())
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::MasterKey;

    #[test]
    fn a_shared_secret_is_that_of_the_sdks() {
        // As the SDK for PHP computes it: base64(sha256(channel . key)).
        let key = MasterKey::parse("MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=").unwrap();
        let expected = "OaSNicEQhvgdc4eu4sum89NyQCnNOMP2wDIA2tge76Y=";
        assert_eq!(key.shared_secret("private-encrypted-a"), expected);
        assert_eq!(format!("{key:?}"), "MasterKey(…)");
    }

    #[test]
    fn a_master_key_is_the_base64_of_32_bytes() {
        for text in ["", "MDEy", "no base64", "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEy"] {
            assert_eq!(MasterKey::parse(text), None, "{text}");
        }
    }
}
