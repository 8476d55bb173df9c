//! Where the queue of an application is, as `.env` has it: whether workers of other machines reach it, and its keys in
//! Redis.
//!
//! Owns Laravel's defaults for both. Nothing is connected to here.

use super::env_file::LaravelEnv;
use super::laravel_app::LaravelApp;
use crate::php_config::PhpData;

/// A queue as workers find it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct QueuePlace {
    /// What names it, such as `REDIS_HOST is 127.0.0.1`.
    pub(super) named_by: String,
    /// Whether only this machine reaches it, so that its workers run here.
    pub(super) is_local: bool,
}

/// The place of the queue of a connection; `None` where `.env` does not say it.
pub(super) fn queue_place(app: &LaravelApp, connection: &str) -> Option<QueuePlace> {
    let env = app.env()?;
    match connection {
        "redis" => Some(of_host(env, &["REDIS_URL"], "REDIS_HOST")),
        "database" => {
            let is_old = app.version.is_some_and(|version| version <= 10);
            let default = if is_old { "mysql" } else { "sqlite" };
            let socket = env.text("DB_SOCKET").filter(|path| !path.is_empty());
            let driver = env.text("DB_CONNECTION").unwrap_or(default);
            if driver == "sqlite" || socket.is_some() {
                let named_by = match socket {
                    Some(path) => format!("DB_SOCKET is {path}"),
                    None => "DB_CONNECTION is sqlite".to_owned(),
                };
                return Some(QueuePlace { named_by, is_local: true });
            }
            Some(of_host(env, &["DB_URL", "DATABASE_URL"], "DB_HOST"))
        }
        _ => None,
    }
}

fn of_host(env: &LaravelEnv, urls: &[&str], host: &str) -> QueuePlace {
    let set = |name: &str| env.text(name).filter(|value| !value.is_empty());
    let of_url = urls.iter().find_map(|name| Some((*name, host_of_url(set(name)?))));
    let (name, value) = of_url.unwrap_or_else(|| (host, set(host).unwrap_or("127.0.0.1")));
    QueuePlace { named_by: format!("{name} has the host {value}"), is_local: is_local(value) }
}

/// A URL may have a password, and is not shown.
fn host_of_url(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?']).next().unwrap_or(rest);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    match host.strip_prefix('[').and_then(|host| host.split_once(']')) {
        Some((host, _)) => host,
        None => host.split(':').next().unwrap_or(host),
    }
}

/// Whether a host is this machine: a loopback address, or a unix socket.
pub(super) fn is_local(host: &str) -> bool {
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    host == "localhost"
        || host.starts_with('/')
        || address.is_ok_and(|address| address.is_loopback())
}

/// The names that the list of waiting jobs may have in Redis: the prefix has another default in each version of
/// Laravel.
pub(super) fn queue_keys(app: &LaravelApp) -> Vec<String> {
    let Some(env) = app.env() else { return Vec::new() };
    let cached = app.cached_values();
    let cached = |path: &str| match &cached.as_ref()?.at(path)?.data {
        PhpData::Text(text) => Some(text.clone()),
        _ => None,
    };
    let queue = cached("queue.connections.redis.queue");
    let queue = queue.or_else(|| env.text("REDIS_QUEUE").map(str::to_owned));
    let queue = queue.unwrap_or_else(|| "default".to_owned());
    let prefix = cached("database.redis.options.prefix");
    let prefix = prefix.or_else(|| env.text("REDIS_PREFIX").map(str::to_owned));
    let prefixes = prefix.map_or_else(
        || {
            let name = env.text("APP_NAME").unwrap_or("laravel");
            let (old, new) = (slug(name, '_'), slug(name, '-'));
            vec![format!("{old}_database_"), format!("{new}-database-"), String::new()]
        },
        |prefix| vec![prefix],
    );
    prefixes.into_iter().map(|prefix| format!("{prefix}queues:{queue}")).collect()
}

/// `Str::slug` of Laravel, of letters that it does not have to spell otherwise.
fn slug(name: &str, separator: char) -> String {
    let lower = name.to_lowercase();
    let words = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(&separator.to_string())
}

#[cfg(test)]
mod tests {
    use super::{QueuePlace, queue_keys, queue_place};
    use crate::doctor::env_file::LaravelEnv;
    use crate::doctor::laravel_app::LaravelApp;

    fn app(env: &str, version: u32) -> LaravelApp {
        let env = LaravelEnv::parse(".env".to_owned(), env, None).unwrap();
        LaravelApp { env: Some(Ok(env)), version: Some(version), ..LaravelApp::default() }
    }

    #[test]
    fn a_queue_on_loopback_has_its_workers_here() {
        for (env, version, connection, named_by, is_local) in [
            ("", 12, "redis", "REDIS_HOST has the host 127.0.0.1", true),
            ("REDIS_HOST=redis", 12, "redis", "REDIS_HOST has the host redis", false),
            (
                "REDIS_HOST=/run/redis.sock",
                12,
                "redis",
                "REDIS_HOST has the host /run/redis.sock",
                true,
            ),
            (
                "REDIS_URL=rediss://u:p@cache.example:6380/1",
                12,
                "redis",
                "REDIS_URL has the host cache.example",
                false,
            ),
            ("REDIS_URL=redis://[::1]:6379", 12, "redis", "REDIS_URL has the host ::1", true),
            ("", 12, "database", "DB_CONNECTION is sqlite", true),
            ("", 10, "database", "DB_HOST has the host 127.0.0.1", true),
            ("DB_CONNECTION=mysql\nDB_HOST=db", 12, "database", "DB_HOST has the host db", false),
            (
                "DB_CONNECTION=mysql\nDB_SOCKET=/run/m.sock",
                12,
                "database",
                "DB_SOCKET is /run/m.sock",
                true,
            ),
        ] {
            let expected = QueuePlace { named_by: named_by.to_owned(), is_local };
            assert_eq!(queue_place(&app(env, version), connection), Some(expected), "{env}");
        }
        assert_eq!(queue_place(&app("", 12), "sqs"), None);
    }

    #[test]
    fn the_keys_of_each_version_are_looked_at() {
        let keys = queue_keys(&app("APP_NAME=\"My Shop\"", 12));
        let expected = [
            "my_shop_database_queues:default",
            "my-shop-database-queues:default",
            "queues:default",
        ];
        assert_eq!(keys, expected);
        let keys = queue_keys(&app("REDIS_PREFIX=p:\nREDIS_QUEUE=high", 12));
        assert_eq!(keys, ["p:queues:high"]);
    }
}
