//! `[telemetry]`: where traces go, and which triggers are traced.
//!
//! Owns the forms of the endpoint and the headers. The values of headers may be tokens, so no message shows
//! them.

use axum::http::{HeaderName, HeaderValue};
use percent_encoding::percent_decode_str;

use super::error::ConfigError;
use super::values::{Setting, Values};
use super::webhooks::{has_user_info, is_address};

/// The path that the specification appends to an endpoint.
const TRACES: &str = "/v1/traces";

/// `[telemetry]`: where traces go.
#[derive(Debug, Clone, PartialEq)]
pub struct TelemetryConfig {
    /// The address of the calls, path included; `None` is off.
    pub endpoint: Option<String>,
    /// The name of this service in traces.
    pub service_name: String,
    /// The share of the triggers that are traced, of those whose caller decides nothing; 0 to 1.
    pub sample_ratio: f64,
    /// Fields of each call.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

impl TelemetryConfig {
    pub(super) fn read(values: Values<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            endpoint: endpoint(&values.at("telemetry.endpoint"))?,
            service_name: values.at("telemetry.service_name").text(),
            sample_ratio: values.at("telemetry.sample_ratio").ratio()?,
            headers: headers(&values.at("telemetry.headers"))?,
        })
    }
}

/// A text that may hold a password is not shown.
fn endpoint(setting: &Setting<'_>) -> Result<Option<String>, ConfigError> {
    let Some(text) = setting.text_if_any() else { return Ok(None) };
    if has_user_info(&text) {
        let flaw = "has a user name or password; send them in telemetry.headers, as authorization";
        return Err(setting.flaw(flaw));
    }
    let parse = |text: &str| {
        let base = text.trim_end_matches('/');
        let base = base.strip_suffix(TRACES).unwrap_or(base);
        is_address(text).then(|| format!("{base}{TRACES}"))
    };
    let allowed = "it must be the http:// or https:// address of a collector that takes OTLP over \
                   HTTP, such as http://localhost:4318";
    setting.parsed(parse, allowed).map(Some)
}

/// `name=value`, with the value percent-encoded as `OTEL_EXPORTER_OTLP_HEADERS` has it.
fn headers(setting: &Setting<'_>) -> Result<Vec<(HeaderName, HeaderValue)>, ConfigError> {
    let flaw =
        || setting.flaw("has an entry that is not name=value, as in authorization=Bearer%20token");
    let header = |entry: &String| {
        let (name, value) = entry.split_once('=').ok_or_else(flaw)?;
        let value = percent_decode_str(value.trim()).decode_utf8().map_err(|_| flaw())?;
        let name = HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| flaw())?;
        let mut value = HeaderValue::from_str(&value).map_err(|_| flaw())?;
        value.set_sensitive(true);
        Ok((name, value))
    };
    setting.texts().iter().map(header).collect()
}
