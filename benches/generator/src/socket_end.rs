//! [`End`]: why a socket of the pool ended.
//!
//! Owns the value. What follows from it is left to the worker.

use std::io;

use super::load_error::LoadError;

/// Why a socket ended: a close code, 1006 where none came.
#[derive(Debug)]
pub(super) struct End {
    pub(super) code: u16,
    pub(super) reason: String,
    /// Set where the error is more exact than the code.
    pub(super) error: Option<Box<LoadError>>,
}

impl End {
    /// Without a close frame.
    pub(super) fn cut(reason: &str) -> Self {
        Self { code: 1006, reason: reason.to_owned(), error: None }
    }

    /// While it connected.
    pub(super) fn failed(error: LoadError) -> Self {
        Self { code: 1006, reason: String::new(), error: Some(Box::new(error)) }
    }
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        Self::cut(&error.to_string())
    }
}
