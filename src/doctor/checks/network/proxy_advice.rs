//! What to write in the configuration of a proxy, and in which file, by what its answers show of it.

use crate::probe::HttpAnswer;

/// The proxies with advice of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ProxyKind {
    Nginx,
    Apache,
    Caddy,
    HaProxy,
    Traefik,
    Cloudflare,
    Other,
}

impl ProxyKind {
    /// Of an answer: by the field `Server`, else by the texts that only one program has.
    pub(super) fn of(answer: &HttpAnswer) -> Self {
        Self::of_field(answer.server.as_deref())
            .or_else(|| Self::of_body(&answer.body))
            .unwrap_or(Self::Other)
    }

    fn of_field(server: Option<&str>) -> Option<Self> {
        let name = server.unwrap_or_default().to_ascii_lowercase();
        let kinds = [
            ("nginx", Self::Nginx),
            ("openresty", Self::Nginx),
            ("tengine", Self::Nginx),
            ("apache", Self::Apache),
            ("caddy", Self::Caddy),
            ("cloudflare", Self::Cloudflare),
        ];
        kinds.into_iter().find(|(part, _)| name.contains(part)).map(|(_, kind)| kind)
    }

    /// HAProxy and Traefik send no field `Server`.
    fn of_body(body: &str) -> Option<Self> {
        let kinds = [
            ("No server is available to handle this request", Self::HaProxy),
            ("The server returned an invalid or incomplete response", Self::HaProxy),
            ("The server didn't respond in time", Self::HaProxy),
            ("404 page not found", Self::Traefik),
            ("no available server", Self::Traefik),
        ];
        kinds.into_iter().find(|(part, _)| body.contains(part)).map(|(_, kind)| kind)
    }

    /// Where Debian's package, or the usual guide, has the setting.
    fn file(self) -> &'static str {
        match self {
            Self::Nginx => "the server block, in /etc/nginx/sites-enabled or /etc/nginx/conf.d",
            Self::Apache => "the VirtualHost, in /etc/apache2/sites-enabled",
            Self::Caddy => "the site, in /etc/caddy/Caddyfile",
            Self::HaProxy => "/etc/haproxy/haproxy.cfg",
            Self::Traefik => "the dynamic configuration of Traefik, or the labels of the container",
            Self::Cloudflare => "the dashboard of Cloudflare",
            Self::Other => "the configuration of the proxy",
        }
    }

    fn advice(self, setting: &str) -> String {
        format!("{setting} in {}", self.file())
    }

    /// So that a WebSocket handshake arrives.
    pub(super) fn pass_upgrade(self) -> String {
        self.advice(match self {
            Self::Nginx => {
                "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection \
                 \"Upgrade\"; for the location of /app"
            }
            Self::Apache => {
                "ProxyPass /app http://127.0.0.1:8080/app upgrade=websocket (Apache 2.4.47 or later)"
            }
            Self::Caddy => {
                "reverse_proxy /app/* 127.0.0.1:8080, without header_up lines for Upgrade or Connection"
            }
            Self::HaProxy => "mode http, without lines that remove Upgrade or Connection",
            Self::Traefik => "no headers middleware that removes Upgrade or Connection",
            Self::Cloudflare => "WebSockets switched on for the zone (Network)",
            Self::Other => "HTTP/1.1 to the server, with Upgrade and Connection passed on,",
        })
    }

    /// So that requests for `/apps/…` or `/app/…` reach the server.
    pub(super) fn route(self, path: &str, upstream: &str) -> String {
        self.advice(&match self {
            Self::Nginx => format!("location {path} {{ proxy_pass http://{upstream}; … }}"),
            Self::Apache => {
                format!(
                    "ProxyPass {path} http://{upstream}{path}, before any rewrite to index.php,"
                )
            }
            Self::Caddy => {
                format!("reverse_proxy {path}/* {upstream}, before php_fastcgi and file_server,")
            }
            Self::HaProxy => {
                format!("use_backend … if {{ path_beg {path}/ }}, with server {upstream},")
            }
            Self::Traefik => {
                format!("a router with PathPrefix(`{path}`) and a service with http://{upstream}")
            }
            Self::Cloudflare | Self::Other => {
                format!("{path}/… passed on to {upstream}, beside the other path of the server,")
            }
        })
    }

    /// So that the proxy reaches the server.
    pub(super) fn upstream(self, upstream: &str) -> String {
        self.advice(&match self {
            Self::Nginx => format!("proxy_pass http://{upstream};"),
            Self::Apache => format!("the URL behind ProxyPass to http://{upstream}"),
            Self::Caddy => format!("the address behind reverse_proxy to {upstream}"),
            Self::HaProxy => format!("the server line of the backend to {upstream}"),
            Self::Traefik => format!("the url of the service to http://{upstream}"),
            Self::Cloudflare | Self::Other => format!("the upstream to {upstream}"),
        })
    }

    /// So that large events pass.
    pub(super) fn body_limit(self, bytes: usize) -> String {
        self.advice(&match self {
            Self::Nginx => format!("client_max_body_size {}m;", bytes.div_ceil(1024 * 1024)),
            Self::Apache => format!("LimitRequestBody {bytes}"),
            Self::Caddy => format!("request_body {{ max_size {bytes} }}"),
            Self::Traefik => format!("maxRequestBodyBytes {bytes} of the buffering middleware"),
            Self::HaProxy | Self::Cloudflare | Self::Other => {
                format!("a body limit of {bytes} bytes")
            }
        })
    }

    /// So that sockets stay open between two pings.
    pub(super) fn idle_timeout(self) -> String {
        let setting = match self {
            Self::Nginx => "proxy_read_timeout 60s; for the location of /app",
            Self::Apache => "Timeout 60 and ProxyTimeout 60",
            Self::Caddy => "no stream_timeout below 60s in reverse_proxy",
            Self::HaProxy => "timeout tunnel 60s",
            // Traefik itself ends none.
            Self::Traefik => {
                return "60 s for the idle time-out of the load balancer before Traefik".to_owned();
            }
            Self::Cloudflare => {
                "app.ping_interval below the 100 s after which Cloudflare closes a silent socket"
            }
            // Some add no field of their own to what the server answers.
            Self::Other => {
                return "timeout tunnel 60s in /etc/haproxy/haproxy.cfg, proxy_read_timeout 60s; in the server block \
                        of Nginx, ProxyTimeout 60 in the VirtualHost of Apache"
                    .to_owned();
            }
        };
        self.advice(setting)
    }
}

#[cfg(test)]
mod tests {
    use super::ProxyKind;

    #[test]
    fn a_proxy_is_recognized_by_its_field_or_its_own_texts() {
        for (server, kind) in [
            (Some("nginx/1.22.1"), Some(ProxyKind::Nginx)),
            (Some("openresty"), Some(ProxyKind::Nginx)),
            (Some("Apache/2.4.57 (Debian)"), Some(ProxyKind::Apache)),
            (Some("Caddy"), Some(ProxyKind::Caddy)),
            (Some("cloudflare"), Some(ProxyKind::Cloudflare)),
            (Some("gws"), None),
            (None, None),
        ] {
            assert_eq!(ProxyKind::of_field(server), kind, "{server:?}");
        }
        for (body, kind) in [
            (
                "<html><body><h1>503 Service Unavailable</h1>\nNo server is available to handle this request.\n",
                Some(ProxyKind::HaProxy),
            ),
            ("404 page not found\n", Some(ProxyKind::Traefik)),
            ("{}", None),
        ] {
            assert_eq!(ProxyKind::of_body(body), kind, "{body}");
        }
    }
}
