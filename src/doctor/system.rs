//! The machine that a set-up is on, as far as it decides what a server can do.
//!
//! Owns what is read of it. Linux has it below `/proc`; elsewhere only the processors are known.

use std::fs;

use serde_json::{Value, json};

/// Its kernel, processors and limits.
pub(super) fn system() -> Value {
    let read = |path: &str| fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
    let limits = read("/proc/self/limits");
    let processors = std::thread::available_parallelism().ok().map(|count| count.get());
    json!({
        "kernel": read("/proc/sys/kernel/osrelease"),
        "processors": processors,
        "open_files": limits.as_deref().and_then(open_files),
        "max_backlog": read("/proc/sys/net/core/somaxconn"),
    })
}

/// The line of `/proc/self/limits` that bounds the sockets of a process started like this one.
fn open_files(limits: &str) -> Option<Value> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    let mut values = line.split_whitespace();
    Some(json!({ "soft": values.next()?, "hard": values.next()? }))
}

#[cfg(test)]
mod tests {
    use super::{json, open_files};

    #[test]
    fn the_limits_of_open_files_are_read() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units\n\
                      Max open files            1024                 524288               files\n";
        assert_eq!(open_files(limits), Some(json!({ "soft": "1024", "hard": "524288" })));
        assert_eq!(open_files("Limit\n"), None);
    }
}
