//! The ids of the sockets that were opened or closed last, against which the `auth` of a refused subscription is
//! tried.
//!
//! Two rings of 64 numbers, 1 KB per app: an open or a close costs two atomic operations and no lock.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::protocol::SocketId;

/// Sockets that a ring keeps.
const KEPT: usize = 64;

/// The last sockets of one app.
#[derive(Debug, Default)]
pub struct RecentSockets {
    opened: IdRing,
    closed: IdRing,
}

#[derive(Debug)]
struct IdRing {
    next: AtomicUsize,
    /// 0 where there is none yet.
    ids: [AtomicU64; KEPT],
}

impl Default for IdRing {
    fn default() -> Self {
        Self { next: AtomicUsize::new(0), ids: std::array::from_fn(|_| AtomicU64::new(0)) }
    }
}

impl IdRing {
    fn push(&self, socket: SocketId) {
        let (first, second) = socket.halves();
        let at = self.next.fetch_add(1, Ordering::Relaxed) % KEPT;
        let id = u64::from(first) << 32 | u64::from(second);
        self.ids[at].store(id, Ordering::Relaxed);
    }

    fn ids(&self) -> impl Iterator<Item = SocketId> + '_ {
        let ids = self.ids.iter().map(|id| id.load(Ordering::Relaxed));
        ids.filter_map(|id| SocketId::of_halves((id >> 32) as u32, id as u32))
    }
}

impl RecentSockets {
    /// A socket was opened.
    pub fn opened(&self, socket: SocketId) {
        self.opened.push(socket);
    }

    /// A socket was closed.
    pub fn closed(&self, socket: SocketId) {
        self.closed.push(socket);
    }

    /// All of them, at most 128, the closed ones first: a page that comes back had one of these.
    pub fn ids(&self) -> Vec<SocketId> {
        self.closed.ids().chain(self.opened.ids()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{KEPT, RecentSockets};
    use crate::protocol::SocketId;

    #[test]
    fn the_last_ones_are_kept() {
        let recent = RecentSockets::default();
        assert_eq!(recent.ids(), []);
        let ids = |text: String| SocketId::parse(&text).unwrap();
        (0..100).for_each(|number| recent.opened(ids(format!("1.{number}"))));
        recent.closed(ids("7.8".to_owned()));
        let kept = recent.ids();
        assert_eq!((kept.len(), kept[0]), (KEPT + 1, ids("7.8".to_owned())));
        assert!(kept.contains(&ids("1.99".to_owned())) && !kept.contains(&ids("1.1".to_owned())));
    }
}
