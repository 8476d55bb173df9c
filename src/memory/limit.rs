//! What the kernel allows: the limits of the control groups that the process is in, of either version, or the memory of
//! the machine.
//!
//! Reads files below a root, which is `/` but for tests. The share that the process takes of it is decided here too.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// Of 100 bytes that the kernel allows, those that the process uses at most. The rest is for what it does not see as its
/// own: the kernel's buffers of sockets, page tables, and what is allocated between two looks.
const SHARE_PERCENT: u64 = 85;

/// How much memory the process may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryBound {
    /// Above it the process is short of memory.
    pub bytes: u64,
    /// Where it comes from.
    pub source: MemorySource,
}

/// Where a bound comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemorySource {
    /// It is configured.
    Configured,
    /// A share of the memory of the machine, which has so many bytes.
    Machine(u64),
    /// A share of the limit of a control group.
    Group(ControlGroup),
}

/// A control group whose memory is limited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlGroup {
    folder: PathBuf,
    version: GroupVersion,
    limit: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum GroupVersion {
    V1,
    V2,
}

impl GroupVersion {
    /// The files that state a limit; the lowest counts.
    fn limits(self) -> &'static [&'static str] {
        match self {
            Self::V1 => &["memory.limit_in_bytes"],
            // Above memory.high the kernel slows the processes of the group until they stand still.
            Self::V2 => &["memory.max", "memory.high"],
        }
    }

    fn used(self) -> &'static str {
        match self {
            Self::V1 => "memory.usage_in_bytes",
            Self::V2 => "memory.current",
        }
    }

    /// Memory of files that the kernel takes back before it ends a process, of both its lists.
    fn reclaimable(self) -> [&'static str; 2] {
        match self {
            Self::V1 => ["total_inactive_file ", "total_active_file "],
            Self::V2 => ["inactive_file ", "active_file "],
        }
    }
}

impl MemoryBound {
    /// The share of what the kernel allows; `None` where it does not say.
    pub fn of_system(root: &Path) -> Option<Self> {
        let machine = machine_bytes(root)?;
        let group = groups(root).into_iter().min_by_key(|group| group.limit);
        let source = match group {
            // A group without a limit of its own states a number that no machine has.
            Some(group) if group.limit < machine => MemorySource::Group(group),
            _ => MemorySource::Machine(machine),
        };
        let allowed = match &source {
            MemorySource::Group(group) => group.limit,
            _ => machine,
        };
        Some(Self { bytes: allowed / 100 * SHARE_PERCENT, source })
    }

    /// What is used of it, where the process uses `resident` bytes. In a group it is what the kernel counts there, if that is
    /// more: the buffers of sockets are part of it.
    pub fn used(&self, resident: u64) -> u64 {
        match &self.source {
            MemorySource::Group(group) => group.used().unwrap_or(0).max(resident),
            _ => resident,
        }
    }
}

impl ControlGroup {
    fn read(folder: PathBuf, version: GroupVersion) -> Option<Self> {
        let limits = version.limits().iter().filter_map(|file| number(&folder.join(file)));
        let limit = limits.min()?;
        Some(Self { folder, version, limit })
    }

    fn used(&self) -> Option<u64> {
        let used = number(&self.folder.join(self.version.used()))?;
        let stat = fs::read_to_string(self.folder.join("memory.stat")).ok()?;
        let of_list = |name| {
            let bytes = stat.lines().find_map(|line| line.strip_prefix(name))?;
            bytes.trim().parse::<u64>().ok()
        };
        let reclaimable = self.version.reclaimable().into_iter().filter_map(of_list).sum();
        Some(used.saturating_sub(reclaimable))
    }
}

impl fmt::Display for MemorySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configured => f.write_str("limits.memory_bytes"),
            Self::Machine(bytes) => {
                write!(f, "{SHARE_PERCENT} % of the {bytes} bytes of this machine")
            }
            Self::Group(ControlGroup { folder, limit, .. }) => {
                let folder = folder.display();
                write!(f, "{SHARE_PERCENT} % of the {limit} bytes of the control group {folder}")
            }
        }
    }
}

/// The groups of the process with a limit, each with those above it, which bound it too.
fn groups(root: &Path) -> Vec<ControlGroup> {
    let memberships = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let mut found = Vec::new();
    for line in memberships.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let (version, mount) = match controllers {
            "" => (GroupVersion::V2, "sys/fs/cgroup"),
            _ if controllers.split(',').any(|it| it == "memory") => {
                (GroupVersion::V1, "sys/fs/cgroup/memory")
            }
            _ => continue,
        };
        // Where a container has no namespace of its own, the path is that of the host, and the mount is its own group.
        let path = Path::new(path.trim_start_matches('/'));
        let folders = path.ancestors().map(|part| root.join(mount).join(part));
        found.extend(folders.filter_map(|folder| ControlGroup::read(folder, version)));
    }
    found
}

fn machine_bytes(root: &Path) -> Option<u64> {
    let text = fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = total.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// `None` for "max", too.
fn number(file: &Path) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::MemoryBound;

    const MACHINE: &str = "MemTotal:        1000000 kB\nMemFree:  5 kB\n";

    /// A root with these files, in a folder that is removed with it.
    struct Root(PathBuf);

    impl Root {
        fn with(files: &[(&str, &str)]) -> Self {
            let name = format!("resound-memory-{:016x}", rand::random::<u64>());
            let root = Self(std::env::temp_dir().join(name));
            for (path, text) in files {
                let path = root.0.join(path);
                fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).expect("a folder");
                fs::write(path, text).expect("a file");
            }
            root
        }

        fn source(&self) -> String {
            let bound = MemoryBound::of_system(&self.0).expect("a bound");
            let source = bound.source.to_string();
            format!("{}: {source}", bound.bytes).replace(&*self.0.to_string_lossy(), "")
        }
    }

    impl Drop for Root {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn without_a_limit_it_is_that_of_the_machine() {
        let machine = "870400000: 85 % of the 1024000000 bytes of this machine";
        for files in [
            &[("proc/meminfo", MACHINE)][..],
            &[
                ("proc/meminfo", MACHINE),
                ("proc/self/cgroup", "0::/user/shell\n"),
                ("sys/fs/cgroup/user/shell/memory.max", "max\n"),
            ],
            &[
                ("proc/meminfo", MACHINE),
                ("proc/self/cgroup", "4:memory:/\n"),
                ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ],
        ] {
            assert_eq!(Root::with(files).source(), machine, "{files:?}");
        }
        assert_eq!(MemoryBound::of_system(&Root::with(&[]).0), None);
    }

    #[test]
    fn the_lowest_limit_of_a_group_and_those_above_it_counts() {
        let v2 = Root::with(&[
            ("proc/meminfo", MACHINE),
            ("proc/self/cgroup", "1:name=systemd:/\n0::/pods/node\n"),
            ("sys/fs/cgroup/pods/memory.max", "200000\n"),
            ("sys/fs/cgroup/pods/node/memory.max", "500000\n"),
            ("sys/fs/cgroup/pods/memory.current", "150000\n"),
            ("sys/fs/cgroup/pods/memory.stat", "anon 7\ninactive_file 20000\nactive_file 10000\n"),
        ]);
        let expected = "170000: 85 % of the 200000 bytes of the control group /sys/fs/cgroup/pods";
        assert_eq!(v2.source(), expected);
        let bound = MemoryBound::of_system(&v2.0).expect("a bound");
        assert_eq!((bound.used(90_000), bound.used(125_000)), (120_000, 125_000));
        let v1 = Root::with(&[
            ("proc/meminfo", MACHINE),
            ("proc/self/cgroup", "5:cpu,memory:/docker/abc\n0::/\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "100000\n"),
            ("sys/fs/cgroup/memory/memory.usage_in_bytes", "70000\n"),
            (
                "sys/fs/cgroup/memory/memory.stat",
                "cache 7\ntotal_inactive_file 900\ntotal_active_file 100\n",
            ),
        ]);
        let expected =
            "85000: 85 % of the 100000 bytes of the control group /sys/fs/cgroup/memory/";
        assert_eq!(v1.source(), expected, "the path is that of the host");
        assert_eq!(MemoryBound::of_system(&v1.0).expect("a bound").used(5), 69_000);
        let slowed = Root::with(&[
            ("proc/meminfo", MACHINE),
            ("proc/self/cgroup", "0::/\n"),
            ("sys/fs/cgroup/memory.max", "max\n"),
            ("sys/fs/cgroup/memory.high", "1000\n"),
        ]);
        assert!(slowed.source().starts_with("850: "), "memory.high counts too");
    }
}
