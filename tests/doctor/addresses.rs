//! Servers whose HTTP API or probes have an address of their own: the doctor asks each at its own.

use crate::application::Application;
use crate::harness::redis::free_port;
use crate::harness::{Folder, Program};
use crate::network::{Diagnosed, diagnosed};
use crate::nginx::{Nginx, WITH_UPGRADE};

/// A server with its HTTP API, and its probes, at ports of their own.
struct Apart {
    server: u16,
    api: u16,
    file: String,
    _folder: Folder,
    _program: Program,
}

impl Apart {
    async fn start(lines: &str) -> Self {
        let (folder, server, api) = (Folder::new(), free_port(), free_port());
        let text = format!(
            "[server]\nhost = \"127.0.0.1\"\nport = {server}\n[http]\nlisten = [\"127.0.0.1:{api}\"]\n[[apps]]\n\
             id = \"123456\"\nkey = \"fixture-key\"\nsecret = \"reverb-secret-of-the-fixture\"\n{lines}\n"
        );
        let file = folder.write("apart.toml", &text);
        let command = std::process::Command::new(env!("CARGO_BIN_EXE_resound"));
        let program = Program::start_from(command, &file).await;
        Self { server, api, file, _folder: folder, _program: program }
    }

    async fn diagnosed(&self, more: &[&str]) -> Diagnosed {
        let arguments = ["--config", &self.file, "--nginx", "/nonexistent"];
        diagnosed(&[&arguments[..], more].concat()).await
    }

    /// An application whose pages and whose events go to these ports of this machine.
    fn application(&self, name: &str, events: u16, pages: u16) -> Application {
        let bundle = "public/build/assets/app-3f2c.js";
        Application::healthy(name)
            .env("APP_URL=https://shop.example.com", "APP_URL=http://shop.example.com")
            .env("REVERB_HOST=\"ws.example.com\"", "REVERB_HOST=127.0.0.1")
            .env("REVERB_PORT=443", &format!("REVERB_PORT={events}"))
            .env("REVERB_SCHEME=https", "REVERB_SCHEME=http")
            .env("REVERB_SERVER_HOST=0.0.0.0", "REVERB_SERVER_HOST=127.0.0.1")
            .env("REVERB_SERVER_PORT=8080", &format!("REVERB_SERVER_PORT={}", self.server))
            .env("VITE_REVERB_PORT=\"${REVERB_PORT}\"", &format!("VITE_REVERB_PORT={pages}"))
            .replaced(bundle, "ws.example.com", "127.0.0.1")
            .replaced(bundle, "`443`", &format!("`{pages}`"))
            .replaced(bundle, "forceTLS:!0", "forceTLS:!1")
    }
}

/// What was seen by a check that passed, or why it does not apply.
fn seen(diagnosed: &Diagnosed, id: &str) -> String {
    let report: serde_json::Value = serde_json::from_str(&diagnosed.text).unwrap();
    let check = report["checks"].as_array().unwrap().iter().find(|check| check["id"] == id);
    let check = check.unwrap_or_else(|| panic!("{id} is missing"));
    format!("{} {}", check["seen"], check["reason"])
}

#[tokio::test]
async fn an_api_with_an_address_of_its_own_is_asked_there() {
    let apart = Apart::start("").await;
    let diagnosed = apart.diagnosed(&[]).await;
    diagnosed.is_healthy();
    assert!(seen(&diagnosed, "R057").contains("a request of app 123456 was accepted"));
    assert!(seen(&diagnosed, "R080").contains("event received"), "{}", diagnosed.text);
}

#[tokio::test]
async fn a_proxy_need_not_pass_such_an_api_on() {
    let apart = Apart::start("").await;
    let nginx = Nginx::start(&format!(
        "listen $listen; location /app/ {{ proxy_pass http://127.0.0.1:{}; {WITH_UPGRADE} }}",
        apart.server
    ))
    .await;
    let diagnosed = apart.diagnosed(&["--url", &format!("http://127.0.0.1:{}", nginx.port)]).await;
    diagnosed.is_healthy();
    let why =
        format!("the HTTP API has an address of its own, 127.0.0.1:{} (http.listen)", apart.api);
    for id in ["R067", "R069", "R070"] {
        assert!(seen(&diagnosed, id).contains(&why), "{id} {}", diagnosed.text);
    }
    assert!(seen(&diagnosed, "R081").contains("event received"), "{}", diagnosed.text);
}

#[tokio::test]
async fn laravel_has_to_publish_at_the_address_of_the_api() {
    let apart = Apart::start("").await;
    let app = apart.application("apart-healthy", apart.api, apart.server);
    let folder = app.write().to_str().unwrap();
    let diagnosed = apart.diagnosed(&["--app", folder]).await;
    diagnosed.is_healthy();
    assert!(seen(&diagnosed, "R072").contains("answered 200"), "{}", diagnosed.text);
    let app = apart.application("apart-mixed-up", apart.server, apart.server);
    let folder = app.write().to_str().unwrap();
    let says = format!(
        "Laravel would send events to 127.0.0.1:{}, where Resound answers no HTTP API; http.listen has port {}.",
        apart.server, apart.api
    );
    let diagnosed = apart.diagnosed(&["--app", folder, "--fix-hints"]).await;
    diagnosed.fails("R011", &says);
    assert!(diagnosed.text.contains(&format!("REVERB_PORT={}", apart.api)), "{}", diagnosed.text);
}

#[tokio::test]
async fn readiness_is_asked_where_operators_ask() {
    for section in ["metrics", "internal"] {
        let port = free_port();
        let listen = match section {
            "metrics" => format!("listen = \"127.0.0.1:{port}\""),
            _ => format!("listen = [\"127.0.0.1:{port}\"]"),
        };
        let apart = Apart::start(&format!("[{section}]\n{listen}")).await;
        let diagnosed = apart.diagnosed(&[]).await;
        diagnosed.is_healthy();
        let asked = format!("http://127.0.0.1:{port}/ready: ");
        assert!(seen(&diagnosed, "R056").contains(&asked), "{}", diagnosed.text);
    }
}
