//! The inner addresses that calls may reach: which urls are refused at start, with the key that allows them.

use crate::{APP, check_refused, load};

/// Files with a url at each place that is called, and how messages name the place.
fn places(url: &str) -> [(String, &'static str); 5] {
    let jwt = "[apps.auth]\nmode = \"jwt\"\n[apps.auth.jwt]\nchannels = [\"private-{sub}\"]\n";
    let ask = "[apps.auth]\nmode = \"ask\"\n[apps.auth.ask]\n";
    [
        (format!("{APP}[[apps.webhooks]]\nurl = {url:?}\n"), "apps[0].webhooks[0].url"),
        (format!("{APP}{ask}url = {url:?}\n"), "apps[0].auth.ask.url"),
        (
            format!("{APP}{ask}url = \"https://app.example.com/auth\"\nuser_url = {url:?}\n"),
            "apps[0].auth.ask.user_url",
        ),
        (format!("{APP}{jwt}jwks = {url:?}\n"), "apps[0].auth.jwt.jwks"),
        (format!("[telemetry]\nendpoint = {url:?}\n{APP}"), "telemetry.endpoint"),
    ]
}

/// The same file with `calls.inner_networks`.
fn with(networks: &str, file: &str) -> String {
    format!("calls.inner_networks = {networks}\n{file}")
}

#[test]
fn an_address_that_may_not_be_called_is_refused_at_start_with_the_key() {
    const REMEDY: &str =
        "if it is meant, list its network in calls.inner_networks (RESOUND_CALLS_INNER_NETWORKS)";
    let metadata = "http://169.254.169.254/latest";
    for (file, place) in places(metadata) {
        let message = format!(
            "config/reverb.toml: {place} is {metadata:?}; 169.254.169.254 leads to 169.254.169.254, a \
             link-local address; {REMEDY}"
        );
        check_refused(&file, &[], &message);
        load(&with("[\"169.254.0.0/16\"]", &file), &[]).unwrap();
    }
    for (url, host, kind) in [
        ("http://127.0.0.1:9000/", "127.0.0.1", "a loopback address"),
        ("http://10.0.0.5/", "10.0.0.5", "a private address"),
        ("http://0x7f.1/", "127.0.0.1", "a loopback address"),
        ("http://[fd00::5]:9000/", "fd00::5", "a private address"),
    ] {
        for (file, place) in places(url) {
            load(&file, &[]).unwrap();
            let refused = load(&with("[]", &file), &[]).map(|_| ()).unwrap_err().to_string();
            let found = format!("{place} is {url:?}; ");
            let cause = format!("leads to {host}, {kind}; {REMEDY}");
            assert!(refused.contains(&found) && refused.ends_with(&cause), "{refused}");
        }
    }
}

#[test]
fn names_are_left_to_the_look_up_of_each_call() {
    for url in ["http://app/", "http://localhost:8000/", "https://hooks.example.com/"] {
        for (file, _) in places(url) {
            load(&with("[]", &file), &[]).unwrap();
        }
    }
}

#[test]
fn what_is_not_called_is_not_checked() {
    let queue =
        "[[apps.webhooks]]\nurl = \"laravel-queue://10.0.0.5/0?job=App\\\\Realtime@handle\"\n";
    load(&with("[]", &format!("{APP}{queue}")), &[]).unwrap();
    // Its mode asks no app.
    let off = "[apps.auth.ask]\nurl = \"http://10.0.0.5/\"\n";
    load(&with("[]", &format!("{APP}{off}")), &[]).unwrap();
}

#[test]
fn the_list_takes_networks_addresses_and_one_word() {
    let variable = |text| load(APP, &[("RESOUND_CALLS_INNER_NETWORKS", text)]);
    variable("named,10.0.0.0/8,fd00::/8,192.168.1.5").unwrap();
    check_refused(
        &with("[\"named\", \"all\"]", APP),
        &[],
        "config/reverb.toml: calls.inner_networks has \"all\"; it must be \"named\", a network such as \
         10.0.0.0/8, or an IP address",
    );
}
