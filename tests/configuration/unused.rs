//! What has no effect, and the exact sentence that names it.

use crate::{APP, load};

fn check(file: &str, variables: &[(&str, &str)], notes: &[&str]) {
    assert_eq!(load(file, variables).unwrap().notes, notes, "{file:?} {variables:?}");
}

fn check_variable(name: &str, advice: &str) {
    let note = format!("environment variable {name} has no effect; {advice}");
    check(APP, &[(name, "hidden")], &[&note]);
}

#[test]
fn a_name_like_one_of_reverb_is_named() {
    check_variable("REVERB_APP_KEYY", "did you mean REVERB_APP_KEY?");
    check_variable("REVERB_SERVER_PROT", "did you mean REVERB_SERVER_PORT?");
    check_variable("REVERB_APP_ALLOWED_ORIGINS", "did you mean RESOUND_APP_ALLOWED_ORIGINS?");
    check_variable("REVERB_SOMETHING_ELSE", "Reverb has no such setting, nor has Resound");
    check(APP, &[("REVERB_APP_KEYY", ""), ("REVERB_SERVER_PROT", "null")], &[]);
    let laravel = ["REVERB_HOST", "REVERB_PORT", "REVERB_SCHEME", "REVERB_SERVER"];
    check(APP, &laravel.map(|name| (name, "reverb")), &[]);
    let packages = ["REVERB_PULSE_INGEST_INTERVAL", "REVERB_TELESCOPE_INGEST_INTERVAL"];
    check(APP, &packages.map(|name| (name, "15")), &[]);
    check(APP, &[("VITE_REVERB_APP_KEY", "k"), ("REVERB_SCALING_CHANNEL", "reverb")], &[]);
}

#[test]
fn settings_of_sockudo_are_named_with_their_counterpart() {
    check_variable("SOCKUDO_DEFAULT_APP_KEY", "REVERB_APP_KEY sets it here");
    check_variable("SOCKUDO_DEFAULT_APP_ENABLED", "it is a setting of Sockudo");
    check(APP, &[("SOCKUDO_PORT", "6001"), ("REVERB_SERVER_PORT", "6001")], &[]);
    check(APP, &[("SOKETI_PORT", "tcp://10.0.0.1:6001")], &[]);
    check(APP, &[("SOCKUDO_PORT", "tcp://10.0.0.1:6001")], &[]);
}

#[test]
fn a_part_of_the_credentials_of_pusher_is_named_where_no_app_is_configured() {
    let id = ("PUSHER_APP_ID", "1");
    let key = ("PUSHER_APP_KEY", "k");
    let one = "environment variable PUSHER_APP_ID has no effect without PUSHER_APP_KEY and PUSHER_APP_SECRET";
    check("", &[id], &[one]);
    let two = "environment variable PUSHER_APP_ID and environment variable PUSHER_APP_KEY have no effect without \
               PUSHER_APP_SECRET";
    check("", &[id, key], &[two]);
    check("", &[id, key, ("PUSHER_APP_SECRET", "s")], &[]);
    check(APP, &[id, key], &[]);
}

#[test]
fn a_file_without_a_key_is_named() {
    let note = "config/reverb.toml has no effect; it is empty, or has comments alone";
    check("\n", &[], &[note]);
    check("\u{feff}# port = 1\n", &[], &[note]);
}

#[test]
fn keys_that_another_key_switches_off_are_named() {
    check(
        &format!("{APP}[cluster]\nhost = \"a\"\ntransport = \"pubsub\"\nstream_events = 5\n"),
        &[],
        &[
            "config/reverb.toml: cluster.host has no effect while cluster.enabled is false",
            "config/reverb.toml: cluster.stream_events has no effect while cluster.enabled is false",
            "config/reverb.toml: cluster.transport has no effect while cluster.enabled is false",
        ],
    );
    let pubsub = "environment variable RESOUND_CLUSTER_STREAM_EVENTS has no effect while \
                  cluster.transport is pubsub";
    let variables = [("REVERB_SCALING_ENABLED", "1"), ("RESOUND_CLUSTER_STREAM_EVENTS", "5")];
    check(APP, &variables, &[pubsub]);
    check(APP, &[&variables[..], &[("RESOUND_CLUSTER_TRANSPORT", "streams")]].concat(), &[]);
    check(
        &format!("{APP}[websocket]\ndeflate = false\ndeflate_min_bytes = 5\n"),
        &[],
        &["config/reverb.toml: websocket.deflate_min_bytes has no effect while \
           websocket.deflate is false"],
    );
}

#[test]
fn a_key_of_all_apps_has_an_effect_if_it_has_one_in_one_of_them() {
    let starts = "[app.rate_limiting]\nmax_attempts = 5\n";
    let note = "config/reverb.toml: app.rate_limiting.max_attempts has no effect while \
                rate_limiting.enabled is false";
    check(&format!("{APP}{starts}"), &[], &[note]);
    let second = "[[apps]]\nid = \"2\"\nkey = \"k2\"\nsecret = \"s\"\n";
    let limited = format!("{second}rate_limiting.enabled = true\n");
    check(&format!("{APP}{limited}{starts}"), &[], &[]);
    let of_its_own = format!("{second}watchlist_events = false\nmax_watchlist_users = 5\n");
    check(
        &format!("{APP}{of_its_own}"),
        &[],
        &[
            "config/reverb.toml: apps[1].max_watchlist_users has no effect while watchlist_events is \
           false",
        ],
    );
}
