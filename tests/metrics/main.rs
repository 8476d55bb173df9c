//! What monitoring reads of a running server, and the names of metrics in what is written about them.

#![allow(clippy::unwrap_used, reason = "all of this file is a test")]

use std::fs;

use harness::TestServer;

#[path = "../harness/mod.rs"]
mod harness;

mod health;

/// What users read.
const GUIDES: [&str; 4] =
    ["README.md", "config/README.md", "docker/README.md", "benches/README.md"];

#[tokio::test]
async fn metrics_in_the_guides_have_the_names_of_the_exposition() {
    let server = TestServer::start().await;
    let exposition = server.metrics.text();
    let mut problems = Vec::new();
    for path in GUIDES {
        // Every second piece is between two backticks.
        for quoted in fs::read_to_string(path).unwrap().split('`').skip(1).step_by(2) {
            let name = quoted.split(['{', ' ']).next().unwrap_or_default();
            let described = format!("# HELP {} ", name.trim_end_matches("_total"));
            let is_name = name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
            if is_name && name.starts_with("resound_") && !exposition.contains(&described) {
                problems.push(format!("{path}: {name} is no metric"));
            }
        }
    }
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}
