//! The signatures of the official documentation and SDKs are accepted, all others refused.

use proptest::prelude::*;
use resound_load::Credentials;

use super::*;
use crate::app::tests::app;

const NOW: u64 = 1_700_000_000;
const PATH: &str = "/apps/123456/events";

/// The app as its back end has it, which signs.
fn backend(app: &App) -> Credentials {
    Credentials::new(&app.id, &app.key, app.secret.reveal())
}

fn signed_query(app: &App, path: &str, body: &[u8]) -> String {
    backend(app).signed_query(path, body, NOW)
}

fn socket_id() -> SocketId {
    SocketId::parse("1234.1234").unwrap()
}

#[test]
fn the_documented_channel_signatures_pass() {
    // The examples of Pusher's page "auth signatures".
    let mut app = app();
    app.key = "278d425bdf160c739803".into();
    app.secret = Secret::new("7ad3773142a6692b25b8");
    let private =
        "278d425bdf160c739803:58df8b0c36d6982b82c3ecf6b4662e34fe8c25bba48f5369f135bf843651c3a4";
    assert_eq!(check_channel(&app, socket_id(), "private-foobar", Some(private), None), Ok(()));
    let data = r#"{"user_id":10,"user_info":{"name":"Mr. Channels"}}"#;
    let presence =
        "278d425bdf160c739803:31935e7d86dba64c2a90aed31fdc61869f9b22ba9d8863bba239c03ca481bc80";
    let check = |channel, data| check_channel(&app, socket_id(), channel, Some(presence), data);
    assert_eq!(check("presence-foobar", Some(data)), Ok(()));
    assert!(check("presence-foobar", None).is_err());
    assert!(check("presence-foobar2", Some(data)).is_err());
}

#[test]
fn a_wrong_channel_signature_is_refused_with_its_cause() {
    let check = |auth: Option<&str>, expected: &str| {
        let refused = check_channel(&app(), socket_id(), "private-a", auth, None).unwrap_err();
        assert!(refused.to_string().contains(expected), "{auth:?}: {refused}");
    };
    check(None, "none was sent");
    check(Some(""), "none was sent");
    check(Some("abc"), "key:signature");
    check(Some("other-key:abc"), "the app key \"other-key\"");
    for signature in ["", "zz", "00", &"0".repeat(64), &"0".repeat(63), &"0".repeat(65)] {
        check(Some(&format!("reverb-key:{signature}")), "\"1234.1234:private-a\"");
    }
}

#[test]
fn a_key_may_hold_the_separators_of_queries_and_auth() {
    for key in ["a:b", "a+b&c=d", "(a)!$'*,;@~"] {
        let app = App { key: key.into(), ..app() };
        let auth = backend(&app).channel_auth("1234.1234", "private-a", None);
        assert_eq!(check_channel(&app, socket_id(), "private-a", Some(&auth), None), Ok(()));
        let signed = query(&signed_query(&app, PATH, b"x"));
        assert_eq!(check_request(&app, "POST", &[PATH], &signed, NOW), Ok(()), "{key}");
    }
}

fn query(text: &str) -> SignedQuery {
    SignedQuery::parse(text).unwrap()
}

#[test]
fn a_request_signed_as_the_sdks_do_passes() {
    let body = br#"{"name":"a","data":"{}","channel":"c"}"#;
    let signed = signed_query(&app(), PATH, body);
    let check = |query: &SignedQuery, now| check_request(&app(), "POST", &[PATH], query, now);
    assert_eq!(check(&query(&signed), NOW), Ok(()));
    assert_eq!(check_body(&query(&signed), body), Ok(()));
    assert_eq!(check_body(&query(&signed), b"other"), Err(Unauthorized::Body));
    assert_eq!(check(&query(&signed), NOW + 600), Ok(()));
    assert_eq!(check(&query(&signed), NOW + 601), Err(Unauthorized::Late { seconds: 601 }));
    assert_eq!(check(&query(&signed), NOW - 601), Err(Unauthorized::Early { seconds: 601 }));
    let shuffled: Vec<&str> = signed.split('&').rev().collect();
    assert_eq!(check(&query(&shuffled.join("&")), NOW), Ok(()));
}

#[test]
fn the_documented_request_signature_passes() {
    // The worked example of Pusher's HTTP API reference.
    let mut app = app();
    app.key = "278d425bdf160c739803".into();
    app.secret = Secret::new("7ad3773142a6692b25b8");
    let query = query(
        "auth_key=278d425bdf160c739803&auth_timestamp=1353088179&auth_version=1.0&body_md5=ec365a775a4cd0599faeb73354201b6f&auth_signature=da454824c97ba181a32ccc17a72625ba02771f50b50e1e7430e47a1f3f457e6c",
    );
    let path = "/apps/3/events";
    assert_eq!(check_request(&app, "POST", &[path], &query, 1_353_088_179), Ok(()));
    let body = br#"{"name":"foo","channels":["project-3"],"data":"{\"some\":\"data\"}"}"#;
    assert_eq!(check_body(&query, body), Ok(()));
}

#[test]
fn a_changed_request_is_refused_with_its_cause() {
    let signed = signed_query(&app(), PATH, b"x");
    let check = |from: &str, to: &str, expected: &str| {
        let changed = query(&signed.replace(from, to));
        let refused = check_request(&app(), "POST", &[PATH], &changed, NOW).unwrap_err();
        assert!(refused.to_string().contains(expected), "{to}: {refused}");
    };
    check("auth_key=reverb-key&", "", "auth_key is missing");
    check("auth_signature=", "signature=", "auth_signature is missing");
    check("auth_version=1.0&", "", "auth_version is missing");
    check("auth_timestamp", "timestamp", "auth_timestamp is missing");
    check("reverb-key", "reverb-key2", "not the key of this app");
    check("auth_version=1.0", "auth_version=2.0", "must be 1.0");
    check("1700000000", "now", "Unix time");
    check("1700000000", "%2B1700000000", "Unix time");
    check("1700000000", "1700000001", "signature invalid");
    check("body_md5=", "body_md5=0", "signature invalid");
    check("auth_version", "extra=1&auth_version", "signature invalid");

    let refused = check_request(&app(), "GET", &[PATH], &query(&signed), NOW);
    assert_eq!(refused, Err(Unauthorized::Signature));
    let refused =
        check_request(&app(), "POST", &["/apps/123456/batch_events"], &query(&signed), NOW);
    assert_eq!(refused, Err(Unauthorized::Signature));
}

#[test]
fn a_body_needs_its_md5_and_a_get_may_have_one() {
    assert_eq!(check_body(&query(""), b""), Ok(()));
    assert_eq!(check_body(&query(""), b"x"), Err(Unauthorized::Missing("body_md5")));
    let of_nothing = query("body_md5=d41d8cd98f00b204e9800998ecf8427e");
    assert_eq!(check_body(&of_nothing, b""), Ok(()));
}

#[test]
fn an_ambiguous_query_is_refused() {
    assert_eq!(SignedQuery::parse("a=1&A=2"), Err(QueryError::Duplicate("a".into())));
    assert_eq!(SignedQuery::parse("a=%ff"), Err(QueryError::NotText));
    assert_eq!(SignedQuery::parse("a=%0Ab"), Err(QueryError::Control("a".into())));
    let read = query("filter_by_prefix=presence-%2Da&info=user_count%2Ccache&&flag");
    assert_eq!(read.get("filter_by_prefix"), Some("presence--a"));
    assert_eq!(read.get("info"), Some("user_count,cache"));
    assert_eq!(read.get("flag"), Some(""));
    assert_eq!(read.get("none"), None);
    assert_eq!(read.canonical(), "filter_by_prefix=presence--a&flag=&info=user_count,cache");
}

proptest! {
    #[test]
    fn a_query_never_panics(text in "\\PC{0,60}") {
        let _ = SignedQuery::parse(&text);
    }

    #[test]
    fn sign_then_verify(body in prop::collection::vec(any::<u8>(), 0..200), path in "/apps/[a-z0-9%/]{1,30}") {
        let signed = query(&signed_query(&app(), &path, &body));
        prop_assert_eq!(check_request(&app(), "POST", &[&path], &signed, NOW), Ok(()));
        prop_assert_eq!(check_body(&signed, &body), Ok(()));
    }
}

#[test]
fn a_previous_secret_signs_everything_but_webhooks() {
    let old = App { secret: Secret::new("old"), ..app() };
    let new =
        App { secret: Secret::new("new"), previous_secret: Some(old.secret.clone()), ..app() };
    let private = backend(&old).channel_auth("1234.1234", "private-a", None);
    assert_eq!(check_channel(&new, socket_id(), "private-a", Some(&private), None), Ok(()));
    let after = App { previous_secret: None, ..new.clone() };
    assert!(check_channel(&after, socket_id(), "private-a", Some(&private), None).is_err());
    let signed = query(&signed_query(&old, PATH, b"x"));
    assert_eq!(check_request(&new, "POST", &[PATH], &signed, NOW), Ok(()));
    assert_eq!(check_request(&after, "POST", &[PATH], &signed, NOW), Err(Unauthorized::Signature));
    assert_eq!(signed_body(&new, b"x"), signed_body(&after, b"x"));
    assert_ne!(signed_body(&new, b"x"), signed_body(&old, b"x"));
}
