//! What the `.env` of a Laravel application says about where the server is.
//!
//! Owns which variable names which address. The rules of the file are `dotenv`'s; what Resound itself makes of
//! the variables is `config`'s.

use std::collections::BTreeMap;

use super::destinations::{AppCredentials, Destination, Destinations, RedisDestination};
use crate::app::Secret;
use crate::config::{Config, RedisConfig, Sources};
use crate::probe::ServerUrl;

/// The variables of a `.env`, and the name of the file.
#[derive(Debug, Clone)]
pub(super) struct LaravelVariables<'a> {
    /// By name; empty ones are left out.
    pub(super) values: &'a BTreeMap<String, String>,
    /// As the report shows it.
    pub(super) file: &'a str,
}

impl LaravelVariables<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        self.values
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty() && *value != "null")
    }

    /// The first of these that is set.
    fn first(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| self.get(name))
    }

    /// The destinations of a configuration, as far as there is one, with what the application adds.
    pub(super) fn complete(&self, destinations: Destinations) -> Destinations {
        let own = self.own(destinations.server.is_some());
        let mut all = match own {
            Some(own) => Destinations { served: None, app: None, ..own },
            None => destinations,
        };
        all.app = self.app().or(all.app);
        all.origin = self.get("APP_URL").and_then(origin);
        let style = if self.get("REVERB_APP_KEY").is_some() { "REVERB" } else { "PUSHER" };
        let back_end = self.destination(style, "");
        let public = self.destination(style, "VITE_").or_else(|| back_end.clone());
        let prefix = self.get("REVERB_SERVER_PATH").unwrap_or_default().trim_end_matches('/');
        let with_prefix = |destination: Option<Destination>| {
            destination.map(|mut destination| {
                destination.url.prefix = prefix.to_owned();
                destination
            })
        };
        all.public = all.public.or(with_prefix(public));
        let is_public = |at: &Destination| all.public.as_ref().is_none_or(|it| it.url == at.url);
        let back_end = with_prefix(back_end);
        all.laravel_uses_public = back_end.as_ref().is_some_and(is_public);
        all.back_end = back_end.filter(|at| !is_public(at));
        all.laravel_redis = self.uses_redis().then(|| self.redis()).flatten();
        all
    }

    /// What `resound serve --env-file` would serve with, where no other configuration was given.
    fn own(&self, is_configured: bool) -> Option<Destinations> {
        if is_configured || self.get("REVERB_APP_KEY").is_none() {
            return None;
        }
        let sources = Sources { environment: self.values.clone(), ..Sources::default() };
        let mut own = Destinations::of_config(&Config::new(&sources).ok()?);
        if let Some(server) = &mut own.server {
            server.named_by = format!("REVERB_SERVER_HOST and REVERB_SERVER_PORT in {}", self.file);
        }
        Some(own)
    }

    fn app(&self) -> Option<AppCredentials> {
        let style = ["REVERB", "PUSHER"]
            .into_iter()
            .find(|style| self.get(&format!("{style}_APP_KEY")).is_some())?;
        let value = |name: &str| self.get(&format!("{style}_APP_{name}"));
        Some(AppCredentials {
            id: value("ID")?.to_owned(),
            key: value("KEY")?.to_owned(),
            secret: Secret::new(value("SECRET")?),
            named_by: self.file.to_owned(),
        })
    }

    /// The address in `…_HOST`, `…_PORT` and `…_SCHEME`, with the defaults of Laravel's configuration.
    fn destination(&self, style: &str, copy: &str) -> Option<Destination> {
        let name = |part: &str| format!("{copy}{style}_{part}");
        let value = |part: &str| self.first(&[&name(part), &format!("{style}_{part}")]);
        self.get(&name("HOST"))?;
        let tls = value("SCHEME").is_none_or(|scheme| scheme == "https");
        let port = value("PORT").unwrap_or("443").parse().ok().filter(|port| *port > 0)?;
        let host = value("HOST")?.trim_matches(['[', ']']).to_owned();
        let names = ["HOST", "PORT", "SCHEME"].map(name);
        Some(Destination {
            url: ServerUrl { tls, host, port, prefix: String::new() },
            named_by: format!("{} of {}", names.join(", "), self.file),
        })
    }

    /// Whether events of the application depend on its Redis.
    fn uses_redis(&self) -> bool {
        let is = |name| self.get(name) == Some("redis");
        is("QUEUE_CONNECTION") || is("BROADCAST_CONNECTION") || is("BROADCAST_DRIVER")
    }

    fn redis(&self) -> Option<RedisDestination> {
        let mut environment: BTreeMap<String, String> = self.values.clone();
        environment.retain(|name, _| name.starts_with("REDIS_"));
        environment.insert("REVERB_SCALING_ENABLED".to_owned(), "true".to_owned());
        let config = Config::new(&Sources { environment, ..Sources::default() }).ok()?;
        let redis: RedisConfig = config.cluster?.redis;
        Some(RedisDestination { redis, prefix: None })
    }
}

/// The origin of pages with this URL: without path, and without the port of the scheme.
pub(super) fn origin(url: &str) -> Option<String> {
    let url = ServerUrl::parse(url)?;
    let scheme = if url.tls { "https" } else { "http" };
    Some(format!("{scheme}://{}", url.authority()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Destinations, LaravelVariables, origin};

    fn complete(lines: &str) -> Destinations {
        let pairs = lines.lines().filter_map(|line| line.trim().split_once('='));
        let values: BTreeMap<String, String> =
            pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        LaravelVariables { values: &values, file: ".env" }.complete(Destinations::default())
    }

    const APP: &str = "REVERB_APP_ID=1\nREVERB_APP_KEY=key\nREVERB_APP_SECRET=secret\n";

    #[test]
    fn the_addresses_of_browsers_of_laravel_and_of_the_server_are_three() {
        let found = complete(&format!(
            "{APP}APP_URL=https://shop.example/\nREVERB_HOST=127.0.0.1\nREVERB_PORT=8080\nREVERB_SCHEME=http\n\
             VITE_REVERB_HOST=ws.example\nVITE_REVERB_PORT=443\nVITE_REVERB_SCHEME=https\nREVERB_SERVER_PATH=/ws"
        ));
        let shown = |at: Option<super::Destination>| at.map(|at| at.url.to_string());
        assert_eq!(shown(found.server).as_deref(), Some("http://127.0.0.1:8080/ws"));
        assert_eq!(shown(found.public).as_deref(), Some("https://ws.example:443/ws"));
        assert_eq!(shown(found.back_end).as_deref(), Some("http://127.0.0.1:8080/ws"));
        assert_eq!(found.origin.as_deref(), Some("https://shop.example"));
        assert_eq!(found.app.unwrap().id, "1");
        assert!(found.cluster.is_empty() && found.laravel_redis.is_none());
    }

    #[test]
    fn one_address_for_all_is_looked_at_once() {
        let found =
            complete(&format!("{APP}REVERB_HOST=localhost\nREVERB_PORT=8080\nREVERB_SCHEME=http"));
        assert_eq!(
            found.public.unwrap().named_by,
            "REVERB_HOST, REVERB_PORT, REVERB_SCHEME of .env"
        );
        assert!(found.back_end.is_none());
    }

    #[test]
    fn redis_is_looked_at_where_events_depend_on_it() {
        let redis = "REDIS_HOST=10.0.0.9\nREDIS_PASSWORD=hidden\n";
        assert!(complete(&format!("{APP}{redis}")).laravel_redis.is_none());
        let queue = complete(&format!("{APP}{redis}QUEUE_CONNECTION=redis"));
        assert_eq!(queue.laravel_redis.unwrap().redis.address.to_string(), "redis://10.0.0.9:6379");
        let cluster = complete(&format!("{APP}{redis}REVERB_SCALING_ENABLED=true"));
        assert_eq!(cluster.cluster[0].prefix.as_deref(), Some("resound"));
    }

    #[test]
    fn an_origin_has_no_path_and_no_port_of_its_scheme() {
        assert_eq!(origin("http://localhost:8000/app").as_deref(), Some("http://localhost:8000"));
        assert_eq!(origin("https://shop.example:443").as_deref(), Some("https://shop.example"));
        assert_eq!(origin("shop.example"), None);
    }
}
