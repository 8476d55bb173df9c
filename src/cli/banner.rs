//! The banner: where the server is and, for the development app, everything to try it.
//!
//! Owns the text, and is pure: the same launch gives the same bytes. Shows the credentials of the
//! development app, never those of a configured one.

use std::net::SocketAddr;

use super::destination::credentials;
use super::trigger::body;
use resound::app::{App, PublicAddress, laravel_env};
use resound::config::Config;

const CHANNEL: &str = "hello";
const EVENT: &str = "greeting";
const DATA: &str = r#"{"text":"Hello from Resound"}"#;

/// The values of the running process.
#[derive(Debug)]
pub(super) struct Launch<'a> {
    /// Where it listens.
    pub(super) addresses: &'a str,
    /// The address to try it at; without one, snippets would have no host and port.
    pub(super) address: Option<SocketAddr>,
    /// The console, for a browser; `None` while it is off.
    pub(super) console: Option<&'a str>,
    /// How it was called.
    pub(super) program: &'a str,
    /// The time of the signature.
    pub(super) now_unix_seconds: u64,
}

pub(super) fn banner(config: &Config, launch: &Launch<'_>) -> String {
    let path = &config.server.path;
    let name = match &config.server.hostname {
        Some(hostname) => format!(" ({hostname})"),
        None => String::new(),
    };
    let start = format!("\n  INFO  Starting server on {}{path}{name}.\n\n", launch.addresses);
    let start = match &config.env_file {
        Some(file) => format!("{start}  Settings were read from {}.\n\n", file.name),
        None => start,
    };
    let start = match launch.console {
        Some(url) => format!("{start}  See what it does in a browser:\n\n{url}\n\n"),
        None => start,
    };
    match config.development.as_deref().zip(launch.address) {
        None => start,
        Some((app, address)) => {
            let text = [
                env(app, address, path),
                echo(app, address, path),
                first(app, launch, (address, path)),
            ];
            format!("{start}{}", text.concat())
        }
    }
}

/// The block for `.env`.
fn env(app: &App, address: SocketAddr, path: &str) -> String {
    let (id, key, secret) = (&app.id, &app.key, app.secret.reveal());
    let (host, port) = (host(address), address.port());
    let block = laravel_env(app, &PublicAddress { host: &host, port, tls: false, path });
    format!(
        r#"  No app is configured, so one development app is served, to this machine only:
  id {id}, key {key}, secret {secret}

  For the .env of your Laravel app:

{block}
"#
    )
}

fn echo(app: &App, address: SocketAddr, path: &str) -> String {
    let (key, host, port) = (&app.key, host(address), address.port());
    let path = match path {
        "" => String::new(),
        path => format!(" wsPath: '{path}',"),
    };
    format!(
        r#"  For the browser (npm install laravel-echo pusher-js):

import Echo from 'laravel-echo';
import Pusher from 'pusher-js';
window.Pusher = Pusher;
const echo = new Echo({{
    broadcaster: 'reverb', key: '{key}',
    wsHost: '{host}', wsPort: {port}, wssPort: {port},{path}
    forceTLS: false, enabledTransports: ['ws', 'wss'],
}});
echo.channel('{CHANNEL}').listen('.{EVENT}', (e) => console.log(e.text));

"#
    )
}

/// The first event, with nothing installed but curl, and with this program.
fn first(app: &App, launch: &Launch<'_>, (address, path): (SocketAddr, &str)) -> String {
    let body = body(CHANNEL, EVENT, DATA);
    let route = format!("/apps/{}/events", app.id);
    let query = credentials(app).signed_query(&route, body.as_bytes(), launch.now_unix_seconds);
    let url = format!("http://{address}{path}");
    let command = command(launch.program);
    let target =
        if url == "http://127.0.0.1:8080" { String::new() } else { format!(" --url {url}") };
    format!(
        r#"  Send an event; the answer is {{}} (the signature is valid for ten minutes):

curl -H 'Content-Type: application/json' -d '{body}' \
  '{url}{route}?{query}'

  The same, at any time:

{command} trigger {CHANNEL} {EVENT} '{DATA}'{target}

"#
    )
}

/// The command as it was most likely typed: through cargo, or by its path.
fn command(program: &str) -> &str {
    match program {
        "" => "resound",
        _ if program.contains("target/release/") => "cargo run --release --",
        _ if program.contains("target/") => "cargo run --",
        _ => program,
    }
}

/// For URLs: IPv6 in brackets, as pusher-js and PHP require it.
fn host(address: SocketAddr) -> String {
    match address {
        SocketAddr::V4(address) => address.ip().to_string(),
        SocketAddr::V6(address) => format!("[{}]", address.ip()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Launch, banner, credentials};
    use resound::config::{Config, Flag, Sources};

    const NOW: u64 = 1_700_000_000;

    fn config(flags: &[(&'static str, &str)], variables: &[(&str, &str)]) -> Config {
        let flag = |(key, text): &(&'static str, &str)| Flag {
            name: "--flag",
            key,
            text: (*text).to_owned(),
        };
        let owned = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
        Config::new(&Sources {
            file: None,
            env_file: None,
            environment: variables.iter().map(owned).collect(),
            flags: flags.iter().map(flag).collect(),
        })
        .unwrap()
    }

    fn shown(config: &Config, address: &str, program: &str) -> String {
        let launch = Launch {
            addresses: address,
            address: address.parse().ok(),
            console: config
                .development
                .as_ref()
                .map(|_| "http://127.0.0.1:9600/console/#token=abc"),
            program,
            now_unix_seconds: NOW,
        };
        banner(config, &launch)
    }

    #[test]
    fn the_development_app_comes_with_everything_to_try_it() {
        let config = config(&[], &[]);
        let app = config.development.as_deref().unwrap();
        let body = r#"{"name":"greeting","channels":["hello"],"data":"{\"text\":\"Hello from Resound\"}"}"#;
        let query = credentials(app).signed_query("/apps/100001/events", body.as_bytes(), NOW);
        let expected = r#"
  INFO  Starting server on 127.0.0.1:8080.

  See what it does in a browser:

http://127.0.0.1:9600/console/#token=abc

  No app is configured, so one development app is served, to this machine only:
  id 100001, key resound-dev-key, secret resound-dev-secret

  For the .env of your Laravel app:

BROADCAST_CONNECTION=reverb
REVERB_APP_ID=100001
REVERB_APP_KEY=resound-dev-key
REVERB_APP_SECRET=resound-dev-secret
REVERB_HOST="127.0.0.1"
REVERB_PORT=8080
REVERB_SCHEME=http
VITE_REVERB_APP_KEY="${REVERB_APP_KEY}"
VITE_REVERB_HOST="${REVERB_HOST}"
VITE_REVERB_PORT="${REVERB_PORT}"
VITE_REVERB_SCHEME="${REVERB_SCHEME}"

  For the browser (npm install laravel-echo pusher-js):

import Echo from 'laravel-echo';
import Pusher from 'pusher-js';
window.Pusher = Pusher;
const echo = new Echo({
    broadcaster: 'reverb', key: 'resound-dev-key',
    wsHost: '127.0.0.1', wsPort: 8080, wssPort: 8080,
    forceTLS: false, enabledTransports: ['ws', 'wss'],
});
echo.channel('hello').listen('.greeting', (e) => console.log(e.text));

  Send an event; the answer is {} (the signature is valid for ten minutes):

curl -H 'Content-Type: application/json' -d 'BODY' \
  'http://127.0.0.1:8080/apps/100001/events?QUERY'

  The same, at any time:

cargo run --release -- trigger hello greeting '{"text":"Hello from Resound"}'

"#
        .replace("BODY", body)
        .replace("QUERY", &query);
        let text = shown(&config, "127.0.0.1:8080", "target/release/resound");
        assert_eq!(text, expected);
        assert!(text.is_ascii());
        assert!(text.lines().count() < 48);
    }

    #[test]
    fn snippets_follow_the_address_and_the_prefix() {
        let config = config(&[("server.host", "::1"), ("server.path", "/ws")], &[]);
        let text = shown(&config, "[::1]:9000", "/usr/bin/resound");
        for line in [
            "  INFO  Starting server on [::1]:9000/ws.",
            "REVERB_HOST=\"[::1]\"",
            "REVERB_PORT=9000",
            "REVERB_SERVER_PATH=/ws",
            "    wsHost: '[::1]', wsPort: 9000, wssPort: 9000, wsPath: '/ws',",
            "/usr/bin/resound trigger hello greeting '{\"text\":\"Hello from Resound\"}' \
             --url http://[::1]:9000/ws",
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line}\nnot in\n{text}");
        }
        assert!(text.contains("  'http://[::1]:9000/ws/apps/100001/events?"));
    }

    #[test]
    fn configured_apps_are_not_shown() {
        let config = config(
            &[("server.hostname", "ws.example.com")],
            &[("REVERB_APP_ID", "1"), ("REVERB_APP_KEY", "k"), ("REVERB_APP_SECRET", "s")],
        );
        assert_eq!(
            shown(&config, "0.0.0.0:8080", "resound"),
            "\n  INFO  Starting server on 0.0.0.0:8080 (ws.example.com).\n\n"
        );
    }
}
