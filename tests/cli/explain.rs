//! `resound explain` against a running server.

use std::process::Output;

use serde_json::Value;

use super::reload::Running;
use super::{APP, check, resound, text};

fn explain(server: &Running, arguments: &[&str]) -> Output {
    let pid = server.child.id().to_string();
    let mut command = resound(&server.here, &["explain"]);
    command.args(arguments).args(["--config", "a.toml", "--pid", &pid]).output().unwrap()
}

fn trigger(server: &Running, channel: &str, event: &str) {
    let url = format!("http://127.0.0.1:{}", server.port);
    let arguments =
        ["trigger", channel, event, "{}", "--app", "7", "--config", "a.toml", "--url", &url];
    assert!(resound(&server.here, &arguments).output().unwrap().status.success());
}

#[test]
fn explain_shows_the_verdict_and_what_was_missed() {
    let server = Running::start("explain", APP, &[]);
    trigger(&server, "orders", "Shipped");
    let shown = explain(&server, &["orders", "Shipped"]);
    assert_eq!(shown.status.code(), Some(0), "{}", text(&shown.stderr));
    let lines: Vec<&str> = text(&shown.stdout).lines().collect();
    let [now, missed] = lines.as_slice() else { panic!("{lines:?}") };
    let start = "now: 0 on `orders`; no socket has subscribed to it since the server started, ";
    assert!(now.starts_with(start), "{now}");
    let part = " ago: no socket received `Shipped`: no socket was subscribed (trigger ";
    assert!(missed.contains(part), "{missed}");
    let json = explain(&server, &["orders", "Shipped", "--app", "7", "--json"]);
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["now"]["verdict"], "never_subscribed");
    assert_eq!(json["past"][0]["kind"], "missed");
}

#[test]
fn explain_asks_for_the_app_where_there_are_several() {
    let two = format!("{APP}[[apps]]\nid = \"8\"\nkey = \"k8\"\nsecret = \"s8\"\n");
    let server = Running::start("explain-apps", &two, &[]);
    let unnamed = explain(&server, &["orders"]);
    let message = "error: flag --app is missing; the apps are 7, 8\n";
    check(&unnamed, 2, "", message);
    let unknown = explain(&server, &["orders", "--app", "9"]);
    assert!(
        text(&unknown.stderr).contains("no app of this server has the id \"9\""),
        "{}",
        text(&unknown.stderr)
    );
    assert_eq!(explain(&server, &["orders", "--app", "8"]).status.code(), Some(0));
}
