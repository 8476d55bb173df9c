//! Configurations that are refused: the complete stderr of `serve` and `check`, and code 2.

use std::fs;
use std::path::Path;

use super::{check, folder, resound, text};

/// Both commands refuse with this message.
fn check_both(here: &Path, arguments: &[&str], variables: &[(&str, &str)], message: &str) {
    for command in ["check", "serve"] {
        let mut command = resound(here, &[&[command], arguments].concat());
        let output = command.envs(variables.iter().copied()).output().unwrap();
        check(&output, 2, "", &format!("error: {message}\n"));
    }
}

#[test]
fn files_that_are_no_toml_are_named_as_what_they_are() {
    let here = folder("formats");
    let php = "is PHP, not TOML; write what differs from the defaults as TOML, each app as \
               [[apps]] with id, key and secret, or set the REVERB_* variables";
    let json = "is JSON, not TOML; write [server] and below it port = 8080";
    let yaml = "is YAML, not TOML; write [server] and below it port = 8080";
    let env = "is a list of environment variables, not TOML; give it with --env-file instead, \
               or write what differs from the defaults as TOML";
    for (name, bytes, message) in [
        ("reverb.php", &b"<?php\n\nreturn ['default' => 'reverb'];\n"[..], php),
        ("a.json", b"{\"server\": {\"port\": 1}}", json),
        ("a.yaml", b"server:\n  port: 1\n", yaml),
        (".env", b"APP_NAME=Laravel\nREVERB_APP_SECRET=\"hidden\"\n", env),
        ("utf16.toml", b"\xff\xfe[\0a\0", "is UTF-16; save it as UTF-8"),
        (
            "latin.toml",
            b"[server]\nhostname = \"caf\xe9\"\n",
            "has a character in line 2 that is not UTF-8; save it as UTF-8",
        ),
    ] {
        fs::write(here.join(name), bytes).unwrap();
        check_both(&here, &["--config", name], &[], &format!("{name} {message}"));
    }
}

#[test]
fn files_that_cannot_be_used_are_refused_in_one_sentence() {
    let here = folder("files");
    fs::write(here.join("config/bad.toml"), "[server]\nprot = 1\n").unwrap();
    fs::create_dir(here.join("folder")).unwrap();
    for (name, message) in [
        ("bad.toml", "config/bad.toml: line 2 is prot = 1; prot is not known; did you mean port?"),
        ("folder", "flag --config is \"folder\", a folder; it must be a file"),
        (
            "./none.toml",
            "flag --config is \"./none.toml\", but there is no such file; looked for ./none.toml",
        ),
    ] {
        check_both(&here, &["--config", name], &[], message);
    }
}

#[test]
fn variables_are_refused_in_one_sentence() {
    let here = folder("variables");
    for (variables, message) in [
        (
            &[("REVERB_APP_ID", "1")][..],
            "environment variables REVERB_APP_KEY and REVERB_APP_SECRET are missing; they are \
             needed beside REVERB_APP_ID",
        ),
        (
            &[("REVERB_APP_ID", "1"), ("REVERB_APP_KEY", "k")],
            "environment variable REVERB_APP_SECRET is missing; it is needed beside REVERB_APP_ID \
             and REVERB_APP_KEY",
        ),
        (
            &[("RESOUND_LOG_LEVLE", "info")],
            "environment variable RESOUND_LOG_LEVLE is not known; did you mean RESOUND_LOG_LEVEL?",
        ),
        (
            &[("RESOUND_SERVER_PORT", "-1")],
            "environment variable RESOUND_SERVER_PORT is \"-1\"; it must not be negative",
        ),
    ] {
        check_both(&here, &[], variables, message);
    }
}

#[test]
fn flags_are_refused_in_one_sentence() {
    let here = folder("flags");
    let output = resound(&here, &["serve", "--port", "http"]).output().unwrap();
    check(&output, 2, "", "error: flag --port is \"http\"; it must be a whole number\n");
    let output = resound(&here, &["serve", "--port", "-1"]).output().unwrap();
    check(&output, 2, "", "error: flag --port is \"-1\"; it must not be negative\n");
    let output = resound(&here, &["serve", "--host", "0.0.0.0"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        text(&output.stderr).starts_with("error: flag --host is 0.0.0.0; no app is configured")
    );
}

/// Of a value and of a file's name, on stdout and on stderr.
#[test]
fn no_text_of_a_configuration_commands_a_terminal() {
    let here = folder("commands");
    let toml = "[[apps]]\nid = \"7\"\nkey = \"k\"\nsecret = \"s\"\n[cluster]\nenabled = true\n\
                url = \"unix:///a\\u001b[2J\\u202e\\nok\"\n[server]\nhostname = \"b\\u001b[31m\"\n";
    let name = "c\u{1b}]0;title\u{7}.toml";
    fs::write(here.join(name), toml).unwrap();
    let output = resound(&here, &["check", "--config", name]).output().unwrap();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{stdout:?} {stderr:?}");
    assert!(
        stdout.contains("cluster: unix:///a\\u{1b}[2J\\u{202e}\\nok, database 0, "),
        "{stdout:?}"
    );
    assert!(stdout.contains("# c\\u{1b}]0;title\\u{7}.toml:"), "{stdout:?}");
    assert_eq!(stdout.lines().filter(|line| *line == "ok").count(), 1, "{stdout:?}");
    let missing = resound(&here, &["check", "--config", "d\u{1b}[2J.toml"]).output().unwrap();
    let stderr = text(&missing.stderr);
    assert!(stderr.contains("looked for d\\u{1b}[2J.toml"), "{stderr:?}");
    for output in [stdout, stderr] {
        let is_command = |sign: char| sign.is_control() && sign != '\n';
        assert!(!output.contains(is_command), "{output:?}");
    }
}
