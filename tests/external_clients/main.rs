//! Suites that need more than Rust: stock clients in Node, Python and Chromium, Nginx, and Redis.
//!
//! Prints which suites were left out unless they were requested; `tests/run` requests
//! (`TEST_SUITES=all`), and then a suite that cannot run fails.

#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program that people ask and read"
)]

use std::process::{Command, ExitCode};

/// Each suite's name, as in `tests/clients/run`, and what it is.
const SUITES: [(&str, &str); 9] = [
    ("node", "pusher-js, Laravel Echo and the pusher server SDK in Node"),
    ("browser", "Laravel Echo and echo-vue in Chromium"),
    ("console", "the console in Chromium"),
    ("python", "the pusher server SDK of PyPI"),
    ("nginx", "stock clients through Nginx and HAProxy"),
    ("proxies", "stock clients through Nginx, HAProxy, Caddy and Apache with the shipped files"),
    ("cluster", "stock clients of several nodes over Redis"),
    ("laravel", "stock clients of an application whose back end is Laravel's PHP"),
    ("crowd", "2000 stock clients through upgrades and a rolling restart"),
];

fn main() -> ExitCode {
    let wanted = std::env::var("TEST_SUITES").unwrap_or_default();
    let is_wanted = |suite: &str| wanted == "all" || wanted.split(',').any(|one| one == suite);
    let (mut passed, mut failed) = (0, 0);
    for (suite, what) in SUITES {
        if !is_wanted(suite) {
            println!("LEFT OUT: {suite} ({what}); tests/run runs it");
        } else if run(suite) {
            passed += 1;
        } else {
            println!("FAILED: {suite} ({what})");
            failed += 1;
        }
    }
    println!(
        "suites of stock clients: {passed} passed, {failed} failed, {} left out",
        SUITES.len() - passed - failed
    );
    ExitCode::from(u8::from(failed > 0))
}

fn run(suite: &str) -> bool {
    let status = Command::new("tests/clients/run")
        .arg(suite)
        .env("RESOUND_BIN", env!("CARGO_BIN_EXE_resound"))
        .status();
    status.is_ok_and(|status| status.success())
}
