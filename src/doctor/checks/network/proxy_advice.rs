//! What to write in the configuration of a proxy, by the name that its answers have in the field `Server`.

/// The proxies with advice of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ProxyKind {
    Nginx,
    Apache,
    Caddy,
    Cloudflare,
    Other,
}

impl ProxyKind {
    /// Of the field `Server`.
    pub(super) fn of(server: Option<&str>) -> Self {
        let name = server.unwrap_or_default().to_ascii_lowercase();
        let kinds = [
            ("nginx", Self::Nginx),
            ("openresty", Self::Nginx),
            ("tengine", Self::Nginx),
            ("apache", Self::Apache),
            ("caddy", Self::Caddy),
            ("cloudflare", Self::Cloudflare),
        ];
        let found = kinds.into_iter().find(|(part, _)| name.contains(part));
        found.map_or(Self::Other, |(_, kind)| kind)
    }

    /// So that a WebSocket handshake arrives.
    pub(super) fn pass_upgrade(self) -> &'static str {
        match self {
            Self::Nginx => {
                "in the location of /app: proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; \
                 proxy_set_header Connection \"Upgrade\";"
            }
            Self::Apache => {
                "ProxyPass /app http://127.0.0.1:8080/app upgrade=websocket (Apache 2.4.47 or later)"
            }
            Self::Caddy => {
                "reverse_proxy /app/* 127.0.0.1:8080, without header_up lines for Upgrade or Connection"
            }
            Self::Cloudflare => {
                "switch WebSockets on for the zone (Network), or let the record bypass the proxy"
            }
            Self::Other => {
                "let the proxy speak HTTP/1.1 to the server and pass Upgrade and Connection on"
            }
        }
    }

    /// So that requests for `/apps/…` or `/app/…` reach the server.
    pub(super) fn route(self, path: &str, upstream: &str) -> String {
        match self {
            Self::Nginx => format!(
                "add location {path} {{ proxy_pass http://{upstream}; … }} to the server block"
            ),
            Self::Apache => {
                format!("ProxyPass {path} http://{upstream}{path}, before any rewrite to index.php")
            }
            Self::Caddy => {
                format!("reverse_proxy {path}/* {upstream}, before php_fastcgi and file_server")
            }
            Self::Cloudflare | Self::Other => {
                format!(
                    "let the proxy pass {path}/… on to {upstream}, beside the other path of the server"
                )
            }
        }
    }

    /// So that the proxy reaches the server.
    pub(super) fn upstream(self, upstream: &str) -> String {
        match self {
            Self::Nginx => format!("proxy_pass http://{upstream}; in the server block"),
            Self::Apache => format!("the URL behind ProxyPass to http://{upstream}"),
            Self::Caddy => format!("the address behind reverse_proxy to {upstream}"),
            Self::Cloudflare | Self::Other => format!("the upstream of the proxy to {upstream}"),
        }
    }

    /// So that large events pass.
    pub(super) fn body_limit(self, bytes: usize) -> String {
        match self {
            Self::Nginx => format!("client_max_body_size {}m;", bytes.div_ceil(1024 * 1024)),
            Self::Apache => format!("LimitRequestBody {bytes}"),
            Self::Caddy => format!("request_body {{ max_size {bytes} }}"),
            Self::Cloudflare | Self::Other => {
                format!("the body limit of the proxy to {bytes} bytes")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ProxyKind;

    #[test]
    fn a_proxy_is_recognized_by_its_field() {
        for (server, kind) in [
            (Some("nginx/1.22.1"), ProxyKind::Nginx),
            (Some("openresty"), ProxyKind::Nginx),
            (Some("Apache/2.4.57 (Debian)"), ProxyKind::Apache),
            (Some("Caddy"), ProxyKind::Caddy),
            (Some("cloudflare"), ProxyKind::Cloudflare),
            (Some("gws"), ProxyKind::Other),
            (None, ProxyKind::Other),
        ] {
            assert_eq!(ProxyKind::of(server), kind, "{server:?}");
        }
    }
}
