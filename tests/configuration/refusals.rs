//! Refused configurations, and the exact sentence of each.

use resound::config::Config;

use crate::{APP, check_refused, flag, load, sources};

fn check_variable(name: &str, text: &str, message: &str) {
    check_refused(APP, &[(name, text)], &format!("environment variable {name} {message}"));
}

fn check_flag(name: &'static str, key: &'static str, text: &str, message: &str) {
    let problem = Config::new(&sources(APP, &[], &[flag(name, key, text)])).unwrap_err();
    assert_eq!(problem.to_string(), format!("flag {name} {message}"), "{text:?}");
}

/// A file that is refused, and what follows its name.
fn check_file(file: &str, message: &str) {
    check_refused(file, &[], &format!("config/reverb.toml: {message}"));
}

#[test]
fn the_shape_of_a_file_is_checked_line_by_line() {
    for (file, message) in [
        (
            "[server]\nport = 1\nhots = \"a\"\n",
            "line 3 is hots = \"a\"; hots is not known; did you mean host?",
        ),
        (
            "[cache]\ncolour = 1",
            "line 2 is colour = 1; colour is not known; known are ttl_seconds, bytes",
        ),
        ("[servers]", "line 1 is [servers]; servers is not known; did you mean server?"),
        ("[[apps]]\nid = \"1\"\napp_id = \"1\"\n", "line 1 is [[apps]]; id is set twice"),
        ("[server]\nport = 1\nport=2", "line 3 is port=2; this key is set twice"),
        ("[server", "line 1 is [server; unclosed table, expected `]`"),
        ("[server]\nport: 1", "line 2 is port: 1; a key and its value have = between them"),
    ] {
        check_file(file, message);
    }
}

#[test]
fn a_renamed_key_is_refused_with_its_new_name() {
    check_file(
        "[cluster]\npatience_ms = 250\n",
        "line 2 is patience_ms = 250; patience_ms is not known; did you mean local_delivery_after_ms?",
    );
    check_file(
        "[[apps]]\npresence_members = 5\n",
        "line 2 is presence_members = 5; presence_members is not known; did you mean max_presence_members?",
    );
    // It is another section's.
    check_file(
        "[http]\nwire = 1\n",
        "line 2 is wire = 1; wire is not known; known are listen, max_body_bytes, max_header_bytes, \
         max_headers, header_timeout_seconds, body_timeout_seconds, idle_timeout_seconds, \
         max_pending_connections",
    );
    for (old, new) in [
        ("RESOUND_CLUSTER_PATIENCE_MS", "RESOUND_CLUSTER_LOCAL_DELIVERY_AFTER_MS"),
        ("RESOUND_SERVER_SHARDS", "RESOUND_SERVER_WORKERS"),
        ("RESOUND_APP_PRESENCE_MEMBERS", "RESOUND_APP_MAX_PRESENCE_MEMBERS"),
    ] {
        check_variable(old, "1", &format!("is not known; did you mean {new}?"));
    }
}

#[test]
fn a_value_of_another_type_is_refused_with_what_it_must_be() {
    for (line, flaw) in [
        ("server.port = \"8080\"", "it must be a whole number, without quotes"),
        ("cache.ttl_seconds = 1.5", "it must be a whole number"),
        ("server.port = true", "it must be a whole number"),
        ("server.port = 99999999999999999999", "it must be a smaller number"),
        ("server.port = -1", "it must not be negative"),
        ("server.host = 1", "it must be text in quotes"),
        ("server.host = localhost", "text must be in quotes"),
        ("server.host = 0.0.0.0", "it is no number; text must be in quotes"),
        ("log.debug = \"yes\"", "it must be true or false, without quotes"),
        ("log.debug = 1", "it must be true or false"),
        ("log.debug = True", "it must be true or false, in small letters"),
        ("app.allowed_origins = \"*\"", "it must be a list in brackets, as in [\"a\", \"b\"]"),
        ("app.allowed_origins = [1]", "it must be text in quotes"),
        ("[apps]", "it must be a list: a table in it has two brackets, as in [[apps]]"),
        ("server = 1", "it must be a table: its name in brackets, its keys below it"),
    ] {
        check_file(line, &format!("line 1 is {line}; {flaw}"));
    }
    let long = format!("server.port = \"{}\"", "1".repeat(100));
    check_file(&long, "line 1 is wrong; it must be a whole number, without quotes");
}

#[test]
fn a_list_is_refused_where_a_table_belongs() {
    let list = "it must be one table, as in [server], and no list";
    for line in ["[[server]]", "[[app]]", "server = [\"::1\", 8081]", "cache = [60, 1]"] {
        check_file(line, &format!("line 1 is {line}; {list}"));
    }
    let app = format!("{APP}rate_limiting = [true, 5]");
    check_file(&app, &format!("line 5 is rate_limiting = [true, 5]; {list}"));
    // Such a line may hold a secret.
    check_file("apps = [[\"1\", \"k\", \"s\"]]", &format!("line 1 is wrong; {list}"));
}

#[test]
fn a_line_that_may_hold_a_secret_is_not_shown() {
    let check = |line: &str, message: &str| {
        check_file(&format!("[cluster]\n{line}\n"), &format!("line 2 is wrong; {message}"));
    };
    check("password = true", "it must be text in quotes");
    check("url = 7", "it must be text in quotes");
    check("password = \"hidden", "invalid basic string, expected `\"`");
    check("enabled = \"hidden\" # password", "it must be true or false, without quotes");
    check("passwrod = \"hidden\"", "passwrod is not known; did you mean password?");
}

#[test]
fn a_refused_variable_is_named() {
    check_variable("RESOUND_SERVER_PORT", "abc", "is \"abc\"; it must be a whole number");
    check_variable("RESOUND_SERVER_PORT", "-1", "is \"-1\"; it must not be negative");
    check_variable("RESOUND_SERVER_PORT", "1.5", "is \"1.5\"; it must be a whole number");
    check_variable("RESOUND_SERVER_PORT", "10s", "is \"10s\"; it must be a whole number");
    check_variable(
        "RESOUND_SERVER_PORT",
        "99999999999999999999",
        "is \"99999999999999999999\"; it must be a smaller number",
    );
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
    check_refused(
        "",
        &[("REVERB_APP_ID", "1"), ("REVERB_APP_KEY", "k"), ("REVERB_APP_SECRET", "")],
        "environment variable REVERB_APP_SECRET is missing; it is needed beside REVERB_APP_ID and \
         REVERB_APP_KEY",
    );
    check_refused(
        "",
        &[("REVERB_APP_SECRET", "s")],
        "environment variables REVERB_APP_ID and REVERB_APP_KEY are missing; they are needed \
         beside REVERB_APP_SECRET",
    );
    check_refused(
        "",
        &[("REVERB_APP_ID", "a b"), ("REVERB_APP_KEY", "k"), ("REVERB_APP_SECRET", "s")],
        "environment variable REVERB_APP_ID is \"a b\"; clients put it into URLs as it is, so it must \
         consist of A-Z a-z 0-9 and - . _ ~ ! $ & ' ( ) * + , ; = : @, and be neither . nor ..",
    );
    check_refused(
        APP,
        &[("REVERB_APP_ID", "1"), ("REVERB_APP_KEY", "other"), ("REVERB_APP_SECRET", "s")],
        "two apps have the id \"1\": config/reverb.toml: apps[0] and the REVERB_APP_* variables",
    );
}

#[test]
fn a_refused_flag_is_named() {
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
served on 127.0.0.1 only, since its secret is public. Configure an app, in a file
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
    for (key, variable) in
        [("server.listen", "RESOUND_SERVER_LISTEN"), ("http.listen", "RESOUND_HTTP_LISTEN")]
    {
        let public = load("", &[(variable, "127.0.0.1:1, 10.0.0.1:1")]).unwrap_err().to_string();
        let expected = format!("environment variable {variable} is 10.0.0.1:1; no app");
        assert!(public.starts_with(&expected), "{key}: {public}");
        assert!(load("", &[(variable, "unix:/run/a.sock,[::1]:1")]).is_ok(), "{key}");
    }
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
