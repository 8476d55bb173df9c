//! `resound expect`: waits for a broadcast, as an assertion of an end-to-end test.
//!
//! Owns the flags, the wait and the exit codes. Which recorded event is the expected one is decided in
//! `expected_event`.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, anyhow};
use clap::Args;
use serde_json::Value;

use super::destination::choose;
use super::expected_event::{ExpectedEvent, wire_names};
use super::failure::Failure;
use super::internal_server::{InternalClient, InternalServer};
use super::stdout::print_data;
use resound::config::Config;

/// Between two looks at the record.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Other events that a failure lists.
const LISTED: usize = 10;

/// Wait for an event on a channel, as an assertion of an end-to-end test: exit code 0 if it came, 1 if not, 2 if the
/// server cannot be asked or records nothing.
#[derive(Debug, Args)]
pub(super) struct Expect {
    /// The channel, with its prefix: private-orders.7. * stands for any characters.
    channel: String,
    /// The event: its name on the wire, the name of its class without the namespace, or .name as in Echo's listen.
    event: String,
    /// How long to wait, such as 500ms, 5s or 1m.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = time)]
    within: Duration,
    /// From when on the event counts: milliseconds since the Unix epoch, or a time ago such as 30s
    /// [default: as long ago as the wait].
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// JSON that the data contains: each of its fields, at any depth, is in the data with the same value.
    #[arg(long, value_name = "JSON")]
    data: Option<String>,
    /// How many such events have to come; 0 is none within the time.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    count: usize,
    /// Count events that had a subscriber, and not each that was triggered.
    #[arg(long)]
    delivered: bool,
    /// The id of the app; needed if there are several.
    #[arg(long, value_name = "ID")]
    app: Option<String>,
    #[command(flatten)]
    server: InternalServer,
}

impl Expect {
    pub(super) fn run(self) -> Result<(), Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.context("cannot start the runtime of a command")?;
        runtime.block_on(self.wait())
    }

    async fn wait(&self) -> Result<(), Failure> {
        let expected =
            ExpectedEvent::new(&self.event, self.data.as_deref()).map_err(Failure::Argument)?;
        let (since, end) = (self.since()?, Instant::now() + self.within);
        let client = self.server.find()?;
        let resource = format!("/apps/{}/events", encoded(&self.app()?));
        loop {
            let all = self.look(&client, &resource, since).await.map_err(not_asked)?;
            let found: Vec<&Value> = all.iter().filter(|row| expected.is(row)).collect();
            let is_over = Instant::now() >= end;
            match (self.count, found.len()) {
                (0, 0) if is_over => return Ok(()),
                (0, 0) => {}
                (0, _) => return Err(self.unwanted(&found)),
                (count, found_count) if found_count >= count => {
                    let rows = found.iter().map(|row| format!("{row}\n"));
                    return Ok(print_data(&rows.collect::<String>())?);
                }
                _ if is_over => return Err(self.missing(&found, &all)),
                _ => {}
            }
            tokio::time::sleep(LOOK_EVERY.min(end.saturating_duration_since(Instant::now()))).await;
        }
    }

    /// What was recorded on the channel.
    async fn look(
        &self,
        client: &InternalClient,
        resource: &str,
        since: u64,
    ) -> Result<Vec<Value>, Failure> {
        let kind = if self.delivered { "delivery" } else { "trigger" };
        let query = [
            ("channel", self.channel.clone()),
            ("kind", kind.to_owned()),
            ("since", since.to_string()),
        ];
        let answer = client.get(resource, &query).await?;
        let body = answer.text().await.context("the answer ended early")?;
        let body: Value = serde_json::from_str(&body).context("the answer is no JSON")?;
        Ok(body["events"].as_array().cloned().unwrap_or_default())
    }

    fn missing(&self, found: &[&Value], all: &[Value]) -> Failure {
        let (channel, event, within) = (&self.channel, &self.event, self.within);
        let came = match (self.count, found.len()) {
            (1, _) => "did not come".to_owned(),
            (count, found) => format!("came {found} times and not {count}"),
        };
        let others = wire_names(all.iter().filter(|row| !found.contains(row)), LISTED);
        let others = match others.as_slice() {
            [] => format!("no other event was recorded on {channel}"),
            names => format!("recorded on {channel} were {}", names.join(", ")),
        };
        Failure::Running(anyhow!("{event} {came} on {channel} within {within:?}; {others}"))
    }

    fn unwanted(&self, found: &[&Value]) -> Failure {
        let (channel, event, count) = (&self.channel, &self.event, found.len());
        let first = found.first().map(|row| row.to_string()).unwrap_or_default();
        Failure::Running(anyhow!(
            "{event} came on {channel} ({count} so far), and was not to: {first}"
        ))
    }

    /// Milliseconds since the Unix epoch.
    fn since(&self) -> Result<u64, Failure> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let ago =
            |ago: Duration| u64::try_from(now.saturating_sub(ago).as_millis()).unwrap_or(u64::MAX);
        match self.since.as_deref() {
            None => Ok(ago(self.within)),
            Some(text) => match text.parse() {
                Ok(at_ms) => Ok(at_ms),
                Err(_) => time(text)
                    .map(ago)
                    .map_err(|flaw| Failure::Flag(format!("--since is {text:?}; {flaw}"))),
            },
        }
    }

    fn app(&self) -> Result<String, Failure> {
        if let Some(app) = &self.app {
            return Ok(app.clone());
        }
        let config = Config::load_from(&self.server.env_file.with(self.server.config.as_deref()))?;
        choose(&config, "--app", None).map(|app| app.id.clone())
    }
}

/// The exit code of a server that cannot be asked is that of a test that cannot run.
fn not_asked(failure: Failure) -> Failure {
    match failure {
        Failure::Running(error) => Failure::Refused(format!("{error:#}")),
        other => other,
    }
}

/// A part of a path.
fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// A number with its unit.
fn time(text: &str) -> Result<Duration, String> {
    let at = text.find(|char: char| !char.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let ms = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        _ => 0,
    };
    let number = number.parse::<u64>().ok().filter(|number| ms > 0 && *number <= 86_400_000);
    let flaw = "it must be a number with ms, s or m, such as 500ms or 5s";
    number.map(|number| Duration::from_millis(number * ms)).ok_or_else(|| flaw.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{Duration, time};

    #[test]
    fn a_time_has_a_unit() {
        assert_eq!(time("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(time("5s"), Ok(Duration::from_secs(5)));
        assert_eq!(time("2m"), Ok(Duration::from_secs(120)));
        for text in ["", "5", "s", "5h", "-1s", "99999999999s", "5 s"] {
            assert!(time(text).is_err(), "{text}");
        }
    }
}
