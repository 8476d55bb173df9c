//! Secrets that the set-up has, and texts without them.
//!
//! Owns the last look at every text: whatever a check quotes, a secret in it becomes its fingerprint, and a character
//! that commands a terminal becomes its escape.

use std::collections::BTreeSet;

use crate::app::fingerprint;
use crate::logging::terminal_text;

/// Shorter ones are parts of ordinary words; no check quotes a secret anyway.
const SHORTEST_BYTES: usize = 4;

/// Every secret that was read, longest first.
#[derive(Clone, Default)]
pub struct Redaction(Vec<String>);

impl Redaction {
    /// Of these secrets.
    pub fn new(secrets: impl IntoIterator<Item = String>) -> Self {
        let secrets: BTreeSet<String> =
            secrets.into_iter().filter(|secret| secret.len() >= SHORTEST_BYTES).collect();
        let mut secrets: Vec<String> = secrets.into_iter().collect();
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Self(secrets)
    }

    /// The text with fingerprints in the place of secrets, and without what a terminal would obey.
    pub fn of_text(&self, text: &str) -> String {
        let found = self.0.iter().filter(|secret| text.contains(secret.as_str()));
        let text =
            found.fold(text.to_owned(), |text, secret| text.replace(secret, &fingerprint(secret)));
        terminal_text(&text).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::Redaction;

    #[test]
    fn a_secret_becomes_its_fingerprint_and_a_longer_one_goes_first() {
        let redaction = Redaction::new(["app-secret", "app-secret-2", "abc"].map(str::to_owned));
        assert_eq!(
            redaction.of_text("a=app-secret b=app-secret-2 abc"),
            "a=sha256:6c904c51 b=sha256:94134003 abc"
        );
    }

    #[test]
    fn no_text_commands_a_terminal() {
        let text = "unix:///a\u{1b}[2J\u{202e}b\r\u{9b}31m";
        let shown = r"unix:///a\u{1b}[2J\u{202e}b\r\u{9b}31m";
        assert_eq!(Redaction::default().of_text(text), shown);
        let remedy = "location / {\n\tproxy_pass http://127.0.0.1:8080;\n}";
        assert_eq!(Redaction::default().of_text(remedy), remedy);
    }
}
