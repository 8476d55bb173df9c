//! One whole set-up of real programs (an application in files, Resound, Nginx with TLS, Redis), and twelve that are
//! broken in one place each: the doctor looks at all of it, and names that place alone.

use std::process::Command;
use std::time::Duration;

use crate::application::Application;
use crate::harness::redis::free_port;
use crate::harness::{Folder, Program, TestRedis};
use crate::network::{Diagnosed, an_hour_ahead, diagnosed};
use crate::nginx::{Nginx, WITH_UPGRADE, with_tls};

/// What differs from the healthy set-up.
struct Parts {
    /// The secret that the server has.
    secret: &'static str,
    /// What starts the server.
    command: Command,
    certificate: &'static str,
    /// The locations of Nginx; `$upstream` is the server.
    locations: String,
    /// The password of Redis in `.env`.
    password: &'static str,
}

const SECRET: &str = "reverb-secret-of-the-fixture";

impl Parts {
    fn healthy() -> Self {
        Self {
            secret: SECRET,
            command: Command::new(env!("CARGO_BIN_EXE_resound")),
            certificate: "valid.pem",
            locations: format!(
                "location / {{ $upstream {WITH_UPGRADE} client_max_body_size 4m; }}"
            ),
            password: "redis-password-of-the-fixture",
        }
    }
}

/// The ports of a set-up.
#[derive(Clone, Copy)]
struct Ports {
    server: u16,
    public: u16,
}

type Change = fn(Application, Ports) -> Application;

/// Runs the programs, writes the application with a change, and asks the doctor about everything.
async fn examined(name: &str, parts: Parts, change: Change) -> Diagnosed {
    let redis = TestRedis::with(&["--requirepass", "redis-password-of-the-fixture"]).await;
    let (folder, port) = (Folder::new(), free_port());
    let file = folder.write(
        "server.toml",
        &format!(
            "[server]\nhost = \"127.0.0.1\"\nport = {port}\n[[apps]]\nid = \"123456\"\nkey = \"fixture-key\"\nsecret = \"{}\"\n\
             [cluster]\nenabled = true\nurl = \"redis://:redis-password-of-the-fixture@127.0.0.1:{}\"\n",
            parts.secret, redis.port
        ),
    );
    let _server = Program::start_from(parts.command, &file).await;
    let (tls, upstream) =
        (with_tls(parts.certificate), format!("proxy_pass http://127.0.0.1:{port};"));
    let locations = parts.locations.replace("$upstream", &upstream);
    let site = format!("listen $listen ssl; server_name localhost; {tls} {locations}");
    let nginx = Nginx::start(&site).await;
    let ports = Ports { server: port, public: nginx.port };
    let bundle = "public/build/assets/app-3f2c.js";
    let app = Application::healthy(&format!("twelve-{name}"))
        .env("REVERB_HOST=\"ws.example.com\"", "REVERB_HOST=localhost")
        .env("REVERB_PORT=443", &format!("REVERB_PORT={}", ports.public))
        .env("REVERB_SERVER_HOST=0.0.0.0", "REVERB_SERVER_HOST=127.0.0.1")
        .env("REVERB_SERVER_PORT=8080", &format!("REVERB_SERVER_PORT={port}"))
        .env(
            "REDIS_PASSWORD=redis-password-of-the-fixture",
            &format!(
                "REVERB_SCALING_ENABLED=true\nREDIS_HOST=127.0.0.1\nREDIS_PORT={}\nREDIS_PASSWORD={}",
                redis.port, parts.password
            ),
        )
        .replaced(bundle, "ws.example.com", "localhost")
        .replaced(bundle, "`443`", &format!("`{}`", ports.public));
    let app = change(app, ports);
    let folder = app.write().to_str().unwrap();
    diagnosed(&["--app", folder, "--nginx", &nginx.file]).await
}

/// A broken set-up: its name, the check that names it, and what differs.
type Case = (&'static str, &'static str, Parts, Change);

fn unchanged(app: Application, _: Ports) -> Application {
    app
}

fn cases() -> Vec<Case> {
    let healthy = Parts::healthy;
    vec![
        ("a wrong port", "R011", healthy(), |app, ports| {
            app.env(&format!("REVERB_PORT={}", ports.public), "REVERB_PORT=1")
        }),
        ("a wrong scheme", "R010", healthy(), |app, ports| {
            app.env(
                &format!("REVERB_PORT={}", ports.public),
                &format!("REVERB_PORT={}", ports.server),
            )
        }),
        (
            "a proxy without Upgrade",
            "R066",
            Parts {
                locations:
                    "location / { $upstream proxy_http_version 1.1; client_max_body_size 4m; }"
                        .to_owned(),
                ..healthy()
            },
            unchanged,
        ),
        (
            "/apps not proxied",
            "R067",
            Parts {
                locations: format!("location /app/ {{ $upstream {WITH_UPGRADE} }}"),
                ..healthy()
            },
            unchanged,
        ),
        ("stale assets", "R019", healthy(), |app, _| {
            let bundle = "public/build/assets/app-3f2c.js";
            app.replaced(bundle, "localhost", "old.example.com").older(bundle)
        }),
        ("cached configuration", "R015", healthy(), |app, ports| {
            app.with("bootstrap/cache/config.php", &cached(ports))
                .older("bootstrap/cache/config.php")
        }),
        ("a wrong secret", "R057", Parts { secret: "another-secret", ..healthy() }, unchanged),
        (
            "a clock off by an hour",
            "R051",
            Parts { command: an_hour_ahead(), ..healthy() },
            unchanged,
        ),
        (
            "a wrong password of Redis",
            "R054",
            Parts { password: "wrong-password", ..healthy() },
            unchanged,
        ),
        (
            "a certificate for another name",
            "R064",
            Parts { certificate: "other.pem", ..healthy() },
            unchanged,
        ),
        ("0.0.0.0 as host", "R006", healthy(), |app, _| {
            app.env("REVERB_HOST=localhost", "REVERB_HOST=0.0.0.0")
        }),
        ("no queue worker", "R016", healthy(), |app, _| {
            app.env("QUEUE_CONNECTION=sync", "QUEUE_CONNECTION=redis")
        }),
    ]
}

/// What `config:cache` wrote before the host was changed.
fn cached(ports: Ports) -> String {
    format!(
        "<?php return array ('broadcasting' => array ('default' => 'reverb', 'connections' => array ('reverb' => \
         array ('driver' => 'reverb', 'key' => 'fixture-key', 'secret' => '{SECRET}', 'app_id' => '123456', \
         'options' => array ('host' => 'old.example.com', 'port' => '{}', 'scheme' => 'https', 'useTLS' => true)))), \
         'queue' => array ('default' => 'sync'));\n",
        ports.public
    )
}

#[tokio::test]
async fn the_whole_set_up_is_healthy() {
    if crate::harness::redis::is_left_out() {
        return;
    }
    let diagnosed = examined("healthy", Parts::healthy(), unchanged).await;
    assert_eq!(diagnosed.failed, [], "{}", diagnosed.text);
    assert_eq!(diagnosed.code, Some(0));
    assert!(diagnosed.took < Duration::from_secs(10), "{:?}", diagnosed.took);
}

#[tokio::test]
async fn each_of_twelve_broken_set_ups_is_named_alone() {
    if crate::harness::redis::is_left_out() {
        return;
    }
    let (mut table, mut wrong) = (String::new(), Vec::new());
    for (name, id, parts, change) in cases() {
        let diagnosed = examined(&name.replace(['/', ' '], "-"), parts, change).await;
        let failed: Vec<&str> = diagnosed.failed.iter().map(|(id, _)| id.as_str()).collect();
        let says = diagnosed.failed.first().map_or("nothing", |(_, says)| says);
        let seconds = diagnosed.took.as_secs_f64();
        table.push_str(&format!("{name:<32} {:<12} {seconds:>4.1} s  {says}\n", failed.join(" ")));
        if failed != [id] || diagnosed.took >= Duration::from_secs(10) {
            wrong.push(format!("{name}: {id} expected\n{}", diagnosed.text));
        }
    }
    println!("{table}");
    assert_eq!(wrong, Vec::<String>::new(), "\n{table}\n{}", wrong.join("\n"));
}
