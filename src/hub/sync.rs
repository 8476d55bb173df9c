//! What threads share in the hub and beside it: a lock, a count, a flag and a wake-up.
//!
//! Files that take these from here, and nothing else of this kind, are compiled a second time by `tests/interleavings`,
//! where `hub::sync` has the same names on loom: it plays every order in which threads may meet there.

pub(crate) use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

pub(crate) use parking_lot::Mutex;
pub(crate) use tokio::sync::Notify;
pub(crate) use tokio::sync::futures::Notified;
