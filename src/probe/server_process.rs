//! A server process of this machine: its limit of open files and how many it has open.
//!
//! Linux only; elsewhere, and for processes of other users, there is nothing to read.

use std::fs;

use crate::supervision;

/// The descriptors of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Descriptors {
    /// Its id.
    pub pid: u32,
    /// How many it may have open.
    pub limit: u64,
    /// How many it could have open after raising its limit itself.
    pub hard_limit: u64,
    /// How many it has open; `None` if they may not be counted.
    pub open: Option<u64>,
}

/// Those of every server of this program that runs here and can be looked at.
pub fn running_servers() -> Vec<Descriptors> {
    supervision::running().unwrap_or_default().into_iter().filter_map(of_process).collect()
}

fn of_process(pid: u32) -> Option<Descriptors> {
    let (limit, hard_limit) = limits(&fs::read_to_string(format!("/proc/{pid}/limits")).ok()?)?;
    let open = fs::read_dir(format!("/proc/{pid}/fd")).ok().map(|entries| entries.count() as u64);
    Some(Descriptors { pid, limit, hard_limit, open })
}

/// The soft and the hard limit in the table of `/proc/…/limits`.
fn limits(table: &str) -> Option<(u64, u64)> {
    let line = table.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    let mut columns = line.split_whitespace().map(|number| number.parse().unwrap_or(u64::MAX));
    Some((columns.next()?, columns.next()?))
}

#[cfg(test)]
mod tests {
    use super::limits;

    #[test]
    fn the_limits_are_read_from_the_table_of_the_kernel() {
        let table = "Limit                     Soft Limit           Hard Limit           Units     \n\
                     Max processes             127453               127453               processes \n\
                     Max open files            1024                 524288               files     \n";
        assert_eq!(limits(table), Some((1024, 524_288)));
        assert_eq!(
            limits("Max open files   unlimited   unlimited  files"),
            Some((u64::MAX, u64::MAX))
        );
        assert_eq!(limits(""), None);
    }
}
