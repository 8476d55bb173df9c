//! The rooms in reading order, and what each may use.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crate::assert_none;
use crate::paths::named;
use crate::source::code;

/// Each room and the rooms it may use. `websocket` and `http` do not use each other, `hub` no
/// transport, `protocol` neither time nor tasks.
const LAYERS: &[(&str, &[&str])] = &[
    ("build_info", &[]),
    ("app", &[]),
    ("call_targets", &[]),
    ("network_fault", &["call_targets"]),
    ("http_client", &["call_targets"]),
    ("protocol", &["app"]),
    ("metrics", &["build_info", "protocol"]),
    ("timeline", &["metrics", "protocol"]),
    ("tls", &[]),
    ("stream", &["tls"]),
    ("memory", &[]),
    ("text_cursor", &[]),
    ("dotenv", &["text_cursor"]),
    ("php_config", &["dotenv", "text_cursor"]),
    ("laravel_import", &["dotenv", "php_config"]),
    ("config", &["app", "call_targets", "dotenv", "memory", "tls"]),
    ("logging", &["config"]),
    ("redis_connection", &["app", "config", "network_fault"]),
    ("channel_rules", &["app", "protocol"]),
    ("explanation", &["app", "protocol"]),
    ("observation", &["config", "protocol"]),
    (
        "hub",
        &["app", "channel_rules", "config", "explanation", "metrics", "observation", "protocol"],
    ),
    ("cluster", &["app", "channel_rules", "config", "metrics", "protocol", "redis_connection"]),
    ("partitions", &["app", "cluster", "config", "metrics", "protocol", "redis_connection"]),
    ("redis_input", &["app", "config", "metrics", "observation", "protocol", "redis_connection"]),
    (
        "node",
        &[
            "app",
            "channel_rules",
            "cluster",
            "config",
            "explanation",
            "hub",
            "metrics",
            "observation",
            "partitions",
            "protocol",
            "redis_input",
        ],
    ),
    (
        "webhook",
        &[
            "app",
            "call_targets",
            "channel_rules",
            "config",
            "http_client",
            "metrics",
            "network_fault",
            "observation",
            "protocol",
            "redis_connection",
        ],
    ),
    (
        "channel_auth",
        &["app", "call_targets", "http_client", "metrics", "network_fault", "protocol"],
    ),
    ("telemetry", &["call_targets", "config", "http_client", "metrics", "network_fault"]),
    ("websocket", &["config", "hub", "metrics", "node", "observation", "protocol", "stream"]),
    (
        "http",
        &[
            "app",
            "channel_auth",
            "config",
            "explanation",
            "hub",
            "metrics",
            "node",
            "observation",
            "partitions",
            "protocol",
            "telemetry",
        ],
    ),
    ("console", &[]),
    ("supervision", &["stream"]),
    ("probe", &["config", "network_fault", "redis_connection", "supervision", "tls"]),
    (
        "internal",
        &[
            "app",
            "build_info",
            "cluster",
            "config",
            "console",
            "explanation",
            "http",
            "metrics",
            "node",
            "partitions",
            "observation",
            "probe",
            "protocol",
            "redis_input",
            "stream",
            "timeline",
            "webhook",
        ],
    ),
    (
        "server",
        &[
            "app",
            "channel_auth",
            "cluster",
            "config",
            "http",
            "hub",
            "internal",
            "memory",
            "metrics",
            "node",
            "partitions",
            "observation",
            "probe",
            "protocol",
            "redis_input",
            "supervision",
            "stream",
            "logging",
            "telemetry",
            "timeline",
            "tls",
            "webhook",
            "websocket",
        ],
    ),
    (
        "doctor",
        &[
            "app",
            "build_info",
            "config",
            "dotenv",
            "internal",
            "logging",
            "network_fault",
            "php_config",
            "probe",
            "protocol",
            "server",
            "text_cursor",
        ],
    ),
    (
        "cli",
        &[
            "app",
            "build_info",
            "dotenv",
            "laravel_import",
            "config",
            "doctor",
            "explanation",
            "http_client",
            "logging",
            "network_fault",
            "server",
            "supervision",
        ],
    ),
];

#[test]
fn every_room_uses_only_the_rooms_below_it() {
    let allowed: BTreeMap<&str, &[&str]> = LAYERS.iter().copied().collect();
    let mut problems = Vec::new();
    for file in named("src") {
        let Some(room) = file.module.first() else { continue };
        let Some(below) = allowed.get(&**room) else {
            problems.push(format!("src/{room} is not in LAYERS"));
            continue;
        };
        let used: BTreeSet<&String> = file.paths().filter_map(|path| path.first()).collect();
        for other in used {
            if other != room && !below.contains(&&**other) {
                problems.push(format!("src/{}.rs uses {other}", file.module.join("/")));
            }
        }
    }
    assert_none(
        &problems,
        "move what is shared to a room below both, or pass it in where `server` puts all together",
    );
}

#[test]
fn the_layers_have_no_cycle_and_name_every_room() {
    let mut known = BTreeSet::new();
    for &(room, below) in LAYERS {
        for other in below {
            assert!(known.contains(other), "{room} may use {other}, which is not below it");
        }
        known.insert(room);
    }
    let roots = ["src/lib.rs", "src/main.rs"].map(|file| fs::read_to_string(file).unwrap());
    let lines = roots.iter().flat_map(|root| root.lines());
    let declared = lines.filter_map(|line| {
        line.strip_prefix("pub ").unwrap_or(line).strip_prefix("mod ")?.strip_suffix(';')
    });
    assert_eq!(
        declared.collect::<Vec<_>>(),
        LAYERS.iter().map(|(room, _)| *room).collect::<Vec<_>>(),
        "src/lib.rs and src/main.rs list the rooms in reading order"
    );
}

#[test]
fn only_the_commands_name_the_load_generator() {
    let named = code("src").into_iter().filter(|source| source.text.contains("resound_load"));
    let named = named.filter(|source| source.room() != "cli");
    let problems: Vec<String> = named.map(|source| source.name().to_string()).collect();
    assert_none(&problems, "the server does not measure itself; call the generator from src/cli");
}
