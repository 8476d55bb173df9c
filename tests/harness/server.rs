//! A server of its own for each test, with its own port, configuration and counters.

use std::net::SocketAddr;
use std::sync::Arc;

use resound::config::{Config, ConfigFile, ListenAddress, Sources};
use resound::metrics::Metrics;
use resound::server::{ReloadReport, Reloader, Server};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::{Answer, Backend, TestSocket, within};

/// Reverb's own test app, on any free port of this machine, on two threads whatever its cores.
pub const REVERB_APP: &str = r#"
[server]
host = "127.0.0.1"
port = 0
workers = 2
[[apps]]
id = "123456"
key = "reverb-key"
secret = "reverb-secret"
"#;

/// A token for `internal.token`.
pub const INTERNAL_TOKEN: &str = "internal-token-0123456789";

/// A running server. Dropping it stops it without a drain.
pub struct TestServer {
    pub address: SocketAddr,
    /// The first of `http.listen`.
    pub api_address: Option<SocketAddr>,
    /// The first of `internal.listen`.
    pub internal_address: Option<SocketAddr>,
    pub metrics: Arc<Metrics>,
    reloader: Arc<Reloader>,
    stop: Option<oneshot::Sender<()>>,
    run: JoinHandle<anyhow::Result<()>>,
}

impl TestServer {
    /// With [`REVERB_APP`] and nothing else configured.
    pub async fn start() -> Self {
        Self::with(REVERB_APP).await
    }

    /// With the app of [`REVERB_APP`] and these lines in its `[[apps]]` entry.
    pub async fn with_app(lines: &str) -> Self {
        Self::with(&format!("{REVERB_APP}{lines}\n")).await
    }

    /// With a whole configuration file.
    pub async fn with(toml: &str) -> Self {
        let server = Server::bind(&config(toml)).await.expect("a free port");
        let address = ip(server.addresses()).expect("an IP address to connect to");
        let (api_address, metrics) = (ip(server.api_addresses()), server.metrics());
        let internal_address = ip(server.internal_addresses());
        let reloader = server.reloader();
        let (stop, stopped) = oneshot::channel();
        let run = tokio::spawn(server.run(async {
            // A test that ends without stopping the server aborts it instead.
            if stopped.await.is_err() {
                std::future::pending::<()>().await;
            }
        }));
        Self { address, api_address, internal_address, metrics, reloader, stop: Some(stop), run }
    }

    /// A connected, greeted client of the app `reverb-key`.
    pub async fn connect(&self) -> TestSocket {
        TestSocket::greeted(self.address, "/app/reverb-key?protocol=7&client=js&version=8.6.0")
            .await
    }

    /// A back end of the app `123456`.
    pub fn backend(&self) -> Backend {
        Backend::new(self.address, "123456", "reverb-key", "reverb-secret")
    }

    /// What the internal listener answers to a request without a token.
    pub async fn internal(&self, target: &str) -> Answer {
        let address = self.internal_address.expect("an address in internal.listen");
        Backend::new(address, "", "", "").send("GET", target, "").await
    }

    /// What the internal listener answers to a request with [`INTERNAL_TOKEN`].
    pub async fn internal_as(&self, method: &str, target: &str) -> Answer {
        let address = self.internal_address.expect("an address in internal.listen");
        let token = format!("Bearer {INTERNAL_TOKEN}");
        let fields = [("Authorization", token.as_str())];
        Backend::new(address, "", "", "").send_with(method, target, &fields, "").await
    }

    /// Changes the configuration to this one while the server runs.
    pub fn reload(&self, toml: &str) -> ReloadReport {
        self.reloader.apply(&config(toml)).expect("a configuration that can be applied")
    }

    /// Stops the server, as SIGTERM does; [`ended`](Self::ended) waits for its end.
    pub fn stop(&mut self) {
        let _ = self.stop.take().map(|stop| stop.send(()));
    }

    /// Waits for the end of a drain.
    pub async fn ended(mut self) {
        self.stop();
        let ended = within("the server to end", &mut self.run).await;
        ended.expect("no panic").expect("no error");
    }

    /// The sum of the series that a selector such as `resound_connections{app="7"}` selects.
    pub fn metric(&self, selector: &str) -> f64 {
        sum_of_series(&self.metrics.text(), selector)
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.run.abort();
    }
}

/// The sum of the series of an exposition that a selector such as `resound_connections{app="7"}` selects.
pub fn sum_of_series(text: &str, selector: &str) -> f64 {
    let (name, labels) = selector.split_once('{').unwrap_or((selector, "}"));
    let labels: Vec<&str> =
        labels.trim_end_matches('}').split(',').filter(|label| !label.is_empty()).collect();
    let values = text.lines().filter_map(|line| {
        let (series, value) = line.rsplit_once(' ')?;
        let (found, of_series) = series.split_once('{').unwrap_or((series, "}"));
        let of_series: Vec<&str> = of_series.trim_end_matches('}').split(',').collect();
        let is_selected = found == name && labels.iter().all(|label| of_series.contains(label));
        is_selected.then(|| value.parse::<f64>().expect("a number"))
    });
    values.sum()
}

/// The first address that is not a unix socket.
fn ip(addresses: &[ListenAddress]) -> Option<SocketAddr> {
    addresses.iter().find_map(|address| match address {
        ListenAddress::Ip(address) => Some(*address),
        ListenAddress::Unix { .. } => None,
    })
}

/// What a file with this text means.
pub fn config(toml: &str) -> Config {
    let file = ConfigFile { name: "test.toml".to_owned(), text: toml.to_owned() };
    Config::new(&Sources { file: Some(file), ..Sources::default() }).expect("a valid configuration")
}
