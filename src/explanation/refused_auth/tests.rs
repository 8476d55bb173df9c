//! One `auth` for each mistake, with the reason that is found for it.

use std::sync::Arc;

use hmac::Mac;

use super::{AuthEvidence, SIGNATURES_MAX, Trial, reason};
use crate::app::tests::app;
use crate::app::{App, Secret};
use crate::protocol::SocketId;

fn sign(secret: &str, text: &str) -> String {
    let mut mac = Secret::new(secret).mac();
    mac.update(text.as_bytes());
    format!("reverb-key:{}", hex::encode(mac.finalize().into_bytes()))
}

fn others() -> Vec<Arc<App>> {
    let other = App {
        id: "2".into(),
        key: "other-key".into(),
        secret: Secret::new("other-secret"),
        previous_secret: Some(Secret::new("older-secret")),
        ..app()
    };
    vec![Arc::new(app()), Arc::new(other)]
}

/// Checks the reason of a subscription of socket 1.1, after which 2.2 was open.
fn check(channel: &str, auth: Option<&str>, data: Option<&str>, code: &str, sentence: &str) {
    let (app, others) = (app(), others());
    let recent = ["1.1", "2.2"].map(|id| SocketId::parse(id).unwrap());
    let evidence = AuthEvidence {
        app: &app,
        apps: &others,
        socket: recent[0],
        recent_sockets: &recent,
        channel,
        auth,
        channel_data: data,
    };
    let found = reason(&evidence);
    assert_eq!((found.code, &*found.sentence), (code, sentence), "{channel} {auth:?} {data:?}");
}

#[test]
fn what_is_no_auth_is_named() {
    let check = |auth: &str, code: &str, sentence: &str| {
        check("private-x", Some(auth), None, code, sentence);
    };
    check(
        "",
        "no_auth",
        "the client sent no auth: the auth endpoint answered without one (an empty body, or `true` as Laravel's redis and log broadcasters do), or the page has no auth endpoint",
    );
    check(
        "nonsense",
        "no_colon",
        "auth has no colon: the auth endpoint must answer with key:signature",
    );
    check(
        "reverb-key",
        "key_without_signature",
        "auth is a key without a signature: the auth endpoint has no secret, or did not sign",
    );
    check(
        "reverb-key:",
        "key_without_signature",
        "auth is a key without a signature: the auth endpoint has no secret, or did not sign",
    );
    let bare = "signature_without_key";
    let text = "auth is a signature without the key in front: the auth endpoint has no key (REVERB_APP_KEY)";
    check(&"a".repeat(64), bare, text);
    check(&format!(":{}", "a".repeat(64)), bare, text);
    check(
        &format!("reverb-key:{}", "A".repeat(64)),
        "upper_case",
        "the signature is in upper case; hexadecimal digits must be in lower case",
    );
    check(
        "reverb-key:abc",
        "no_signature",
        "the signature has 3 characters and is not made of 64 hexadecimal digits: it is no HMAC-SHA256 in hex",
    );
    check(
        "other-key:abc",
        "other_app_key",
        "auth has the key of app \"2\", and the page connects to app \"123456\": REVERB_APP_KEY of the back end and VITE_REVERB_APP_KEY of the page differ",
    );
    check(
        "odd:abc",
        "unknown_key",
        "auth has the key \"odd\", which no app of this server has: REVERB_APP_KEY of the back end is another one than the page's",
    );
}

#[test]
fn another_secret_is_named_by_its_fingerprint() {
    let other = sign("other-secret", "1.1:private-x");
    check(
        "private-x",
        Some(&other),
        None,
        "other_app_secret",
        "auth was signed with the secret of app \"2\" (sha256:9c0ee26e); this app has another (sha256:a1b95ef3): correct REVERB_APP_SECRET of the back end",
    );
    let older = sign("older-secret", "1.1:private-x");
    check(
        "private-x",
        Some(&older),
        None,
        "other_app_secret",
        "auth was signed with the previous secret of app \"2\" (sha256:2d0beb77); this app has another (sha256:a1b95ef3): correct REVERB_APP_SECRET of the back end",
    );
    let unknown = sign("unknown-secret", "1.1:private-x");
    check(
        "private-x",
        Some(&unknown),
        None,
        "unknown_secret",
        "auth was signed with a secret that this server does not have, none of the 1 other apps has it (this app: sha256:a1b95ef3), for a socket that is not among the last ones, or for other text; compare in Laravel: php artisan tinker --execute=\"echo substr(hash('sha256', config('broadcasting.connections.reverb.secret')), 0, 8);\"",
    );
}

#[test]
fn another_socket_is_found_among_the_last_ones() {
    let auth = sign("reverb-secret", "2.2:private-x");
    check(
        "private-x",
        Some(&auth),
        None,
        "other_socket",
        "auth was signed for socket 2.2, and this is socket 1.1: the page kept the answer of its auth endpoint from an earlier connection",
    );
    let data = r#"{"user_id":"7"}"#;
    let auth = sign("reverb-secret", &format!("2.2:presence-x:{data}"));
    check(
        "presence-x",
        Some(&auth),
        Some(data),
        "other_socket",
        "auth was signed for socket 2.2, and this is socket 1.1: the page kept the answer of its auth endpoint from an earlier connection",
    );
}

#[test]
fn altered_channel_data_is_found() {
    let signed = r#"{"user_id":"7","user_info":{"url":"a\/b c"}}"#;
    let auth = sign("reverb-secret", &format!("1.1:presence-x:{signed}"));
    for sent in [
        r#"{"user_id":"7","user_info":{"url":"a/b c"}}"#,
        r#"{ "user_id": "7", "user_info": { "url": "a\/b c" } }"#,
        r#"{"user_id":"7","user_info":{"url":"a\/b c"}} "#,
        r#""{\"user_id\":\"7\",\"user_info\":{\"url\":\"a\\/b c\"}}""#,
    ] {
        check(
            "presence-x",
            Some(&auth),
            Some(sent),
            "channel_data_altered",
            "the channel_data was written anew after it was signed (spaces or escapes differ): it must be passed on as text, byte for byte",
        );
    }
    let auth = sign("reverb-secret", "1.1:private-x");
    check(
        "private-x",
        Some(&auth),
        Some("{}"),
        "channel_data_not_signed",
        "the signature was made without the channel_data that the client sent: the auth endpoint must sign it too, or leave it out",
    );
    let auth = sign("reverb-secret", &format!("1.1:presence-x:{signed}"));
    check(
        "presence-x",
        Some(&auth),
        None,
        "no_channel_data",
        "a presence channel needs the channel_data that the auth endpoint signed, and the client sent none: the auth endpoint must answer with it",
    );
}

#[test]
fn an_altered_channel_is_found() {
    let name = |signed: &str, sent: &str, cause: &str| {
        let auth = sign("reverb-secret", &format!("1.1:{signed}"));
        let text = format!(
            "the signature is for the channel `{signed}`, and the client asked for `{sent}`: {cause}"
        );
        check(sent, Some(&auth), None, "other_channel", &text);
    };
    name(
        "private-x",
        "private-private-x",
        "the page subscribes with a prefix twice: Echo's private() and join() add it",
    );
    name("private-private-x", "private-x", "the back end signed a name with a prefix twice");
    name("x", "private-x", "the prefix was removed or added on the way to the auth endpoint");
    name(
        "presence-x",
        "private-x",
        "the prefix was removed or added on the way to the auth endpoint",
    );
    name("private-a@b", "private-a%40b", "a proxy or the auth endpoint changed the name");
    name("private-orders", "private-Orders", "a proxy or the auth endpoint changed the name");
}

#[test]
fn the_number_of_signatures_is_bounded() {
    let secret = Secret::new("s");
    let mut trial = Trial { signature: "", left: 2 };
    assert!(!trial.fits(&secret, ["a"]) && !trial.fits(&secret, ["a"]));
    assert_eq!(trial.left, 0);
    trial.signature = "no matter";
    assert!(!trial.fits(&secret, ["a"]));
    // The other apps' secrets, a channel without data and six spellings of them, fourteen of the channel, and 128
    // sockets: all are tried where the app has one secret.
    const { assert!(SIGNATURES_MAX >= 32 + 1 + 6 + 14 + 128) };
}
