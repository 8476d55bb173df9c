//! `resound tail`: what happens on a running server, as it happens.
//!
//! Owns the flags, and what is done when the server ends the stream. The text of a line is that of `row_text`.

use std::io::{self, IsTerminal};
use std::time::Duration;

use anyhow::Context;
use clap::{Args, ValueEnum};
use reqwest::Response;
use serde_json::Value;

use super::failure::Failure;
use super::internal_server::{InternalClient, InternalServer};
use super::row_text::{Colours, row_text};
use super::stdout::{print_beside, print_styled};
use resound::config::Terminal;
use resound::logging::terminal_data;

/// Between two attempts to connect again: a server restarts within a second or some.
const RETRY_EVERY: Duration = Duration::from_millis(500);

/// Show what happens on a running server: triggers, deliveries, subscriptions, refusals, webhooks.
#[derive(Debug, Args)]
pub(super) struct Tail {
    #[command(flatten)]
    server: InternalServer,
    /// Only of the app with this id.
    #[arg(long, value_name = "ID")]
    app: Option<String>,
    /// Only of channels with this name; * stands for any characters.
    #[arg(long, value_name = "PATTERN")]
    channel: Option<String>,
    /// Only events with this name on the wire; * stands for any characters.
    #[arg(long, value_name = "PATTERN")]
    event: Option<String>,
    /// Only what concerns this socket.
    #[arg(long, value_name = "SOCKET_ID")]
    socket: Option<String>,
    /// Only these kinds, with commas between: trigger, delivery, subscribed, unsubscribed, connected, closed,
    /// refused, webhook.
    #[arg(long, value_name = "KINDS")]
    kind: Option<String>,
    /// Only with these outcomes, with commas between: delivered, missed (no socket received the event), refused.
    #[arg(long, value_name = "OUTCOMES")]
    outcome: Option<String>,
    /// How much of the data of events is shown; masked is keys and types.
    #[arg(long, value_enum)]
    payloads: Option<Payloads>,
    /// Print one JSON object a line.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Payloads {
    None,
    Masked,
    Full,
}

/// Why the lines end.
enum End {
    /// The server ended them.
    Server,
    /// The reader of stdout has gone, as in `resound tail | head -1`.
    Reader,
}

impl Tail {
    pub(super) fn run(self) -> Result<(), Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.context("cannot start the runtime of a command")?;
        runtime.block_on(async {
            tokio::select! {
                done = self.show() => done,
                interrupted = tokio::signal::ctrl_c() => Ok(interrupted.context("cannot wait for Ctrl-C")?),
            }
        })
    }

    /// Shows one stream after the other; each but the first may take any time to come.
    async fn show(&self) -> Result<(), Failure> {
        let query = self.query();
        let mut client = self.server.find()?;
        let mut response = client.get("/stream", &query).await?;
        loop {
            self.note(&format!("{} is shown", client.server))?;
            match self.lines(response).await? {
                End::Reader => return Ok(()),
                End::Server => self.note("the server has ended the stream; waiting for it")?,
            }
            (client, response) = self.again(&query).await?;
        }
    }

    async fn again(&self, query: &[(&str, String)]) -> Result<(InternalClient, Response), Failure> {
        loop {
            tokio::time::sleep(RETRY_EVERY).await;
            let Ok(client) = self.server.find() else { continue };
            match client.get("/stream", query).await {
                Ok(response) => return Ok((client, response)),
                Err(Failure::Running(_)) => {}
                Err(refused) => return Err(refused),
            }
        }
    }

    fn query(&self) -> Vec<(&'static str, String)> {
        let payloads = self.payloads.map(|view| match view {
            Payloads::None => "none".to_owned(),
            Payloads::Masked => "masked".to_owned(),
            Payloads::Full => "full".to_owned(),
        });
        let given = [
            ("app", self.app.clone()),
            ("channel", self.channel.clone()),
            ("event", self.event.clone()),
            ("socket", self.socket.clone()),
            ("kind", self.kind.clone()),
            ("outcome", self.outcome.clone()),
            ("payloads", payloads),
        ];
        given.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }

    async fn lines(&self, mut response: Response) -> Result<End, Failure> {
        let mut rest = Vec::new();
        // An error is the connection cut: the server ended without an end of the stream.
        while let Ok(Some(chunk)) = response.chunk().await {
            rest.extend_from_slice(&chunk);
            let Some(end) = memchr::memrchr(b'\n', &rest) else { continue };
            let text = self.text(&rest[..=end]);
            rest.drain(..=end);
            if !print_styled(&text)? {
                return Ok(End::Reader);
            }
        }
        Ok(End::Server)
    }

    /// Whole lines as they are printed.
    fn text(&self, lines: &[u8]) -> String {
        let colours = Colours(Terminal::of_this_process().colours(&io::stdout()));
        let mut text = String::new();
        for line in String::from_utf8_lossy(lines).lines() {
            let Ok(row) = serde_json::from_str::<Value>(line) else { continue };
            let is_for_programs = matches!(row["kind"].as_str(), Some("open" | "keep_alive"));
            match (is_for_programs, self.json) {
                (true, _) => {}
                (false, true) => text.extend([&terminal_data(line), "\n"]),
                (false, false) => text.extend([row_text(&row, colours).as_str(), "\n"]),
            }
        }
        text
    }

    /// A line about the stream itself, which programs that read stdout do not get.
    fn note(&self, text: &str) -> anyhow::Result<()> {
        if !self.json || io::stderr().is_terminal() {
            print_beside(&format!("-- {text}"))?;
        }
        Ok(())
    }
}
