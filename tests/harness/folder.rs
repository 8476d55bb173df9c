//! A temporary folder that goes when its test does.

use std::fs;
use std::path::PathBuf;

/// Dropping it removes it and what is in it.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        let name = format!("resound-test-{:016x}", rand::random::<u64>());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).expect("a folder of our own");
        Self(path)
    }

    /// The path of a file in it.
    pub fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("a path in UTF-8").to_owned()
    }

    /// Writes a file; its path.
    pub fn write(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        fs::write(&path, text).expect("a folder that can be written to");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
