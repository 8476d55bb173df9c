//! Configuration: what the process was told, checked, as plain values.
//!
//! Owns the layers (compiled defaults, file, environment, flags) and every rule about them. It is
//! the only place that reads the environment. Knows nothing of sockets or of the command line:
//! flags reach it as text beside the key they set.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::app::{App, Apps};

mod apps;
mod cluster;
mod development;
mod dotenv;
mod environment;
mod file;
mod injected;
mod layers;
mod list;
mod meaning;
mod problem;
mod redis;
mod suggest;
mod syntax;
mod terminal;
mod unused;
mod webhooks;
mod written;

#[cfg(test)]
mod tests;

pub use cluster::{ClusterConfig, StreamsConfig};
pub use development::EXAMPLE_SECRET;
pub use file::File;
pub use problem::Problem;
pub use redis::{Endpoint, RedisAddress, RedisConfig};
pub use terminal::Terminal;

use environment::Variables;
use layers::{Keys, Layer, Places};
use problem::Place;
use written::Written;

/// Everything the process was told.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where and how to listen.
    pub server: ServerConfig,
    /// Bounds on requests.
    pub http: HttpConfig,
    /// Bounds on sockets.
    pub websocket: WebSocketConfig,
    /// What cache channels remember.
    pub cache: CacheConfig,
    /// Bounds on calls of webhooks.
    pub webhooks: WebhooksConfig,
    /// What is logged, and how.
    pub log: LogConfig,
    /// Where metrics are served.
    pub metrics: MetricsConfig,
    /// How several nodes share messages; `None` is a node of its own.
    pub cluster: Option<ClusterConfig>,
    /// Every app, the development app included.
    pub apps: Apps,
    /// Set when no app was configured: the one that is served instead, on loopback only.
    pub development: Option<Arc<App>>,
    /// What set the addresses.
    pub set_by: SetBy,
    /// The names of variables that Kubernetes or Docker set for a service whose name begins like
    /// ours: they were not read.
    pub injected: Vec<String>,
    /// Settings that have no effect: one sentence each, without values.
    pub notes: Vec<String>,
}

/// `[server]`: where and how to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerConfig {
    /// The address to listen on.
    pub host: IpAddr,
    /// The port to listen on; 0 takes any free one.
    pub port: u16,
    /// The prefix of every route: empty, or with a leading and without a trailing slash.
    pub path: String,
    /// The public name, shown at start.
    pub hostname: Option<String>,
    /// After SIGTERM: how long until every socket is closed.
    pub drain: Duration,
    /// Threads that each own a part of the sockets, at least 1.
    pub workers: usize,
}

/// `[http]`: bounds on requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpConfig {
    /// Bytes of one body, checked while it is read.
    pub max_body_bytes: usize,
    /// Bytes of the request line and all fields.
    pub max_header_bytes: usize,
    /// Header fields of one request.
    pub max_headers: usize,
    /// For a head to arrive.
    pub header_timeout: Duration,
    /// For a body to arrive; longer only while it comes at 1 KiB/s or more.
    pub body_timeout: Duration,
    /// Between two requests of one connection.
    pub idle_timeout: Duration,
    /// Connections that have not finished a first request.
    pub max_pending_connections: usize,
}

/// `[websocket]`: bounds on sockets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebSocketConfig {
    /// Bytes waiting for one socket; more closes it with 4100.
    pub outbox_bytes: usize,
    /// Bytes waiting for one shard before publishers are made to wait.
    pub inbox_bytes: usize,
    /// Whether permessage-deflate is negotiated.
    pub deflate: bool,
    /// Bytes of an event's frame from which it is deflated.
    pub deflate_min_bytes: usize,
    /// Frames of one message.
    pub max_fragments: usize,
    /// To finish a fragmented message.
    pub message_timeout: Duration,
    /// For a full transport to take bytes again.
    pub write_timeout: Duration,
    /// To finish the closing handshake.
    pub close_timeout: Duration,
}

/// `[cache]`: what cache channels remember.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheConfig {
    /// How long an event is remembered.
    pub ttl: Duration,
    /// Bytes remembered over all cache channels.
    pub bytes: usize,
}

/// `[webhooks]`: bounds on calls of webhooks, those of every app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhooksConfig {
    /// Events waiting for one endpoint; the oldest is dropped and counted.
    pub queue_events: usize,
    /// For the connection to an endpoint.
    pub connect_timeout: Duration,
    /// For a whole call: to connect, send and be answered.
    pub request_timeout: Duration,
    /// How long one call is tried again before its events are counted as lost.
    pub retry_for: Duration,
}

/// `[log]`: what is logged, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// The form of a line.
    pub format: LogFormat,
    /// A filter directive that `tracing_subscriber::EnvFilter` accepts.
    pub level: String,
    /// Show the message stream.
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

/// `[metrics]`: where metrics are served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricsConfig {
    /// The address of `/metrics`; `None` is off.
    pub listen: Option<SocketAddr>,
}

/// What set the keys of addresses: a file, a variable or a flag, as errors about them name it;
/// `None` is the default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetBy {
    /// `server.host`
    pub host: Option<String>,
    /// `server.port`
    pub port: Option<String>,
    /// `metrics.listen`
    pub metrics: Option<String>,
}

/// The layers above the compiled defaults, before anything is checked. Not to be shown: they hold
/// secrets as text.
#[derive(Clone, Default)]
pub struct Sources {
    /// What `--config` named.
    pub file: Option<File>,
    /// Every variable of the environment; only `REVERB_*` and `RESOUND_*` are looked at, and
    /// `REDIS_*` with a cluster.
    pub environment: BTreeMap<String, String>,
    /// The other flags, in any order.
    pub flags: Vec<Flag>,
}

/// A command-line flag that sets one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// As it is typed, dashes included: messages name it.
    pub name: &'static str,
    /// The key it sets, such as `server.port`.
    pub key: &'static str,
    /// Its value.
    pub text: String,
}

impl Config {
    /// Reads the file named by `--config`, if any, and the environment of this process.
    pub fn load(file: Option<&Path>, flags: Vec<Flag>) -> Result<Self, Problem> {
        let file = file.map(File::read).transpose()?;
        let environment = environment::of_this_process();
        let mut config = Self::new(&Sources { file, environment, flags })?;
        if config.development.is_some() {
            config.notes.extend(dotenv::note());
        }
        Ok(config)
    }

    /// Merges and checks the layers. The same sources give the same result, apart from `workers`,
    /// which 0 makes the number of cores less one, and the file that `cluster.ca_file` names.
    pub fn new(sources: &Sources) -> Result<Self, Problem> {
        let keys = Keys::of_defaults();
        let injected = injected::injected(&sources.environment);
        let mut variables = sources.environment.clone();
        variables.retain(|name, _| !injected.contains(name));
        let credentials = environment::credentials(&variables)?;
        let layers = layers(sources, &variables, &keys)?;
        let merged = layers::merge(layers.clone());
        let written: Written = layers::read(merged.clone())?;
        let places = Places::of(&merged);

        let mut server = meaning::server(&written.server, &places)?;
        let websocket = meaning::websocket(&written.websocket, &places)?;
        let mut entries = apps::entries(&merged);
        apps::add(&mut entries, credentials);
        let serves_development = entries.is_empty();
        if serves_development {
            server.host = development::host(server.host, &places.at("server.host"))?;
            entries.push(development::credentials());
        }
        let tables = apps::tables(&merged, &entries);
        let apps = apps::build(&tables, &entries, websocket.outbox_bytes)?;
        let metrics = meaning::metrics(&written.metrics, &server, &places)?;
        let source = |key| places.at(key).source(key);
        let set_by = SetBy {
            host: source("server.host"),
            port: source("server.port"),
            metrics: source("metrics.listen"),
        };
        let mut notes = unused::variables(&variables, &keys);
        notes.extend(sources.file.as_ref().and_then(unused::file));
        notes.extend(serves_development.then(|| unused::pusher(&variables)).flatten());
        notes.extend(unused::keys(&keys, &merged));
        notes.extend(unused::keys_of_apps(&keys, &tables));
        let development = serves_development.then(|| apps.iter().next().cloned()).flatten();
        Ok(Self {
            server,
            http: meaning::http(&written.http, &places)?,
            websocket,
            cache: meaning::cache(&written.cache, &places)?,
            webhooks: meaning::webhooks(&written.webhooks, &places)?,
            log: meaning::log(&written.log, &places)?,
            metrics,
            cluster: cluster::cluster(&written.cluster, &places, &layers)?,
            apps,
            development,
            set_by,
            injected,
            notes,
        })
    }
}

/// Every layer; later ones win.
fn layers(sources: &Sources, variables: &Variables, keys: &Keys) -> Result<Vec<Layer>, Problem> {
    let mut lower = vec![layers::defaults()];
    if let Some(file) = &sources.file {
        lower.push(file.layer()?);
    }
    lower.push(environment::reverb(variables, keys)?);
    let upper = [environment::resound(variables, keys)?, flags(&sources.flags, keys)?];
    // Laravel's `.env` always says where Redis is: that must not concern a node of its own.
    if cluster::is_on(layers::merge([lower.as_slice(), &upper].concat()))? {
        lower.push(environment::redis(variables, keys)?);
    }
    lower.extend(upper);
    Ok(lower)
}

/// The layer of the flags: unlike an empty variable, an empty flag is a value.
fn flags(flags: &[Flag], keys: &Keys) -> Result<Layer, Problem> {
    let mut layer = Layer::default();
    for flag in flags {
        let place = Place::new(format!("flag {}", flag.name));
        layer.set(flag.key, keys.parse(flag.key, &flag.text, &place)?, &place);
    }
    Ok(layer)
}
