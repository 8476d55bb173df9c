//! Tokens of each algorithm, and each way in which one is wrong.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::Mac;
use jsonwebtoken::get_current_timestamp;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};

use super::{KeySet, TokenFlaw, TokenHead, verify};
use crate::app::{PublicKey, Secret, TokenRules};
use crate::channel_auth::tests::token_rules;

const RSA: [&str; 2] = [
    include_str!("../../../tests/tokens/rsa.key.pem"),
    include_str!("../../../tests/tokens/rsa.pem"),
];
const EC: [&str; 2] = [
    include_str!("../../../tests/tokens/ec.key.pem"),
    include_str!("../../../tests/tokens/ec.pem"),
];
const ED25519: [&str; 2] = [
    include_str!("../../../tests/tokens/ed25519.key.pem"),
    include_str!("../../../tests/tokens/ed25519.pem"),
];

/// Signs as an issuer does.
fn token(head: &Value, claims: &Value, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(head), part(claims));
    let signature = URL_SAFE_NO_PAD.encode(sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}

fn hs256(secret: &str) -> impl Fn(&[u8]) -> Vec<u8> {
    move |signed| Secret::new(secret).mac().chain_update(signed).finalize().into_bytes().to_vec()
}

fn der(pem: &str) -> PrivatePkcs8KeyDer<'static> {
    PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).unwrap()
}

fn rs256(signed: &[u8]) -> Vec<u8> {
    let key = RsaKeyPair::from_pkcs8(der(RSA[0]).secret_pkcs8_der()).unwrap();
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed, &mut signature).unwrap();
    signature
}

fn es256(signed: &[u8]) -> Vec<u8> {
    let (random, algorithm) = (SystemRandom::new(), &ECDSA_P256_SHA256_FIXED_SIGNING);
    let key = EcdsaKeyPair::from_pkcs8(algorithm, der(EC[0]).secret_pkcs8_der(), &random).unwrap();
    key.sign(&random, signed).unwrap().as_ref().to_vec()
}

fn eddsa(signed: &[u8]) -> Vec<u8> {
    let key = der(ED25519[0]);
    let key = Ed25519KeyPair::from_pkcs8_maybe_unchecked(key.secret_pkcs8_der()).unwrap();
    key.sign(signed).as_ref().to_vec()
}

fn public(pem: &str) -> KeySet {
    KeySet::of_public(&PublicKey::from_pem(pem.as_bytes()).unwrap())
}

fn secret() -> KeySet {
    KeySet::of_secret(&Secret::new("secret"))
}

/// Claims that are valid for a minute, with these beside them or instead.
fn claims(more: Value) -> Value {
    let mut claims = json!({ "sub": "7", "exp": get_current_timestamp() + 60 });
    let Value::Object(more) = more else { panic!("an object") };
    for (name, value) in more {
        claims[name] = value;
    }
    claims
}

fn read(token: &str, keys: &KeySet, rules: &TokenRules) -> Result<Value, TokenFlaw> {
    verify(token, &TokenHead::of(token)?, keys, rules)
}

/// The flaw of a token with these claims, signed with the secret.
fn flaw(rules: &TokenRules, more: Value) -> Option<TokenFlaw> {
    let token = token(&json!({ "alg": "HS256" }), &claims(more), hs256("secret"));
    read(&token, &secret(), rules).err()
}

#[test]
fn each_algorithm_is_verified_with_a_key_of_its_kind() {
    type Sign = fn(&[u8]) -> Vec<u8>;
    let all: [(&str, Sign, KeySet); 3] = [
        ("RS256", rs256, public(RSA[1])),
        ("ES256", es256, public(EC[1])),
        ("EdDSA", eddsa, public(ED25519[1])),
    ];
    let claims = claims(json!({}));
    for (algorithm, sign, keys) in &all {
        let signed = token(&json!({ "alg": algorithm, "kid": "any" }), &claims, sign);
        assert_eq!(read(&signed, keys, &token_rules()).unwrap(), claims, "{algorithm}");
        let mut broken = signed.clone().into_bytes();
        // Within the claims.
        broken[60] ^= 1;
        let broken = String::from_utf8(broken).unwrap();
        assert_eq!(read(&broken, keys, &token_rules()), Err(TokenFlaw::Signature), "{algorithm}");
        for (other, _, keys) in all.iter().filter(|(other, ..)| other != algorithm) {
            let expected = (*other).to_owned();
            let found = (*algorithm).to_owned();
            let flaw = TokenFlaw::OtherAlgorithm { found, expected };
            assert_eq!(read(&signed, keys, &token_rules()), Err(flaw));
        }
    }
    let signed = token(&json!({ "alg": "HS256" }), &claims, hs256("secret"));
    assert_eq!(read(&signed, &secret(), &token_rules()).unwrap(), claims);
    let other = KeySet::of_secret(&Secret::new("another"));
    assert_eq!(read(&signed, &other, &token_rules()), Err(TokenFlaw::Signature));
}

#[test]
fn the_public_key_is_no_secret_and_none_is_no_algorithm() {
    // The public key as if it were a secret.
    let forged = token(&json!({ "alg": "HS256" }), &claims(json!({})), hs256(RSA[1]));
    let refused = read(&forged, &public(RSA[1]), &token_rules());
    assert!(matches!(refused, Err(TokenFlaw::OtherAlgorithm { .. })), "{refused:?}");
    for algorithm in ["none", "None", "HS512", "RS512", "PS256", "ES384", ""] {
        let unsigned = token(&json!({ "alg": algorithm }), &claims(json!({})), |_| Vec::new());
        let flaw = TokenFlaw::Algorithm(algorithm.to_owned());
        assert_eq!(read(&unsigned, &secret(), &token_rules()), Err(flaw));
    }
    let unsigned = token(&json!({ "alg": "HS256" }), &claims(json!({})), |_| Vec::new());
    assert_eq!(read(&unsigned, &secret(), &token_rules()), Err(TokenFlaw::Signature));
    let critical = json!({ "alg": "HS256", "crit": ["exp"] });
    let critical = token(&critical, &claims(json!({})), hs256("secret"));
    assert_eq!(read(&critical, &secret(), &token_rules()), Err(TokenFlaw::Critical));
}

#[test]
fn times_are_checked_with_the_leeway() {
    let now = get_current_timestamp();
    let rules = TokenRules { leeway: std::time::Duration::from_secs(30), ..token_rules() };
    assert_eq!(flaw(&rules, json!({ "exp": now - 20 })), None);
    assert_eq!(flaw(&rules, json!({ "exp": now - 60 })), Some(TokenFlaw::Expired));
    assert_eq!(flaw(&rules, json!({ "nbf": now + 20 })), None);
    assert_eq!(flaw(&rules, json!({ "nbf": now + 60 })), Some(TokenFlaw::Early));
    assert_eq!(flaw(&token_rules(), json!({ "exp": now - 20 })), Some(TokenFlaw::Expired));
    let missing = Some(TokenFlaw::MissingClaim("exp".to_owned()));
    assert_eq!(flaw(&rules, json!({ "exp": null })), missing);
    assert_eq!(flaw(&rules, json!({ "exp": "tomorrow" })), missing);
    assert_eq!(flaw(&rules, json!({ "nbf": "tomorrow" })), Some(TokenFlaw::Claims));
}

#[test]
fn issuer_and_audience_are_those_of_the_configuration() {
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    let rules = TokenRules {
        issuers: texts(&["https://a.example", "https://b.example"]),
        audiences: texts(&["realtime"]),
        ..token_rules()
    };
    let check = |iss: Value, aud: Value, expected| {
        assert_eq!(flaw(&rules, json!({ "iss": iss, "aud": aud })), expected, "{iss} {aud}");
    };
    let missing = |claim: &str| Some(TokenFlaw::MissingClaim(claim.to_owned()));
    check("https://b.example".into(), "realtime".into(), None);
    check("https://b.example".into(), json!(["other", "realtime"]), None);
    check("https://c.example".into(), "realtime".into(), Some(TokenFlaw::Issuer));
    check("https://b.example".into(), "other".into(), Some(TokenFlaw::Audience));
    check("https://b.example".into(), json!([]), Some(TokenFlaw::Audience));
    check(Value::Null, "realtime".into(), missing("iss"));
    check("https://b.example".into(), Value::Null, missing("aud"));
    // A token that is for something else is not for this server.
    assert_eq!(flaw(&token_rules(), json!({ "aud": "api" })), Some(TokenFlaw::Audience));
    assert_eq!(flaw(&token_rules(), json!({ "iss": "https://c.example" })), None);
}

#[test]
fn what_is_no_token_is_refused() {
    let claims = claims(json!({}));
    for text in ["", "a", "a.b", "a.b.c", "a.b.c.d", "e30.e30.", ".."] {
        assert_eq!(read(text, &secret(), &token_rules()), Err(TokenFlaw::Form), "{text}");
    }
    let head = json!({ "alg": "HS256" });
    let huge = token(&head, &json!({ "a": "x".repeat(16_384) }), hs256("secret"));
    assert_eq!(read(&huge, &secret(), &token_rules()), Err(TokenFlaw::TooLong));
    let list = token(&head, &json!([1]), hs256("secret"));
    assert_eq!(read(&list, &secret(), &token_rules()), Err(TokenFlaw::Claims));
    let twice = token(&head, &claims, hs256("secret"));
    let (signed, signature) = twice.rsplit_once('.').unwrap();
    let padded = format!("{signed}.{signature}=");
    assert_eq!(read(&padded, &secret(), &token_rules()), Err(TokenFlaw::Form));
}

#[test]
fn a_set_names_its_keys() {
    use ring::signature::KeyPair;
    let key = der(ED25519[0]);
    let key = Ed25519KeyPair::from_pkcs8_maybe_unchecked(key.secret_pkcs8_der()).unwrap();
    let x = URL_SAFE_NO_PAD.encode(key.public_key());
    let other = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    let jwk = |kid: &str, x: &str| json!({ "kty": "OKP", "crv": "Ed25519", "kid": kid, "x": x });
    let set = json!({ "keys": [jwk("old", other), jwk("new", &x)] }).to_string();
    let set = KeySet::parse(set.as_bytes()).unwrap();
    let check = |head: Value, expected: Result<(), TokenFlaw>| {
        let signed = token(&head, &claims(json!({})), eddsa);
        assert_eq!(read(&signed, &set, &token_rules()).map(drop), expected, "{head}");
    };
    check(json!({ "alg": "EdDSA", "kid": "new" }), Ok(()));
    check(json!({ "alg": "EdDSA" }), Ok(()));
    check(json!({ "alg": "EdDSA", "kid": "old" }), Err(TokenFlaw::Signature));
    let unknown = Err(TokenFlaw::UnknownKey("newer".to_owned()));
    check(json!({ "alg": "EdDSA", "kid": "newer" }), unknown);
}
