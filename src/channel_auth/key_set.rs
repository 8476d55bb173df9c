//! The keys that verify tokens, each with its only algorithm and the id by which tokens name it.
//!
//! Pure. The token never chooses the algorithm: a key of another kind is no candidate. Where the keys come
//! from is left to `key_source`.

use jsonwebtoken::jwk::{
    AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse,
};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

use crate::app::{PublicKey, Secret};

/// Keys that are taken from one set; issuers have two or three.
const KEYS_MAX: usize = 64;

/// Some keys.
#[derive(Debug, Default)]
pub(super) struct KeySet {
    keys: Vec<TokenKey>,
}

#[derive(Debug)]
struct TokenKey {
    /// `None` for the only key of an app, which is for every token.
    id: Option<String>,
    algorithm: Algorithm,
    key: DecodingKey,
}

/// Why a document is no set of keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum InvalidKeySet {
    #[error("it is no JSON Web Key Set: an object with a list of keys")]
    Form,
    #[error(
        "it has no key for RS256 (RSA), ES256 (P-256) or EdDSA (Ed25519); symmetric keys are not taken from a set"
    )]
    NoKey,
}

impl KeySet {
    /// The only key of an app, a secret.
    pub(super) fn of_secret(secret: &Secret) -> Self {
        let key = DecodingKey::from_secret(secret.reveal().as_bytes());
        Self { keys: vec![TokenKey { id: None, algorithm: Algorithm::HS256, key }] }
    }

    /// The only key of an app, a public one.
    pub(super) fn of_public(key: &PublicKey) -> Self {
        let (algorithm, key) = match key {
            PublicKey::Rsa(der) => (Algorithm::RS256, DecodingKey::from_rsa_der(der)),
            PublicKey::P256(point) => (Algorithm::ES256, DecodingKey::from_ec_der(point)),
            PublicKey::Ed25519(bytes) => (Algorithm::EdDSA, DecodingKey::from_ed_der(bytes)),
        };
        Self { keys: vec![TokenKey { id: None, algorithm, key }] }
    }

    /// Reads a JSON Web Key Set. Keys of other kinds, or for other uses, are left out.
    pub(super) fn parse(json: &[u8]) -> Result<Self, InvalidKeySet> {
        #[derive(Deserialize)]
        struct Document {
            keys: Vec<Value>,
        }
        let document: Document = serde_json::from_slice(json).map_err(|_| InvalidKeySet::Form)?;
        let keys = document.keys.into_iter().filter_map(token_key).take(KEYS_MAX).collect();
        let set = Self { keys };
        if set.keys.is_empty() { Err(InvalidKeySet::NoKey) } else { Ok(set) }
    }

    /// The keys that may have signed a token of this algorithm, which names a key or does not.
    pub(super) fn candidates(
        &self,
        algorithm: Algorithm,
        id: Option<&str>,
    ) -> impl Iterator<Item = &DecodingKey> {
        let is_named = move |key: &&TokenKey| match (&key.id, id) {
            (Some(known), Some(id)) => known == id,
            _ => true,
        };
        self.of(algorithm).filter(is_named).map(|key| &key.key)
    }

    /// The algorithms of all keys, for the text of a refusal.
    pub(super) fn algorithms(&self) -> String {
        let mut names: Vec<String> =
            self.keys.iter().map(|key| format!("{:?}", key.algorithm)).collect();
        names.sort();
        names.dedup();
        names.join(", ")
    }

    fn of(&self, algorithm: Algorithm) -> impl Iterator<Item = &TokenKey> {
        self.keys.iter().filter(move |key| key.algorithm == algorithm)
    }
}

/// `None` for a key that verifies no signatures of tokens.
fn token_key(json: Value) -> Option<TokenKey> {
    let jwk: Jwk = serde_json::from_value(json).ok()?;
    let (algorithm, named) = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => (Algorithm::RS256, KeyAlgorithm::RS256),
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
            (Algorithm::ES256, KeyAlgorithm::ES256)
        }
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            (Algorithm::EdDSA, KeyAlgorithm::EdDSA)
        }
        _ => return None,
    };
    let common = &jwk.common;
    let is_for_signatures = common
        .public_key_use
        .as_ref()
        .is_none_or(|of| *of == PublicKeyUse::Signature)
        && common.key_operations.as_ref().is_none_or(|all| all.contains(&KeyOperations::Verify));
    let has_algorithm = common.key_algorithm.is_none_or(|of| of == named);
    let key = DecodingKey::from_jwk(&jwk).ok()?;
    (is_for_signatures && has_algorithm).then(|| TokenKey {
        id: common.key_id.clone(),
        algorithm,
        key,
    })
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::Algorithm::{self, ES256, EdDSA, HS256, RS256};
    use serde_json::{Value, json};

    use super::{InvalidKeySet, KeySet};

    fn set(keys: &Value) -> Result<KeySet, InvalidKeySet> {
        KeySet::parse(json!({ "keys": keys }).to_string().as_bytes())
    }

    fn ed(kid: &str) -> Value {
        json!({ "kty": "OKP", "crv": "Ed25519", "kid": kid, "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" })
    }

    fn rsa(more: &[(&str, &str)]) -> Value {
        let mut key = json!({ "kty": "RSA", "kid": "r", "n": "AQAB", "e": "AQAB" });
        more.iter().for_each(|(name, value)| key[*name] = (*value).into());
        key
    }

    fn check(set: &KeySet, algorithm: Algorithm, id: Option<&str>, count: usize) {
        assert_eq!(set.candidates(algorithm, id).count(), count, "{algorithm:?} {id:?}");
    }

    #[test]
    fn a_key_is_found_by_its_id_and_its_own_algorithm() {
        let ec = json!({ "kty": "EC", "crv": "P-256", "kid": "e", "use": "sig",
                         "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
                         "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0" });
        let set = set(&json!([ed("a"), ed("b"), ec, rsa(&[])])).unwrap();
        check(&set, EdDSA, Some("a"), 1);
        check(&set, EdDSA, Some("c"), 0);
        check(&set, EdDSA, None, 2);
        check(&set, ES256, Some("e"), 1);
        check(&set, RS256, Some("r"), 1);
        check(&set, HS256, Some("r"), 0);
        check(&set, ES256, Some("r"), 0);
        assert_eq!(set.algorithms(), "ES256, EdDSA, RS256");
    }

    #[test]
    fn keys_for_something_else_are_left_out() {
        for key in [
            json!({ "kty": "oct", "kid": "s", "k": "c2VjcmV0" }),
            json!({ "kty": "EC", "crv": "P-384", "kid": "e", "x": "AQAB", "y": "AQAB" }),
            json!({ "kty": "EC", "crv": "secp256k1", "kid": "e", "x": "AQAB", "y": "AQAB" }),
            rsa(&[("alg", "RS512")]),
            rsa(&[("alg", "RSA-OAEP")]),
            rsa(&[("use", "enc")]),
            json!({ "kid": "x" }),
            json!(7),
        ] {
            assert_eq!(set(&json!([key])).unwrap_err(), InvalidKeySet::NoKey, "{key}");
            check(&set(&json!([key, ed("a")])).unwrap(), EdDSA, None, 1);
        }
        assert_eq!(set(&json!([])).unwrap_err(), InvalidKeySet::NoKey);
        for text in ["", "[]", "{}", "{\"keys\":{}}"] {
            assert_eq!(KeySet::parse(text.as_bytes()).unwrap_err(), InvalidKeySet::Form);
        }
    }
}
