//! The `.env` of a Laravel application: found in the working folder, named by a flag, read again by a reload.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use super::{APP, check, folder, keys_of_app, line_with, resound, terminate, text};

/// What `php artisan reverb:install` leaves, beside what Laravel has anyway.
const ENV: &str = "APP_NAME=Laravel\nAPP_URL=http://localhost\n\nBROADCAST_CONNECTION=reverb\nREDIS_HOST=127.0.0.1\n\n\
                   REVERB_APP_ID=256980\nREVERB_APP_KEY=ouzwhumntj5sfewqmkqr\nREVERB_APP_SECRET=w7a9ie3vxbz0cnlz1zvg\n\
                   REVERB_HOST=\"localhost\"\nREVERB_PORT=8080\nREVERB_SCHEME=http\n\n\
                   VITE_REVERB_APP_KEY=\"${REVERB_APP_KEY}\"\nVITE_REVERB_HOST=\"${REVERB_HOST}\"\n";

const SECRET: &str = "w7a9ie3vxbz0cnlz1zvg";

/// What `check` prints of [`ENV`] in a file of this name.
fn shown(file: &str) -> String {
    format!(
        "app 256980: key ouzwhumntj5sfewqmkqr, any number of connections, messages up to 10000 bytes\n\
         environment file: {file}, which sets REVERB_HOST, REVERB_APP_ID, REVERB_APP_KEY, REVERB_APP_SECRET\n\
         server.hostname = \"localhost\"  # {file}:10: REVERB_HOST\n\
         apps[0].id = \"256980\"  # {file}:7: REVERB_APP_ID\n\
         apps[0].key = \"ouzwhumntj5sfewqmkqr\"  # {file}:8: REVERB_APP_KEY\n\
         apps[0].secret = sha256:fbc43c32  # {file}:9: REVERB_APP_SECRET\nok\n"
    )
}

/// Starts `serve` and returns the first line of its log with `part`.
fn logged(here: &Path, arguments: &[&str], part: &str) -> String {
    let mut command =
        resound(here, &[&["serve", "--host", "localhost", "--port", "0"], arguments].concat());
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let line = line_with(child.stderr.take().unwrap(), part);
    terminate(&child);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    line
}

#[test]
fn that_of_the_working_folder_is_read_and_named() {
    let here = folder("env-file");
    fs::write(here.join(".env"), ENV).unwrap();
    check(&resound(&here, &["check"]).output().unwrap(), 0, &shown(".env"), "");
    let line = logged(&here, &[], "were read");
    let end = "settings were read from a .env file file=.env \
               variables=REVERB_HOST, REVERB_APP_ID, REVERB_APP_KEY, REVERB_APP_SECRET";
    let end = end.replace("file=.env", "file=\".env\"");
    assert!(line.contains(" INFO ") && line.ends_with(&end), "{line}");

    let output = resound(&here, &["check", "--no-env-file"]).output().unwrap();
    assert!(text(&output.stdout).contains("no app is configured"), "{output:?}");
}

#[test]
fn another_one_is_named_by_a_flag() {
    let here = folder("env-file-flag");
    fs::create_dir(here.join("app")).unwrap();
    fs::create_dir(here.join("deploy")).unwrap();
    fs::write(here.join("app/.env"), ENV).unwrap();
    let there = here.join("deploy");
    let named = ["check", "--env-file", "../app/.env"];
    check(&resound(&there, &named).output().unwrap(), 0, &shown("../app/.env"), "");
    logged(&there, &["--env-file", "../app/.env"], "file=\"../app/.env\"");
    for (path, flaw) in [("../.env", "there is no such file"), ("../app", "it must be a file")] {
        let output = resound(&there, &["serve", "--env-file", path]).output().unwrap();
        check(&output, 2, "", &format!("error: flag --env-file is \"{path}\"; {flaw}\n"));
    }
    let both = ["serve", "--env-file", "../app/.env", "--no-env-file"];
    assert_eq!(resound(&there, &both).output().unwrap().status.code(), Some(2));
}

#[test]
fn one_without_settings_of_this_server_is_not_looked_at() {
    let here = folder("env-file-other");
    fs::write(here.join("a.toml"), APP).unwrap();
    let app = "app 7: key k, any number of connections, messages up to 10000 bytes";
    let plain = format!("{app}\n{}ok\n", keys_of_app("k", "a.toml"));
    for text in [
        "",
        "DB_HOST=a\nREDIS_HOST=b\n",
        "NAME=a b\nVITE_REVERB_APP_KEY=k\n",
        "# REVERB_APP_KEY=k\n",
    ] {
        fs::write(here.join(".env"), text).unwrap();
        check(&resound(&here, &["check", "--config", "a.toml"]).output().unwrap(), 0, &plain, "");
    }
    fs::remove_file(here.join(".env")).unwrap();
    fs::create_dir(here.join(".env")).unwrap();
    check(&resound(&here, &["check", "--config", "a.toml"]).output().unwrap(), 0, &plain, "");
}

#[test]
fn a_broken_one_of_the_working_folder_stops_the_start_and_shows_no_value() {
    let here = folder("env-file-broken");
    fs::write(here.join(".env"), format!("{ENV}DB_PASSWORD={SECRET} {SECRET}\n")).unwrap();
    let message = "error: .env:16: DB_PASSWORD has text behind a space or a closing quote; put the whole value in \
                   double quotes, and a backslash before each double quote in it; Laravel refuses the whole file; \
                   correct it, or start with --no-env-file\n";
    check(&resound(&here, &["serve"]).output().unwrap(), 2, "", message);
}

#[test]
fn the_banner_names_it() {
    let here = folder("env-file-banner");
    fs::write(here.join(".env"), "PUSHER_APP_ID=\nPUSHER_PORT=443\n").unwrap();
    let mut command = resound(&here, &["serve", "--port", "0"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let line = line_with(child.stdout.take().unwrap(), ".env");
    assert_eq!(line, "  Settings were read from .env.");
    terminate(&child);
    child.wait().unwrap();
}

#[test]
fn commands_that_ask_a_server_find_it_in_the_file_that_a_flag_names() {
    let here = folder("env-file-live");
    fs::create_dir(here.join("app")).unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let lines = format!("{ENV}RESOUND_INTERNAL_LISTEN=127.0.0.1:{port}\n");
    fs::write(here.join("app/.env"), lines).unwrap();
    let command = |words: &[&str], file: &str| {
        let arguments = [words, &["--env-file", file]].concat();
        let output = resound(&here, &arguments).output().unwrap();
        (output.status.code(), text(&output.stderr).to_owned())
    };
    let (tail, explain) = (&["tail"][..], &["explain", "orders", "--app", "256980"][..]);
    let expect = &["expect", "orders", "OrderShipped", "--within", "100ms"][..];
    for words in [tail, explain, expect] {
        let (_, message) = command(words, "app/.env");
        let start = format!("error: 127.0.0.1:{port} has no internal listener; ");
        assert!(message.starts_with(&start), "{words:?}: {message}");
        let (code, message) = command(words, "none/.env");
        assert_eq!(code, Some(2), "{words:?}: {message}");
        assert!(message.contains("none/.env"), "{words:?}: {message}");
    }
}
