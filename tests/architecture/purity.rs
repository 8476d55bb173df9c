//! The pure rooms have no clock, no randomness, no tasks and no sockets; the hub never waits.

use std::collections::BTreeSet;

use syn::ExprAwait;
use syn::visit::{self, Visit};

use crate::assert_none;
use crate::source::{Source, code};

/// Rooms whose functions depend on their arguments alone, and what they may name nevertheless: a slot for
/// one answer, for which callers wait outside, and log lines.
const PURE: &[(&str, &[&str])] = &[
    ("src/app", &[]),
    ("src/dotenv", &[]),
    ("src/php_config", &[]),
    ("src/laravel_import", &[]),
    ("src/protocol", &[]),
    ("src/channel_rules", &[]),
    ("src/explanation", &[]),
    ("src/cluster/directory", &[]),
    ("src/cluster/state", &["tokio::sync::oneshot", "tracing"]),
];

/// Paths that no pure room may name, in whole or as the beginning or the end of a longer one.
const IMPURE: [&str; 15] = [
    "tokio",
    "mio",
    "socket2",
    "redis",
    "reqwest",
    "hyper",
    "tracing",
    "rand",
    "std::net",
    "std::fs",
    "std::env",
    "std::thread",
    "Mutex",
    "Instant::now",
    "SystemTime",
];

/// The files of the hub that wait: the loop of a shard, and what it and publishers wait for.
const SHARD_LOOP: [&str; 2] = ["src/hub/shards.rs", "src/hub/inbox.rs"];

/// The paths that a file imports or writes out, as text between `::`.
#[derive(Default)]
struct Paths(BTreeSet<String>);

impl<'ast> Visit<'ast> for Paths {
    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Vec<_> = path.segments.iter().map(|part| part.ident.to_string()).collect();
        if names.len() > 1 {
            self.0.insert(names.join("::"));
        }
        visit::visit_path(self, path);
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.imported(String::new(), &item.tree);
    }
}

impl Paths {
    fn imported(&mut self, before: String, tree: &syn::UseTree) {
        match tree {
            syn::UseTree::Path(path) => {
                self.imported(format!("{before}{}::", path.ident), &path.tree);
            }
            syn::UseTree::Group(group) => {
                group.items.iter().for_each(|item| self.imported(before.clone(), item));
            }
            syn::UseTree::Name(name) => drop(self.0.insert(format!("{before}{}", name.ident))),
            syn::UseTree::Rename(name) => drop(self.0.insert(format!("{before}{}", name.ident))),
            _ => drop(self.0.insert(before)),
        }
    }

    fn of(source: &Source) -> BTreeSet<String> {
        let mut paths = Self::default();
        paths.visit_file(&source.parse());
        paths.0
    }
}

/// Whether a path is one of these, is inside one, or ends in one.
fn is_among(path: &str, listed: &[&str]) -> bool {
    listed.iter().any(|one| {
        path == *one || path.starts_with(&format!("{one}::")) || path.ends_with(&format!("::{one}"))
    })
}

#[derive(Default)]
struct Awaits(usize);

impl<'ast> Visit<'ast> for Awaits {
    fn visit_expr_await(&mut self, expression: &'ast ExprAwait) {
        self.0 += 1;
        visit::visit_expr_await(self, expression);
    }
}

#[test]
fn pure_modules_have_no_clock_no_randomness_and_no_tasks() {
    let mut problems = Vec::new();
    let sources = code("src");
    for &(room, allowed) in PURE {
        let files: Vec<_> = sources.iter().filter(|source| is_in(source, room)).collect();
        assert!(!files.is_empty(), "{room} is not there: correct PURE");
        for source in files {
            for path in Paths::of(source) {
                if is_among(&path, &IMPURE) && !is_among(&path, allowed) {
                    problems.push(format!("{}: {path}", source.name()));
                }
            }
        }
    }
    assert_none(
        &problems,
        "take the time and random numbers as arguments; return what is to be done instead of doing it",
    );
}

#[test]
fn nothing_in_the_hub_waits_but_the_loop_of_a_shard() {
    let mut problems = Vec::new();
    for source in code("src").iter().filter(|source| is_in(source, "src/hub")) {
        let mut awaits = Awaits::default();
        awaits.visit_file(&source.parse());
        if awaits.0 > 0 && !SHARD_LOOP.iter().any(|file| source.path == std::path::Path::new(file))
        {
            problems.push(format!("{}: {} times .await", source.name(), awaits.0));
        }
    }
    assert_none(&problems, "the caller waits, outside the hub; the hub may hold a lock");
}

/// Whether a file is `room.rs` or below `room`.
fn is_in(source: &Source, room: &str) -> bool {
    source.path.with_extension("").starts_with(room)
}
