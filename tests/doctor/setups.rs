//! The healthy set-up, those that are broken in one place each, and the traps of tutorials: each is named as the
//! only cause.

use std::process::{Command, Stdio};

use crate::application::{Application, ENV, Examined};
use crate::catalogue::is_listed;

/// The doctor names this as the only cause, and every sentence is one of the catalogue.
fn check(examined: &Examined, id: &str, says: &str) {
    assert_eq!(examined.says(), [(id, says)], "{}", examined.text);
    assert!(is_listed(id, says), "{id}: {says} is not in the catalogue");
    assert_eq!((examined.code, examined.json["headline"].as_str()), (1, Some(id)));
    assert_eq!(examined.of("fail"), [id]);
    assert!(examined.text.starts_with(&format!("✗ {id}  {says}\n")), "{}", examined.text);
    assert!(examined.text.contains("\n  change  "), "{}", examined.text);
}

#[test]
fn the_healthy_set_up_passes_without_a_warning() {
    let examined = Application::healthy("healthy").examined();
    assert_eq!((examined.code, examined.says()), (0, vec![]), "{}", examined.text);
    assert_eq!(examined.json["outcome"], "pass");
    assert!(examined.text.ends_with(" not applicable\n"), "{}", examined.text);
    assert_eq!(examined.text.lines().count(), 1);
}

#[test]
fn a_wrong_port() {
    let app = Application::healthy("wrong-port")
        .env("REVERB_HOST=\"ws.example.com\"", "REVERB_HOST=127.0.0.1")
        .env("REVERB_PORT=443", "REVERB_PORT=1")
        .env("REVERB_SCHEME=https", "REVERB_SCHEME=http");
    let says =
        "Laravel would send events to 127.0.0.1:1, where nothing listens; Resound listens on 8080.";
    let examined = app.examined();
    check(&examined, "R011", says);
    assert!(examined.text.contains("\n  change  REVERB_PORT=8080 in .env\n"), "{}", examined.text);
}

#[test]
fn a_wrong_scheme() {
    for (port, scheme, says) in [
        (
            "8080",
            "https",
            "Laravel would use https on port 8080, but Resound listens on port 8080 without TLS.",
        ),
        ("443", "http", "Laravel would use http on port 443, but port 443 is for https."),
        ("80", "https", "Laravel would use https on port 80, but port 80 is for http."),
    ] {
        let app = Application::healthy("wrong-scheme")
            .env("REVERB_PORT=443", &format!("REVERB_PORT={port}"))
            .env("REVERB_SCHEME=https", &format!("REVERB_SCHEME={scheme}"));
        check(&app.examined(), "R010", says);
    }
}

#[test]
fn stale_assets() {
    let app = Application::healthy("stale-assets")
        .replaced("public/build/assets/app-3f2c.js", "ws.example.com", "old.example.com")
        .older("public/build/assets/app-3f2c.js");
    let examined = app.examined();
    let says =
        "The built page dials wss://old.example.com:443, but .env has wss://ws.example.com:443.";
    check(&examined, "R019", says);
    let seen =
        "  seen    public/build/assets/app-3f2c.js: wss://old.example.com:443, key fixture-key\n";
    assert!(examined.text.contains(seen), "{}", examined.text);
    assert!(examined.text.contains("\n  change  npm run build\n"), "{}", examined.text);
}

/// What `config:cache` writes, with these values.
fn cached(host: &str, secret: &str) -> String {
    format!(
        "<?php return array (\n  'app' => array ('key' => 'base64:c2VjcmV0LW9mLWxhcmF2ZWw=', 'debug' => false),\n  \
         'broadcasting' => \n  array (\n    'default' => 'reverb',\n    'connections' => \n    array (\n      \
         'reverb' => \n      array (\n        'driver' => 'reverb',\n        'key' => 'fixture-key',\n        \
         'secret' => '{secret}',\n        'app_id' => '123456',\n        'options' => \n        array (\n          \
         'host' => '{host}',\n          'port' => '443',\n          'scheme' => 'https',\n          'useTLS' => true,\n\
         ),\n      ),\n    ),\n  ),\n  'queue' => array ('default' => 'sync'),\n);\n"
    )
}

const CACHE: &str = "bootstrap/cache/config.php";
const SECRET: &str = "reverb-secret-of-the-fixture";

#[test]
fn cached_configuration() {
    let app = |host: &str, secret: &str| {
        Application::healthy("cached").with(CACHE, &cached(host, secret)).older(CACHE)
    };
    let says = "Laravel reads cached configuration, in which REVERB_HOST is \"old.example.com\".";
    let examined = app("old.example.com", SECRET).examined();
    check(&examined, "R015", says);
    assert!(examined.text.contains("\n  change  php artisan config:clear\n"), "{}", examined.text);
    let says = "Laravel reads cached configuration, in which REVERB_APP_SECRET is sha256:baa6827b.";
    let examined = app("ws.example.com", "old-secret-of-the-fixture").examined();
    check(&examined, "R015", says);
    // The same values are a warning only, for `.env` may differ in others.
    let older = app("ws.example.com", SECRET).examined();
    let says = "Laravel reads cached configuration, which is older than .env.";
    assert_eq!((older.code, older.says()), (0, vec![("R015", says)]));
    let current = Application::healthy("cached").with(CACHE, &cached("ws.example.com", SECRET));
    assert_eq!(current.examined().says(), []);
}

#[test]
fn an_address_to_listen_on_as_host() {
    for address in ["0.0.0.0", "::"] {
        let app = Application::healthy("any-address").env("\"ws.example.com\"", address);
        let says = format!(
            "{address} is an address to listen on, not a destination: nothing can connect to it."
        );
        let examined = app.examined();
        check(&examined, "R006", &says);
        let change = "\n  change  REVERB_HOST=\"shop.example.com\" in .env\n";
        assert!(examined.text.contains(change), "{}", examined.text);
    }
}

#[test]
fn no_queue_worker() {
    let queued =
        || Application::healthy("no-worker").env("QUEUE_CONNECTION=sync", "QUEUE_CONNECTION=redis");
    let says =
        "Events wait in the queue redis, and no worker of this application runs on this machine.";
    check(&queued().examined(), "R016", says);
    // A process that looks like a worker, in the folder of the application.
    let app = queued();
    let folder = app.write().to_owned();
    let mut worker = Command::new("sh");
    let script = "read line";
    worker.args(["-c", script, "php", "artisan", "queue:work", "--sleep=1"]);
    let mut worker = worker.current_dir(&folder).stdin(Stdio::piped()).spawn().unwrap();
    let healthy = app.ask(&[]);
    drop(worker.stdin.take());
    worker.wait().unwrap();
    assert_eq!(healthy.says(), [], "{}", healthy.text);
    // Without an event that is queued, nothing has to take it.
    let now =
        queued().replaced("app/Events/OrderShipped.php", "ShouldBroadcast", "ShouldBroadcastNow");
    assert_eq!(now.examined().says(), []);
}

#[test]
fn the_traps_of_tutorials() {
    let listen = Application::healthy("dot").replaced(
        "resources/js/app.js",
        "'OrderShipped'",
        "'.OrderShipped'",
    );
    let says = "The page listens to .OrderShipped, but the event is sent as App\\Events\\OrderShipped, for it has \
                no broadcastAs.";
    check(&listen.examined(), "R021", says);

    let public = Application::healthy("public").replaced(
        "app/Events/CapacityChanged.php",
        "PrivateChannel",
        "Channel",
    );
    let says = "App\\Events\\CapacityChanged sends on the public channel organization.*.capacity, but pages \
                subscribe to the private channel of this name.";
    check(&public.examined(), "R022", says);

    let options = Application::healthy("options")
        .replaced("resources/js/echo.js", "wsHost:", "host:")
        .replaced("resources/js/echo.js", "wsPort:", "port:")
        .replaced(
            "resources/js/echo.js",
            "    wssPort: import.meta.env.VITE_REVERB_PORT ?? 443,\n",
            "",
        )
        .replaced("resources/js/echo.js", "forceTLS: (", "scheme: (");
    let says = "pusher-js ignores the host, port, scheme of Echo's options, so the page dials \
                wss://ws-.pusher.com:443.";
    check(&options.examined(), "R018", says);

    let alias = Application::healthy("alias").replaced(
        "resources/js/app.js",
        "'.capacity.changed'",
        "'CapacityChanged'",
    );
    let says = "The page listens to CapacityChanged, but the event is sent as capacity.changed, the name that \
                broadcastAs gives it.";
    check(&alias.examined(), "R021", says);
}

#[test]
fn hints_are_lines_of_a_diff() {
    let app = Application::healthy("hints").env("\"ws.example.com\"", "0.0.0.0");
    let line = ENV.lines().position(|line| line.starts_with("REVERB_HOST")).unwrap() + 1;
    let hints = format!(
        "--- .env\n+++ .env\n@@ line {line} @@\n-REVERB_HOST=0.0.0.0\n+REVERB_HOST=\"shop.example.com\"\n"
    );
    let examined = app.examined_with(&["--fix-hints"]);
    assert!(examined.text.starts_with(&hints), "{}", examined.text);
    assert_eq!(examined.json["fix_hints"], hints);
}

#[test]
fn the_namespace_of_echo_counts() {
    let (echo, event) = ("resources/js/echo.js", "app/Events/OrderShipped.php");
    let with = |option: &str| {
        let option = format!("broadcaster: 'reverb',\n    {option},");
        Application::healthy("namespace").replaced(echo, "broadcaster: 'reverb',", &option)
    };
    let says = "The page listens to Shop\\Events\\OrderShipped, but the event is sent as App\\Events\\OrderShipped: \
                Echo's namespace is another one.";
    let examined = with("namespace: 'Shop.Events'").examined();
    check(&examined, "R021", says);
    let change = "change  .listen('\\\\App\\\\Events\\\\OrderShipped') in resources/js/app.js line 2, or the namespace \
                  option of Echo\n";
    assert!(examined.text.contains(change), "{}", examined.text);
    let moved = |app: Application| app.replaced(event, "App\\Events", "Shop\\Events");
    let says = "The page listens to App\\Events\\OrderShipped, but the event is sent as Shop\\Events\\OrderShipped: \
                Echo's namespace is another one.";
    check(&moved(Application::healthy("namespace")).examined(), "R021", says);
    let listening =
        |app: Application, name: &str| app.replaced("resources/js/app.js", "'OrderShipped'", name);
    for healthy in [
        moved(with("namespace: 'Shop.Events'")),
        listening(moved(Application::healthy("namespace")), "'\\\\Shop\\\\Events\\\\OrderShipped'"),
        listening(with("namespace: false"), "'App\\\\Events\\\\OrderShipped'"),
        listening(with("namespace: false"), "'App.Events.OrderShipped'"),
        with("namespace: window.namespace"),
    ] {
        let examined = healthy.examined();
        assert_eq!(examined.says(), [], "{}", examined.text);
    }
}
