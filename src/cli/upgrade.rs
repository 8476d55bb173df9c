//! `resound upgrade`: has a running server start the program as it is on disk now and hand its listening sockets
//! over, and reports what became of it.

use clap::Args;

use super::failure::Failure;
use super::target;

/// The word of the request.
pub(super) const WORD: &str = "upgrade";

#[derive(Debug, Args)]
pub(super) struct UpgradeCommand {
    /// The process id of the server; needed where several run.
    #[arg(long)]
    pid: Option<u32>,
}

impl UpgradeCommand {
    pub(super) fn run(self) -> Result<(), Failure> {
        target::request(self.pid, WORD)
    }
}
