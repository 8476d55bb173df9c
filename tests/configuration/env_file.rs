//! A `.env` file as a layer: below the variables of the process, above the file, each value with its line.

use resound::config::{Config, ConfigError, EnvFile, Sources};

use crate::{APP, flag, sources};

const ENV: &str =
    "APP_NAME=Laravel\nREVERB_APP_ID=7\nREVERB_APP_KEY=\"k\"\nREVERB_APP_SECRET='s#1'\n";

fn with(text: &str, sources: Sources) -> Result<Config, ConfigError> {
    let env_file = Some(EnvFile::parse("../app/.env", text)?);
    Config::new(&Sources { env_file, ..sources })
}

fn read(text: &str, variables: &[(&str, &str)]) -> Config {
    with(text, sources("", variables, &[])).unwrap()
}

fn check_refused(text: &str, message: &str) {
    let problem = with(text, sources("", &[], &[])).map(|config| config.apps).unwrap_err();
    assert_eq!(problem.to_string(), message, "{text:?}");
}

fn check_notes(text: &str, variables: &[(&str, &str)], notes: &[&str]) {
    assert_eq!(read(text, variables).notes, notes, "{text:?} {variables:?}");
}

#[test]
fn the_app_of_laravel_is_served_as_it_is() {
    let config = read(ENV, &[]);
    let app = config.apps.by_id("7").unwrap();
    assert_eq!((app.key.as_str(), app.secret.reveal()), ("k", "s#1"));
    assert!(config.development.is_none());
    let env_file = config.env_file.unwrap();
    assert_eq!(env_file.name, "../app/.env");
    assert_eq!(env_file.variables, ["REVERB_APP_ID", "REVERB_APP_KEY", "REVERB_APP_SECRET"]);
    assert_eq!(config.files, [std::path::Path::new("../app/.env")]);
    let notes: [&str; 0] = [];
    assert_eq!(config.notes, notes);
}

#[test]
fn each_value_comes_from_a_line() {
    let config = read(&format!("{ENV}\nREVERB_SERVER_PORT=9000\n"), &[]);
    let source = |key: &str| {
        config.resolved.keys().find(|it| it.key == key).map(|it| it.source.clone()).unwrap()
    };
    assert_eq!(source("server.port"), "../app/.env:6: REVERB_SERVER_PORT");
    assert_eq!(source("apps[0].secret"), "../app/.env:4: REVERB_APP_SECRET");
    assert_eq!(source("server.host"), "default");
    assert_eq!(config.set_by.port.as_deref(), Some("../app/.env:6: REVERB_SERVER_PORT"));
}

#[test]
fn the_file_loses_to_variables_and_flags_and_wins_over_the_configuration() {
    let text = format!("{ENV}REVERB_SERVER_PORT=2\nRESOUND_HTTP_MAX_HEADERS=50\n");
    let port = |file: &str, variables: &[(&str, &str)], flags: &[_]| {
        with(&text, sources(file, variables, flags)).unwrap().server.port
    };
    let file = "[server]\nport = 1\n";
    assert_eq!(port(file, &[], &[]), 2);
    assert_eq!(port(file, &[("REVERB_SERVER_PORT", "3")], &[]), 3);
    assert_eq!(port(file, &[("RESOUND_SERVER_PORT", "4")], &[]), 4);
    assert_eq!(
        port(file, &[("REVERB_SERVER_PORT", "3")], &[flag("--port", "server.port", "5")]),
        5
    );
    assert_eq!(read(&text, &[]).http.max_headers, 50);
    // As in Laravel, an empty variable of the process is a value.
    let note = "../app/.env:5: REVERB_SERVER_PORT has no effect, as in Laravel, since the environment variable of this \
                name is set and empty; remove that";
    let config = with(&text, sources(file, &[("REVERB_SERVER_PORT", "")], &[])).unwrap();
    assert_eq!((config.server.port, config.notes), (1, vec![note.to_owned()]));
}

#[test]
fn a_secret_in_a_file_of_the_process_wins_over_that_of_the_env_file() {
    let folder = std::env::temp_dir().join(format!("resound-env-file-{}", std::process::id()));
    std::fs::write(&folder, "of the file\n").unwrap();
    let path = folder.to_str().unwrap();
    let config = read(ENV, &[("REVERB_APP_SECRET_FILE", path)]);
    assert_eq!(config.apps.by_id("7").unwrap().secret.reveal(), "of the file");
    std::fs::remove_file(&folder).unwrap();
}

#[test]
fn values_are_those_of_laravel() {
    let text = "BASE=app\nREVERB_APP_ID=\"${BASE}-1\"\nREVERB_APP_KEY=pa$word\nREVERB_APP_SECRET=\" a b \"\n\
                REVERB_HOST=null\nREVERB_SERVER_PATH=(empty)\nREVERB_APP_RATE_LIMITING_ENABLED=(true)\n";
    let config = read(text, &[("OTHER", "x")]);
    let app = config.apps.by_id("app-1").unwrap();
    assert_eq!((app.key.as_str(), app.secret.reveal()), ("pa$word", " a b "));
    assert!(app.limits.messages.is_some());
    assert_eq!(config.server.hostname, None);
    // A reference may name a variable of the process.
    let text = text.replace("${BASE}", "${OTHER}");
    assert!(read(&text, &[("OTHER", "x")]).apps.by_id("x-1").is_some());
}

#[test]
fn a_text_of_the_configuration_may_refer_to_it() {
    let file = "[[apps]]\nid = \"1\"\nkey = \"k1\"\nsecret = \"${MY_SECRET}\"\n";
    let config = with("MY_SECRET=abc\n", sources(file, &[], &[])).unwrap();
    assert_eq!(config.apps.by_id("1").unwrap().secret.reveal(), "abc");
}

#[test]
fn what_is_not_ours_is_ignored_and_what_is_misspelt_is_named() {
    let laravel = "DB_HOST=127.0.0.1\nREDIS_HOST=a b\nOTEL_SERVICE_NAME=laravel\nVITE_REVERB_APP_KEY=k\n\
                   REVERB_PORT=443\nREVERB_SCHEME=https\nREDIS_TIMEOUT=60\nREVERB_SERVER=reverb\n";
    let laravel = laravel.replace("a b", "\"a b\"");
    let config = read(&format!("{ENV}{laravel}"), &[]);
    let none: [&str; 0] = [];
    assert_eq!(config.notes, none);
    assert_eq!(config.telemetry.service_name, "resound");
    check_notes(
        &format!("{ENV}REVERB_APP_KEYY=hidden\n"),
        &[],
        &["../app/.env:5: REVERB_APP_KEYY has no effect; did you mean REVERB_APP_KEY?"],
    );
    check_refused(
        &format!("{ENV}RESOUND_SERVER_PROT=hidden\n"),
        "../app/.env:5: RESOUND_SERVER_PROT is not known; did you mean RESOUND_SERVER_PORT?",
    );
    check_refused(
        &format!("{ENV}REVERB_SERVER_PORT=http\n"),
        "../app/.env:5: REVERB_SERVER_PORT is \"http\"; it must be a whole number",
    );
    check_refused(
        "REVERB_APP_ID=1\nREVERB_APP_KEY=\n",
        "environment variables REVERB_APP_KEY and REVERB_APP_SECRET are missing; they are needed beside \
         REVERB_APP_ID (../app/.env:1)",
    );
}

#[test]
fn a_file_that_laravel_refuses_is_refused_with_its_line() {
    check_refused(
        "A=1\nREVERB_APP_SECRET=se cret\n",
        "../app/.env:2: REVERB_APP_SECRET has text behind a space or a closing quote; put the whole value in double \
         quotes, and a backslash before each double quote in it; Laravel refuses the whole file",
    );
    check_refused(
        "se+cret\n",
        "../app/.env:1: the name is not valid; it may have letters, digits, _ and ., and stands before an equals \
         sign; Laravel refuses the whole file",
    );
}

#[test]
fn lines_that_mean_something_else_than_they_seem_are_named() {
    check_notes(
        &format!("{ENV}# \"=\"\nX=\"open\nREVERB_SERVER_PORT=1\n"),
        &[],
        &[
            "../app/.env:6: the double quote is not closed, so the lines 6 to 8 have no effect, as in Laravel; close it",
        ],
    );
    check_notes(
        &format!("{ENV}# X=\"open\nREVERB_SERVER_PORT=1\nY=\"2\"\n"),
        &[],
        &[
            "../app/.env:5: a double quote opens in this comment, so the lines 5 to 7 are part of it, as in Laravel; \
           remove the quote",
        ],
    );
    check_notes(
        &ENV.replace("'s#1'", "pa$word").replace("Laravel", "a$b"),
        &[],
        &[
            "../app/.env:4: REVERB_APP_SECRET is read as Laravel reads it; a shell that sources the file sets another \
           value",
        ],
    );
    check_notes(
        &ENV.replace('\n', "\r\n"),
        &[],
        &[
            "../app/.env has lines that end with CR LF; a shell that sources the file appends the CR to each value",
        ],
    );
}

#[test]
fn the_app_of_pusher_counts_where_there_is_no_other_or_events_go_to_it() {
    let pusher =
        "PUSHER_APP_ID=p\nPUSHER_APP_KEY=pk\nPUSHER_APP_SECRET=ps\nPUSHER_APP_CLUSTER=mt1\n";
    let ids = |config: Config| {
        let mut ids: Vec<String> = config.apps.iter().map(|app| app.id.clone()).collect();
        ids.sort();
        ids
    };
    assert_eq!(ids(read(pusher, &[])), ["p"]);
    assert_eq!(ids(read(&format!("{ENV}{pusher}"), &[])), ["7"]);
    let both = format!("{ENV}{pusher}BROADCAST_CONNECTION=pusher\n");
    assert_eq!(ids(read(&both, &[])), ["7", "p"]);
    let older = both.replace("BROADCAST_CONNECTION", "BROADCAST_DRIVER");
    assert_eq!(ids(read(&older, &[])), ["7", "p"]);
    // The connection of a newer Laravel wins over the name of an older one.
    assert_eq!(ids(read(&format!("{older}BROADCAST_CONNECTION=reverb\n"), &[])), ["7"]);
    assert_eq!(ids(with(pusher, sources(APP, &[], &[])).unwrap()), ["1"]);
    // The same app under both names is one app.
    let same =
        "PUSHER_APP_ID=7\nPUSHER_APP_KEY=k\nPUSHER_APP_SECRET=s#1\nBROADCAST_CONNECTION=pusher\n";
    assert_eq!(ids(read(&format!("{ENV}{}", same.replace("s#1", "'s#1'")), &[])), ["7"]);
}
