//! A server that Callgrind runs, and the instructions that it counts.
//!
//! Counts are of user space alone, and the same again within 1 % on a machine that is busy, where times of the same work
//! differ by 20 %. The server runs in one thread at a time, some fifty times slower.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};

/// The file that is written at the end; a dump has a dot and a number behind it.
const COUNTS: &str = "counts";

/// What a running server has executed.
#[derive(Debug)]
pub(crate) struct Callgrind {
    folder: PathBuf,
}

impl Callgrind {
    /// Keeps its files in that folder.
    pub(crate) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// The program, counted from its start.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("valgrind");
        command.args(["--quiet", "--tool=callgrind"]);
        command.arg(format!("--callgrind-out-file={}", self.folder.join(COUNTS).display()));
        command.arg(program);
        command
    }

    /// Instructions of that process since this was called last, or since its start.
    pub(crate) fn take(&self, pid: u32) -> anyhow::Result<u64> {
        let mut dump = Command::new("callgrind_control");
        dump.args(["--dump", &pid.to_string()]).stdout(Stdio::null()).stderr(Stdio::null());
        let status = dump.status().context("cannot run callgrind_control, a part of valgrind")?;
        ensure!(status.success(), "callgrind_control: {status}");
        let mut sum = None;
        for file in fs::read_dir(&self.folder)? {
            let path = file?.path();
            let is_dump = path.file_stem().is_some_and(|stem| stem == COUNTS);
            if !is_dump || path.extension().is_none() {
                continue;
            }
            let text = fs::read_to_string(&path)?;
            let totals = text.lines().rev().find_map(|line| line.strip_prefix("totals: "));
            let count: u64 = totals.context("a file without totals")?.trim().parse()?;
            sum = Some(sum.unwrap_or(0) + count);
            fs::remove_file(&path)?;
        }
        sum.context("callgrind wrote no file")
    }
}
