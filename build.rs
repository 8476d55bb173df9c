//! What the program says of its own build: the target, and the commit of a release build.
//!
//! The commit is `SOURCE_COMMIT`, or that of the clone the build is made in; an archive of the source has neither.

#![allow(clippy::disallowed_methods, reason = "the interface of cargo to a build script")]

use std::env;
use std::path::Path;
use std::process::Command;

/// As many digits as stay unique in a history of this size.
const DIGITS: usize = 12;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=SOURCE_COMMIT");
    println!("cargo::rustc-env=BUILD_TARGET={}", variable("TARGET"));
    let commit = commit().unwrap_or_else(|| "unknown".to_owned());
    println!("cargo::rustc-env=BUILD_COMMIT={}", commit.get(..DIGITS).unwrap_or(&commit));
}

fn commit() -> Option<String> {
    let given = variable("SOURCE_COMMIT");
    if !given.is_empty() {
        return Some(given);
    }
    // A build for development would be made again after every commit. A folder without `.git` is an archive, even
    // where it lies inside the clone of something else.
    if variable("PROFILE") != "release" || !Path::new(".git").exists() {
        return None;
    }
    let (head, branch) = (git(&["rev-parse", "--git-path", "HEAD"])?, git(&["rev-parse", "HEAD"])?);
    println!("cargo::rerun-if-changed={head}");
    // A commit changes the branch, or the file of all branches, and not HEAD.
    for name in
        git(&["symbolic-ref", "--quiet", "HEAD"]).into_iter().chain(["packed-refs".to_owned()])
    {
        if let Some(path) = git(&["rev-parse", "--git-path", &name])
            && Path::new(&path).exists()
        {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    Some(branch)
}

/// The first line that git prints, if there is a git and it succeeds.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_default()
}
