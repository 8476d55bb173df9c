//! A JSON string that is borrowed where it holds no escapes.

use std::borrow::Cow;

use serde::Deserialize;

/// Serde owns a bare `Option<Cow<str>>`; wrapped like this it borrows.
#[derive(Debug, Deserialize)]
pub struct Text<'a>(#[serde(borrow)] pub Cow<'a, str>);
