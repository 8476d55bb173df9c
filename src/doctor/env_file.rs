//! The `.env` of an application: its values as Laravel and Vite read them, its lines as they are shown.
//!
//! Owns which values may be shown: those that browsers get anyway, and those that are no credentials.

use std::time::SystemTime;

use super::finding::Remedy;
use crate::app::fingerprint;
use crate::dotenv::{Dotenv, DotenvError, DotenvVariable, DotenvVariables, EnvLiteral};

/// A file that Laravel can read.
pub(super) struct LaravelEnv {
    /// As the report shows it.
    pub(super) name: String,
    pub(super) variables: DotenvVariables,
    pub(super) parsed: Dotenv,
    pub(super) modified: Option<SystemTime>,
    lines: Vec<String>,
}

/// What the names of variables end with whose values are shown.
const SHOWN: [&str; 9] = [
    "_HOST",
    "_PORT",
    "_SCHEME",
    "_CLUSTER",
    "_PATH",
    "_CONNECTION",
    "BROADCAST_DRIVER",
    "APP_URL",
    "APP_ENV",
];

/// The keys and ids of Pusher's protocol, which every page has, behind `VITE_` or nothing.
const PUBLIC: [&str; 4] = ["REVERB_APP_KEY", "PUSHER_APP_KEY", "REVERB_APP_ID", "PUSHER_APP_ID"];

/// Parts of the names of variables whose values are credentials.
const SECRET: [&str; 6] = ["SECRET", "PASSWORD", "TOKEN", "PRIVATE", "KEY", "DSN"];

impl LaravelEnv {
    /// Parses a text as Laravel does.
    pub(super) fn parse(
        name: String,
        text: &str,
        modified: Option<SystemTime>,
    ) -> Result<Self, DotenvError> {
        let parsed = Dotenv::parse(text)?;
        let variables = parsed.load(|_| None);
        let lines = text.lines().map(str::to_owned).collect();
        Ok(Self { name, variables, parsed, modified, lines })
    }

    /// The value that `env()` returns, if that is neither null nor empty.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        match EnvLiteral::of(self.value(name)?) {
            EnvLiteral::Text(text) => Some(text),
            EnvLiteral::True => Some("true"),
            EnvLiteral::False => Some("false"),
            EnvLiteral::Empty | EnvLiteral::Null => None,
        }
    }

    /// The value as phpdotenv reads it.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.variables.get(name)?.value.as_deref()
    }

    /// The value as Vite reads it, which finds references to later lines too.
    pub(super) fn vite(&self, name: &str) -> Option<String> {
        let mut text = self.value(name)?.to_owned();
        for other in self.variables.effective() {
            if let Some(value) = &other.value {
                text = text.replace(&format!("${{{}}}", other.name), value);
            }
        }
        Some(text)
    }

    /// `REVERB_HOST=0.0.0.0 in .env line 12`
    pub(super) fn seen(&self, name: &str) -> String {
        match self.variables.get(name) {
            Some(variable) => {
                let line = self.shown(variable);
                format!("{line} in {} line {}", self.name, variable.line)
            }
            None => format!("{name} is not set in {}", self.name),
        }
    }

    /// The line that should replace that of a variable, or be added.
    pub(super) fn set(&self, name: &str, value: &str) -> Remedy {
        let variable = self.variables.get(name);
        Remedy::Line {
            file: self.name.clone(),
            number: variable.map(|variable| variable.line),
            old: variable.map(|variable| self.shown(variable)),
            new: Some(format!("{name}={value}")),
        }
    }

    /// The line of a variable is to go.
    pub(super) fn remove(&self, variable: &DotenvVariable) -> Remedy {
        Remedy::Line {
            file: self.name.clone(),
            number: Some(variable.line),
            old: Some(self.shown(variable)),
            new: None,
        }
    }

    /// The line of a variable, or its name with a fingerprint.
    pub(super) fn shown(&self, variable: &DotenvVariable) -> String {
        let DotenvVariable { name, value, line, .. } = variable;
        let value = value.as_deref().unwrap_or_default();
        if is_shown(name) && !has_login(value) {
            let written = line.checked_sub(1).and_then(|at| self.lines.get(at));
            return written
                .map_or_else(|| format!("{name}={value}"), |line| line.trim().to_owned());
        }
        format!("{name}={}", fingerprint(value))
    }

    /// What stands behind the equals sign of a variable.
    pub(super) fn written(&self, variable: &DotenvVariable) -> &str {
        let line = variable.line.checked_sub(1).and_then(|at| self.lines.get(at));
        line.and_then(|line| line.split_once('=')).map_or("", |(_, value)| value.trim())
    }

    /// Whether the value of a variable without quotes ends at a `#` that no blank precedes.
    pub(super) fn is_cut_at_comment(&self, variable: &DotenvVariable) -> bool {
        let written = self.written(variable);
        let comment = written.find('#').filter(|at| *at > 0);
        comment.is_some_and(|at| !written[..at].ends_with([' ', '\t']))
    }

    /// The values that no report may have.
    pub(super) fn secrets(&self) -> Vec<String> {
        let is_secret = |name: &str| SECRET.iter().any(|part| name.contains(part));
        let all = self.variables.all().iter();
        let secret = all.filter(|one| is_secret(&one.name) && !is_shown(&one.name));
        let values = secret.filter_map(|one| one.value.clone());
        let logins = self.variables.all().iter().filter_map(|one| password(one.value.as_deref()?));
        // Laravel's words, and what people write before they have a secret.
        values.chain(logins).filter(|value| !is_placeholder(value)).collect()
    }
}

/// Whether the value of a variable is shown as it is.
pub(super) fn is_shown(name: &str) -> bool {
    let bare = name.strip_prefix("VITE_").or_else(|| name.strip_prefix("MIX_")).unwrap_or(name);
    PUBLIC.contains(&bare) || SHOWN.iter().any(|end| name.ends_with(end))
}

/// What stands in templates until the author puts a value there.
pub(super) fn is_placeholder(value: &str) -> bool {
    let word = value.trim().to_ascii_lowercase();
    let known = [
        "",
        "null",
        "(null)",
        "empty",
        "(empty)",
        "secret",
        "key",
        "id",
        "xxx",
        "changeme",
        "app-id",
        "app-key",
        "app-secret",
        "todo",
    ];
    let is_marked = word.starts_with("your-")
        || word.starts_with("your_")
        || word.starts_with("my-app-")
        || (word.starts_with('<') && word.ends_with('>'))
        || (word.len() >= 3 && word.bytes().all(|byte| byte == b'x' || byte == b'*'));
    known.contains(&word.as_str()) || is_marked
}

/// Whether a URL has a user or a password.
fn has_login(value: &str) -> bool {
    let authority = value.split_once("://").map(|(_, rest)| rest.split('/').next());
    authority.flatten().is_some_and(|authority| authority.contains('@'))
}

/// The password of a URL.
fn password(value: &str) -> Option<String> {
    let (_, rest) = value.split_once("://")?;
    let (login, _) = rest.split('/').next()?.rsplit_once('@')?;
    let (_, password) = login.split_once(':')?;
    Some(password.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{LaravelEnv, is_placeholder, is_shown};

    fn file(text: &str) -> LaravelEnv {
        LaravelEnv::parse(".env".to_owned(), text, None).unwrap()
    }

    #[test]
    fn lines_are_shown_and_secrets_are_not() {
        let file = file(
            "REVERB_HOST=\"0.0.0.0\" # all\nREVERB_APP_SECRET=hidden-1\nAPP_KEY=base64:hidden-2\n\
             REDIS_URL=redis://u:hidden-3@h\nVITE_REVERB_APP_KEY=shown\nAPP_URL=https://u:hidden-4@h\n",
        );
        assert_eq!(file.seen("REVERB_HOST"), "REVERB_HOST=\"0.0.0.0\" # all in .env line 1");
        assert_eq!(file.seen("VITE_REVERB_APP_KEY"), "VITE_REVERB_APP_KEY=shown in .env line 5");
        assert_eq!(file.seen("REVERB_PORT"), "REVERB_PORT is not set in .env");
        for name in ["REVERB_APP_SECRET", "APP_KEY", "REDIS_URL", "APP_URL"] {
            let seen = file.seen(name);
            assert!(seen.starts_with(&format!("{name}=sha256:")), "{seen}");
        }
        let secrets = file.secrets();
        for secret in ["hidden-1", "base64:hidden-2", "hidden-3", "hidden-4"] {
            assert!(secrets.iter().any(|one| one == secret), "{secret}");
        }
    }

    #[test]
    fn vite_finds_references_to_later_lines() {
        let file = file("VITE_A=\"${A}/x\"\nA=1\n");
        assert_eq!(file.value("VITE_A"), Some("${A}/x"));
        assert_eq!(file.vite("VITE_A").as_deref(), Some("1/x"));
    }

    #[test]
    fn placeholders_and_public_names_are_known() {
        for value in
            ["", "null", "your-app-key", "YOUR_APP_ID", "app-secret", "<key>", "xxxx", "***"]
        {
            assert!(is_placeholder(value), "{value}");
        }
        for value in ["laravel-key", "xylophone", "123456", "x1x"] {
            assert!(!is_placeholder(value), "{value}");
        }
        assert!(is_shown("VITE_PUSHER_APP_KEY") && is_shown("QUEUE_CONNECTION"));
        assert!(!is_shown("APP_KEY") && !is_shown("REVERB_APP_SECRET") && !is_shown("AWS_KEY"));
    }
}
