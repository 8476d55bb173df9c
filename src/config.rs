//! Configuration: the settings of the process, checked, as plain values.
//!
//! Owns the layers (compiled defaults, file, environment, flags) and every rule about them. It is
//! the only room that reads the environment. The command line is left to `cli`: flags come as text
//! beside the key they set.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::app::{App, Apps};
pub use crate::app::{HostPort, NodeAddress, NodeAddresses, RedisAddress, RedisConfig};
use crate::call_targets::CallTargets;

mod admission;
mod app_variables;
mod apps;
mod auth;
mod calls;
mod cluster;
mod development;
mod env_file;
mod environment;
mod error;
mod file;
mod file_texts;
mod injected;
mod inputs;
mod internal;
mod laravel_queue;
mod layers;
mod limits;
mod lines;
mod list;
mod listen;
mod log;
mod metrics;
mod pacing;
mod proxies;
mod record;
mod redis;
mod resolved;
mod schema;
mod secret;
mod server;
mod soketi;
mod substitution;
mod suggest;
mod supervision;
mod syntax;
mod telemetry;
mod terminal;
mod tls;
mod unused;
mod values;
mod webhooks;

pub use admission::AdmissionConfig;
pub use cluster::{ClusterConfig, ClusterSettings, StreamSettings};
pub use development::EXAMPLE_SECRET;
pub use env_file::{EnvFile, EnvFileChoice, EnvFileReport};
pub use error::ConfigError;
pub use file::ConfigFile;
pub use inputs::{BesideReverbConfig, LaravelRedisConfig};
pub use internal::{InternalConfig, PayloadView};
pub use limits::{CacheConfig, HttpConfig, LimitsConfig, WebSocketConfig, WebhooksConfig};
pub use listen::{ListenAddress, ListenConfig};
pub use log::{LogConfig, LogFormat};
pub use metrics::MetricsConfig;
pub use proxies::{ForwardedHeader, ProxiesConfig, ProxyProtocol};
pub use record::RecordConfig;
pub use resolved::{PendingKey, Resolved, ResolvedKey};
pub use server::ServerConfig;
pub use supervision::SupervisionVariables;
pub use telemetry::TelemetryConfig;
pub use terminal::Terminal;
pub use tls::TlsConfig;

use environment::Environment;
use error::ValueOrigin;
use layers::Layer;
use schema::Schema;
use values::Values;

/// All settings of the process.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where and how to listen.
    pub server: ServerConfig,
    /// TLS on the addresses of `server`; `None` is off.
    pub tls: Option<TlsConfig>,
    /// Where clients and back ends connect to.
    pub listen: ListenConfig,
    /// Which peers are proxies.
    pub proxies: ProxiesConfig,
    /// Limits of handshakes.
    pub admission: AdmissionConfig,
    /// Bounds on the process as a whole.
    pub limits: LimitsConfig,
    /// Limits of requests.
    pub http: HttpConfig,
    /// Limits of sockets.
    pub websocket: WebSocketConfig,
    /// Limits of what cache channels keep.
    pub cache: CacheConfig,
    /// Limits of webhook calls.
    pub webhooks: WebhooksConfig,
    /// Which inner addresses calls to other services may reach.
    pub calls: CallTargets,
    /// What is logged, and how.
    pub log: LogConfig,
    /// Where metrics are served.
    pub metrics: MetricsConfig,
    /// The listener of those who operate the server.
    pub internal: InternalConfig,
    /// What is kept of events for end-to-end tests; `None` is nothing.
    pub record: Option<RecordConfig>,
    /// Where traces go.
    pub telemetry: TelemetryConfig,
    /// How several nodes share messages; `None` is a single node.
    pub cluster: Option<ClusterConfig>,
    /// What Laravel's `redis` broadcaster publishes, for some of the apps.
    pub laravel_redis: Vec<LaravelRedisConfig>,
    /// Reverb servers that serve the same apps; `None` is off.
    pub beside_reverb: Option<BesideReverbConfig>,
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
    /// The files that it was read from: that of `--config`, `.env` and those of secrets.
    pub files: Vec<PathBuf>,
    /// The `.env` file that was read.
    pub env_file: Option<EnvFileReport>,
    /// Every key with its value and its source.
    pub resolved: Resolved,
}

/// What set the keys of addresses: a file, a variable or a flag, as errors about them name it;
/// `None` is the default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetBy {
    /// `server.host`
    pub host: Option<String>,
    /// `server.port`
    pub port: Option<String>,
    /// `server.listen`
    pub listen: Option<String>,
    /// `http.listen`
    pub api: Option<String>,
    /// `metrics.listen`
    pub metrics: Option<String>,
    /// `internal.listen`
    pub internal: Option<String>,
}

/// The layers above the compiled defaults, before anything is checked. Not to be shown: they hold
/// secrets as text.
#[derive(Clone, Default)]
pub struct Sources {
    /// What `--config` named.
    pub file: Option<ConfigFile>,
    /// A `.env` file; a variable of the environment wins over one of it.
    pub env_file: Option<EnvFile>,
    /// Every variable of the environment; only `REVERB_*`, `PUSHER_APP_*`, `RESOUND_*` and `OTEL_*` are looked
    /// at, and `REDIS_*` with a cluster.
    pub environment: BTreeMap<String, String>,
    /// The other flags, in any order.
    pub flags: Vec<Flag>,
}

/// What the command line says of the configuration.
#[derive(Debug, Clone, Default)]
pub struct ConfigInputs {
    /// The file of `--config`.
    pub file: Option<PathBuf>,
    /// The `.env` file.
    pub env_file: EnvFileChoice,
    /// The flags that set keys.
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
    /// Reads the file named by `--config`, if any, the `.env` of the working folder, and the environment of this
    /// process.
    pub fn load(file: Option<&Path>, flags: Vec<Flag>) -> Result<Self, ConfigError> {
        let env_file = EnvFileChoice::WorkingFolder;
        Self::load_from(&ConfigInputs { file: file.map(Path::to_owned), env_file, flags })
    }

    /// Reads the files that the command line names, and the environment of this process.
    pub fn load_from(inputs: &ConfigInputs) -> Result<Self, ConfigError> {
        let file = inputs.file.as_deref().map(ConfigFile::read).transpose()?;
        let env_file = EnvFile::read(&inputs.env_file)?;
        let environment = environment::of_this_process();
        let flags = inputs.flags.clone();
        Self::new(&Sources { file, env_file, environment, flags })
    }

    /// Merges and checks the layers. The same sources give the same result, apart from `workers`,
    /// which 0 makes the number of cores less one, the memory that the kernel allows, and the files that `cluster.ca_file`
    /// and `[tls]` name.
    pub fn new(sources: &Sources) -> Result<Self, ConfigError> {
        let (schema, mut variables) = (Schema::new(), sources.environment.clone());
        let injected = injected::injected(&sources.environment);
        variables.retain(|name, _| !injected.contains(name));
        let env_file = sources.env_file.as_ref();
        let variables = Environment::read(variables, env_file, &schema)?;
        let layers = layers(sources, &variables, &schema)?;
        let merged = layers::merge(layers.clone());
        let values = Values::of(&merged);

        let mut server = ServerConfig::read(values)?;
        let websocket = WebSocketConfig::read(values)?;
        let mut entries = apps::entries(&merged);
        for app in app_variables::apps(&variables, !entries.is_empty())? {
            apps::add(&mut entries, app);
        }
        let serves_development = entries.is_empty();
        if serves_development {
            server.host = development::host(server.host, &values.at("server.host").origin)?;
            entries.push(development::credentials());
        }
        let tables = apps::tables(&merged, &entries);
        let apps = apps::build(&tables, &entries, websocket.outbox_bytes)?;
        let input_entries = inputs::entries(&merged, &variables, &schema)?;
        let listen = ListenConfig::read(values, &layers, &server)?;
        if serves_development {
            development::ensure_local(&listen.server, &values.at("server.listen").origin)?;
            development::ensure_local(&listen.api, &values.at("http.listen").origin)?;
        }
        auth::ensure_local(&tables, &listen)?;
        let metrics = MetricsConfig::read(values, &listen)?;
        let mut notes = unused::variables(&variables, &schema);
        notes.extend(soketi::notes(&variables, !values.at("server.port").origin.is_default()));
        notes.extend(sources.file.as_ref().and_then(unused::file));
        notes.extend(app_variables::incomplete_pusher(&variables).filter(|_| serves_development));
        notes.extend(env_file.map(|file| file.notes(&sources.environment)).unwrap_or_default());
        notes.extend(listen::unused(values, &listen));
        notes.extend(unused::all_keys(&schema, &merged, &tables));
        let shown = if serves_development { &[][..] } else { &entries };
        let resolved = Resolved::of(&merged, shown, &input_entries, &schema, sources.file.as_ref());
        let env_file = env_file.map(|file| report(file, &resolved));
        let development = serves_development.then(|| apps.iter().next().cloned()).flatten();
        let internal = InternalConfig::read(values, &listen, &metrics)?;
        Ok(Self {
            internal: if serves_development { internal.for_development(values) } else { internal },
            server,
            tls: TlsConfig::read(values)?,
            listen,
            proxies: ProxiesConfig::read(values)?,
            admission: AdmissionConfig::read(values)?,
            limits: LimitsConfig::read(values)?,
            http: HttpConfig::read(values)?,
            websocket,
            cache: CacheConfig::read(values)?,
            webhooks: WebhooksConfig::read(values)?,
            calls: calls::targets(values, &tables)?,
            log: LogConfig::read(values)?,
            record: RecordConfig::read(values)?,
            metrics,
            telemetry: TelemetryConfig::read(values)?,
            cluster: ClusterConfig::read(values, &layers)?,
            laravel_redis: inputs::laravel_redis(&input_entries, &apps)?,
            beside_reverb: inputs::beside_reverb(values)?,
            apps,
            development,
            set_by: SetBy::read(values),
            injected,
            notes,
            files: files(sources, &variables),
            env_file,
            resolved,
        })
    }
}

impl SetBy {
    fn read(values: Values<'_>) -> Self {
        let source = |key| values.at(key).origin.source(key);
        Self {
            host: source("server.host"),
            port: source("server.port"),
            listen: source("server.listen"),
            api: source("http.listen"),
            metrics: source("metrics.listen"),
            internal: source("internal.listen"),
        }
    }
}

/// What a `.env` file sets.
fn report(file: &EnvFile, resolved: &Resolved) -> EnvFileReport {
    let (name, variables) = (file.name.clone(), resolved.variables_of(&file.name));
    EnvFileReport { name, variables }
}

/// Those that were read, each once.
fn files(sources: &Sources, environment: &Environment) -> Vec<PathBuf> {
    let of_file = sources
        .file
        .iter()
        .flat_map(|file| std::iter::once(file.name.clone()).chain(file.secret_files(environment)));
    let env_file = sources.env_file.iter().map(|file| file.name.clone());
    of_file.chain(env_file).chain(environment.secret_files()).map(PathBuf::from).collect()
}

/// Every layer; later ones win.
fn layers(
    sources: &Sources,
    variables: &Environment,
    schema: &Schema,
) -> Result<Vec<Layer>, ConfigError> {
    let mut lower = vec![Layer::of_defaults()];
    if let Some(file) = &sources.file {
        lower.push(file.layer(schema, variables)?);
    }
    lower.push(soketi::layer(variables, schema)?);
    lower.push(environment::laravel_layer(&environment::REVERB, variables, schema)?);
    lower.push(environment::laravel_layer(environment::otel(variables), variables, schema)?);
    let upper = [environment::resound_layer(variables, schema)?, flags(&sources.flags, schema)?];
    // Laravel's `.env` always has an address of Redis, which must not concern a single node.
    let merged = layers::merge([lower.as_slice(), &upper].concat());
    if cluster::is_on(Values::of(&merged)) {
        lower.push(soketi::redis_layer(variables, schema)?);
        lower.push(environment::laravel_layer(&environment::REDIS, variables, schema)?);
    }
    if inputs::is_beside_reverb(Values::of(&merged)) {
        lower.push(environment::laravel_layer(&environment::BESIDE_REVERB, variables, schema)?);
    }
    lower.extend(upper);
    Ok(lower)
}

/// The layer of the flags: unlike an empty variable, an empty flag is a value.
fn flags(flags: &[Flag], schema: &Schema) -> Result<Layer, ConfigError> {
    let mut layer = Layer::default();
    for flag in flags {
        let origin = ValueOrigin::new(format!("flag {}", flag.name));
        layer.set(flag.key, schema.parse(flag.key, &flag.text, &origin)?, &origin);
    }
    Ok(layer)
}
