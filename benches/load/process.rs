//! Processes of the bench, and folders for what they read and write.
//!
//! Dropping one of them ends the process and removes the folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Context;

/// Killed when it is dropped.
pub(crate) struct Process {
    child: Child,
    _folder: Option<Folder>,
}

/// A folder of its own, removed at the end.
pub(crate) struct Folder(PathBuf);

impl Process {
    /// Holds a process, and the folder it uses.
    pub(crate) fn new(child: Child, folder: Option<Folder>) -> Self {
        Self { child, _folder: folder }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Folder {
    pub(crate) fn new() -> anyhow::Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("resound-load-{}-{count}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).with_context(|| format!("cannot make {path:?}"))?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
