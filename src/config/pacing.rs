//! The `pacing` lists of `[app]` and `[[apps]]` entries: conflation and spread of events by channel.

use super::error::{ConfigError, ValueOrigin};
use super::layers::{self, Layer};
use super::schema;
use super::values::{Setting, Values};
use crate::app::{Pacing, PacingRule};

/// A later event is news to no page.
const LONGEST_MILLIS: u64 = 60_000;

/// Builds and checks the entries of one app.
pub(super) fn pacing(list: &Setting<'_>) -> Result<Vec<Pacing>, ConfigError> {
    let one = |(origin, table): (ValueOrigin, _)| {
        let of_default = |key: &str| origin.part(format_args!(".{key}")).to_string();
        let defaults = Layer::of_toml(&schema::pacing(), &of_default);
        let merged = layers::merge(vec![defaults, Layer::from(table)]);
        entry(Values::of(&merged), &origin)
    };
    list.tables().into_iter().map(one).collect()
}

fn entry(values: Values<'_>, origin: &ValueOrigin) -> Result<Pacing, ConfigError> {
    let channels = values.at("channels");
    let allowed = "it must be the name of a channel as clients subscribe to it, with * for any run of \
                   characters, such as private-servers.*";
    if channels.text().is_empty() {
        return Err(channels.refuse("missing", allowed));
    }
    let is_name = |text: &str| !text.contains(|c: char| c.is_whitespace() || c.is_control());
    let channels = channels.parsed(|text| is_name(text).then(|| text.to_owned()), allowed)?;
    let millis = |key: &str| values.at(key).millis(0..=LONGEST_MILLIS);
    let (latest_within, spread_over) = (millis("latest_within_ms")?, millis("spread_over_ms")?);
    if latest_within.is_zero() && spread_over.is_zero() {
        return Err(origin.flaw("has no effect; set latest_within_ms, spread_over_ms or both"));
    }
    Ok(Pacing { channels, rule: PacingRule { latest_within, spread_over } })
}
