//! The process to which a program has handed over: its id, its signals, its end.

use std::fs;
use std::process::Command;

use super::{Program, within};

/// The process that took over. Dropping it kills it.
pub struct Successor(pub u32);

impl Drop for Successor {
    fn drop(&mut self) {
        self.signal("KILL");
    }
}

impl Successor {
    /// Waits until it has taken over.
    pub async fn of(program: &mut Program) -> Self {
        let line = program.log_line("another process has taken over").await;
        let pid = line.split("pid=").nth(1).and_then(|rest| rest.parse().ok());
        Self(pid.unwrap_or_else(|| panic!("no process id: {line}")))
    }

    pub fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {} 2>/dev/null", self.0);
        let _ = Command::new("/bin/sh").args(["-c", &kill]).status();
    }

    /// Waits until it is gone.
    pub async fn ended(&self) {
        let process = format!("/proc/{}", self.0);
        within("the successor to end", async {
            while fs::exists(&process).unwrap() {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}
