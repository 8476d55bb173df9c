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

/// The array of `bootstrap/cache/config.php`, which has the values of all files and of the variables they read.
pub fn read_cached(text: &str) -> Result<PhpValue, PhpError> {
    read(text, &|_| None)
}

#[cfg(test)]
mod tests;
