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

/// The endpoints of `app.auth`, wherever they are: the label of their requests.
pub(super) const CHANNEL_AUTH: Route = "/broadcasting/auth";
/// The same for sign-ins.
pub(super) const USER_AUTH: Route = "/broadcasting/user-auth";

/// Any other path.
const OTHER: Route = "other";

/// Segments of the longest route.
const SEGMENTS_MAX: usize = 5;

/// All of them; those of triggers first, since most requests are.
pub const ROUTES: [Route; 16] = [
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
    CHANNEL_AUTH,
    USER_AUTH,
    OTHER,
];

/// The route that serves a path, with or without the prefix. Each request is counted by it, so the path is
/// split once and not once for each route.
pub fn route_of(path: &str, prefix: &str) -> Route {
    let path = path.strip_prefix(prefix).unwrap_or(path);
    let Some(path) = path.strip_prefix('/') else { return OTHER };
    let mut segments = [""; SEGMENTS_MAX];
    let mut count = 0;
    for segment in path.split('/') {
        if count == SEGMENTS_MAX || segment.is_empty() {
            return OTHER;
        }
        segments[count] = segment;
        count += 1;
    }
    match segments[..count] {
        ["apps", _, "events"] => EVENTS,
        ["apps", _, "batch_events"] => BATCH_EVENTS,
        ["apps", _, "channels"] => CHANNELS,
        ["apps", _, "channels", _] => CHANNEL,
        ["apps", _, "channels", _, "users"] => CHANNEL_USERS,
        ["apps", _, "channels", _, "events"] => CHANNEL_EVENTS,
        ["apps", _, "channels", _, "stats"] => CHANNEL_STATS,
        ["apps", _, "connections"] => CONNECTIONS,
        ["apps", _, "users", _, "terminate_connections"] => TERMINATE,
        ["app", _] => SOCKET,
        ["live"] => LIVE,
        ["up"] => UP,
        ["ready"] => READY,
        ["broadcasting", "auth"] => CHANNEL_AUTH,
        ["broadcasting", "user-auth"] => USER_AUTH,
        _ => OTHER,
    }
}

/// Whether a path of this route may be one of `app.auth`, which can be anywhere.
pub(super) fn may_be_auth(route: Route) -> bool {
    [OTHER, CHANNEL_AUTH, USER_AUTH].contains(&route)
}

#[cfg(test)]
mod tests {
    use super::{CHANNEL, CHANNEL_USERS, CHANNELS, EVENTS, OTHER, ROUTES, SOCKET, UP, route_of};

    #[test]
    fn a_path_belongs_to_the_route_that_serves_it() {
        for (path, expected) in [
            ("/apps/7/events", EVENTS),
            ("/prefix/apps/7/events", EVENTS),
            ("/apps/7/channels", CHANNELS),
            ("/apps/7/channels/presence-a", CHANNEL),
            ("/apps/7/channels/", OTHER),
            ("/apps//events", OTHER),
            ("/apps/7/channels/presence-a/users", CHANNEL_USERS),
            ("/apps/7/channels/presence-a/users/8", OTHER),
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
