//! What `.env` and the files beside it may have wrong, one thing at a time.

use crate::application::{Application, ENV};
use crate::catalogue::is_listed;

/// One change of a healthy application, and all that the doctor says then.
pub(super) fn check(
    name: &str,
    change: impl FnOnce(Application) -> Application,
    expected: &[(&str, &str)],
) {
    let examined = change(Application::healthy(name)).examined();
    assert_eq!(examined.says(), expected, "{}", examined.text);
    for (id, says) in expected {
        assert!(is_listed(id, says), "{id}: {says} is not in the catalogue");
    }
}

#[test]
fn credentials() {
    let key = "REVERB_APP_KEY=fixture-key";
    for (new, says) in [
        (
            "REVERB_APP_KEY=your-app-key",
            "REVERB_APP_KEY still has the placeholder \"your-app-key\".",
        ),
        ("REVERB_APP_KEY=", "REVERB_APP_KEY is not set, so Laravel cannot sign for an app."),
        ("REVERB_APP_KEY=null", "REVERB_APP_KEY is not set, so Laravel cannot sign for an app."),
    ] {
        check("credentials", |app| app.env(key, new), &[("R005", says)]);
    }
    let says = "REVERB_APP_ID has the value \"app-id\", which guides use as an example.";
    check("credentials", |app| app.env("=123456", "=app-id"), &[("R005", says)]);
    let says = "VITE_REVERB_APP_KEY is another, but REVERB_APP_KEY is fixture-key: pages would connect to another app.";
    let vite = "VITE_REVERB_APP_KEY=\"${REVERB_APP_KEY}\"";
    check("credentials", |app| app.env(vite, "VITE_REVERB_APP_KEY=another"), &[("R013", says)]);
    let says = "Pages would have no key, for VITE_REVERB_APP_KEY is not set.";
    check("credentials", |app| app.env(vite, ""), &[("R013", says)]);
    let says = "VITE_KEY has the secret of the app, which every visitor can then read.";
    let leak = "VITE_KEY=\"${REVERB_APP_SECRET}\"\n";
    check("credentials", |app| app.env("APP_ENV=production", leak), &[("R014", says)]);
}

#[test]
fn values() {
    let says = "Laravel does not start with this .env: line 1: APP_NAME has text behind a space or a closing quote; put \
                the whole value in double quotes, and a backslash before each double quote in it";
    check("values", |app| app.env("APP_NAME=Shop", "APP_NAME=The Shop"), &[("R002", says)]);
    let secret = "REVERB_APP_SECRET=reverb-secret-of-the-fixture";
    for (new, says) in [
        ("REVERB_APP_SECRET=re#verb", "Laravel reads REVERB_APP_SECRET only up to the # in it."),
        (
            "REVERB_APP_SECRET=\"reverb-secret-of-the-fixture \"",
            "REVERB_APP_SECRET begins or ends with a blank, which is part of the value.",
        ),
        ("REVERB_APP_SECRET=\"'reverb'\"", "REVERB_APP_SECRET has quotes in its value."),
        ("REVERB_APP_SECRET=${NONE}", "REVERB_APP_SECRET refers to NONE, which .env does not set."),
    ] {
        check("values", |app| app.env(secret, new), &[("R003", says)]);
    }
    // A comment behind a blank is one.
    check("values", |app| app.env(secret, &format!("{secret} # ours")), &[]);
    let twice = "REVERB_PORT=8443\nREVERB_PORT=443";
    let says = "REVERB_PORT is set on lines 16, 17; the last one counts.";
    check("values", |app| app.env("REVERB_PORT=443", twice), &[("R004", says)]);
    let last = "VITE_REVERB_SCHEME=\"${REVERB_SCHEME}\"";
    let open = format!("{last}\nOPEN=\"a\nB=1");
    let first = ENV.lines().count() + 1;
    let says = format!(
        "Lines {first} to {} of .env have no effect: the quote that line {first} opens has no end.",
        first + 2
    );
    check("values", |app| app.env(last, &open), &[("R003", &says)]);
}

#[test]
fn destinations() {
    let host = "REVERB_HOST=\"ws.example.com\"";
    let says = "REVERB_HOST is not set, so Laravel sends events to pusher.com.";
    check("destinations", |app| app.env(host, ""), &[("R006", says)]);
    let says = "REVERB_HOST has more than a host name.";
    check(
        "destinations",
        |app| {
            app.env(host, "REVERB_HOST=https://ws.example.com")
                .env("VITE_REVERB_HOST=\"${REVERB_HOST}\"", "VITE_REVERB_HOST=ws.example.com")
        },
        &[("R006", says)],
    );
    let says = "REVERB_SERVER_HOST is the address to listen on, but has the name ws.example.com.";
    let server = "REVERB_SERVER_HOST=0.0.0.0";
    check(
        "destinations",
        |app| app.env(server, "REVERB_SERVER_HOST=ws.example.com"),
        &[("R007", says)],
    );
    let says = "REVERB_SERVER_PORT and REVERB_PORT are mixed up: the server would listen on 443, and others connect to \
                8080.";
    check(
        "destinations",
        |app| {
            app.env("REVERB_PORT=443", "REVERB_PORT=8080")
                .env("REVERB_SERVER_PORT=8080", "REVERB_SERVER_PORT=443")
        },
        &[("R007", says)],
    );
}

#[test]
fn connections() {
    let line = "BROADCAST_CONNECTION=reverb";
    for (new, says) in [
        ("", "BROADCAST_CONNECTION is not set, so events go nowhere."),
        ("BROADCAST_CONNECTION=null", "BROADCAST_CONNECTION is null, so events go nowhere."),
        (
            "BROADCAST_CONNECTION=log",
            "BROADCAST_CONNECTION is log, so Laravel writes events to its log.",
        ),
        (
            "BROADCAST_CONNECTION=ably",
            "BROADCAST_CONNECTION is ably, so Laravel sends events to Ably.",
        ),
        (
            "BROADCAST_CONNECTION=redis",
            "BROADCAST_CONNECTION is redis, and Resound is not configured to read Laravel's Redis.",
        ),
        (
            "BROADCAST_CONNECTION=pusher",
            "BROADCAST_CONNECTION is pusher without PUSHER_HOST, so Laravel sends events to pusher.com.",
        ),
        (
            "BROADCAST_DRIVER=reverb",
            "This Laravel reads BROADCAST_CONNECTION, but .env sets BROADCAST_DRIVER: events go nowhere.",
        ),
    ] {
        let with_pusher = |app: Application| {
            match new {
            "BROADCAST_CONNECTION=pusher" => app.env(
                line,
                &format!("{new}\nPUSHER_APP_ID=1\nPUSHER_APP_KEY=fixture-key\nPUSHER_APP_SECRET=s3cr3t-s3cr3t"),
            ),
            _ => app.env(line, new),
        }
        };
        check("connections", with_pusher, &[("R008", says)]);
    }
    let old = r#"{"packages":[{"name":"laravel/framework","version":"v10.48.2"}]}"#;
    let says = "This Laravel reads BROADCAST_DRIVER, but .env sets BROADCAST_CONNECTION: events go nowhere.";
    let broadcasting = "config/broadcasting.php";
    check(
        "connections",
        |app| app.with("composer.lock", old).without(broadcasting),
        &[("R008", says)],
    );
    let says = "BROADCAST_CONNECTION names the connection live, which config/broadcasting.php does not have.";
    check("connections", |app| app.env(line, "BROADCAST_CONNECTION=live"), &[("R009", says)]);
}

#[test]
fn routes_of_channels() {
    let says =
        "Pages subscribe to private channels, but nothing registers the route /broadcasting/auth.";
    let line = "channels: __DIR__.'/../routes/channels.php',";
    let bootstrap = "bootstrap/app.php";
    check("routes", |app| app.replaced(bootstrap, line, ""), &[("R020", says)]);
    let provider =
        "<?php\nclass BroadcastServiceProvider {\n  function boot() { Broadcast::routes(); }\n}\n";
    check(
        "routes",
        |app| {
            app.replaced(bootstrap, line, "")
                .with("app/Providers/BroadcastServiceProvider.php", provider)
        },
        &[],
    );
}
