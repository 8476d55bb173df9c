//! A configuration file from soketi's JSON file: its apps, and the settings that stand beside them.
//!
//! Owns soketi's names there, nested (`{"appManager":{"array":…}}`) or with dots (`"appManager.array.apps"`), and their
//! units. What has no counterpart is named by its path; a value is never shown.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::Value;

use super::LaravelFile;
use super::document::{LaravelImport, on_one_line, quoted};

/// Why soketi's file is not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name} is not soketi's file, one JSON object: {flaw}")]
pub struct SoketiError {
    /// The file.
    name: String,
    /// What is wrong.
    flaw: String,
}

/// Where the apps stand.
const APPS: &str = "appManager.array.apps";

/// How a value is written here.
#[derive(Clone, Copy)]
enum Form {
    Text,
    Truth,
    Whole,
    /// -1 is no limit, which is 0 here.
    Limit,
    Kilobytes,
    /// Milliseconds that become whole seconds, rounded up.
    Milliseconds,
    /// Whether members of private and presence channels may send client events.
    Members,
}

/// The settings of the server: soketi's path, the section and the key.
const SETTINGS: [(&str, &str, &str, Form); 13] = [
    ("host", "server", "host", Form::Text),
    ("port", "server", "port", Form::Whole),
    ("pathPrefix", "server", "path", Form::Text),
    ("shutdownGracePeriod", "server", "drain_seconds", Form::Milliseconds),
    ("debug", "log", "debug", Form::Truth),
    ("ssl.certPath", "tls", "certificate", Form::Text),
    ("ssl.keyPath", "tls", "key", Form::Text),
    ("channelLimits.cacheTtl", "cache", "ttl_seconds", Form::Whole),
    ("database.redis.host", "cluster", "host", Form::Text),
    ("database.redis.port", "cluster", "port", Form::Whole),
    ("database.redis.username", "cluster", "username", Form::Text),
    ("database.redis.password", "cluster", "password", Form::Text),
    ("database.redis.db", "cluster", "database", Form::Whole),
];

/// The fields of an app.
const OF_APP: [(&str, &str, Form); 14] = [
    ("id", "id", Form::Text),
    ("key", "key", Form::Text),
    ("secret", "secret", Form::Text),
    ("enabled", "enabled", Form::Truth),
    ("maxConnections", "max_connections", Form::Limit),
    ("enableClientMessages", "accept_client_events_from", Form::Members),
    ("maxClientEventsPerSecond", "max_client_events_per_second", Form::Limit),
    ("maxEventBatchSize", "max_events_per_batch", Form::Whole),
    ("maxEventChannelsAtOnce", "max_channels_per_event", Form::Whole),
    ("maxEventNameLength", "max_event_name_chars", Form::Whole),
    ("maxEventPayloadInKb", "max_event_data_bytes", Form::Kilobytes),
    ("maxChannelNameLength", "max_channel_name_bytes", Form::Whole),
    ("maxPresenceMembersPerChannel", "max_presence_members", Form::Whole),
    ("maxPresenceMemberSizeInKb", "max_presence_user_info_bytes", Form::Kilobytes),
];

/// Fields of an app without a counterpart, and why.
const MISSING_OF_APP: [(&str, &str); 2] = [
    ("maxBackendEventsPerSecond", "the HTTP API has no limit of requests a second"),
    ("maxReadRequestsPerSecond", "the HTTP API has no limit of requests a second"),
];

/// The file as it is written.
struct Written<'a> {
    file: &'a str,
    sections: BTreeMap<&'static str, String>,
    apps: String,
    unread: Vec<String>,
}

/// Writes the configuration that soketi would have with this file.
pub fn import_soketi(file: &LaravelFile) -> Result<LaravelImport, SoketiError> {
    let refuse = |flaw: String| SoketiError { name: file.name.clone(), flaw };
    let json: Value =
        serde_json::from_str(&file.text).map_err(|error| refuse(error.to_string()))?;
    if !json.is_object() {
        return Err(refuse("it is no object".to_owned()));
    }
    let mut flat = BTreeMap::new();
    flatten("", &json, &mut flat);
    let name = on_one_line(&file.name);
    let mut written =
        Written { file: &name, sections: BTreeMap::new(), apps: String::new(), unread: Vec::new() };
    let is_cluster = flat.get("adapter.driver").is_some_and(|driver| *driver == "redis");
    if is_cluster {
        flat.remove("adapter.driver");
        let line = format!("enabled = true  # {name}: adapter.driver\n");
        written.sections.insert("cluster", line);
    }
    for (path, section, key, form) in SETTINGS {
        // Without a cluster, soketi asks this Redis for apps alone.
        if section == "cluster" && !is_cluster {
            continue;
        }
        if let Some(value) = flat.remove(path) {
            written.setting(section, key, path, form, value);
        }
    }
    let apps = flat.remove(APPS).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for (at, app) in apps.iter().enumerate() {
        written.app(&format!("{APPS}[{at}]"), app);
    }
    if flat.remove("appManager.driver").is_some_and(|driver| *driver != "array") {
        written.name(
            "appManager.driver",
            "apps are configured as [[apps]], and no database is asked for them",
        );
    }
    for path in flat.keys() {
        written.name(path, "it has no counterpart in this file; config/README.md lists what SOKETI_* variables set");
    }
    Ok(written.finish())
}

/// The values by their paths; lists are values.
fn flatten<'v>(path: &str, value: &'v Value, flat: &mut BTreeMap<String, &'v Value>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                flatten(&path, value, flat);
            }
        }
        Value::Null => {}
        _ => drop(flat.insert(path.to_owned(), value)),
    }
}

impl Form {
    /// A value as TOML; `None` if it is of another kind.
    fn written(self, value: &Value) -> Option<String> {
        let number = || value.as_f64().or_else(|| value.as_str()?.parse().ok());
        let whole = || number().filter(|it| it.fract() == 0.0 && it.abs() < 1e15);
        let truth = || match value {
            Value::Bool(truth) => Some(*truth),
            Value::Number(number) => Some(number.as_i64()? != 0),
            Value::String(text) => Some(matches!(text.as_str(), "1" | "true")),
            _ => None,
        };
        Some(match self {
            Self::Text => match value {
                Value::String(text) => quoted(text),
                Value::Number(number) => quoted(&number.to_string()),
                _ => return None,
            },
            Self::Truth => truth()?.to_string(),
            Self::Members => quoted(if truth()? { "members" } else { "none" }),
            Self::Whole => whole().filter(|it| *it >= 0.0)?.to_string(),
            Self::Limit => whole()?.max(0.0).to_string(),
            Self::Kilobytes => number()
                .filter(|it| (0.0..=1e6).contains(it))
                .map(|it| (it * 1024.0).ceil())?
                .to_string(),
            Self::Milliseconds => (whole().filter(|it| *it >= 0.0)? / 1000.0).ceil().to_string(),
        })
    }
}

impl Written<'_> {
    fn setting(&mut self, section: &'static str, key: &str, path: &str, form: Form, value: &Value) {
        match form.written(value) {
            Some(text) => {
                let file = self.file;
                let lines = self.sections.entry(section).or_default();
                let _ = writeln!(lines, "{key} = {text}  # {file}: {path}");
            }
            None => self.name(path, "its value is of another kind"),
        }
    }

    fn app(&mut self, path: &str, app: &Value) {
        let Some(fields) = app.as_object() else { return self.name(path, "it is no object") };
        let has = |name: &str| fields.get(name).is_some_and(|value| !value.is_null());
        if let Some(missing) = ["id", "key", "secret"].into_iter().find(|name| !has(name)) {
            return self.name(path, &format!("it has no {missing}; write it as [[apps]]"));
        }
        self.apps.push_str("\n[[apps]]\n");
        for (name, key, form) in OF_APP {
            let Some(value) = fields.get(name).filter(|value| !value.is_null()) else { continue };
            match form.written(value) {
                Some(text) => {
                    let _ = writeln!(self.apps, "{key} = {text}  # {}: {path}.{name}", self.file);
                }
                None => self.name(&format!("{path}.{name}"), "its value is of another kind"),
            }
        }
        if !has("enableClientMessages") {
            self.apps.push_str(
                "accept_client_events_from = \"none\"  # soketi's value where the file has none\n",
            );
        }
        if fields.get("enableUserAuthentication").and_then(Value::as_bool) == Some(true) {
            let _ = writeln!(
                self.apps,
                "authorization_timeout_seconds = 30  # {}: {path}.enableUserAuthentication",
                self.file
            );
        }
        let webhooks = fields.get("webhooks").and_then(Value::as_array);
        for (at, webhook) in webhooks.into_iter().flatten().enumerate() {
            self.webhook(&format!("{path}.webhooks[{at}]"), webhook);
        }
        let known = |name: &String| {
            OF_APP.iter().any(|(known, _, _)| known == name)
                || ["enableUserAuthentication", "webhooks"].contains(&name.as_str())
        };
        for name in fields.keys().filter(|name| has(name) && !known(name)) {
            let why = MISSING_OF_APP.iter().find(|(known, _)| known == name);
            let why = why.map_or("it has no counterpart", |(_, why)| why);
            self.name(&format!("{path}.{name}"), why);
        }
    }

    fn webhook(&mut self, path: &str, webhook: &Value) {
        let Some(url) = webhook["url"].as_str() else {
            return self.name(path, "it has no url, and AWS Lambda is not called");
        };
        let _ = writeln!(
            self.apps,
            "\n[[apps.webhooks]]\nurl = {}  # {}: {path}",
            quoted(url),
            self.file
        );
        if let Some(events) = webhook["event_types"].as_array() {
            let events = events.iter().filter_map(Value::as_str).map(quoted);
            let _ = writeln!(self.apps, "events = [{}]", events.collect::<Vec<_>>().join(", "));
        }
        for (name, key) in [
            ("channel_name_starts_with", "channel_prefix"),
            ("channel_name_ends_with", "channel_suffix"),
        ] {
            if let Some(text) = webhook["filter"][name].as_str() {
                let _ = writeln!(self.apps, "{key} = {}", quoted(text));
            }
        }
        let headers = webhook["headers"].as_object().into_iter().flatten();
        for (name, value) in headers.filter_map(|(name, value)| Some((name, value.as_str()?))) {
            let _ = writeln!(self.apps, "headers.{} = {}", quoted(name), quoted(value));
        }
    }

    fn name(&mut self, path: &str, why: &str) {
        self.unread.push(on_one_line(&format!("{}: {path}: not read, {why}", self.file)));
    }

    fn finish(self) -> LaravelImport {
        let mut text = format!("# Written by resound import, from {}.\n", self.file);
        text.push_str(
            "# Behind each value is what set it. config/defaults.toml has all other keys.\n",
        );
        if !self.unread.is_empty() {
            text.push_str("#\n# Not read:\n");
        }
        for unread in &self.unread {
            let _ = writeln!(text, "#   {unread}");
        }
        for (section, lines) in &self.sections {
            let _ = write!(text, "\n[{section}]\n{lines}");
        }
        let has_secrets = !self.apps.is_empty() || text.contains("\npassword = ");
        text.push_str(&self.apps);
        LaravelImport { text, unread: self.unread, has_secrets }
    }
}

#[cfg(test)]
mod tests {
    use super::super::LaravelFile;
    use super::import_soketi;

    fn imported(text: &str) -> super::LaravelImport {
        let file = LaravelFile { name: "soketi.json".to_owned(), text: text.to_owned() };
        import_soketi(&file).unwrap()
    }

    #[test]
    fn each_field_has_its_counterpart_or_is_named() {
        let import = imported(
            r#"{"port": 6001, "debug": false, "ssl": {"certPath": "/c.pem", "keyPath": "/k.pem"},
                "shutdownGracePeriod": 3500, "adapter": {"driver": "redis"}, "metrics": {"enabled": true},
                "database": {"redis": {"host": "redis", "password": "p"}}, "appManager": {"driver": "array", "array": {"apps": [
                {"id": 1, "key": "k", "secret": "s", "maxConnections": -1, "enableClientMessages": true,
                 "maxEventPayloadInKb": 0.5, "maxBackendEventsPerSecond": -1, "enableUserAuthentication": true, "odd": 1,
                 "webhooks": [{"url": "https://a/b", "event_types": ["channel_occupied"],
                   "filter": {"channel_name_starts_with": "p-"}, "headers": {"X-A": "b"}}, {"lambda_function": "f"}]},
                {"id": "2", "key": "l"}]}}}"#,
        );
        let expected = r#"# Written by resound import, from soketi.json.
# Behind each value is what set it. config/defaults.toml has all other keys.
#
# Not read:
#   soketi.json: appManager.array.apps[0].webhooks[1]: not read, it has no url, and AWS Lambda is not called
#   soketi.json: appManager.array.apps[0].maxBackendEventsPerSecond: not read, the HTTP API has no limit of requests a second
#   soketi.json: appManager.array.apps[0].odd: not read, it has no counterpart
#   soketi.json: appManager.array.apps[1]: not read, it has no secret; write it as [[apps]]
#   soketi.json: metrics.enabled: not read, it has no counterpart in this file; config/README.md lists what SOKETI_* variables set

[cluster]
enabled = true  # soketi.json: adapter.driver
host = "redis"  # soketi.json: database.redis.host
password = "p"  # soketi.json: database.redis.password

[log]
debug = false  # soketi.json: debug

[server]
port = 6001  # soketi.json: port
drain_seconds = 4  # soketi.json: shutdownGracePeriod

[tls]
certificate = "/c.pem"  # soketi.json: ssl.certPath
key = "/k.pem"  # soketi.json: ssl.keyPath

[[apps]]
id = "1"  # soketi.json: appManager.array.apps[0].id
key = "k"  # soketi.json: appManager.array.apps[0].key
secret = "s"  # soketi.json: appManager.array.apps[0].secret
max_connections = 0  # soketi.json: appManager.array.apps[0].maxConnections
accept_client_events_from = "members"  # soketi.json: appManager.array.apps[0].enableClientMessages
max_event_data_bytes = 512  # soketi.json: appManager.array.apps[0].maxEventPayloadInKb
authorization_timeout_seconds = 30  # soketi.json: appManager.array.apps[0].enableUserAuthentication

[[apps.webhooks]]
url = "https://a/b"  # soketi.json: appManager.array.apps[0].webhooks[0]
events = ["channel_occupied"]
channel_prefix = "p-"
headers."X-A" = "b"
"#;
        assert_eq!(import.text, expected);
        assert!(import.has_secrets);
        assert_eq!(import.unread.len(), 5);
    }

    #[test]
    fn names_with_dots_are_the_same_and_no_value_is_shown_of_what_is_not_read() {
        let apps = r#"[{"id": "1", "key": "k", "secret": "s", "maxConnections": "many"}]"#;
        let import = imported(&format!(r#"{{"appManager.array.apps": {apps}, "port": "hidden"}}"#));
        assert_eq!(
            import.unread,
            [
                "soketi.json: port: not read, its value is of another kind",
                "soketi.json: appManager.array.apps[0].maxConnections: not read, its value is of another kind",
            ]
        );
        assert!(
            !import.text.contains("hidden") && !import.text.contains("many"),
            "{}",
            import.text
        );
        assert!(import.text.contains("\naccept_client_events_from = \"none\"  # soketi's value"));
        for (text, flaw) in [("[]", "it is no object"), ("{", "EOF while parsing an object")] {
            let file = LaravelFile { name: "s.json".to_owned(), text: text.to_owned() };
            let error = import_soketi(&file).unwrap_err().to_string();
            let start = format!("s.json is not soketi's file, one JSON object: {flaw}");
            assert!(error.starts_with(&start), "{error}");
        }
    }
}
