//! The paths of all endpoints below the prefix, and which of them a request is for.
//!
//! The router is made from these patterns, and requests are counted by them: a path that is none of them has
//! no series of its own.

/// A path, with the names of its parameters in braces.
pub(super) type Route = &'static str;

pub(super) const LIVE: Route = "/live";
pub(super) const UP: Route = "/up";
pub(super) const READY: Route = "/ready";
/// The endpoint of sockets.
pub const SOCKET: Route = "/app/{key}";
pub(super) const EVENTS: Route = "/apps/{app_id}/events";
pub(super) const BATCH_EVENTS: Route = "/apps/{app_id}/batch_events";
pub(super) const CHANNELS: Route = "/apps/{app_id}/channels";
pub(super) const CHANNEL: Route = "/apps/{app_id}/channels/{channel}";
pub(super) const CHANNEL_USERS: Route = "/apps/{app_id}/channels/{channel}/users";
pub(super) const CHANNEL_EVENTS: Route = "/apps/{app_id}/channels/{channel}/events";
pub(super) const CHANNEL_STATS: Route = "/apps/{app_id}/channels/{channel}/stats";
pub(super) const CONNECTIONS: Route = "/apps/{app_id}/connections";
pub(super) const TERMINATE: Route = "/apps/{app_id}/users/{user_id}/terminate_connections";

/// Any other path.
const OTHER: Route = "other";

/// All of them; those of triggers first, since most requests are.
pub const ROUTES: [Route; 14] = [
    EVENTS,
    BATCH_EVENTS,
    CHANNELS,
    CHANNEL,
    CHANNEL_USERS,
    CHANNEL_EVENTS,
    CHANNEL_STATS,
    CONNECTIONS,
    TERMINATE,
    SOCKET,
    LIVE,
    UP,
    READY,
    OTHER,
];

/// The route that serves a path, with or without the prefix.
pub fn route_of(path: &str, prefix: &str) -> Route {
    let path = path.strip_prefix(prefix).unwrap_or(path);
    ROUTES.into_iter().find(|route| matches(route, path)).unwrap_or(OTHER)
}

fn matches(route: Route, path: &str) -> bool {
    let (mut expected, mut found) = (route.split('/'), path.split('/'));
    loop {
        match (expected.next(), found.next()) {
            (None, None) => return true,
            (Some(parameter), Some(value)) if parameter.starts_with('{') && !value.is_empty() => {}
            (Some(expected), Some(found)) if expected == found => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CHANNEL, CHANNELS, EVENTS, OTHER, ROUTES, SOCKET, UP, route_of};

    #[test]
    fn a_path_belongs_to_the_route_that_serves_it() {
        for (path, expected) in [
            ("/apps/7/events", EVENTS),
            ("/prefix/apps/7/events", EVENTS),
            ("/apps/7/channels", CHANNELS),
            ("/apps/7/channels/presence-a", CHANNEL),
            ("/apps/7/channels/", OTHER),
            ("/apps//events", OTHER),
            ("/apps/7/events/8", OTHER),
            ("/app/key", SOCKET),
            ("/up", UP),
            ("/", OTHER),
            ("other", OTHER),
            ("", OTHER),
        ] {
            assert_eq!(route_of(path, "/prefix"), expected, "{path}");
        }
    }

    #[test]
    fn each_route_serves_itself() {
        for route in ROUTES {
            assert_eq!(route_of(route, ""), route);
        }
    }
}
