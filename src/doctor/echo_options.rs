//! The options with which a page starts Laravel Echo, in sources and in built JavaScript, and where pusher-js
//! then connects to.
//!
//! Owns the rules of pusher-js and Echo for the address. What should stand there is left to the checks.

use super::js_value::{BuildVariables, JsValue};
use super::source_text::line_of;

/// How far before `broadcaster` its object may begin: options are shorter.
const OBJECT_BYTES_MAX: usize = 8 * 1024;

/// What `configureEcho` adds.
const REVERB_DEFAULTS: &str = "{key:import.meta.env.VITE_REVERB_APP_KEY,wsHost:import.meta.env.VITE_REVERB_HOST,\
    wsPort:import.meta.env.VITE_REVERB_PORT,wssPort:import.meta.env.VITE_REVERB_PORT,\
    forceTLS:(import.meta.env.VITE_REVERB_SCHEME??'https')==='https'}";
const PUSHER_DEFAULTS: &str = "{key:import.meta.env.VITE_PUSHER_APP_KEY,forceTLS:!0,\
    cluster:import.meta.env.VITE_PUSHER_APP_CLUSTER,wsHost:import.meta.env.VITE_PUSHER_HOST,\
    wsPort:import.meta.env.VITE_PUSHER_PORT,wssPort:import.meta.env.VITE_PUSHER_PORT}";

/// The options of one `new Echo({…})` or `configureEcho({…})`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EchoOptions {
    /// The line of its beginning.
    pub(super) line: usize,
    /// `reverb` or `pusher`.
    pub(super) broadcaster: String,
    /// The object.
    pub(super) fields: JsValue,
}

/// What pusher-js connects to. `None`: not known before the page runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DialledUrl {
    pub(super) key: Option<DialledKey>,
    pub(super) host: Option<String>,
    pub(super) port: Option<String>,
    /// Whether TLS is used on a page that is not https itself.
    pub(super) tls: Option<bool>,
    /// The port on a page that is https, where pusher-js always uses TLS.
    pub(super) tls_port: Option<String>,
}

/// The key of the app in the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum DialledKey {
    Text(String),
    /// The build had no value for it.
    Missing,
}

/// Every use of Echo in a text.
pub(super) fn find(text: &str, variables: BuildVariables<'_>) -> Vec<EchoOptions> {
    find_in_all(&[text], variables).into_iter().map(|(_, options)| options).collect()
}

/// Every use of Echo in texts that pages load together, each with the place of its text: a build may put the call of
/// `configureEcho` into one file and the defaults of its package into another.
pub(super) fn find_in_all(
    texts: &[&str],
    variables: BuildVariables<'_>,
) -> Vec<(usize, EchoOptions)> {
    let of_text = |(place, text): (usize, &&str)| {
        objects(text, variables).into_iter().map(move |object| (place, object)).collect::<Vec<_>>()
    };
    let all = texts.iter().enumerate().flat_map(of_text);
    let (defaults, explicit): (Vec<_>, Vec<_>) =
        all.partition(|(_, object)| object.default_name.is_some());
    let defaults: Vec<EchoOptions> = defaults
        .into_iter()
        .filter(|(_, object)| object.default_name == Some(object.options.broadcaster.as_str()))
        .map(|(_, object)| object.options)
        .collect();
    let whole = explicit.into_iter().filter_map(|(place, object)| {
        let before = &texts[place][..object.start];
        Some((place, whole(object.options, &defaults, before, variables)?))
    });
    whole.collect()
}

/// An object that names a broadcaster.
struct OptionsObject {
    start: usize,
    options: EchoOptions,
    default_name: Option<&'static str>,
}

fn objects(text: &str, variables: BuildVariables<'_>) -> Vec<OptionsObject> {
    let mut found: Vec<OptionsObject> = Vec::new();
    for (at, _) in text.match_indices("broadcaster") {
        let Some(start) = object_around(text, at) else { continue };
        let Some(fields) = JsValue::object_at(text, start, variables) else { continue };
        let JsValue::Text(broadcaster) = fields.field("broadcaster") else { continue };
        let is_new = found.iter().all(|known| known.start != start);
        if is_new && matches!(broadcaster.as_str(), "reverb" | "pusher") {
            let options = EchoOptions { line: line_of(text, start), broadcaster, fields };
            found.push(OptionsObject { start, options, default_name: default_of(text, start) });
        }
    }
    found
}

/// The `{` of the object in which a byte stands.
fn object_around(text: &str, at: usize) -> Option<usize> {
    let behind = text[at + "broadcaster".len()..].trim_start_matches(['"', '\'', '`']);
    if !behind.trim_start().starts_with(':') {
        return None;
    }
    let bytes = text.as_bytes();
    let first = at.saturating_sub(OBJECT_BYTES_MAX);
    let mut depth = 0_usize;
    for place in (first..at).rev() {
        match bytes[place] {
            b'}' => depth += 1,
            b'{' if depth == 0 => return Some(place),
            b'{' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// The name under which `@laravel/echo-vue` and its siblings have an object, if it is one of their defaults.
fn default_of(text: &str, start: usize) -> Option<&'static str> {
    let name = text[..start].trim_end().strip_suffix(':')?.trim_end();
    let name = name.trim_end_matches(['"', '\'', '`']);
    ["reverb", "pusher", "ably"].into_iter().find(|known| name.ends_with(known))
}

/// The options with those that `configureEcho` adds. Options that only change others are none of their own.
fn whole(
    options: EchoOptions,
    defaults: &[EchoOptions],
    before: &str,
    variables: BuildVariables<'_>,
) -> Option<EchoOptions> {
    let JsValue::Object(fields) = &options.fields else { return None };
    let has = |name: &str| fields.iter().any(|(key, _)| key == name);
    if has("key") {
        return Some(options);
    }
    if has("...") {
        return None;
    }
    let default = defaults.iter().find(|default| default.broadcaster == options.broadcaster);
    // In a source the defaults are in a package, with the variables of the usual names.
    let is_configured = before.trim_end().ends_with("configureEcho(");
    let of_package = || match (is_configured, options.broadcaster.as_str()) {
        (true, "reverb") => JsValue::object_at(REVERB_DEFAULTS, 0, variables),
        (true, _) => JsValue::object_at(PUSHER_DEFAULTS, 0, variables),
        (false, _) => None,
    };
    let Some(JsValue::Object(mut merged)) =
        default.map(|one| one.fields.clone()).or_else(of_package)
    else {
        return Some(options);
    };
    merged.extend(fields.iter().cloned());
    Some(EchoOptions { fields: JsValue::Object(merged), ..options })
}

impl EchoOptions {
    /// Options that pusher-js ignores, where those that it reads are missing.
    pub(super) fn ignored(&self) -> Vec<&'static str> {
        let JsValue::Object(fields) = &self.fields else { return Vec::new() };
        let has = |name: &str| fields.iter().any(|(key, _)| key == name);
        if has("wsHost") {
            return Vec::new();
        }
        ["host", "port", "scheme"].into_iter().filter(|name| has(name)).collect()
    }

    /// Where the page connects to.
    pub(super) fn dialled(&self) -> DialledUrl {
        let field = |name: &str| self.fields.field(name);
        let key = match field("key") {
            JsValue::Text(key) => Some(DialledKey::Text(key)),
            JsValue::Number(key) => Some(DialledKey::Text(key.to_string())),
            JsValue::Undefined | JsValue::Null => Some(DialledKey::Missing),
            _ => None,
        };
        let tls = match field("forceTLS") {
            JsValue::Bool(is_forced) => Some(is_forced),
            JsValue::Other(_) => None,
            _ => Some(true),
        };
        let port = |name: &str, default: &str| match field(name) {
            JsValue::Text(port) if !port.is_empty() => Some(port),
            JsValue::Number(port) if port != 0 => Some(port.to_string()),
            JsValue::Other(_) => None,
            _ => Some(default.to_owned()),
        };
        let tls_port = port("wssPort", "443");
        let port = match tls {
            Some(true) => tls_port.clone(),
            Some(false) => port("wsPort", "80"),
            None => None,
        };
        DialledUrl { key, host: self.host(), port, tls, tls_port }
    }

    fn host(&self) -> Option<String> {
        match self.fields.field("wsHost") {
            JsValue::Text(host) if !host.is_empty() => return Some(host),
            JsValue::Other(_) => return None,
            _ => {}
        }
        let cluster = match (self.broadcaster.as_str(), self.fields.field("cluster")) {
            // Echo clears it.
            ("reverb", _) => String::new(),
            (_, JsValue::Text(cluster)) => cluster,
            (_, JsValue::Other(_)) => return None,
            _ => "mt1".to_owned(),
        };
        Some(format!("ws-{cluster}.pusher.com"))
    }
}

impl DialledUrl {
    /// `wss://ws.example.com:443`, with `…` for what is not known.
    pub(super) fn shown(&self) -> String {
        let scheme = match self.tls {
            Some(true) => "wss",
            Some(false) => "ws",
            None => "…",
        };
        let text = |part: &Option<String>| part.clone().unwrap_or_else(|| "…".to_owned());
        format!("{scheme}://{}:{}", text(&self.host), text(&self.port))
    }

    /// Whether all that both know is the same.
    pub(super) fn agrees(&self, other: &Self) -> bool {
        fn same<T: PartialEq>(left: &Option<T>, right: &Option<T>) -> bool {
            left.is_none() || right.is_none() || left == right
        }
        same(&self.key, &other.key)
            && same(&self.host, &other.host)
            && same(&self.port, &other.port)
            && same(&self.tls, &other.tls)
    }

    /// Whether it is Pusher's own service.
    pub(super) fn is_pusher(&self) -> bool {
        self.host.as_deref().is_some_and(|host| host.ends_with(".pusher.com"))
    }
}

#[cfg(test)]
mod tests {
    use super::{DialledKey, find};

    fn check(text: &str, key: Option<&str>, url: &str) {
        let variables = |name: &str| match name {
            "VITE_REVERB_APP_KEY" => Some("k".to_owned()),
            "VITE_REVERB_HOST" => Some("ws.example.com".to_owned()),
            "VITE_REVERB_PORT" => Some("8080".to_owned()),
            "VITE_REVERB_SCHEME" => Some("http".to_owned()),
            _ => None,
        };
        let found = find(text, &variables);
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        let dialled = found[0].dialled();
        assert_eq!(dialled.shown(), url, "{text}");
        let key = key.map_or(DialledKey::Missing, |key| DialledKey::Text(key.to_owned()));
        assert_eq!(dialled.key, Some(key), "{text}");
    }

    #[test]
    fn the_source_that_laravel_publishes_is_read_with_the_variables_of_the_build() {
        check(
            "window.Echo = new Echo({\n    broadcaster: 'reverb',\n    key: import.meta.env.VITE_REVERB_APP_KEY,\n\
             wsHost: import.meta.env.VITE_REVERB_HOST,\n    wsPort: import.meta.env.VITE_REVERB_PORT ?? 80,\n\
             wssPort: import.meta.env.VITE_REVERB_PORT ?? 443,\n    forceTLS: (import.meta.env.VITE_REVERB_SCHEME \
             ?? 'https') === 'https',\n    enabledTransports: ['ws', 'wss'],\n});",
            Some("k"),
            "ws://ws.example.com:8080",
        );
    }

    #[test]
    fn minified_forms_are_read() {
        for (text, key, url) in [
            (
                "new a({broadcaster:\"reverb\",key:\"k\",wsHost:\"h\",wsPort:\"80\",wssPort:\"443\",forceTLS:!0})",
                Some("k"),
                "wss://h:443",
            ),
            (
                "new a({key:`k`,wsHost:`h`,wsPort:8080,forceTLS:!1,broadcaster:`reverb`})",
                Some("k"),
                "ws://h:8080",
            ),
            (
                "new a({broadcaster:\"reverb\",key:void 0,wsHost:void 0,wsPort:80,wssPort:443,forceTLS:!0})",
                None,
                "wss://ws-.pusher.com:443",
            ),
            (
                "new a({broadcaster:\"pusher\",key:\"k\",cluster:\"eu\",forceTLS:!0})",
                Some("k"),
                "wss://ws-eu.pusher.com:443",
            ),
            (
                "new a({broadcaster:\"pusher\",key:\"k\",host:\"h\",port:6001,scheme:\"http\"})",
                Some("k"),
                "wss://ws-mt1.pusher.com:443",
            ),
            (
                "new a({broadcaster:\"reverb\",key:\"k\",wsHost:window.location.hostname,wsPort:parseInt(\"6001\"),\
                 wssPort:parseInt(\"6001\",10)??443,forceTLS:\"http\"===\"https\",enabledTransports:[\"ws\"]})",
                Some("k"),
                "ws://…:6001",
            ),
            (
                "new a({\"broadcaster\":\"reverb\",\"key\":\"k\",\"wsHost\":\"h\",\"forceTLS\":t})",
                Some("k"),
                "…://h:…",
            ),
        ] {
            check(text, key, url);
        }
    }

    #[test]
    fn the_defaults_of_echo_vue_count_where_they_are_chosen() {
        let library = "this.connector=new C({...this.options,cluster:``,broadcaster:`pusher`});({...{reverb:\
            {broadcaster:`reverb`,key:`k`,wsHost:`h`,wsPort:`8080`,wssPort:`8080`,forceTLS:!1},pusher:\
            {broadcaster:`pusher`,key:void 0,cluster:void 0},ably:{broadcaster:`pusher`,key:void 0}}[t.broadcaster],...t})";
        check(&format!("{library};f({{broadcaster:`reverb`}});"), Some("k"), "ws://h:8080");
        assert_eq!(find(library, &|_| None), []);
        check("configureEcho({ broadcaster: 'reverb' });", Some("k"), "ws://ws.example.com:8080");
    }
}
