//! One check: what it looks at, what it may find, and how it is tried.
//!
//! Owns the catalogue's entry. Ids are stable: one that is no longer used is never given to another check.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use super::finding::CheckOutcome;
use super::setup::Setup;

/// One check of the catalogue. Everything but the method is what `config/doctor.md` lists.
#[derive(Clone, Copy)]
pub struct SetupCheck {
    /// `R001`; files have R001 to R049, the network has R050 and above.
    pub id: &'static str,
    /// What is true when it passes.
    pub title: &'static str,
    /// The files, names or peers it looks at.
    pub looks_at: &'static str,
    /// The sentences of its findings, with `…` in the place of values.
    pub says: &'static [&'static str],
    /// What its findings ask to change.
    pub change: &'static str,
    /// The checks whose failure would explain a failure of this one: it is not tried after one of them.
    pub needs: &'static [&'static str],
    /// How it is tried.
    pub method: Method,
}

/// How a check is tried.
#[derive(Clone, Copy)]
pub enum Method {
    /// Reads what the set-up has in memory, or a few small files.
    Look(fn(&Setup) -> CheckOutcome),
    /// Waits for peers.
    Ask(fn(Arc<Setup>) -> Answer),
}

/// The outcome of a check that waits.
pub type Answer = Pin<Box<dyn Future<Output = CheckOutcome> + Send>>;

impl fmt::Debug for SetupCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id)
    }
}
