//! The rules of the house, executed: layers, file length, headers, names, the top level.
//!
//! Works on the source as text, so it needs nothing but the tree; what it cannot see (a path
//! written out in full inside a function) the reviewer has to.

#![allow(clippy::unwrap_used, reason = "all of this file is a test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Each room and the rooms it may enter. `websocket` and `http` know nothing of each other, `hub`
/// nothing of transports, `protocol` nothing of time and tasks.
const LAYERS: [(&str, &[&str]); 16] = [
    ("app", &[]),
    ("log_throttle", &[]),
    ("network_fault", &[]),
    ("protocol", &["app"]),
    ("metrics", &["protocol"]),
    ("config", &["app"]),
    ("channel_rules", &["app", "protocol"]),
    ("hub", &["app", "channel_rules", "config", "metrics", "protocol"]),
    (
        "cluster",
        &["app", "channel_rules", "config", "metrics", "network_fault", "protocol", "log_throttle"],
    ),
    (
        "node",
        &[
            "app",
            "channel_rules",
            "cluster",
            "config",
            "hub",
            "metrics",
            "protocol",
            "log_throttle",
        ],
    ),
    ("webhook", &["app", "channel_rules", "config", "metrics", "network_fault", "protocol"]),
    ("websocket", &["config", "hub", "node", "protocol"]),
    ("http", &["app", "config", "hub", "metrics", "node", "protocol"]),
    (
        "server",
        &[
            "cluster",
            "config",
            "http",
            "hub",
            "metrics",
            "node",
            "protocol",
            "log_throttle",
            "webhook",
            "websocket",
        ],
    ),
    ("logging", &["config"]),
    ("cli", &["app", "config", "logging", "network_fault", "server"]),
];

/// What the pure rules may not know: time that passes, tasks, sockets, locks, files.
const IMPURE: [&str; 8] = [
    "tokio::",
    "std::net",
    "std::fs",
    "std::thread",
    "Mutex",
    "Instant::now",
    "SystemTime::now",
    "tracing::",
];

const LINES_MAX: usize = 400;
const BANNED_NAMES: [&str; 6] = ["util", "helper", "common", "manager", "handler", "service"];

struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    /// Everything before the unit tests.
    fn code(&self) -> &str {
        self.text.split("#[cfg(test)]").next().unwrap_or_default()
    }

    fn room(&self) -> &str {
        let first = self.path.strip_prefix("src").unwrap().iter().next().unwrap().to_str().unwrap();
        first.strip_suffix(".rs").unwrap_or(first)
    }

    fn is_test(&self) -> bool {
        self.path.iter().any(|part| part == "tests" || part == "tests.rs")
    }
}

fn sources(folder: &str) -> Vec<Source> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::from(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|_| panic!("{folder:?} is there")) {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("node_modules") && !path.ends_with(".venv") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(Source { text: fs::read_to_string(&path).unwrap(), path });
            }
        }
    }
    assert!(!found.is_empty(), "no sources in {folder}");
    found
}

/// The rooms a text enters: `crate::room` in any form of import or path, `resound::room` in the program.
fn entered(root: &str, code: &str) -> BTreeSet<String> {
    let word = |text: &str| {
        text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>()
    };
    let code: String = code
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n");
    let mut rooms = BTreeSet::new();
    for (at, _) in code.match_indices(root) {
        let rest = &code[at + root.len()..];
        match rest.strip_prefix('{') {
            Some(list) => rooms.extend(
                list.split('}').next().unwrap_or_default().split(',').map(|item| word(item.trim())),
            ),
            None => {
                rooms.insert(word(rest));
            }
        }
    }
    rooms.remove("");
    rooms
}

fn assert_none(problems: &[String]) {
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn every_room_enters_only_the_rooms_below_it() {
    let allowed: BTreeMap<&str, &[&str]> = LAYERS.into_iter().collect();
    let mut problems = Vec::new();
    for source in sources("src").iter().filter(|source| !["lib", "main"].contains(&source.room())) {
        let Some(below) = allowed.get(source.room()) else {
            problems.push(format!("{}: no such room in LAYERS", source.path.display()));
            continue;
        };
        let root = if source.room() == "cli" { "resound::" } else { "crate::" };
        for room in entered(root, source.code()) {
            if room != source.room() && !below.contains(&room.as_str()) {
                problems.push(format!("{} enters {room}", source.path.display()));
            }
        }
    }
    assert_none(&problems);
}

#[test]
fn the_layers_have_no_cycle_and_name_every_room() {
    let mut known = BTreeSet::new();
    for (room, below) in LAYERS {
        for other in below {
            assert!(known.contains(other), "{room} may enter {other}, which is not below it");
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
        LAYERS.map(|(room, _)| room),
        "src/lib.rs and src/main.rs list the rooms in reading order"
    );
}

/// The files of the load generator that one of them imports: `super::file` and `crate::file`.
fn imported(path: &Path, code: &str) -> BTreeSet<String> {
    let folder = path.parent().unwrap().to_str().unwrap();
    let folder = if folder.is_empty() { String::new() } else { format!("{folder}/") };
    let uses = code.lines().filter_map(|line| line.trim_start().strip_prefix("use "));
    let file = |path: &str| path.split([':', ';', '{']).next().unwrap_or_default().to_owned();
    uses.filter_map(|path| match path.split_once("::") {
        Some(("super", rest)) => Some(format!("{folder}{}", file(rest))),
        Some(("crate", rest)) => Some(file(rest)),
        _ => None,
    })
    .collect()
}

#[test]
fn the_load_generator_has_no_circle_of_files() {
    let root = "benches/generator/src";
    let mut left = BTreeMap::new();
    for source in sources(root).iter().filter(|source| !source.is_test()) {
        let path = source.path.strip_prefix(root).unwrap().with_extension("");
        left.insert(path.to_str().unwrap().to_owned(), imported(&path, source.code()));
    }
    left.remove("lib");
    let unknown = left.values().flatten().filter(|file| !left.contains_key(*file));
    assert_none(
        &unknown.map(|file| format!("{file}: import it from its own file")).collect::<Vec<_>>(),
    );
    while let Some(free) = left.iter().find(|(_, below)| below.is_empty()) {
        let free = free.0.clone();
        left.remove(&free);
        left.values_mut().for_each(|below| {
            below.remove(&free);
        });
    }
    assert!(left.is_empty(), "a circle among {left:?}: move what both files need to a third");
}

#[test]
fn only_the_commands_name_the_load_generator() {
    let named = sources("src").into_iter().filter(|source| !source.is_test());
    let named =
        named.filter(|source| source.code().contains("resound_load") && source.room() != "cli");
    assert_none(&named.map(|source| source.path.display().to_string()).collect::<Vec<_>>());
}

#[test]
fn the_rules_are_pure() {
    let mut problems = Vec::new();
    for source in ["src/protocol", "src/app", "src/channel_rules"]
        .iter()
        .flat_map(|folder| sources(folder))
        .filter(|source| !source.is_test())
    {
        for word in IMPURE.iter().filter(|word| source.code().contains(*word)) {
            problems.push(format!("{} knows {word}", source.path.display()));
        }
    }
    assert_none(&problems);
}

#[test]
fn only_shards_and_room_are_async_in_the_hub() {
    let waiting = sources("src/hub").into_iter().filter(|source| source.code().contains(").await"));
    let files: BTreeSet<PathBuf> = waiting.map(|source| source.path).collect();
    assert_eq!(files, BTreeSet::from([PathBuf::from("src/hub/shards.rs")]));
}

#[test]
fn files_are_short_named_after_a_noun_and_say_what_they_own() {
    let mut problems = Vec::new();
    for folder in ["src", "tests", "benches"] {
        for source in sources(folder) {
            let path = source.path.display();
            let lines = source.code().lines().count();
            if lines > LINES_MAX {
                problems.push(format!("{path}: {lines} lines, the limit is {LINES_MAX}"));
            }
            if !source.text.starts_with("//!") && !source.text.starts_with("#![doc") {
                problems.push(format!("{path} does not open with //!"));
            }
            let stem = source.path.file_stem().unwrap().to_str().unwrap();
            if let Some(banned) = BANNED_NAMES
                .iter()
                .find(|name| stem.split('_').any(|word| word.trim_end_matches('s') == **name))
            {
                problems.push(format!("{path}: {banned} says nothing of what is in it"));
            }
        }
    }
    assert_none(&problems);
}

#[test]
fn secrets_are_compared_in_one_place() {
    let mut problems = Vec::new();
    for source in sources("src").iter().filter(|source| !source.is_test()) {
        let compares = source.code().contains("verify_slice");
        if compares != source.path.ends_with("protocol/signature.rs") {
            problems.push(format!("{} compares signatures: {compares}", source.path.display()));
        }
    }
    assert_none(&problems);
}

#[test]
fn the_top_level_is_what_was_agreed() {
    let agreed = [
        "CHANGELOG.md",
        "Cargo.lock",
        "Cargo.toml",
        "LICENSE",
        "README.md",
        "benches",
        "config",
        "docker",
        "src",
        "target",
        "tests",
    ];
    let entries =
        fs::read_dir(".").unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let strangers: Vec<String> =
        entries.filter(|name| !name.starts_with('.') && !agreed.contains(&name.as_str())).collect();
    assert_eq!(strangers, Vec::<String>::new());
}
