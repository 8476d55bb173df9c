//! Where the pages of an application should connect to: their sources with the variables of `.env`.
//!
//! Owns what stands for the sources where there are none: the variables that Laravel publishes for pages.

use super::echo_options::{DialledKey, DialledUrl, EchoOptions, find};
use super::env_file::LaravelEnv;
use super::js_value::JsValue;
use super::laravel_app::LaravelApp;
use super::source_text::without_comments;

/// A place that says where pages connect to.
#[derive(Debug, Clone)]
pub(super) struct PageTarget {
    /// `resources/js/echo.js line 6`, or the names of variables.
    pub(super) place: String,
    /// The options in a source.
    pub(super) options: Option<EchoOptions>,
    pub(super) dialled: DialledUrl,
}

impl PageTarget {
    /// Whether a source names a host, or an option that stands for one.
    pub(super) fn has_host(&self) -> bool {
        let has_host = |options: &EchoOptions| {
            options.fields.field("wsHost") != JsValue::Undefined || !options.ignored().is_empty()
        };
        self.options.as_ref().is_none_or(has_host)
    }
}

/// Every start of Echo in a source, else what the variables say.
pub(super) fn page_targets(app: &LaravelApp, env: &LaravelEnv) -> Vec<PageTarget> {
    let variables = |name: &str| env.vite(name);
    let in_sources = app.scripts.iter().flat_map(|file| {
        let options = find(&without_comments(&file.text), &variables);
        options.into_iter().map(|options| PageTarget {
            place: format!("{} line {}", file.name, options.line),
            dialled: options.dialled(),
            options: Some(options),
        })
    });
    let in_sources: Vec<PageTarget> = in_sources.collect();
    if in_sources.is_empty() { of_variables(app, env).into_iter().collect() } else { in_sources }
}

/// `VITE_`, or `MIX_` where the application still uses that.
pub(super) fn build_prefix(env: &LaravelEnv) -> &'static str {
    let has = |prefix: &str| {
        env.variables.effective().any(|variable| {
            variable.name.starts_with(prefix) && variable.name.ends_with("_APP_KEY")
        })
    };
    if has("MIX_") && !has("VITE_") { "MIX_" } else { "VITE_" }
}

fn of_variables(app: &LaravelApp, env: &LaravelEnv) -> Option<PageTarget> {
    let prefix = build_prefix(env);
    let value = |setting: &str| {
        let value = env.vite(&format!("{prefix}{}", app.name(setting)))?;
        (!value.is_empty()).then_some(value)
    };
    let host = value("HOST")?;
    let port = value("PORT");
    let tls = value("SCHEME").is_none_or(|scheme| scheme == "https");
    let or = |default: &str| Some(port.clone().unwrap_or_else(|| default.to_owned()));
    let dialled = DialledUrl {
        key: Some(value("APP_KEY").map_or(DialledKey::Missing, DialledKey::Text)),
        host: Some(host),
        port: or(if tls { "443" } else { "80" }),
        tls: Some(tls),
        tls_port: or("443"),
    };
    let place = format!("{prefix}{}_*", app.prefix());
    Some(PageTarget { place, options: None, dialled })
}
