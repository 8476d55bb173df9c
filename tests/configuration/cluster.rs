//! `[cluster]` but for the address: as documented, as written, and what each key refuses.

use std::time::Duration;

use resound::config::{ClusterConfig, StreamSettings};

use crate::{APP, check_refused, load, only_app};

/// A file with a cluster of these keys.
fn file(keys: &str) -> String {
    format!("{APP}[cluster]\nenabled = true\n{keys}\n")
}

/// The cluster of a configuration that must load.
fn cluster(file: &str, variables: &[(&str, &str)]) -> Option<ClusterConfig> {
    load(file, variables).unwrap().cluster
}

fn check_key(key: &str, message: &str) {
    let message = message.replace("NAME: ", "config/reverb.toml: ");
    check_refused(&file(key), &[], &message);
    // Switching it on brings no surprise.
    check_refused(&format!("{APP}[cluster]\n{key}\n"), &[], &message);
}

#[test]
fn the_defaults_are_the_documented_ones() {
    let cluster = cluster(&file(""), &[]).unwrap();
    assert_eq!(cluster.redis.address.to_string(), "redis://127.0.0.1:6379");
    assert_eq!((cluster.redis.username, cluster.redis.database), (None, 0));
    assert!(cluster.redis.password.is_none() && cluster.redis.ca.is_none());
    assert_eq!(cluster.prefix, "resound");
    assert_eq!(cluster.settings.lease, Duration::from_secs(5));
    assert!(!cluster.required);
    assert_eq!(cluster.settings.local_delivery_after, Duration::from_millis(250));
    assert_eq!(cluster.timeout, Duration::from_secs(1));
    assert_eq!(cluster.settings.queue_bytes, 64 << 20);
    assert_eq!(cluster.settings.streams, None);
}

#[test]
fn every_key_arrives() {
    let keys = "prefix = \"two:b_c-d.e\"\nlease_seconds = 2\nrequired = true\nlocal_delivery_after_ms = 10\n\
                timeout_ms = 1999\nqueue_bytes = 1\ntransport = \"streams\"\n\
                stream_retention_seconds = 7\nstream_events = 8";
    let cluster = cluster(&file(keys), &[]).unwrap();
    assert_eq!(cluster.prefix, "two:b_c-d.e");
    assert_eq!(cluster.settings.lease, Duration::from_secs(2));
    assert!(cluster.required);
    assert_eq!(cluster.settings.local_delivery_after, Duration::from_millis(10));
    assert_eq!(cluster.timeout, Duration::from_millis(1999));
    assert_eq!(cluster.settings.queue_bytes, 1);
    let streams = StreamSettings { retention: Duration::from_secs(7), events: 8 };
    assert_eq!(cluster.settings.streams, Some(streams));
}

#[test]
fn any_layer_switches_it_on_and_the_last_one_decides() {
    let scaling = |text| ("REVERB_SCALING_ENABLED", text);
    let ours = |text| ("RESOUND_CLUSTER_ENABLED", text);
    let is_on = |file: &str, variables: &[_]| cluster(file, variables).is_some();
    assert!(!is_on(APP, &[]));
    assert!(is_on(&file(""), &[]));
    assert!(!is_on(&file(""), &[scaling("false")]));
    assert!(is_on(APP, &[scaling("(true)")]));
    assert!(is_on(APP, &[ours("true")]));
    assert!(!is_on(APP, &[scaling("true"), ours("0")]));
    for text in ["", "null", "false", "0"] {
        assert!(!is_on(APP, &[scaling(text)]), "{text}");
    }
}

#[test]
fn the_channel_of_reverb_is_the_prefix() {
    let reverb = ("REVERB_SCALING_CHANNEL", "reverb");
    let ours = ("RESOUND_CLUSTER_PREFIX", "ours");
    let prefix = |variables: &[_]| cluster(&file(""), variables).unwrap().prefix;
    assert_eq!(prefix(&[reverb]), "reverb");
    assert_eq!(prefix(&[reverb, ours]), "ours");
}

#[test]
fn keys_out_of_range_are_refused_even_while_it_is_off() {
    let is_default = "cluster.timeout_ms (the default) is 1000; ";
    for (key, message) in [
        ("lease_seconds = 1", "NAME: cluster.lease_seconds is 1; allowed are 2 to 300"),
        ("lease_seconds = 301", "NAME: cluster.lease_seconds is 301; allowed are 2 to 300"),
        (
            "local_delivery_after_ms = 9",
            "NAME: cluster.local_delivery_after_ms is 9; allowed are 10 to 10000",
        ),
        (
            "local_delivery_after_ms = 10001",
            "NAME: cluster.local_delivery_after_ms is 10001; allowed are 10 to 10000",
        ),
        ("timeout_ms = 99", "NAME: cluster.timeout_ms is 99; allowed are 100 to 60000"),
        ("timeout_ms = 60001", "NAME: cluster.timeout_ms is 60001; allowed are 100 to 60000"),
        ("queue_bytes = 0", "NAME: cluster.queue_bytes is 0; allowed are 1 to 1073741824"),
        ("stream_events = 0", "NAME: cluster.stream_events is 0; allowed are 1 to 1000000"),
        (
            "stream_retention_seconds = 0",
            "NAME: cluster.stream_retention_seconds is 0; allowed are 1 to 86400",
        ),
        (
            "transport = \"nats\"",
            "NAME: cluster.transport is \"nats\"; allowed are pubsub and streams",
        ),
        (
            "timeout_ms = 249",
            "NAME: cluster.timeout_ms is 249; it must not be less than cluster.local_delivery_after_ms, which \
             is 250: a Redis that is still waited for would count as away",
        ),
        (
            "local_delivery_after_ms = 1001",
            &format!(
                "{is_default}it must not be less than cluster.local_delivery_after_ms, which is 1001: a Redis \
                 that is still waited for would count as away"
            ),
        ),
        (
            "timeout_ms = 5000",
            "NAME: cluster.timeout_ms is 5000; it must be shorter than cluster.lease_seconds, \
             which is 5: one slow answer would be the end of this node for the others",
        ),
    ] {
        check_key(key, message);
    }
}

#[test]
fn a_prefix_that_is_long_or_not_plain_is_refused() {
    let allowed = "it must be 1 to 64 characters: letters without accents, digits and _ - . :";
    let long = "a".repeat(65);
    for text in ["", "a b", "{a}", "a*", "é", "a/b", long.as_str()] {
        let message = format!("NAME: cluster.prefix is {text:?}; {allowed}");
        check_key(&format!("prefix = {text:?}"), &message);
    }
    let longest = "a".repeat(64);
    assert_eq!(cluster(&file(&format!("prefix = {longest:?}")), &[]).unwrap().prefix, longest);
    check_refused(
        APP,
        &[("REVERB_SCALING_ENABLED", "true"), ("REVERB_SCALING_CHANNEL", "{reverb}")],
        &format!("environment variable REVERB_SCALING_CHANNEL is \"{{reverb}}\"; {allowed}"),
    );
}

#[test]
fn the_example_file_loads() {
    let text = include_str!("../../config/cluster.toml");
    assert_eq!(only_app(text, &[]).id, "123456");
    let cluster = cluster(text, &[]).unwrap();
    assert_eq!(cluster.redis.address.to_string(), "redis://127.0.0.1:6379");
    assert_eq!((cluster.prefix.as_str(), cluster.settings.streams), ("resound", None));
}
