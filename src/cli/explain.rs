//! `resound explain`: what happened of late on a channel of a running server, and what would happen with an event
//! now.
//!
//! Owns the text. The server explains; its answer is that of config/internal-api.md.

use std::time::Duration;

use anyhow::Context;
use clap::Args;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::failure::Failure;
use super::internal_server::{InternalClient, InternalServer};
use super::stdout::{print, print_data};
use resound::explanation::ago;

/// Explain why events arrive on a channel of a running server, or why not.
#[derive(Debug, Args)]
pub(super) struct Explain {
    /// The channel, as it is on the wire: private-orders.7.
    channel: String,
    /// The name of the event on the wire: 'App\Events\OrderShipped'.
    event: Option<String>,
    /// The id of the app; needed if the server has several.
    #[arg(long, value_name = "ID")]
    app: Option<String>,
    /// Print the answer of the server as one line of JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: InternalServer,
}

impl Explain {
    pub(super) fn run(self) -> Result<(), Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.context("cannot start the runtime of a command")?;
        let explained = runtime.block_on(self.ask())?;
        if self.json {
            print_data(&format!("{explained}\n"))?;
        } else {
            print(&text(&explained))?;
        }
        Ok(())
    }

    async fn ask(&self) -> Result<Value, Failure> {
        let client = self.server.find()?;
        let app = match &self.app {
            Some(app) => app.clone(),
            None => only_app(&client).await?,
        };
        let app = utf8_percent_encode(&app, NON_ALPHANUMERIC);
        let mut query = vec![("channel", self.channel.clone())];
        query.extend(self.event.clone().map(|event| ("event", event)));
        read(&client, &format!("/apps/{app}/explain"), &query).await
    }
}

/// The id of the app of a server that has one.
async fn only_app(client: &InternalClient) -> Result<String, Failure> {
    let listed = read(client, "/apps", &[]).await?;
    let ids: Vec<&str> =
        listed["apps"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    match ids.as_slice() {
        [only] => Ok((*only).to_owned()),
        _ => Err(Failure::Flag(format!("--app is missing; the apps are {}", ids.join(", ")))),
    }
}

async fn read(
    client: &InternalClient,
    resource: &str,
    query: &[(&str, String)],
) -> Result<Value, Failure> {
    let answer = client.get(resource, query).await?;
    let body = answer.text().await.context("the answer of the server broke off")?;
    Ok(serde_json::from_str(&body).context("the answer of the server is no JSON")?)
}

/// The verdict, then the past with the last first.
fn text(explained: &Value) -> String {
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut lines = format!("now: {}\n", word(&explained["now"]["sentence"]));
    for event in explained["past"].as_array().into_iter().flatten() {
        let before = Duration::from_millis(event["ago_ms"].as_u64().unwrap_or_default());
        let trigger = match event["trigger"].as_str() {
            Some(trigger) => format!(" (trigger {trigger})"),
            None => String::new(),
        };
        lines.push_str(&format!("{} ago: {}{trigger}\n", ago(before), word(&event["sentence"])));
    }
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::text;

    #[test]
    fn the_verdict_stands_before_the_past() {
        let explained = json!({
            "now": { "sentence": "0 on `x`; why" },
            "past": [
                { "ago_ms": 2100, "sentence": "socket 1.2 left as the last one" },
                { "ago_ms": 180_000, "trigger": "5f3a", "sentence": "no socket received `a`: why" },
            ],
        });
        assert_eq!(
            text(&explained),
            "now: 0 on `x`; why\n2.1 s ago: socket 1.2 left as the last one\n\
             3 min ago: no socket received `a`: why (trigger 5f3a)\n"
        );
    }
}
