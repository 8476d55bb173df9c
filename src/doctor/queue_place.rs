//! Where the queue of an application is, as `.env` has it: whether workers of other machines reach it, its keys in Redis,
//! its table in a SQLite file.
//!
//! Owns Laravel's defaults for them. Nothing is connected to here.

use super::env_file::LaravelEnv;
use super::laravel_app::LaravelApp;
use crate::php_config::PhpData;
use crate::probe::QueueTable;

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
            let socket = env.text("DB_SOCKET").filter(|path| !path.is_empty());
            let (variable, driver) = database(app, env);
            if driver == "sqlite" || socket.is_some() {
                let named_by = match socket {
                    Some(path) => format!("DB_SOCKET is {path}"),
                    None => format!("{variable} is sqlite"),
                };
                return Some(QueuePlace { named_by, is_local: true });
            }
            Some(of_host(env, &["DB_URL", "DATABASE_URL"], "DB_HOST"))
        }
        _ => None,
    }
}

/// The connection to a database that the queue has, and what names it.
fn database<'a>(app: &LaravelApp, env: &'a LaravelEnv) -> (&'static str, &'a str) {
    let set = |name: &str| env.text(name).filter(|value| !value.is_empty());
    let is_old = app.version.is_some_and(|version| version <= 10);
    let default = if is_old { "mysql" } else { "sqlite" };
    match set("DB_QUEUE_CONNECTION") {
        Some(name) => ("DB_QUEUE_CONNECTION", name),
        None => ("DB_CONNECTION", set("DB_CONNECTION").unwrap_or(default)),
    }
}

/// The table of a queue in a SQLite file; `None` where it is elsewhere, or the file is named by a URL.
pub(super) fn queue_table(app: &LaravelApp, connection: &str) -> Option<QueueTable> {
    let env = app.env()?;
    let is_by_url = env.text("DB_URL").is_some_and(|url| !url.is_empty());
    if connection != "database" || database(app, env).1 != "sqlite" || is_by_url {
        return None;
    }
    let text = |cached: &str, variable: &str, default: &str| {
        let named = cached_text(app, cached).or_else(|| env.text(variable).map(str::to_owned));
        named.filter(|value| !value.is_empty()).unwrap_or_else(|| default.to_owned())
    };
    let file =
        text("database.connections.sqlite.database", "DB_DATABASE", "database/database.sqlite");
    let retry_after = env.text("DB_QUEUE_RETRY_AFTER").and_then(|seconds| seconds.parse().ok());
    Some(QueueTable {
        file: app.folder.join(file),
        table: text("queue.connections.database.table", "DB_QUEUE_TABLE", "jobs"),
        queue: queue_name(app, connection),
        retry_after_seconds: retry_after.unwrap_or(90),
    })
}

/// The name of the queue of a connection that takes the jobs that name no other one.
pub(super) fn queue_name(app: &LaravelApp, connection: &str) -> String {
    let variable = match connection {
        "redis" => "REDIS_QUEUE",
        "database" => "DB_QUEUE",
        "sqs" => "SQS_QUEUE",
        "beanstalkd" => "BEANSTALKD_QUEUE",
        _ => "",
    };
    let set = || app.env()?.text(variable).filter(|name| !name.is_empty()).map(str::to_owned);
    let cached = cached_text(app, &format!("queue.connections.{connection}.queue"));
    cached.or_else(set).unwrap_or_else(|| "default".to_owned())
}

fn cached_text(app: &LaravelApp, path: &str) -> Option<String> {
    match &app.cached_values()?.at(path)?.data {
        PhpData::Text(text) => Some(text.clone()),
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
    let queue = queue_name(app, "redis");
    let prefix = cached_text(app, "database.redis.options.prefix");
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
    use super::{QueuePlace, queue_keys, queue_name, queue_place, queue_table};
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
    fn a_sqlite_file_and_its_table_are_named_by_env() {
        let table = |env: &str| {
            queue_table(&app(env, 12), "database").map(|table| {
                let file = table.file.display().to_string();
                (file, table.table, table.queue, table.retry_after_seconds)
            })
        };
        let expected = |file: &str, table: &str, queue: &str, seconds| {
            Some((file.to_owned(), table.to_owned(), queue.to_owned(), seconds))
        };
        assert_eq!(table(""), expected("database/database.sqlite", "jobs", "default", 90));
        let named = "DB_DATABASE=/srv/shop.sqlite\nDB_QUEUE_TABLE=tasks\nDB_QUEUE=high\nDB_QUEUE_RETRY_AFTER=30";
        assert_eq!(table(named), expected("/srv/shop.sqlite", "tasks", "high", 30));
        let other = "DB_CONNECTION=mysql\nDB_QUEUE_CONNECTION=sqlite";
        assert_eq!(table(other), expected("database/database.sqlite", "jobs", "default", 90));
        for elsewhere in ["DB_CONNECTION=mysql", "DB_QUEUE_CONNECTION=pgsql", "DB_URL=sqlite:///x"]
        {
            assert_eq!(table(elsewhere), None, "{elsewhere}");
        }
        assert_eq!(queue_table(&app("", 12), "sqs"), None);
        assert_eq!(queue_name(&app("SQS_QUEUE=events", 12), "sqs"), "events");
        assert_eq!(queue_name(&app("", 12), "own"), "default");
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
