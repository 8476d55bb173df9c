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

#[test]
fn a_file_of_soketi_becomes_one_that_is_accepted() {
    let here = folder("import-soketi");
    let json = r#"{"debug": true, "port": 6002, "appManager.array.apps": [{"id": "7", "key": "k",
        "secret": "secret-of-the-fixture", "maxConnections": 100, "enableClientMessages": false, "enabled": true,
        "maxBackendEventsPerSecond": 100, "maxClientEventsPerSecond": -1, "maxReadRequestsPerSecond": -1,
        "maxPresenceMembersPerChannel": 50, "maxPresenceMemberSizeInKb": 2, "maxChannelNameLength": 200,
        "maxEventChannelsAtOnce": 10, "maxEventNameLength": 100, "maxEventPayloadInKb": 100, "maxEventBatchSize": 5,
        "webhooks": [{"url": "https://shop.example/hook", "event_types": ["channel_occupied", "client_event"]}]}]}"#;
    fs::write(here.join("soketi.json"), json).unwrap();
    let output =
        resound(&here, &["import", "soketi.json", "--output", "new.toml"]).output().unwrap();
    let next = "wrote new.toml. It holds secrets, and only its owner may read it. Next: resound check --config new.toml\n";
    let warnings = "warning: soketi.json: appManager.array.apps[0].maxBackendEventsPerSecond: not read, the HTTP API has \
                    no limit of requests a second\nwarning: soketi.json: appManager.array.apps[0].maxReadRequestsPerSecond: \
                    not read, the HTTP API has no limit of requests a second\n";
    check(&output, 0, next, warnings);
    let checked = resound(&here, &["check", "--config", "new.toml"]).output().unwrap();
    assert_eq!(checked.status.code(), Some(0), "{}", text(&checked.stderr));
    let keys = text(&checked.stdout);
    for line in [
        "server.port = 6002",
        "apps[0].id = \"7\"",
        "apps[0].max_connections = 100",
        "apps[0].max_presence_user_info_bytes = 2048",
        "apps[0].max_event_data_bytes = 102400",
        "apps[0].accept_client_events_from = \"none\"",
    ] {
        assert!(keys.contains(line), "{line} is missing:\n{keys}");
    }
    let missing = resound(&here, &["import", "none.json"]).output().unwrap();
    let message =
        "error: argument none.json cannot be read: No such file or directory (os error 2)\n";
    check(&missing, 2, "", message);
}
