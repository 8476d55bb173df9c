//! What the unit tests of the room share, and the modes without a network.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::HeaderMap;

use super::{AppAuth, AuthCaller, AuthRequest, AuthSubject, ChannelAuth};
use crate::app::{
    App, Apps, AuthMode, AuthSettings, MasterKey, Secret, TokenKeys, TokenRules, tests,
};
use crate::call_targets::CallTargets;
use crate::metrics::Metrics;
use crate::protocol::{ChannelName, SocketId};

pub(super) fn app() -> App {
    tests::app()
}

/// HS256 with "secret", and no permissions.
pub(super) fn token_rules() -> TokenRules {
    TokenRules {
        keys: TokenKeys::Secret(Secret::new("secret")),
        issuers: Vec::new(),
        audiences: Vec::new(),
        leeway: Duration::ZERO,
        parameter: "token".to_owned(),
        channels: Vec::new(),
        channels_claim: String::new(),
        user_id: "sub".to_owned(),
        user_info: String::new(),
        user_info_fields: Vec::new(),
        watchlist: String::new(),
    }
}

fn settings(mode: AuthMode, master_key: Option<MasterKey>) -> AuthSettings {
    let [path, user_path] = ["/broadcasting/auth", "/broadcasting/user-auth"].map(str::to_owned);
    AuthSettings { path, user_path, mode, master_key }
}

fn served(auth: AuthSettings) -> Arc<AppAuth> {
    let channel_auth = ChannelAuth::new(
        CallTargets::parse(&[]).expect("no networks"),
        Arc::new(Metrics::default()),
    );
    let apps = Apps::new([App { auth: Some(auth), ..app() }]).unwrap();
    channel_auth.apply(channel_auth.prepare(&apps).unwrap());
    let (_, apps) = channel_auth.at("/broadcasting/auth").unwrap();
    apps[0].clone()
}

async fn answer(auth: &AppAuth, channel: &str, fields: &[(&str, &str)], is_local: bool) -> String {
    let subject = match channel {
        "" => AuthSubject::User,
        name => AuthSubject::Channel(ChannelName::parse(name, 200).unwrap()),
    };
    let fields: Vec<_> =
        fields.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let address = Some(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let request = AuthRequest {
        subject,
        socket_id: SocketId::parse("1.2").unwrap(),
        fields: &fields,
        headers: &HeaderMap::new(),
        query: "",
        body: b"",
        caller: AuthCaller { address, is_local },
    };
    match auth.authorize(&request).await {
        Ok(json) => json,
        Err(refusal) => format!("{} {}", refusal.status, refusal.text),
    }
}

#[tokio::test]
async fn everything_is_signed_for_this_machine_alone() {
    let auth = served(settings(AuthMode::SignEverything, None));
    let private = answer(&auth, "private-a", &[], true).await;
    assert_eq!(
        private,
        r#"{"auth":"reverb-key:f6ffab9e0eb24da33996887c4d821b2acbb78417fdf053c4fc7fa6931104bc36"}"#
    );
    let presence = answer(&auth, "presence-a", &[], true).await;
    assert!(presence.ends_with(r#""channel_data":"{\"user_id\":\"1.2\"}"}"#), "{presence}");
    let named = [("user_id", "7"), ("user_info", r#"{"name":"Ann"}"#)];
    let presence = answer(&auth, "presence-a", &named, true).await;
    assert!(
        presence.contains(r#"{\"user_id\":\"7\",\"user_info\":{\"name\":\"Ann\"}}"#),
        "{presence}"
    );
    let user = answer(&auth, "", &named, true).await;
    assert!(user.contains(r#""user_data":"{\"id\":\"7\""#), "{user}");
    assert!(answer(&auth, "private-a", &[], false).await.starts_with("403 app.auth.mode is"));
    assert!(answer(&auth, "a", &[], true).await.starts_with("400 Public channels"));
    let encrypted = answer(&auth, "private-encrypted-a", &[], true).await;
    assert!(encrypted.starts_with("403 Encrypted channels need"), "{encrypted}");
}

#[tokio::test]
async fn encrypted_channels_get_the_secret_of_the_master_key() {
    let key = MasterKey::parse("MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=");
    let auth = served(settings(AuthMode::SignEverything, key));
    let encrypted = answer(&auth, "private-encrypted-a", &[], true).await;
    let secret = r#""shared_secret":"OaSNicEQhvgdc4eu4sum89NyQCnNOMP2wDIA2tge76Y="}"#;
    assert!(encrypted.ends_with(secret), "{encrypted}");
}

#[tokio::test]
async fn a_request_without_a_token_is_told_where_to_put_it() {
    let auth = served(settings(AuthMode::Jwt(Box::new(token_rules())), None));
    let missing = answer(&auth, "private-a", &[], false).await;
    assert!(missing.starts_with("401 The request has no token"), "{missing}");
    let broken = answer(&auth, "private-a", &[("token", "x")], false).await;
    assert!(broken.starts_with("401 The token is no JWT"), "{broken}");
}

#[test]
fn a_path_is_looked_up_in_the_apps_that_have_it() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let _entered = runtime.enter();
    let auth = ChannelAuth::new(
        CallTargets::parse(&[]).expect("no networks"),
        Arc::new(Metrics::default()),
    );
    assert!(auth.at("/broadcasting/auth").is_none());
    let of = |id: &str, path: &str| {
        let auth = settings(AuthMode::SignEverything, None);
        let auth = Some(AuthSettings { path: path.to_owned(), ..auth });
        App { id: id.to_owned(), key: id.to_owned(), auth, ..app() }
    };
    let apps = Apps::new([of("1", "/a"), of("2", "/a"), of("3", "/b"), app()]).unwrap();
    auth.apply(auth.prepare(&apps).unwrap());
    let ids = |path: &str| {
        let (_, apps) = auth.at(path).unwrap_or((super::AuthPath::User, Vec::new()));
        apps.iter().map(|auth| auth.app().id.clone()).collect::<Vec<_>>()
    };
    assert_eq!(ids("/a"), ["1", "2"]);
    assert_eq!(ids("/b"), ["3"]);
    assert_eq!(ids("/broadcasting/user-auth"), ["1", "2", "3"]);
    assert_eq!(ids("/broadcasting/auth"), [""; 0]);
    // What an app remembers stays as long as the app has not changed.
    let before = auth.at("/b").unwrap().1[0].clone();
    auth.apply(auth.prepare(&apps).unwrap());
    assert!(Arc::ptr_eq(&before, &auth.at("/b").unwrap().1[0]));
}
