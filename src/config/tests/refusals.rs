//! What is refused, and the exact sentence that says so.

use super::super::Config;
use super::{APP, flag, load, sources};

pub(super) fn check(file: &str, variables: &[(&str, &str)], message: &str) {
    let problem = load(file, variables).map(|config| config.apps).unwrap_err();
    assert_eq!(problem.to_string(), message, "{file:?} {variables:?}");
}

fn check_variable(name: &str, text: &str, message: &str) {
    check(APP, &[(name, text)], &format!("environment variable {name} {message}"));
}

fn check_flag(name: &'static str, key: &'static str, text: &str, message: &str) {
    let problem = Config::new(&sources(APP, &[], &[flag(name, key, text)])).unwrap_err();
    assert_eq!(problem.to_string(), format!("flag {name} {message}"), "{text:?}");
}

#[test]
fn the_shape_of_a_file_is_checked_with_line_and_column() {
    check(
        "[server]\nport = 8080\nhots = \"0.0.0.0\"\n",
        &[],
        "config/reverb.toml: TOML parse error at line 3, column 1\n  |\n\
         3 | hots = \"0.0.0.0\"\n  | ^^^^\n\
         unknown field `hots`, expected one of `host`, `port`, `path`, `hostname`, \
         `drain_seconds`, `shards`",
    );
    check(
        "[server]\nport = \"8080\"\n",
        &[],
        "config/reverb.toml: TOML parse error at line 2, column 8\n  |\n\
         2 | port = \"8080\"\n  |        ^^^^^^\n\
         invalid type: string \"8080\", expected u64",
    );
    check(
        "[[apps]]\nid = \"1\"\napp_id = \"1\"\n",
        &[],
        "config/reverb.toml: TOML parse error at line 1, column 1\n  |\n\
         1 | [[apps]]\n  | ^^^^^^^^\nduplicate field `id`",
    );
    check(
        "[cache]\nttl_seconds = 1.5\n",
        &[],
        "config/reverb.toml: TOML parse error at line 2, column 15\n  |\n\
         2 | ttl_seconds = 1.5\n  |               ^^^\n\
         invalid type: floating point `1.5`, expected u64",
    );
    check(
        "[servers]\n",
        &[],
        "config/reverb.toml: TOML parse error at line 1, column 2\n  |\n\
         1 | [servers]\n  |  ^^^^^^^\n\
         unknown field `servers`, expected one of `server`, `http`, `websocket`, `cache`, \
         `webhooks`, `log`, `metrics`, `cluster`, `app`, `apps`",
    );
}

#[test]
fn a_line_that_may_hold_a_secret_is_not_shown() {
    let check = |line: &str, message: &str| {
        let message = format!("config/reverb.toml: TOML parse error at line 2: {message}");
        check(&format!("[cluster]\n{line}\n"), &[], &message);
    };
    check("password = true", "expected a string");
    check("url = 7", "expected a string");
    check("password = \"hidden", "invalid basic string, expected `\"`");
    check("enabled = \"hidden\" # password", "expected a boolean");
    let file = "[cluster]\npasswrod = \"hidden\"\n";
    let problem = load(file, &[]).unwrap_err().to_string();
    assert!(problem.contains("line 2: unknown field `passwrod`, expected one of"), "{problem}");
    assert!(!problem.contains("hidden"), "{problem}");
}

#[test]
fn variables_are_named() {
    check_variable("RESOUND_SERVER_PORT", "abc", "is \"abc\"; it must be a whole number");
    check_variable("RESOUND_SERVER_PORT", "-1", "is \"-1\"; it must be a whole number");
    check_variable("REVERB_SERVER_PORT", "70000", "is 70000; allowed are 0 to 65535");
    check_variable("RESOUND_LOG_DEBUG", "maybe", "is \"maybe\"; it must be true or false");
    check_variable("REVERB_APP_PING_INTERVAL", "0", "is 0; allowed are 1 to 86400");
    check_variable("RESOUND_SERVER_PROT", "1", "is not known; did you mean RESOUND_SERVER_PORT?");
    check_variable("RESOUND_APP_KEY", "k", "is not known; did you mean REVERB_APP_KEY?");
    check_variable(
        "RESOUND_SOMETHING_ELSE",
        "1",
        "is not known; config/defaults.toml lists every key",
    );
    check_variable(
        "RESOUND_APP_WEBHOOKS",
        "https://example.com",
        "is not known; a list of tables has no variable: set app.webhooks in a file",
    );
    check_variable("REVERB_SCALING_ENABLED", "on", "is \"on\"; it must be true or false");
    check_variable(
        "RESOUND_APP_ALLOWED_ORIGINS",
        "a.example,b/c",
        "has \"b/c\"; a pattern is [scheme://]host[:port], where * stands for any characters",
    );
    check_variable(
        "RESOUND_WEBSOCKET_OUTBOX_BYTES",
        "1073741825",
        "is 1073741825; allowed are 1 to 1073741824",
    );
}

#[test]
fn the_app_of_the_environment_is_whole_or_absent() {
    check(
        "",
        &[("REVERB_APP_ID", "1"), ("REVERB_APP_KEY", "k"), ("REVERB_APP_SECRET", "")],
        "environment variable REVERB_APP_SECRET is missing; it is needed beside REVERB_APP_ID and \
         REVERB_APP_KEY",
    );
    check(
        "",
        &[("REVERB_APP_SECRET", "s")],
        "environment variables REVERB_APP_ID and REVERB_APP_KEY are missing; they are needed \
         beside REVERB_APP_SECRET",
    );
    check(
        "",
        &[("REVERB_APP_ID", "a b"), ("REVERB_APP_KEY", "k"), ("REVERB_APP_SECRET", "s")],
        "environment variable REVERB_APP_ID is \"a b\"; clients put it into URLs as it is, so it must \
         consist of A-Z a-z 0-9 and - . _ ~ ! $ & ' ( ) * + , ; = : @, and be neither . nor ..",
    );
    check(
        APP,
        &[("REVERB_APP_ID", "1"), ("REVERB_APP_KEY", "other"), ("REVERB_APP_SECRET", "s")],
        "two apps have the id \"1\": config/reverb.toml: apps[0] and the REVERB_APP_* variables",
    );
}

#[test]
fn flags_are_named() {
    check_flag("--port", "server.port", "abc", "is \"abc\"; it must be a whole number");
    check_flag("--port", "server.port", "70000", "is 70000; allowed are 0 to 65535");
    check_flag(
        "--host",
        "server.host",
        "",
        "is \"\"; it must be an IP address such as 0.0.0.0, 127.0.0.1 or [::], or localhost",
    );
    check_flag("--log-format", "log.format", "x", "is \"x\"; allowed are auto, human and json");
}

#[test]
fn the_development_app_is_not_served_to_others() {
    let host = flag("--host", "server.host", "0.0.0.0");
    let problem = Config::new(&sources("", &[], &[host])).unwrap_err();
    assert_eq!(
        problem.to_string(),
        r#"flag --host is 0.0.0.0; no app is configured, and the development app is
served on 127.0.0.1 only, since everybody knows its secret. Configure an app, in a file
given with --config:

  [[apps]]
  id = "123456"
  key = "your-app-key"
  secret = "your-app-secret"

or in the environment, as in the .env of your Laravel app:

  REVERB_APP_ID=123456
  REVERB_APP_KEY=your-app-key
  REVERB_APP_SECRET=your-app-secret"#
    );
    let variable = load("", &[("REVERB_SERVER_HOST", "::")]).unwrap_err().to_string();
    assert!(variable.starts_with("environment variable REVERB_SERVER_HOST is ::; no app"));
    let file = load("[server]\nhost = \"10.0.0.1\"\n", &[]).unwrap_err().to_string();
    assert!(file.starts_with("config/reverb.toml: server.host is 10.0.0.1; no app"));
}

#[test]
fn variables_that_others_inject_are_ignored_and_named() {
    let variables = [
        ("REDIS_PORT", "tcp://10.0.0.1:6379"),
        ("RESOUND_PORT", "tcp://10.0.0.1:8080"),
        ("RESOUND_SERVER_PORT", "tcp://10.0.0.1:8080"),
        ("RESOUND_SERVICE_HOST", "10.0.0.1"),
        ("REVERB_SERVER_PORT", "tcp://10.0.0.1:8080"),
    ];
    let config = load(APP, &variables).unwrap();
    assert_eq!(config.server.port, 8080);
    assert_eq!(config.injected, variables.map(|(name, _)| name));
    assert_eq!(load(APP, &[("RESOUND_SERVER_PORT", "1")]).unwrap().injected, [""; 0]);
    check_variable("RESOUND_PORT", "8080", "is not known; did you mean RESOUND_SERVER_PORT?");
    check_variable(
        "RESOUND_SERVICE_HOST",
        "web",
        "is not known; did you mean RESOUND_SERVER_HOST?",
    );
}
