//! `[log]`: what is logged, and in which form.

use tracing_subscriber::EnvFilter;

use super::error::ConfigError;
use super::values::{Setting, Values};

/// `[log]`: what is logged, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// The form of a line.
    pub format: LogFormat,
    /// A filter directive that `tracing_subscriber::EnvFilter` accepts.
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
/// nothing would be logged.
fn level(setting: &Setting<'_>) -> Result<String, ConfigError> {
    const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];
    let allowed = "it must be error, warn, info, debug, trace or off, with target=level pairs after \
                   commas";
    let is_level = |word: &str| LEVELS.contains(&word.to_ascii_lowercase().as_str());
    let parse = |text: &str| {
        let known = text.split(',').all(|part| part.contains(['=', '[']) || is_level(part.trim()));
        (known && EnvFilter::try_new(text).is_ok()).then(|| text.to_owned())
    };
    setting.parsed(parse, allowed)
}
