//! Configuration files of Laravel, as far as they are data.
//!
//! Owns the part of PHP that such files consist of: literals, arrays, `env()` with a default, casts, `explode`. Nothing
//! is run: any other expression is kept as unread, with its line. What the settings mean is left to the caller.

mod parse;
mod tokens;
mod value;

pub use value::{PhpData, PhpError, PhpItem, PhpValue};

use parse::Parser;

/// The array that a file returns; `variable` is what `env()` reads.
pub fn read<'e>(
    text: &str,
    variable: &dyn Fn(&str) -> Option<&'e str>,
) -> Result<PhpValue, PhpError> {
    Parser::new(tokens::tokens(text)?, variable).file()
}

#[cfg(test)]
mod tests;
