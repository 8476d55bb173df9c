//! The app the unit tests of every layer use, and the look-up's own tests.

use std::time::Duration;

use super::{
    App, AppLimits, Apps, ClientEvents, Duplicate, OriginPattern, Origins, Secret, fingerprint,
};

/// The limits of `config/defaults.toml`.
pub(crate) fn limits() -> AppLimits {
    let defaults: toml::Table = include_str!("../../config/defaults.toml").parse().unwrap();
    let number = |key: &str| defaults["app"][key].as_integer().and_then(|n| u64::try_from(n).ok());
    AppLimits::read(None, |key, _| number(key).ok_or(key)).unwrap()
}

/// Reverb's own test app.
pub(crate) fn app() -> App {
    App {
        id: "123456".into(),
        key: "reverb-key".into(),
        secret: Secret::new("reverb-secret"),
        previous_secret: None,
        enabled: true,
        allowed_origins: Origins::new(vec![OriginPattern::parse("*").unwrap()], false),
        activity_timeout: Duration::from_secs(30),
        ping_interval: Duration::from_secs(50),
        pong_timeout: Duration::from_secs(30),
        require_protocol: false,
        authorization_timeout: None,
        watchlist_events: true,
        subscription_count_events: false,
        terminate_presence_users: true,
        gap_event: None,
        auth: None,
        webhooks: Vec::new(),
        pacing: Vec::new(),
        accept_client_events_from: ClientEvents::Members,
        limits: limits(),
    }
}

#[test]
fn ids_and_keys_are_unique() {
    let other = App { id: "2".into(), key: "key-2".into(), ..app() };
    let apps = Apps::new([app(), other.clone()]).unwrap();
    assert_eq!(apps.by_id("2").unwrap().key, "key-2");
    assert_eq!(apps.by_key("reverb-key").unwrap().id, "123456");
    assert!(apps.by_id("3").is_none() && apps.by_key("123456").is_none());

    let same_id = App { id: "123456".into(), ..other.clone() };
    assert_eq!(Apps::new([app(), same_id]).unwrap_err(), Duplicate::Id("123456".into()));
    let same_key = App { key: "reverb-key".into(), ..other };
    assert_eq!(Apps::new([app(), same_key]).unwrap_err(), Duplicate::Key("reverb-key".into()));
}

#[test]
fn a_fingerprint_shows_nothing_of_the_secret() {
    assert_eq!(fingerprint("app-secret"), "sha256:6c904c51");
    assert_eq!(Secret::new("app-secret").fingerprint(), "sha256:6c904c51");
    assert_eq!(fingerprint(""), "empty");
}

#[test]
fn a_secret_is_never_printed() {
    assert!(!format!("{:?}", app()).contains("reverb-secret"));
}
