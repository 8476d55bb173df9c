//! Texts that stand for others: `${VAR}` in a file, files of secrets, and what `check` shows of them.

use std::fs;
use std::path::PathBuf;

use crate::{APP, NAME, check_refused, load, only_app};
use resound::app::WebhookTarget;
use resound::config::Config;

/// A file with this content, in the build's own temporary folder.
fn file(name: &str, content: &str) -> String {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("configuration-{name}"));
    fs::write(&path, content).unwrap();
    path.display().to_string()
}

fn app(keys: &str) -> String {
    format!("[[apps]]\nid = \"1\"\nkey = \"k\"\n{keys}\n")
}

#[test]
fn spaces_of_log_levels_belong_to_no_name() {
    let level =
        |text: &str| load(&format!("{APP}[log]\nlevel = \"{text}\""), &[]).unwrap().log.level;
    assert_eq!(
        level("info, hyper = WARN ,resound::hub=debug,"),
        "info,hyper=WARN,resound::hub=debug"
    );
    assert_eq!(level(" off "), "off");
}

#[test]
fn variables_stand_in_any_text_of_a_file() {
    let text = "[server]\npath = \"/${STAGE}\"\n[[apps]]\nid = \"${ID:-7}\"\nkey = \"k\"\n\
                secret = \"${SECRET}\"\nallowed_origins = [\"${STAGE}.example\", \"b.example\"]\n\
                [[apps.webhooks]]\nurl = \"https://${STAGE}.example/\"\nheaders = { A = \"$${B}\" }\n";
    let variables = [("STAGE", "test"), ("SECRET", "a ${b} c")];
    let config = load(text, &variables).unwrap();
    assert_eq!(config.server.path, "/test");
    let app = only_app(text, &variables);
    assert_eq!((app.id.as_str(), app.secret.reveal()), ("7", "a ${b} c"));
    assert!(app.allowed_origins.allow(Some("https://test.example")));
    assert_eq!(app.webhooks[0].url, "https://test.example/");
    let headers = vec![("A".to_owned(), "${B}".to_owned())];
    assert!(app.webhooks[0].target == WebhookTarget::Http { headers });
}

#[test]
fn a_variable_that_is_missing_or_malformed_is_refused_with_its_line() {
    check_refused(
        &app("secret = \"${NONE}\""),
        &[],
        "config/reverb.toml: apps[0].secret (line 4) has ${NONE}, and the environment variable \
         NONE is not set; set it, or write ${NONE:-default}",
    );
    check_refused(
        &app("secret = \"s\"\n[[apps.webhooks]]\nurl = \"https://a/${\""),
        &[],
        "config/reverb.toml: apps[0].webhooks[0].url (line 6) has ${ without a closing }; write \
         ${NAME}, or $${ for the two characters themselves",
    );
}

#[test]
fn every_secret_may_stand_in_a_file() {
    let path = file("secret", "from a file\r\n");
    let by_key = only_app(
        &app(&format!(
            "secret_file = {path:?}\nprevious_secret_file = {:?}",
            file("previous", "before")
        )),
        &[],
    );
    assert_eq!(by_key.secret.reveal(), "from a file");
    assert_eq!(by_key.previous_secret.unwrap().reveal(), "before");
    let by_variable = only_app(
        "",
        &[
            ("REVERB_APP_ID", "1"),
            ("REVERB_APP_KEY", "k"),
            ("REVERB_APP_SECRET_FILE", &path),
            ("REVERB_APP_PREVIOUS_SECRET_FILE", &file("old", "\"quoted\"\n")),
        ],
    );
    assert_eq!(by_variable.secret.reveal(), "from a file");
    assert_eq!(by_variable.previous_secret.unwrap().reveal(), "\"quoted\"", "as it is");
    let password = |text: &str, variables: &[(&str, &str)]| {
        let base = [("REVERB_SCALING_ENABLED", "true")];
        let config = load(&format!("{APP}{text}"), &[&base[..], variables].concat()).unwrap();
        config.cluster.unwrap().redis.password.unwrap().reveal().to_owned()
    };
    let redis = file("redis", "redis password\n");
    assert_eq!(password("", &[("REDIS_PASSWORD_FILE", &redis)]), "redis password");
    assert_eq!(password("", &[("RESOUND_CLUSTER_PASSWORD_FILE", &redis)]), "redis password");
    assert_eq!(password(&format!("[cluster]\npassword_file = {redis:?}"), &[]), "redis password");
    let url = file("url", "redis://user:in%20url@redis.example\n");
    assert_eq!(password("", &[("RESOUND_CLUSTER_URL_FILE", &url)]), "in url");
    // The names of the files are kept, to look at them again.
    let config = load(&app(&format!("secret_file = {path:?}")), &[("REDIS_PASSWORD_FILE", &redis)]);
    assert_eq!(config.unwrap().files, [PathBuf::from(NAME), path.into(), redis.into()]);
}

#[test]
fn a_secret_that_is_there_twice_or_cannot_be_read_is_refused() {
    let path = file("twice", "x");
    check_refused(
        &app(&format!("secret = \"s\"\nsecret_file = {path:?}")),
        &[],
        "config/reverb.toml: apps[0].secret_file (line 5) stands beside secret; remove one of them",
    );
    check_refused(
        APP,
        &[("REDIS_PASSWORD", "x"), ("REDIS_PASSWORD_FILE", &path)],
        "environment variables REDIS_PASSWORD and REDIS_PASSWORD_FILE are both set; remove one of them",
    );
    check_refused(
        &app("secret_file = \"/none/there\""),
        &[],
        "config/reverb.toml: apps[0].secret_file (line 4) is \"/none/there\"; there is no such file",
    );
    check_refused(
        APP,
        &[("RESOUND_CLUSTER_PASSWORD_FILE", "/")],
        "environment variable RESOUND_CLUSTER_PASSWORD_FILE is \"/\"; it cannot be read: Is a \
         directory (os error 21)",
    );
    let empty = file("empty", "\n");
    check_refused(
        &app(&format!("secret_file = {empty:?}")),
        &[],
        &format!(
            "config/reverb.toml: apps[0].secret_file (line 4) is {empty:?}; the file is empty"
        ),
    );
    let lines = file("lines", "a\nb\n");
    check_refused(
        &app(&format!("secret_file = {lines:?}")),
        &[],
        "config/reverb.toml: apps[0].secret_file is text with a line break or another control \
         character; it must be one line, as the back end has it: no signature would fit",
    );
    check_refused(
        APP,
        &[("RESOUND_SERVER_PORT_FILE", &path)],
        "environment variable RESOUND_SERVER_PORT_FILE is not known; did you mean \
         RESOUND_SERVER_PID_FILE?",
    );
}

#[test]
fn a_previous_secret_is_for_a_rotation() {
    check_refused(
        &app("secret = \"s\"\nprevious_secret = \"s\""),
        &[],
        "config/reverb.toml: apps[0].previous_secret is the same as the secret; remove it, or set \
         the new secret",
    );
    assert_eq!(only_app(&app("secret = \"s\"\nprevious_secret = \"\""), &[]).previous_secret, None);
    check_refused(
        APP,
        &[("REVERB_APP_PREVIOUS_SECRET", "x")],
        "environment variable REVERB_APP_PREVIOUS_SECRET is set without an app; REVERB_APP_ID, \
         REVERB_APP_KEY and REVERB_APP_SECRET are needed beside it",
    );
}

/// What is shown of a key: its value and its source.
fn shown(config: &Config, key: &str) -> (String, String) {
    let found = config.resolved.keys().find(|resolved| resolved.key == key);
    found.map(|resolved| (resolved.value.clone(), resolved.source.clone())).unwrap()
}

#[test]
fn each_key_is_shown_with_its_source() {
    let path = file("shown", "hidden");
    let text = format!(
        "[server]\nport = 9000\n\n[app]\nallowed_origins = [\"a\", \"b\"]\n\n{}",
        app(&format!("secret_file = {path:?}\nenabled = false"))
    );
    let variables = [("RESOUND_LOG_LEVEL", "warn"), ("REDIS_PASSWORD", "hidden")];
    let config = load(&text, &[&variables[..], &[("REVERB_SCALING_ENABLED", "true")]].concat());
    let config = config.unwrap();
    for (key, value, source) in [
        ("server.port", "9000", "config/reverb.toml:2"),
        ("server.host", "\"0.0.0.0\"", "default"),
        ("app.allowed_origins", "[\"a\", \"b\"]", "config/reverb.toml:5"),
        ("log.level", "\"warn\"", "variable RESOUND_LOG_LEVEL"),
        ("cluster.password", "sha256:e564b408", "variable REDIS_PASSWORD"),
        ("apps[0].secret", "sha256:e564b408", "config/reverb.toml:10"),
        ("apps[0].enabled", "false", "config/reverb.toml:11"),
    ] {
        assert_eq!(shown(&config, key), (value.to_owned(), source.to_owned()), "{key}");
    }
    let all: Vec<_> = config.resolved.keys().map(|key| key.value.as_str()).collect();
    assert!(all.iter().all(|value| !value.contains("hidden")), "{all:?}");
}

#[test]
fn a_list_of_origins_in_a_variable_has_any_form() {
    for text in ["*", "[\"*\"]", "\"*\"", "a.example,*", "[\"a.example\", \"*\"]", "[\\\"*\\\"]"] {
        let app = only_app(APP, &[("RESOUND_APP_ALLOWED_ORIGINS", text)]);
        assert!(app.allowed_origins.allow(Some("https://any.example")), "{text}");
    }
    for text in ["[*]", "['*']", "[\"*\"", "{*}"] {
        let refused = load(APP, &[("RESOUND_APP_ALLOWED_ORIGINS", text)]).unwrap_err().to_string();
        let name = "environment variable RESOUND_APP_ALLOWED_ORIGINS ";
        assert!(refused.starts_with(name), "{text}: {refused}");
    }
}

#[test]
fn variables_of_any_service_are_recognised_by_their_shape() {
    let url = "tcp://10.0.0.1:8080";
    let variables = [
        ("PUSHER_APP_PORT", url),
        ("PUSHER_PORT_6001_TCP_ADDR", "10.0.0.1"),
        ("REDIS_PASSWORD_PORT", url),
        ("REDIS_SERVICE_HOST", "10.0.0.1"),
        ("RESOUND_CLUSTER_PORT", url),
        ("REVERB_APP_SERVICE_PORT", "8080"),
        ("REVERB_SERVER_PORT", url),
    ];
    let config = load(APP, &variables).unwrap();
    assert_eq!(config.injected, variables.map(|(name, _)| name));
    assert!(config.notes.is_empty(), "{:?}", config.notes);
}
