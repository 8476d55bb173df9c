//! CPU time and memory, and the difference of two readings.

use std::ops::{Add, Sub};
use std::time::Duration;

/// CPU time and memory of a process, or the difference of two readings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// CPU time in user mode.
    pub user: Duration,
    /// CPU time in the kernel on behalf of the process.
    pub system: Duration,
    /// Resident memory; of a difference, that of the later reading.
    pub rss_bytes: u64,
}

/// CPU time of all cores since the machine started.
#[derive(Debug, Clone, Copy)]
pub struct MachineTime {
    /// Of all cores, idle time included.
    pub total: Duration,
    /// The part of it in which a core worked.
    pub busy: Duration,
}

impl Usage {
    /// User and system time together.
    pub fn cpu(&self) -> Duration {
        self.user + self.system
    }
}

impl Add for Usage {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            user: self.user + other.user,
            system: self.system + other.system,
            rss_bytes: self.rss_bytes + other.rss_bytes,
        }
    }
}

/// The usage since `earlier`.
impl Sub for Usage {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            user: self.user.saturating_sub(earlier.user),
            system: self.system.saturating_sub(earlier.system),
            rss_bytes: self.rss_bytes,
        }
    }
}
