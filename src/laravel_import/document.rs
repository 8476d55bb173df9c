//! The text of a configuration file, and what could not be read for it.
//!
//! Owns the form of lines, quoting, and how secrets are written. Which keys there are is left to `reverb`.

use std::fmt::{Display, Write};

use crate::dotenv::DotenvVariables;
use crate::php_config::{PhpData, PhpValue};

/// How a secret that stands in a variable is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretForm {
    /// As `${NAME}`: the file may be shared.
    Reference,
    /// As it is.
    Inline,
}

/// What has become of the files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaravelImport {
    /// A configuration file.
    pub text: String,
    /// What was not read, with its line: one sentence each, without values.
    pub unread: Vec<String>,
    /// Whether secrets stand in the text.
    pub has_secrets: bool,
}

/// Where values come from.
#[derive(Clone, Copy)]
pub(super) struct ImportOrigins<'a> {
    /// The file of Reverb, if the application has one.
    pub(super) php: Option<&'a str>,
    /// The `.env` file.
    pub(super) env: &'a str,
    pub(super) variables: &'a DotenvVariables,
}

/// A file as it is made, section by section.
pub(super) struct Document<'a> {
    origins: ImportOrigins<'a>,
    secrets: SecretForm,
    body: String,
    unread: Vec<String>,
    has_secrets: bool,
    has_references: bool,
}

impl<'a> Document<'a> {
    pub(super) fn new(origins: ImportOrigins<'a>, secrets: SecretForm) -> Self {
        let (body, unread) = (String::new(), Vec::new());
        Self { origins, secrets, body, unread, has_secrets: false, has_references: false }
    }

    /// Begins a section, such as `[server]`; its place is for [`Document::end`].
    pub(super) fn begin(&mut self, header: &str) -> usize {
        let start = self.body.len();
        let _ = writeln!(self.body, "\n{header}");
        start
    }

    /// Whether an app was written.
    pub(super) fn has_apps(&self) -> bool {
        self.body.contains("\n[[apps]]\n")
    }

    /// Ends a section; one without a key is taken back.
    pub(super) fn end(&mut self, start: usize) {
        if self.body[start..].lines().count() <= 2 {
            self.body.truncate(start);
        }
    }

    /// A whole number; anything else is named.
    pub(super) fn whole(&mut self, key: &str, value: Option<&PhpValue>) {
        let Some(value) = value.filter(|value| is_set(value)) else { return };
        match value.whole().filter(|number| *number >= 0) {
            Some(number) => self.line(key, &number.to_string(), value),
            None => self.name(value, format_args!("{key} must be a whole number")),
        }
    }

    /// True or false, as the caller reads the value.
    pub(super) fn truth(&mut self, key: &str, truth: bool, value: &PhpValue) {
        self.line(key, &truth.to_string(), value);
    }

    /// A text that is not empty.
    pub(super) fn text(&mut self, key: &str, value: Option<&PhpValue>) {
        let Some(value) = value.filter(|value| is_set(value)) else { return };
        match value.text() {
            Some(text) => self.line(key, &quoted(&text), value),
            None => self.name(value, format_args!("{key} must be a text")),
        }
    }

    /// A text that is not shown to others.
    pub(super) fn secret(&mut self, key: &str, value: Option<&PhpValue>) {
        let Some(value) = value.filter(|value| is_set(value)) else { return };
        let Some(text) = value.text() else {
            return self.name(value, format_args!("{key} must be a text"));
        };
        match &value.variable {
            Some(name) if self.secrets == SecretForm::Reference => {
                self.has_references = true;
                self.line(key, &format!("\"${{{name}}}\""), value);
            }
            _ => {
                self.has_secrets = true;
                self.line(key, &quoted(&text), value);
            }
        }
    }

    /// A list of texts.
    pub(super) fn texts(&mut self, key: &str, value: &PhpValue) {
        let texts = value.items().iter().filter_map(|item| item.value.text());
        let texts: Vec<String> =
            texts.filter(|text| !text.is_empty()).map(|text| quoted(&text)).collect();
        if texts.is_empty() {
            self.name(value, format_args!("{key} has no text in it"));
        } else {
            self.line(key, &format!("[{}]", texts.join(", ")), value);
        }
    }

    /// A key that the file does not have, with what Reverb takes for it.
    pub(super) fn default(&mut self, key: &str, text: &str) {
        let _ = writeln!(
            self.body,
            "{key} = {}  # Reverb's value where the file has none",
            quoted(text)
        );
    }

    /// Names what was not taken over.
    pub(super) fn name(&mut self, value: &PhpValue, what: impl Display) {
        let place = self.place(value);
        self.unread.push(on_one_line(&format!("{place}: not read, {what}")));
    }

    fn line(&mut self, key: &str, text: &str, value: &PhpValue) {
        let place = on_one_line(&self.place(value));
        let _ = writeln!(self.body, "{key} = {text}  # {place}");
    }

    /// The line of the variable, else that of the file.
    fn place(&self, value: &PhpValue) -> String {
        let ImportOrigins { php, env, variables } = self.origins;
        match (value.variable.as_deref().and_then(|name| variables.get(name)), php) {
            (Some(variable), _) => format!("{env}:{}: {}", variable.line, variable.name),
            (None, Some(php)) => format!("{php}:{}", value.line),
            (None, None) => "Reverb's default".to_owned(),
        }
    }

    pub(super) fn finish(self, files: &[&str]) -> LaravelImport {
        let files = on_one_line(&files.join(" and "));
        let mut text = format!("# Written by resound import, from {files}.\n");
        text.push_str(
            "# Behind each value is what set it. config/defaults.toml has all other keys.\n",
        );
        if self.has_references {
            text.push_str(
                "# ${NAME} is a variable of the process, or of the file that --env-file names.\n",
            );
        }
        if !self.unread.is_empty() {
            text.push_str("#\n# Not read:\n");
        }
        for unread in &self.unread {
            let _ = writeln!(text, "#   {unread}");
        }
        text.push_str(&self.body);
        LaravelImport { text, unread: self.unread, has_secrets: self.has_secrets }
    }
}

/// Null and the empty text leave a setting as it is; what is not read is named elsewhere.
fn is_set(value: &PhpValue) -> bool {
    !matches!(&value.data, PhpData::Null | PhpData::Unread(_))
        && value.text().is_none_or(|text| !text.is_empty())
}

/// A text that does not leave its comment: a key of PHP may have line breaks, and TOML takes no control character there.
pub(super) fn on_one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { line.extend(c.escape_default()) } else { line.push(c) }
    }
    line
}

/// A text of TOML in which nothing is replaced.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = "\"".to_owned();
    for c in text.replace("${", "$${").chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
