//! The file of a unix socket: it gets its mode before anything can connect, one that a dead process has
//! left is replaced, and it is removed when its socket closes.

use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// The file of a socket that this process has bound, or has taken over.
#[derive(Debug)]
pub(in crate::server) struct SocketFile {
    path: PathBuf,
    /// Whether this process removes the file: another one may use the socket too, before or after it.
    is_owned: AtomicBool,
    /// Device and inode: another process may have replaced the file.
    identity: (u64, u64),
}

impl SocketFile {
    /// Sets the mode of a file whose socket does not listen yet, so that nothing connects before.
    pub(super) fn of_bound(path: &Path, mode: u32) -> io::Result<Self> {
        fs::set_permissions(path, Permissions::from_mode(mode))?;
        let (path, identity) = (path.to_owned(), identity(path)?);
        Ok(Self { path, is_owned: AtomicBool::new(true), identity })
    }

    /// The file of a socket of the process before this one, to which it belongs until
    /// [`own`](Self::own).
    pub(super) fn of_predecessor(path: &Path) -> io::Result<Self> {
        let (path, identity) = (path.to_owned(), identity(path)?);
        Ok(Self { path, is_owned: AtomicBool::new(false), identity })
    }

    /// This process accepts on the socket.
    pub(in crate::server) fn own(&self) {
        self.is_owned.store(true, Ordering::Relaxed);
    }

    /// Another process accepts on it.
    pub(in crate::server) fn leave(&self) {
        self.is_owned.store(false, Ordering::Relaxed);
    }

    /// Removes the file, unless it is another one by now. Clients that connect from here on are refused
    /// at once.
    pub(in crate::server) fn remove(&self) {
        let is_owned = self.is_owned.load(Ordering::Relaxed);
        if is_owned && identity(&self.path).is_ok_and(|found| found == self.identity) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Also when the server ends without closing its listeners in order.
impl Drop for SocketFile {
    fn drop(&mut self) {
        self.remove();
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = fs::symlink_metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

/// Removes the file of a socket on which nothing listens any more. Fails with `AddrInUse` if something
/// does, and with `AlreadyExists` if the file is no socket.
pub(super) fn remove_stale(path: &Path) -> io::Result<()> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !metadata.file_type().is_socket() {
        return Err(ErrorKind::AlreadyExists.into());
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Err(error),
        // A full backlog (`WouldBlock`) is a listener too.
        _ => Err(ErrorKind::AddrInUse.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::ErrorKind;
    use std::os::unix::net::UnixListener;

    use super::{SocketFile, remove_stale};

    #[test]
    fn only_the_file_of_a_dead_process_is_replaced() {
        let folder = std::env::temp_dir().join(format!("resound-{}", rand::random::<u64>()));
        fs::create_dir(&folder).unwrap();
        let path = folder.join("socket");
        remove_stale(&path).unwrap();

        let listener = UnixListener::bind(&path).unwrap();
        assert_eq!(remove_stale(&path).unwrap_err().kind(), ErrorKind::AddrInUse);
        let first = SocketFile::of_bound(&path, 0o600).unwrap();
        drop(listener);
        remove_stale(&path).unwrap();
        assert!(!path.exists());

        // The next process has a file of its own at the same path.
        fs::write(folder.join("keeps-the-inode-taken"), "").unwrap();
        let _second = UnixListener::bind(&path).unwrap();
        drop(first);
        assert!(path.exists());
        drop(SocketFile::of_predecessor(&path).unwrap());
        assert!(path.exists(), "the process before this one goes on");

        fs::remove_file(&path).unwrap();
        fs::write(&path, "of a user").unwrap();
        assert_eq!(remove_stale(&path).unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&path).unwrap(), "of a user");
        fs::remove_dir_all(&folder).unwrap();
    }
}
