//! soketi's variables: each that has a counterpart sets it, and each that has none is named with the reason.

use std::net::IpAddr;
use std::time::Duration;

use resound::app::{ClientEvents, WebhookKind, WebhookTarget};
use resound::config::RedisAddress;

use crate::{APP, check_refused, load, only_app};

const CREDENTIALS: [(&str, &str); 4] = [
    ("SOKETI_DEFAULT_APP_ID", "7"),
    ("SOKETI_DEFAULT_APP_KEY", "k"),
    ("SOKETI_DEFAULT_APP_SECRET", "s"),
    ("SOKETI_PORT", "6001"),
];

fn with<'a>(variables: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [&CREDENTIALS, variables].concat()
}

fn check_notes(variables: &[(&str, &str)], notes: &[&str]) {
    assert_eq!(load("", &with(variables)).unwrap().notes, notes, "{variables:?}");
}

#[test]
fn each_setting_with_a_counterpart_sets_it() {
    let variables = with(&[
        ("SOKETI_HOST", "127.0.0.1"),
        ("SOKETI_PATH_PREFIX", "/ws"),
        ("SOKETI_DEBUG", "1"),
        ("SOKETI_SHUTDOWN_GRACE_PERIOD", "3500"),
        ("SOKETI_METRICS_ENABLED", "1"),
        ("SOKETI_DEFAULT_APP_MAX_CONNS", "200"),
        ("SOKETI_DEFAULT_APP_ENABLE_CLIENT_MESSAGES", "false"),
        ("SOKETI_DEFAULT_APP_MAX_CLIENT_EVENTS_PER_SEC", "-1"),
        ("SOKETI_DEFAULT_APP_USER_AUTHENTICATION", "true"),
        ("SOKETI_USER_AUTHENTICATION_TIMEOUT", "20000"),
        ("SOKETI_EVENT_MAX_BATCH_SIZE", "20"),
        ("SOKETI_EVENT_MAX_CHANNELS_AT_ONCE", "50"),
        ("SOKETI_EVENT_MAX_NAME_LENGTH", "150"),
        ("SOKETI_EVENT_MAX_SIZE_IN_KB", "0.5"),
        ("SOKETI_CHANNEL_LIMITS_MAX_NAME_LENGTH", "100"),
        ("SOKETI_CHANNEL_CACHE_TTL", "60"),
        ("SOKETI_PRESENCE_MAX_MEMBERS", "90"),
        ("SOKETI_PRESENCE_MAX_MEMBER_SIZE", "2"),
    ]);
    let config = load("", &variables).unwrap();
    assert_eq!(config.server.host, "127.0.0.1".parse::<IpAddr>().unwrap());
    assert_eq!((config.server.port, config.server.path.as_str()), (6001, "/ws"));
    assert_eq!(config.server.drain, Duration::from_secs(4));
    assert_eq!(config.metrics.listen.unwrap().to_string(), "0.0.0.0:9601");
    assert_eq!(config.cache.ttl, Duration::from_secs(60));
    let app = only_app("", &variables);
    assert_eq!((app.id.as_str(), app.key.as_str(), app.secret.reveal()), ("7", "k", "s"));
    assert_eq!(app.accept_client_events_from, ClientEvents::None);
    assert_eq!(app.authorization_timeout, Some(Duration::from_secs(20)));
    let limits = app.limits;
    assert_eq!(limits.connections, Some(200));
    assert_eq!(limits.events_per_batch, 20);
    assert_eq!(limits.channels_per_event, 50);
    assert_eq!(limits.event_name_chars, 150);
    assert_eq!(limits.event_data_bytes, 512);
    assert_eq!(limits.channel_name_bytes, 100);
    assert_eq!(limits.presence_members, 90);
    assert_eq!(limits.presence_user_info_bytes, 2048);
    let none: [&str; 0] = [];
    assert_eq!(config.notes, none);
}

#[test]
fn webhooks_keep_their_events_filters_headers_and_batches() {
    let list = r#"[{"url":"https://a.example/hook","event_types":["channel_occupied","cache_miss"],
        "filter":{"channel_name_starts_with":"a-","channel_name_ends_with":"-z"},"headers":{"X-Tenant":"7"}},
        {"lambda_function":"f","event_types":["member_added"],"lambda":{"region":"us-east-1"}}]"#;
    let variables = with(&[
        ("SOKETI_DEFAULT_APP_WEBHOOKS", list),
        ("SOKETI_WEBHOOKS_BATCHING", "1"),
        ("SOKETI_WEBHOOKS_BATCHING_DURATION", "70"),
    ]);
    let app = only_app("", &variables);
    let [webhook] = app.webhooks.as_slice() else { panic!("one endpoint") };
    assert_eq!(webhook.url, "https://a.example/hook");
    assert_eq!(webhook.events, [WebhookKind::ChannelOccupied, WebhookKind::CacheMiss]);
    assert_eq!((&*webhook.channel_prefix, &*webhook.channel_suffix), ("a-", "-z"));
    assert_eq!(webhook.batch_window, Duration::from_millis(70));
    let headers = vec![("X-Tenant".to_owned(), "7".to_owned())];
    assert!(webhook.target == WebhookTarget::Http { headers });
    assert_eq!(
        load("", &variables).unwrap().notes,
        [
            "environment variable SOKETI_DEFAULT_APP_WEBHOOKS: its endpoints with lambda_function are left out, since AWS \
          Lambda is not called"
        ]
    );
}

#[test]
fn redis_makes_a_cluster_with_its_address() {
    let redis = [
        ("SOKETI_ADAPTER_DRIVER", "redis"),
        ("SOKETI_ADAPTER_REDIS_PREFIX", "shop"),
        ("SOKETI_DB_REDIS_HOST", "10.0.0.5"),
        ("SOKETI_DB_REDIS_PORT", "6380"),
        ("SOKETI_DB_REDIS_DB", "2"),
        ("SOKETI_DB_REDIS_USERNAME", "u"),
        ("SOKETI_DB_REDIS_PASSWORD", "p"),
    ];
    let cluster = load("", &with(&redis)).unwrap().cluster.unwrap();
    assert_eq!(cluster.redis.address.to_string(), "redis://10.0.0.5:6380");
    assert_eq!((cluster.redis.database, cluster.prefix.as_str()), (2, "shop"));
    let sentinels = [
        ("SOKETI_ADAPTER_DRIVER", "redis"),
        (
            "SOKETI_DB_REDIS_SENTINELS",
            r#"[{"host":"10.0.0.1","port":26379},{"host":"s2","port":26380}]"#,
        ),
        ("SOKETI_DB_REDIS_INSTANCE_NAME", "main"),
    ];
    let cluster = load("", &with(&sentinels)).unwrap().cluster.unwrap();
    assert!(matches!(cluster.redis.address, RedisAddress::Sentinel { .. }), "{:?}", cluster.redis);
    let nodes = [
        ("SOKETI_ADAPTER_DRIVER", "redis"),
        (
            "SOKETI_DB_REDIS_CLUSTER_NODES",
            r#"[{"host":"10.0.0.1","port":7000},{"host":"n2","port":7001}]"#,
        ),
    ];
    let cluster = load("", &with(&nodes)).unwrap().cluster.unwrap();
    assert_eq!(cluster.redis.address.to_string(), "redis://10.0.0.1:7000,n2:7001");
    // Without the adapter they concern soketi's queue and cache.
    assert!(load("", &with(&redis[2..])).unwrap().cluster.is_none());
    check_notes(&redis[2..], &[]);
}

#[test]
fn names_of_reverb_and_the_file_have_their_places() {
    let port = |file: &str, variables: &[(&str, &str)]| load(file, variables).unwrap().server.port;
    let file = format!("{APP}[server]\nport = 1\n");
    assert_eq!(port(&file, &[("SOKETI_PORT", "2")]), 2);
    assert_eq!(port(&file, &[("SOKETI_PORT", "2"), ("REVERB_SERVER_PORT", "3")]), 3);
    let reverb =
        [("REVERB_APP_ID", "7"), ("REVERB_APP_KEY", "k"), ("REVERB_APP_SECRET", "of reverb")];
    assert_eq!(only_app("", &with(&reverb)).secret.reveal(), "of reverb");
    let note = "soketi listens on port 6001 where SOKETI_PORT is not set, and this server on 8080; set SOKETI_PORT=6001 \
                if clients and back ends use that";
    assert_eq!(load("", &CREDENTIALS[..3]).unwrap().notes, [note]);
}

#[test]
fn what_has_no_counterpart_is_named_once_with_the_reason() {
    let note = |name: &str, reason: &str| {
        check_notes(
            &[(name, "hidden")],
            &[&format!("environment variable {name} has no effect; {reason}")],
        );
    };
    note(
        "SOKETI_QUEUE_DRIVER",
        "webhooks are sent by the server itself, with retries, and need no queue",
    );
    note("SOKETI_ADAPTER_DRIVER", "only redis has a counterpart, the cluster of nodes");
    note(
        "SOKETI_DB_MYSQL_PASSWORD",
        "apps are configured in a file or in variables, and no database is asked for them",
    );
    note(
        "SOKETI_ADAPTER_REDIS_CLUSTER_MODE",
        "a node of Redis says whether it is part of a Redis Cluster",
    );
    note("SOKETI_SSL_PASS", "the key must stand in its file without a passphrase");
    note("SOKETI_DEFAULT_APP_KEYY", "did you mean SOKETI_DEFAULT_APP_KEY?");
    note("SOKETI_SOMETHING_ELSE_ENTIRELY", "soketi has no such setting");
    for anyway in [
        ("SOKETI_ADAPTER_DRIVER", "local"),
        ("SOKETI_APP_MANAGER_DRIVER", "array"),
        ("SOKETI_QUEUE_DRIVER", "sync"),
        ("SOKETI_CACHE_DRIVER", "memory"),
        ("SOKETI_MODE", "full"),
        ("SOKETI_DEFAULT_APP_MAX_READ_REQ_PER_SEC", "-1"),
        ("SOKETI_SSL_PASS", ""),
    ] {
        check_notes(&[anyway], &[]);
    }
}

#[test]
fn wrong_values_are_refused_with_their_form() {
    let refuse = |name: &str, text: &str, message: &str| {
        check_refused(
            "",
            &with(&[(name, text)]),
            &format!("environment variable {name} {message}"),
        );
    };
    refuse("SOKETI_DEBUG", "yes", "is \"yes\"; it must be true, false, 1 or 0");
    refuse(
        "SOKETI_EVENT_MAX_SIZE_IN_KB",
        "big",
        "is \"big\"; it must be a number of kilobytes, such as 100",
    );
    refuse(
        "SOKETI_SHUTDOWN_GRACE_PERIOD",
        "3s",
        "is \"3s\"; it must be a number of milliseconds, such as 3000",
    );
    refuse(
        "SOKETI_DEFAULT_APP_WEBHOOKS",
        "hidden",
        "is no list of webhooks in soketi's form, such as \
         [{\"url\":\"https://example.com\",\"event_types\":[\"member_added\"]}]",
    );
    check_refused(
        "",
        &CREDENTIALS[..2],
        "environment variable SOKETI_DEFAULT_APP_SECRET is missing; it is needed beside SOKETI_DEFAULT_APP_ID and \
         SOKETI_DEFAULT_APP_KEY",
    );
}
