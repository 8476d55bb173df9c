//! Which build of the program this is: version, commit and target.
//!
//! Owns the words for `--version`, the log and metrics. `build.rs` finds them out; a build for development has no
//! commit.

/// The version of `Cargo.toml`.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The first digits of the commit, or `unknown`.
pub const COMMIT: &str = env!("BUILD_COMMIT");

/// What the program was compiled for, as rustc names it.
pub const TARGET: &str = env!("BUILD_TARGET");

/// All three.
pub const DESCRIPTION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (commit ",
    env!("BUILD_COMMIT"),
    ", ",
    env!("BUILD_TARGET"),
    ")"
);
