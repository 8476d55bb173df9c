//! Whether a token is valid: its form, its algorithm, its signature, its times, its issuer and audience.
//!
//! Owns the text of each flaw. What a valid token permits is left to `claims`.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde::Deserialize;
use serde_json::Value;

use super::key_set::KeySet;
use super::token_crypto;
use crate::app::TokenRules;

/// A longer token is none: browsers and proxies limit a header field to 8 KB.
const TOKEN_BYTES_MAX: usize = 16 * 1024;

/// How much of a peer's text a message repeats.
const SHOWN_CHARS: usize = 64;

/// Why a token is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum TokenFlaw {
    #[error(
        "The token is no JWT: it must be three parts of base64url with dots between them (Authorization: Bearer, or the field of app.auth.jwt.token_parameter)"
    )]
    Form,
    #[error("The token is larger than 16 KB: put less into its claims")]
    TooLong,
    #[error(
        "The token has the algorithm {0:?}: HS256, RS256, ES256 and EdDSA are accepted, each with a key of its kind"
    )]
    Algorithm(String),
    #[error(
        "The token is signed with {found}, and this app has keys for {expected}: see app.auth.jwt"
    )]
    OtherAlgorithm { found: String, expected: String },
    #[error(
        "The token has a critical extension (crit), which is not supported: its issuer has to leave it out"
    )]
    Critical,
    #[error(
        "The token names the key {0:?} (kid), which the set of app.auth.jwt.jwks does not have: is it of the same issuer?"
    )]
    UnknownKey(String),
    #[error("The signature of the token is wrong: app.auth.jwt must have the key of its issuer")]
    Signature,
    #[error("The token has expired: get a new one (exp)")]
    Expired,
    #[error(
        "The token is not valid yet (nbf): set the clocks right, or raise app.auth.jwt.leeway_seconds"
    )]
    Early,
    #[error("The token has no {0}: its issuer has to set it")]
    MissingClaim(String),
    #[error("The token is of another issuer (iss) than those of app.auth.jwt.issuers")]
    Issuer,
    #[error("The token is for another audience (aud) than those of app.auth.jwt.audiences")]
    Audience,
    #[error(
        "The claims of the token are no JSON object, or one of exp and nbf is no number: its issuer has to correct it"
    )]
    Claims,
}

/// The part of a token that names its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TokenHead {
    algorithm: Algorithm,
    key_id: Option<String>,
}

impl TokenHead {
    /// Reads the first part of a token.
    pub(super) fn of(token: &str) -> Result<Self, TokenFlaw> {
        #[derive(Deserialize)]
        struct Head {
            alg: Value,
            kid: Option<String>,
            crit: Option<Value>,
        }
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenFlaw::TooLong);
        }
        let mut parts = token.split('.');
        let (Some(head), Some(_), Some(_), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(TokenFlaw::Form);
        };
        let json = URL_SAFE_NO_PAD.decode(head).map_err(|_| TokenFlaw::Form)?;
        let head: Head = serde_json::from_slice(&json).map_err(|_| TokenFlaw::Form)?;
        let algorithm = match head.alg.as_str().unwrap_or_default() {
            "HS256" => Algorithm::HS256,
            "RS256" => Algorithm::RS256,
            "ES256" => Algorithm::ES256,
            "EdDSA" => Algorithm::EdDSA,
            other => return Err(TokenFlaw::Algorithm(shown(other))),
        };
        if head.crit.is_some() {
            return Err(TokenFlaw::Critical);
        }
        Ok(Self { algorithm, key_id: head.kid })
    }

    /// Whether a set has a key that may have signed the token.
    pub(super) fn is_known(&self, keys: &KeySet) -> bool {
        keys.candidates(self.algorithm, self.key_id.as_deref()).next().is_some()
    }
}

/// The claims of a valid token.
pub(super) fn verify(
    token: &str,
    head: &TokenHead,
    keys: &KeySet,
    rules: &TokenRules,
) -> Result<Value, TokenFlaw> {
    token_crypto::install();
    if keys.candidates(head.algorithm, None).next().is_none() {
        let (found, expected) = (format!("{:?}", head.algorithm), keys.algorithms());
        return Err(TokenFlaw::OtherAlgorithm { found, expected });
    }
    let validation = validation(head.algorithm, rules);
    let mut flaw = TokenFlaw::UnknownKey(shown(head.key_id.as_deref().unwrap_or_default()));
    for key in keys.candidates(head.algorithm, head.key_id.as_deref()) {
        match verify_with(token, key, &validation) {
            // Another key of a set may be the right one.
            Err(TokenFlaw::Signature) => flaw = TokenFlaw::Signature,
            done => return done,
        }
    }
    Err(flaw)
}

fn validation(algorithm: Algorithm, rules: &TokenRules) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.leeway = rules.leeway.as_secs();
    validation.validate_nbf = true;
    let mut required = vec!["exp"];
    if !rules.issuers.is_empty() {
        validation.set_issuer(&rules.issuers);
        required.push("iss");
    }
    if !rules.audiences.is_empty() {
        validation.set_audience(&rules.audiences);
        required.push("aud");
    }
    validation.set_required_spec_claims(&required);
    validation
}

fn verify_with(
    token: &str,
    key: &DecodingKey,
    validation: &Validation,
) -> Result<Value, TokenFlaw> {
    let decoded =
        decode::<Value>(token, key, validation).map_err(|error| match error.into_kind() {
            ErrorKind::ExpiredSignature => TokenFlaw::Expired,
            ErrorKind::ImmatureSignature => TokenFlaw::Early,
            ErrorKind::MissingRequiredClaim(claim) => TokenFlaw::MissingClaim(claim),
            ErrorKind::InvalidIssuer => TokenFlaw::Issuer,
            ErrorKind::InvalidAudience => TokenFlaw::Audience,
            ErrorKind::InvalidClaimFormat(_) | ErrorKind::Json(_) | ErrorKind::Utf8(_) => {
                TokenFlaw::Claims
            }
            ErrorKind::InvalidToken | ErrorKind::Base64(_) => TokenFlaw::Form,
            _ => TokenFlaw::Signature,
        })?;
    if decoded.claims.is_object() { Ok(decoded.claims) } else { Err(TokenFlaw::Claims) }
}

fn shown(text: &str) -> String {
    text.chars().take(SHOWN_CHARS).collect()
}

#[cfg(test)]
mod tests;
