//! `[log]`: what is logged, and in which form.

use super::error::ConfigError;
use super::values::{Setting, Values};

/// `[log]`: what is logged, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// The form of a line.
    pub format: LogFormat,
    /// Levels by module, as `tracing_subscriber::filter::Targets` reads them.
    pub level: String,
    /// Whether every message is shown.
    pub debug: bool,
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// As [`LogFormat::Human`]; a word of its own so that a later version may decide otherwise.
    Auto,
    /// Text, coloured in a terminal.
    Human,
    /// One JSON object per line.
    Json,
}

impl LogConfig {
    pub(super) fn read(values: Values<'_>) -> Result<Self, ConfigError> {
        let formats =
            [("auto", LogFormat::Auto), ("human", LogFormat::Human), ("json", LogFormat::Json)];
        Ok(Self {
            format: values.at("log.format").choice(&formats)?,
            level: level(&values.at("log.level"))?,
            debug: values.at("log.debug").truth(),
        })
    }
}

/// A bare word must be a level: the filter itself would take `inof` for the name of a module, and
/// nothing would be logged. The filter keeps spaces as parts of a name, so they are removed here.
fn level(setting: &Setting<'_>) -> Result<String, ConfigError> {
    const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];
    let allowed = "it must be error, warn, info, debug, trace or off, with target=level pairs after \
                   commas";
    let is_level = |word: &str| LEVELS.contains(&word.to_ascii_lowercase().as_str());
    let directive = |part: &str| match part.split_once('=') {
        Some((target, level)) => {
            let (target, level) = (target.trim(), level.trim());
            let is_name = !target.is_empty() && !target.contains(['[', '{']);
            (is_name && is_level(level)).then(|| format!("{target}={level}"))
        }
        None => is_level(part).then(|| part.to_owned()),
    };
    let parse = |text: &str| {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        let directives = parts.map(directive).collect::<Option<Vec<_>>>()?.join(",");
        (!directives.is_empty()).then_some(directives)
    };
    setting.parsed(parse, allowed)
}
