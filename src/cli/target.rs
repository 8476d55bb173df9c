//! The running server that a command is for, and the request to it.

use anyhow::{Context, bail};
use tokio::runtime::Builder;

use super::failure::Failure;
use super::stdout::print;
use resound::supervision;

/// Requests something from the server with this process id, or from the only one; prints what it did.
pub(super) fn request(pid: Option<u32>, word: &str) -> Result<(), Failure> {
    let pid = match pid {
        Some(pid) => pid,
        None => only_one(&supervision::running().context("cannot look for running servers")?)?,
    };
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot start the runtime of a command")?;
    let done = runtime.block_on(supervision::request(pid, word))?;
    Ok(print(&format!("{done}\n"))?)
}

pub(super) fn only_one(running: &[u32]) -> anyhow::Result<u32> {
    match running {
        [pid] => Ok(*pid),
        [] => bail!("no server of this program runs here"),
        several => {
            let pids: Vec<String> = several.iter().map(u32::to_string).collect();
            bail!("several servers run here, {}: choose one with --pid", pids.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::only_one;

    #[test]
    fn a_command_without_pid_is_for_the_only_server() {
        assert_eq!(only_one(&[7]).unwrap(), 7);
        let text = |running: &[u32]| only_one(running).unwrap_err().to_string();
        assert_eq!(text(&[]), "no server of this program runs here");
        assert_eq!(text(&[7, 8]), "several servers run here, 7, 8: choose one with --pid");
    }
}
