//! Which apps there are, those of the file and that of the environment, and which are refused.

use crate::{APP, check_refused, load, only_app};

const LARAVEL: [(&str, &str); 3] =
    [("REVERB_APP_ID", "1"), ("REVERB_APP_KEY", "k"), ("REVERB_APP_SECRET", "from-env")];

const ODD: &str = "clients put it into URLs as it is, so it must consist of A-Z a-z 0-9 and \
                   - . _ ~ ! $ & ' ( ) * + , ; = : @, and be neither . nor ..";

/// Ids, keys and secrets in the order of ids.
fn check(file: &str, variables: &[(&str, &str)], expected: &[(&str, &str, &str)]) {
    let config = load(file, variables).unwrap();
    let mut apps: Vec<_> = config.apps.iter().collect();
    apps.sort_by(|left, right| left.id.cmp(&right.id));
    let apps: Vec<_> =
        apps.iter().map(|app| (app.id.as_str(), app.key.as_str(), app.secret.reveal())).collect();
    assert_eq!(apps, expected);
    assert!(config.development.is_none());
}

#[test]
fn the_environment_adds_an_app_or_replaces_a_secret() {
    check("", &LARAVEL, &[("1", "k", "from-env")]);
    check(APP, &[], &[("1", "k", "s")]);
    check(APP, &LARAVEL, &[("1", "k", "from-env")]);
    check("[[apps]]\nid = 1\nkey = \"k\"\n", &LARAVEL, &[("1", "k", "from-env")]);
    check("[[apps]]\napp_id = 1\nkey = \"k\"\n", &LARAVEL, &[("1", "k", "from-env")]);
    let other = "[[apps]]\nid = \"2\"\nkey = \"k2\"\nsecret = \"s2\"\n";
    check(other, &LARAVEL, &[("1", "k", "from-env"), ("2", "k2", "s2")]);
}

#[test]
fn the_app_of_the_environment_starts_from_the_same_values() {
    assert_eq!(only_app("[app]\nmax_message_size = 6\n", &LARAVEL).limits.message_bytes, 6);
}

#[test]
fn ids_may_be_written_as_numbers_and_under_their_old_name() {
    for id in ["id = 123456", "id = \"123456\"", "app_id = \"123456\"", "app_id = 123456"] {
        let app = only_app(&format!("[[apps]]\n{id}\nkey = \"k\"\nsecret = \"s\"\n"), &[]);
        assert_eq!(app.id, "123456", "{id}");
    }
}

#[test]
fn origins_follow_the_list_and_the_switch() {
    let file = format!("{APP}allowed_origins = [\"a.example\"]\nrequire_origin = true\n");
    let origins = only_app(&file, &[]).allowed_origins;
    assert!(origins.allow(Some("https://a.example")));
    assert!(!origins.allow(Some("https://b.example")));
    assert!(!origins.allow(None));
}

#[test]
fn a_refused_app_is_named_by_its_number() {
    let name = "config/reverb.toml: ";
    for (text, message) in [
        (
            "[[apps]]\nid = \"1\"\nkey = \"k\"\nsecret = \"\"",
            format!(
                "{name}apps[0].secret is empty; it must be the REVERB_APP_SECRET of your Laravel app"
            ),
        ),
        (
            "[[apps]]\nid = \"1\"\nsecret = \"s\"",
            format!(
                "{name}apps[0].key is missing; it must be the REVERB_APP_KEY of your Laravel app"
            ),
        ),
        (
            "[[apps]]\napp_id = \"\"\nkey = \"k\"\nsecret = \"s\"",
            format!(
                "{name}apps[0].app_id is empty; it must be the REVERB_APP_ID of your Laravel app"
            ),
        ),
        (
            "[[apps]]\nid = \"a/b\"\nkey = \"k\"\nsecret = \"s\"",
            format!("{name}apps[0].id is \"a/b\"; {ODD}"),
        ),
        (
            "[[apps]]\nid = \"1\"\nkey = \"k \"\nsecret = \"s\"",
            format!("{name}apps[0].key is \"k \"; {ODD}"),
        ),
        (
            "[app]\nid = \"1\"\nkey = \"k\"\nsecret = \"s\"",
            format!(
                "{name}[app] is what every app starts from; an app of its own, with id, key and \
                 secret, is [[apps]]"
            ),
        ),
    ] {
        check_refused(text, &[], &message);
    }
    let second = |text: &str| format!("{APP}[[apps]]\n{text}");
    check_refused(
        &second("id = 1\nkey = \"other\"\nsecret = \"s\""),
        &[],
        "two apps have the id \"1\": config/reverb.toml: apps[0] and config/reverb.toml: apps[1]",
    );
    check_refused(
        &second("id = 2\nkey = \"k\"\nsecret = \"s\""),
        &[],
        "two apps have the key \"k\": config/reverb.toml: apps[0] and config/reverb.toml: apps[1]",
    );
    check_refused(
        &second("id = 2\nkey = \"l\"\nsecret = \"s\"\nping_interval = 0"),
        &[],
        "config/reverb.toml: apps[1].ping_interval is 0; allowed are 1 to 86400",
    );
}

#[test]
fn a_secret_with_a_line_break_is_refused_and_not_shown() {
    for end in ["\\n", "\\r\\n", "\\u0000"] {
        check_refused(
            &format!("[[apps]]\nid = \"1\"\nkey = \"k\"\nsecret = \"hidden{end}\"\n"),
            &[],
            "config/reverb.toml: apps[0].secret is text with a line break or another control \
             character; it must be one line, as the back end has it: no signature would fit",
        );
    }
}

#[test]
fn an_app_may_name_the_event_that_reports_a_gap() {
    let gap = |file: &str, variables: &[_]| only_app(file, variables).gap_event;
    assert_eq!(gap(&format!("{APP}gap_event = \"resync\"\n"), &[]).as_deref(), Some("resync"));
    let all = [("RESOUND_APP_GAP_EVENT", "reload")];
    assert_eq!(gap(APP, &all).as_deref(), Some("reload"));
    assert_eq!(gap(&format!("{APP}gap_event = \"\"\n"), &all), None);
}

#[test]
fn ids_and_keys_are_what_clients_can_put_into_a_url() {
    let app = |key: &str| format!("[[apps]]\nid = \"1\"\nkey = {key:?}\nsecret = \"s\"\n");
    for key in ["l4r4v3l-K3y_~.", "a:b", "dGVzdA+b==", "(a)!$&'*,;@", "...", "-"] {
        assert_eq!(only_app(&app(key), &[]).key, key);
    }
    for key in [
        "a\"b", "a|b", "clé", "a\\b", "a<b>", "a^b", "a`b", "{a}", "a/b", "a?", "a#", "%61", " a",
        "a\nb", ".", "..",
    ] {
        let message = format!("config/reverb.toml: apps[0].key is {key:?}; {ODD}");
        check_refused(&app(key), &[], &message);
    }
}

#[test]
fn a_variable_may_hold_a_list_as_json() {
    let allows = |text: &str, origin: &str| {
        let app = only_app(APP, &[("RESOUND_APP_ALLOWED_ORIGINS", text)]);
        app.allowed_origins.allow(Some(origin))
    };
    assert!(allows("[\"*\"]", "https://a.example"));
    assert!(allows("'[\"*\"]'", "https://a.example"));
    assert!(allows("[\"b.example\", \"https://a.example\"]", "https://a.example"));
    assert!(!allows("[\"b.example\"]", "https://a.example"));
    assert!(allows("\"b.example\", \"a.example\"", "https://a.example"));
    let place = "environment variable RESOUND_APP_ALLOWED_ORIGINS";
    check_refused(
        APP,
        &[("RESOUND_APP_ALLOWED_ORIGINS", "[\"*\"")],
        &format!("{place} is \"[\\\"*\\\"\"; it must be a list such as a,b or [\"a\",\"b\"]"),
    );
    check_refused(
        APP,
        &[("RESOUND_APP_ALLOWED_ORIGINS", "[]")],
        &format!("{place} is empty; it must have at least one pattern; [\"*\"] allows every page"),
    );
}
