//! `[calls]`: the inner addresses that calls to other services may reach.
//!
//! Owns the check of the urls that name such an address themselves, whichever section they are in. Names are checked
//! when they are called, by `http_client`.

use reqwest::Url;

use super::error::ConfigError;
use super::values::{Setting, ValueTable, Values};
use crate::call_targets::CallTargets;

/// The urls of an app with this `auth.mode`.
const AUTH_URLS: [(&str, &str); 3] =
    [("ask", "auth.ask.url"), ("ask", "auth.ask.user_url"), ("jwt", "auth.jwt.jwks")];

/// `calls.inner_networks`, if no url names an address that may not be called: those of apps and that of `[telemetry]`.
pub(super) fn targets(values: Values<'_>, apps: &[ValueTable]) -> Result<CallTargets, ConfigError> {
    let setting = values.at("calls.inner_networks");
    let items = setting.texts();
    let targets = CallTargets::parse(&items).map_err(|item| {
        let allowed = "it must be \"named\", a network such as 10.0.0.0/8, or an IP address";
        setting.flaw(format_args!("has {item:?}; {allowed}"))
    })?;
    check(&targets, &values.at("telemetry.endpoint"))?;
    for app in apps.iter().map(Values::of) {
        for (_, webhook) in app.at("webhooks").tables() {
            Values::of(&webhook).get("url").map_or(Ok(()), |url| check(&targets, &url))?;
        }
        let mode = app.at("auth.mode").text();
        let urls = AUTH_URLS.iter().filter(|(of, _)| *of == mode);
        urls.map(|(_, key)| app.at(key)).try_for_each(|url| check(&targets, &url))?;
    }
    Ok(targets)
}

/// What is no url of a call is none of this check: a queue, the path of a file, nothing.
fn check(targets: &CallTargets, setting: &Setting<'_>) -> Result<(), ConfigError> {
    let text = setting.text();
    let is_http = text.starts_with("http://") || text.starts_with("https://");
    // As the client reads it: 0x7f.1 is an address too.
    let url = Url::parse(&text).ok().filter(|_| is_http);
    let refused = url.and_then(|url| targets.check_literal(url.host_str()?).err());
    refused.map_or(Ok(()), |refused| Err(setting.refuse(format_args!("{text:?}"), refused)))
}
