//! What is at the top of the repository.

use std::fs;

use crate::assert_none;

const TOP_LEVEL: [&str; 12] = [
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "benches",
    "build.rs",
    "config",
    "docker",
    "src",
    "target",
    "tests",
];

#[test]
fn the_top_level_is_what_was_agreed() {
    let entries =
        fs::read_dir(".").unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let unexpected: Vec<String> = entries
        .filter(|name| !name.starts_with('.') && !TOP_LEVEL.contains(&name.as_str()))
        .collect();
    assert_none(&unexpected, "move it into the folder it belongs to, or agree on it in TOP_LEVEL");
}
