//! The environment: Laravel's and Reverb's names first, then ours.
//!
//! Owns the names and how their text is read, Laravel's way. The only file of the program that
//! reads the environment. Ranges are left to the sections.

use std::collections::BTreeMap;

use super::env_file::EnvFile;
use super::error::{ConfigError, ValueOrigin};
use super::layers::Layer;
use super::schema::{self, FILE_ONLY, LARAVEL_REDIS, Schema};
use super::secret::{self, FILE_VARIABLE, is_secret};
use super::suggest::{nearest, renamed};
use crate::dotenv::EnvLiteral;

/// Names and values, as the process has them.
pub(super) type Variables = BTreeMap<String, String>;

/// The variables that the configuration may read, and the texts of the files that `…_FILE` variables name.
#[derive(Debug, Clone, Default)]
pub(super) struct Environment {
    set: Variables,
    /// The file and line of those that a `.env` file set.
    places: Variables,
    /// By the name of the variable without `_FILE`.
    of_files: BTreeMap<String, String>,
}

impl Environment {
    /// Adds the variables of a `.env` file, and reads the files that those of secrets name.
    pub(super) fn read(
        mut set: Variables,
        env_file: Option<&EnvFile>,
        schema: &Schema,
    ) -> Result<Self, ConfigError> {
        let mut places = Variables::new();
        if let Some(file) = env_file {
            for (name, (text, line)) in file.variables(&set) {
                places.insert(name.clone(), file.place(line));
                set.insert(name, text);
            }
        }
        let mut variables = Self { set, places, of_files: BTreeMap::new() };
        for name in secrets(schema) {
            let of_file = format!("{name}{FILE_VARIABLE}");
            let Some(path) = laravel(&variables, &of_file) else { continue };
            if laravel(&variables, &name).is_some() {
                return Err(ConfigError::new(format!(
                    "environment variables {name} and {of_file} are both set; remove one of them"
                )));
            }
            let text = secret::read_file(path);
            let text = text.map_err(|flaw| variables.origin(&of_file).flaw(flaw))?;
            variables.of_files.insert(name, text);
        }
        Ok(variables)
    }

    /// The names of all variables; that of a file stands for the variable it replaces.
    pub(super) fn names(&self) -> impl Iterator<Item = &String> {
        self.set.keys()
    }

    /// A variable as it is set.
    pub(super) fn raw(&self, name: &str) -> Option<&str> {
        self.set.get(name).map(String::as_str)
    }

    /// The files of secrets.
    pub(super) fn secret_files(&self) -> impl Iterator<Item = String> + '_ {
        let name = |name: &String| format!("{name}{FILE_VARIABLE}");
        self.of_files.keys().filter_map(move |it| laravel(self, &name(it)).map(str::to_owned))
    }

    /// The value of a variable, or the text of the file that its `_FILE` variable names, and what set it.
    pub(super) fn value(&self, name: &str) -> Option<(&str, ValueOrigin)> {
        match self.of_files.get(name) {
            Some(text) => Some((text, self.origin(&format!("{name}{FILE_VARIABLE}")))),
            None => Some((laravel(self, name)?, self.origin(name))),
        }
    }

    /// A variable as messages name it.
    pub(super) fn origin(&self, name: &str) -> ValueOrigin {
        let shown = name.escape_debug();
        ValueOrigin::new(match self.places.get(name) {
            Some(place) => format!("{place}: {shown}"),
            None => format!("environment variable {shown}"),
        })
    }

    /// The same without the words "environment variable".
    pub(super) fn shown(&self, name: &str) -> String {
        let shown = name.escape_debug();
        match self.places.get(name) {
            Some(place) => format!("{shown} ({place})"),
            None => shown.to_string(),
        }
    }
}

impl From<Variables> for Environment {
    fn from(set: Variables) -> Self {
        Self { set, ..Self::default() }
    }
}

/// The names of the variables that hold secrets: each may have `_FILE` behind it.
pub(super) fn secrets(schema: &Schema) -> Vec<String> {
    let ours = schema.names().filter(|key| is_secret(key)).map(variable);
    let of_laravel = REVERB.iter().chain(&REDIS).filter(|(_, key)| is_secret(key));
    let of_app = CREDENTIALS.iter().chain([&PREVIOUS_SECRET]).filter(|(_, key)| is_secret(key));
    let theirs = of_laravel.chain(of_app).map(|(name, _)| (*name).to_owned());
    ours.chain(theirs).collect()
}

/// Reverb's names and the keys they set; `config/reverb.php` reads the same.
pub(super) const REVERB: [(&str, &str); 15] = [
    ("REVERB_SERVER_HOST", "server.host"),
    ("REVERB_SERVER_PORT", "server.port"),
    ("REVERB_SERVER_PATH", "server.path"),
    // Where Laravel and browsers find the server: only shown here.
    ("REVERB_HOST", "server.hostname"),
    // Reverb counts head and body together; here it bounds the body.
    ("REVERB_MAX_REQUEST_SIZE", "http.max_body_bytes"),
    ("REVERB_APP_PING_INTERVAL", "app.ping_interval"),
    ("REVERB_APP_ACTIVITY_TIMEOUT", "app.activity_timeout"),
    ("REVERB_APP_MAX_CONNECTIONS", "app.max_connections"),
    ("REVERB_APP_MAX_MESSAGE_SIZE", "app.max_message_size"),
    ("REVERB_APP_ACCEPT_CLIENT_EVENTS_FROM", "app.accept_client_events_from"),
    ("REVERB_APP_RATE_LIMITING_ENABLED", "app.rate_limiting.enabled"),
    ("REVERB_APP_RATE_LIMIT_MAX_ATTEMPTS", "app.rate_limiting.max_attempts"),
    ("REVERB_APP_RATE_LIMIT_DECAY_SECONDS", "app.rate_limiting.decay_seconds"),
    ("REVERB_APP_RATE_LIMIT_TERMINATE", "app.rate_limiting.terminate_on_limit"),
    ("REVERB_SCALING_ENABLED", "cluster.enabled"),
];

/// The names of Laravel and Reverb that have an effect in a cluster only. `REDIS_TIMEOUT` is not
/// among them: Reverb counts its attempts with it, and here a node never gives up.
pub(super) const REDIS: [(&str, &str); 9] = [
    ("REVERB_SCALING_CHANNEL", "cluster.prefix"),
    ("REDIS_URL", "cluster.url"),
    ("REDIS_HOST", "cluster.host"),
    ("REDIS_PORT", "cluster.port"),
    ("REDIS_USERNAME", "cluster.username"),
    ("REDIS_PASSWORD", "cluster.password"),
    ("REDIS_DB", "cluster.database"),
    // Of the packages that bring Sentinel to Laravel.
    ("REDIS_SENTINEL_USERNAME", "cluster.sentinel_username"),
    ("REDIS_SENTINEL_PASSWORD", "cluster.sentinel_password"),
];

/// With `beside_reverb`, the topic of Reverb.
pub(super) const BESIDE_REVERB: [(&str, &str); 1] =
    [("REVERB_SCALING_CHANNEL", "beside_reverb.channel")];

/// The names of the OpenTelemetry specification; the one for traces wins over the one for all signals.
const OTEL: [(&str, &str); 5] = [
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "telemetry.endpoint"),
    ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "telemetry.endpoint"),
    ("OTEL_EXPORTER_OTLP_HEADERS", "telemetry.headers"),
    ("OTEL_SERVICE_NAME", "telemetry.service_name"),
    ("OTEL_TRACES_SAMPLER_ARG", "telemetry.sample_ratio"),
];

/// [`OTEL`], unless one of its switches is off.
pub(super) fn otel(variables: &Environment) -> &'static [(&'static str, &'static str)] {
    let is =
        |name, off: &str| laravel(variables, name).is_some_and(|it| it.eq_ignore_ascii_case(off));
    match is("OTEL_SDK_DISABLED", "true") || is("OTEL_TRACES_EXPORTER", "none") {
        true => &[],
        false => &OTEL,
    }
}

pub(super) const CREDENTIALS: [(&str, &str); 3] =
    [("REVERB_APP_ID", "id"), ("REVERB_APP_KEY", "key"), ("REVERB_APP_SECRET", "secret")];

/// Beside the other three, while a secret is rotated.
pub(super) const PREVIOUS_SECRET: (&str, &str) =
    ("REVERB_APP_PREVIOUS_SECRET", schema::PREVIOUS_SECRET);

/// Every variable of this process. Bytes that are no UTF-8 are replaced: such a value is refused
/// where it is used, and must not end the process where it is not.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub(super) fn of_this_process() -> Variables {
    let text = |os: std::ffi::OsString| os.to_string_lossy().into_owned();
    std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect()
}

/// The layer of [`REVERB`], of [`REDIS`] or of [`OTEL`].
pub(super) fn laravel_layer(
    names: &[(&str, &str)],
    variables: &Environment,
    schema: &Schema,
) -> Result<Layer, ConfigError> {
    let mut layer = Layer::default();
    for (name, key) in names {
        if let Some((text, origin)) = variables.value(name) {
            layer.set(key, schema.parse(key, text, &origin)?, &origin);
        }
    }
    Ok(layer)
}

/// The address of Redis in Laravel's variables, under the keys of an entry of `laravel_redis`.
pub(super) fn laravel_redis_layer(
    variables: &Environment,
    schema: &Schema,
) -> Result<Layer, ConfigError> {
    let mut layer = Layer::default();
    for (name, of_cluster) in REDIS.iter().filter(|(name, _)| name.starts_with("REDIS_")) {
        let key = of_cluster.rsplit('.').next().unwrap_or(of_cluster);
        if let Some((text, origin)) = variables.value(name) {
            layer.set(key, schema.parse(of_cluster, text, &origin)?, &origin);
        }
    }
    Ok(layer)
}

/// The layer of our own names: `RESOUND_` and the key in capitals. All of that prefix is ours, so
/// that a typo is an error and not a setting without effect.
pub(super) fn resound_layer(
    variables: &Environment,
    schema: &Schema,
) -> Result<Layer, ConfigError> {
    let known: BTreeMap<String, &str> = schema.names().map(|key| (variable(key), key)).collect();
    let mut layer = Layer::default();
    for name in variables.names().filter(|name| name.starts_with("RESOUND_")) {
        let name = match name.strip_suffix(FILE_VARIABLE) {
            Some(secret) if variables.of_files.contains_key(secret) => secret,
            _ => name,
        };
        let Some(key) = known.get(name) else {
            let hint = hint(name, known.keys().map(String::as_str));
            return Err(variables.origin(name).flaw(format_args!("is not known; {hint}")));
        };
        if let Some((text, origin)) = variables.value(name) {
            layer.set(key, schema.parse(key, text, &origin)?, &origin);
        }
    }
    Ok(layer)
}

/// What to do about a name that is not known.
fn hint<'a>(name: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    let mut lists = FILE_ONLY.into_iter().chain([LARAVEL_REDIS]);
    if let Some(list) = lists.find(|key| variable(key) == name) {
        return format!("a list of tables has no variable: set {list} in a file");
    }
    let now = renamed(|old| variable(old) == name).map(variable);
    let suggestion = now.or_else(|| suggestion(name, known).map(str::to_owned));
    suggestion.map_or_else(
        || "config/defaults.toml lists every key".to_owned(),
        |name| format!("did you mean {name}?"),
    )
}

/// The name that an unknown one most likely stands for. Credentials have no `RESOUND_` names, so that
/// there are not two of each.
fn suggestion<'a>(name: &str, mut known: impl Iterator<Item = &'a str> + Clone) -> Option<&'a str> {
    let rest = name.strip_prefix("RESOUND_")?;
    let mut credentials = CREDENTIALS.iter().map(|(reverb, _)| *reverb);
    let credential = credentials.find(|reverb| reverb.strip_prefix("REVERB_") == Some(rest));
    // `RESOUND_PORT`: the section is left out where there seems to be one port only.
    let of_server = variable(&format!("server.{rest}"));
    credential
        .or_else(|| nearest(name, known.clone()))
        .or_else(|| known.find(|known| *known == of_server))
}

/// The name of our variable for a key: `app.rate_limiting.enabled` is
/// `RESOUND_APP_RATE_LIMITING_ENABLED`.
pub(super) fn variable(key: &str) -> String {
    format!("RESOUND_{}", key.replace('.', "_").to_ascii_uppercase())
}

/// Whether it has a value, as Laravel's `env()` sees it.
pub(super) fn is_set(variables: &Environment, name: &str) -> bool {
    variables.value(name).is_some()
}

/// A value as Laravel's `env()` gives it: `None` for null and empty ones, the words in brackets as those
/// without, surrounding quotes removed (Docker's `--env-file` leaves them in). Blanks around it count in a `.env`
/// file only, where they stand in quotes.
fn laravel<'a>(variables: &'a Environment, name: &str) -> Option<&'a str> {
    let text = variables.set.get(name)?;
    let text = if variables.places.contains_key(name) { text.as_str() } else { text.trim() };
    match EnvLiteral::of(text) {
        EnvLiteral::Empty | EnvLiteral::Null => None,
        EnvLiteral::True => Some("true"),
        EnvLiteral::False => Some("false"),
        EnvLiteral::Text(text) => Some(text).filter(|text| !text.is_empty()),
    }
}

#[cfg(test)]
mod tests {
    use super::{BESIDE_REVERB, Environment, OTEL, REDIS, REVERB, Schema, Variables, laravel};

    #[test]
    fn every_name_sets_a_key_that_exists() {
        let schema = Schema::new();
        for (name, key) in REVERB.iter().chain(&REDIS).chain(&BESIDE_REVERB).chain(&OTEL) {
            assert!(schema.names().any(|known| known == *key), "{name} sets {key}");
        }
    }

    fn check(text: &str, read: Option<&str>) {
        let variables = Environment::from(Variables::from([("NAME".to_owned(), text.to_owned())]));
        assert_eq!(laravel(&variables, "NAME"), read, "{text:?}");
    }

    #[test]
    fn values_are_read_as_laravel_reads_them() {
        for text in ["", " ", "null", "(null)", "NULL", "empty", "(empty)", "\"\"", "''"] {
            check(text, None);
        }
        check("true", Some("true"));
        check("(TRUE)", Some("true"));
        check("(false)", Some("false"));
        check("\"a b\"", Some("a b"));
        check("'a'", Some("a"));
        check("\"a'", Some("\"a'"));
        check("\"", Some("\""));
        check(" 8080 ", Some("8080"));
    }
}
