//! The command line: what is looked at, exit codes, and which app Resound has beside that of `.env`.

use std::fs;
use std::process::Command;

use crate::application::Application;

fn doctor(folder: &std::path::Path, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_resound"));
    let output = command
        .current_dir(folder)
        .env_clear()
        .args(["doctor", "--offline"])
        .args(arguments)
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn without_anything_to_look_at_the_exit_code_is_2() {
    let empty = Application::healthy("empty");
    let folder = empty.write().join("storage");
    fs::create_dir_all(&folder).unwrap();
    let nothing = "error: there is nothing to look at; name the folder of the Laravel application with --app, or the \
                   configuration file with --config\n";
    assert_eq!(doctor(&folder, &[]), (2, String::new(), nothing.to_owned()));
    let missing = "error: --app is \"nowhere\", but there is no such folder\n";
    assert_eq!(doctor(&folder, &["--app", "nowhere"]), (2, String::new(), missing.to_owned()));
    let other = "error: --app is \".\", which is no folder of a Laravel application: it has neither artisan nor .env\n";
    assert_eq!(doctor(&folder, &["--app", "."]), (2, String::new(), other.to_owned()));
    let missing = "error: --env-file is \"nowhere\", but there is no such file\n";
    assert_eq!(doctor(&folder, &["--env-file", "nowhere"]), (2, String::new(), missing.to_owned()));
    // The application in the working folder needs no argument.
    let (code, text, _) = doctor(empty.write(), &[]);
    assert_eq!((code, text.lines().count()), (0, 1), "{text}");
}

#[test]
fn a_configuration_that_is_refused_is_the_first_failure() {
    let app = Application::healthy("refused").with("resound.toml", "[server]\nprt = 1\n");
    let (code, text, _) = doctor(app.write(), &["--config", "resound.toml"]);
    assert_eq!(code, 1);
    assert!(
        text.starts_with(
            "✗ R001  Resound does not start with this configuration: resound.toml: line 2 is prt = 1; prt is not known"
        ),
        "{text}"
    );
}

fn config(id: &str, key: &str, secret: &str) -> String {
    format!("[[apps]]\nid = \"{id}\"\nkey = \"{key}\"\nsecret = \"{secret}\"\n")
}

#[test]
fn laravel_and_resound_have_the_same_app() {
    let secret = "reverb-secret-of-the-fixture";
    for (config, expected) in [
        (config("123456", "fixture-key", secret), vec![]),
        (
            config("123456", "k2", secret),
            vec![("R012", "Resound has no app with the key fixture-key of .env.")],
        ),
        (
            config("7", "fixture-key", secret),
            vec![(
                "R012",
                "The app with the key fixture-key has the id 123456 in .env, but 7 in Resound.",
            )],
        ),
        (
            config("123456", "fixture-key", "old-secret-of-the-fixture"),
            vec![("R012", "The secret of app 123456 in .env is not the one that Resound has.")],
        ),
    ] {
        let app = Application::healthy("same-app").with("resound.toml", &config);
        let examined = app.examined_with(&["--config", "resound.toml"]);
        assert_eq!(examined.says(), expected, "{}", examined.text);
    }
}
