//! The rules for the source tree as tests: layers, circles, purity, names, lengths, the top level.
//!
//! Each failure names the file and how to repair it. Rust is parsed, so comments and strings never count as code;
//! the arguments of macros are not.

#![allow(clippy::unwrap_used, reason = "all of this crate is a test, the functions around it too")]

mod circles;

mod error_texts;
mod layers;
mod log_calls;
mod names;
mod paths;
mod purity;
mod size;
mod source;
mod top_level;

/// Fails with one problem a line, and how to repair them.
fn assert_none(problems: &[String], repair: &str) {
    assert!(problems.is_empty(), "\n{}\n\nTo repair: {repair}\n", problems.join("\n"));
}
