//! `resound import`: which files it reads, what it writes, and what it never overwrites.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::{check, folder, resound, text};

const ENV: &str = "REVERB_APP_ID=7\nREVERB_APP_KEY=key\nREVERB_APP_SECRET=hidden\n";

#[test]
fn a_file_is_written_once_and_served_with_the_env_file() {
    let here = folder("import");
    fs::create_dir_all(here.join("app/bootstrap/cache")).unwrap();
    fs::write(here.join("app/.env"), ENV).unwrap();
    let run = |arguments: &[&str]| {
        resound(&here, &[&["import", "app"], arguments].concat()).output().unwrap()
    };

    let output = run(&[]);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
    assert!(
        text(&output.stdout)
            .contains("\nsecret = \"${REVERB_APP_SECRET}\"  # app/.env:3: REVERB_APP_SECRET\n")
    );

    let next = "wrote a.toml. Next: resound check --config a.toml --env-file app/.env\n";
    check(&run(&["--output", "a.toml"]), 0, next, "");
    assert_eq!(fs::read_to_string(here.join("a.toml")).unwrap(), text(&output.stdout));
    let exists = "error: flag --output is \"a.toml\", which exists; name another file, or add --force to replace it\n";
    check(&run(&["--output", "a.toml"]), 2, "", exists);
    let mode = |file: &str| fs::metadata(here.join(file)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("a.toml") & 0o400, 0o400);
    let served = resound(&here, &["check", "--config", "a.toml", "--env-file", "app/.env"])
        .output()
        .unwrap();
    assert!(text(&served.stdout).starts_with("app 7: key key, "), "{served:?}");
    let missing = resound(&here, &["check", "--config", "a.toml"]).output().unwrap();
    assert!(text(&missing.stderr).contains("REVERB_APP_SECRET is not set"), "{missing:?}");

    let next = "wrote a.toml. It holds secrets, and only its owner may read it. Next: resound check --config a.toml \
                --env-file app/.env\n";
    check(&run(&["--output", "a.toml", "--force", "--inline-secrets"]), 0, next, "");
    assert_eq!(mode("a.toml"), 0o600);
    assert!(fs::read_to_string(here.join("a.toml")).unwrap().contains("secret = \"hidden\""));
    let files = fs::read_dir(&here).unwrap().count();
    assert_eq!(files, 3, "app, config and a.toml");
}

#[test]
fn what_is_not_read_is_a_warning_and_a_cached_configuration_is_mentioned() {
    let here = folder("import-notes");
    fs::create_dir_all(here.join("bootstrap/cache")).unwrap();
    fs::write(here.join("bootstrap/cache/config.php"), "<?php return [];").unwrap();
    let php = "<?php return ['servers' => ['reverb' => ['host' => gethostname()]]];";
    fs::write(here.join("config/reverb.php"), php).unwrap();
    let output = resound(&here, &["import"]).output().unwrap();
    assert_eq!(
        (output.status.code(), text(&output.stderr)),
        (
            Some(0),
            "warning: config/reverb.php:1: not read, servers.reverb.host is more than data (gethostname …)\n\
             warning: ./bootstrap/cache/config.php is what Laravel reads instead of these files; it is not read here. Run \
             php artisan config:cache after each change of them\n"
        )
    );
}

#[test]
fn a_folder_without_laravel_is_refused() {
    let here = folder("import-nothing");
    let message = "error: argument . has neither .env nor config/reverb.php; name the folder of a Laravel application\n";
    check(&resound(&here, &["import"]).output().unwrap(), 2, "", message);
    fs::write(here.join(".env"), "A=b c\n").unwrap();
    let output = resound(&here, &["import"]).output().unwrap();
    assert!(
        text(&output.stderr).starts_with("error: .env line 1: A has text behind a space"),
        "{output:?}"
    );
    assert_eq!(output.status.code(), Some(2));
}
