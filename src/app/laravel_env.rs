//! The block for the `.env` of a Laravel app, as `php artisan reverb:install` writes it.
//!
//! Holds the secret of the app: for the development app's banner, and for an operator who asks for it.

use super::App;

/// Where clients and back ends reach the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicAddress<'a> {
    /// A name, or an address as it stands in a URL.
    pub host: &'a str,
    /// The port.
    pub port: u16,
    /// Whether it is reached over TLS.
    pub tls: bool,
    /// The path in front of `/app` and `/apps`; empty for none.
    pub path: &'a str,
}

/// The variables, with their secret.
pub fn laravel_env(app: &App, address: &PublicAddress<'_>) -> String {
    let (id, key, secret) = (&app.id, &app.key, app.secret.reveal());
    let PublicAddress { host, port, tls, path } = address;
    let scheme = if *tls { "https" } else { "http" };
    let path = match *path {
        "" => String::new(),
        path => format!("REVERB_SERVER_PATH={path}\n"),
    };
    format!(
        r#"BROADCAST_CONNECTION=reverb
REVERB_APP_ID={id}
REVERB_APP_KEY={key}
REVERB_APP_SECRET={secret}
REVERB_HOST="{host}"
REVERB_PORT={port}
REVERB_SCHEME={scheme}
{path}VITE_REVERB_APP_KEY="${{REVERB_APP_KEY}}"
VITE_REVERB_HOST="${{REVERB_HOST}}"
VITE_REVERB_PORT="${{REVERB_PORT}}"
VITE_REVERB_SCHEME="${{REVERB_SCHEME}}"
"#
    )
}
