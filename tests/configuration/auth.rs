//! `[app.auth]`: each mode as written, and what it refuses.

use std::path::PathBuf;
use std::time::Duration;

use resound::app::{AskRules, AuthMode, AuthSettings, KeySetLocation, TokenKeys, TokenRules};

use crate::{APP, check_refused, load, only_app};

const RSA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tokens/rsa.pem");
const PRIVATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tokens/rsa.key.pem");

fn jwt(keys: &str) -> String {
    format!("{APP}[apps.auth]\nmode = \"jwt\"\n[apps.auth.jwt]\n{keys}\n")
}

fn ask(keys: &str) -> String {
    format!("{APP}[apps.auth]\nmode = \"ask\"\n[apps.auth.ask]\n{keys}\n")
}

fn settings(file: &str) -> AuthSettings {
    only_app(file, &[]).auth.unwrap()
}

fn token_rules(file: &str) -> TokenRules {
    match settings(file).mode {
        AuthMode::Jwt(rules) => *rules,
        other => panic!("{other:?}"),
    }
}

fn ask_rules(file: &str) -> AskRules {
    match settings(file).mode {
        AuthMode::Ask(rules) => *rules,
        other => panic!("{other:?}"),
    }
}

fn check(file: &str, message: &str) {
    check_refused(file, &[], &format!("config/reverb.toml: apps[0].auth.{message}"));
}

#[test]
fn it_is_off_by_default() {
    assert_eq!(only_app(APP, &[]).auth, None);
    let notes = load(&format!("{APP}[apps.auth]\npath = \"/a\"\n"), &[]).unwrap().notes;
    let note = "config/reverb.toml: apps[0].auth.path has no effect while auth.mode is off";
    assert_eq!(notes, [note]);
}

#[test]
fn keys_of_another_mode_are_named() {
    let file = ask("url = \"http://a.example/\"\n[apps.auth.jwt]\nsecret = \"s\"\n");
    let note = "config/reverb.toml: apps[0].auth.jwt.secret has no effect while auth.mode is ask";
    assert_eq!(load(&file, &[]).unwrap().notes, [note]);
}

#[test]
fn each_source_of_keys_is_read() {
    let channels = "channels = [\"private-user.{sub}\"]";
    let secret = token_rules(&jwt(&format!("secret = \"s\"\n{channels}")));
    assert!(matches!(secret.keys, TokenKeys::Secret(_)));
    let public = token_rules(&jwt(&format!("public_key = {RSA:?}\n{channels}")));
    assert!(matches!(public.keys, TokenKeys::Public(_)));
    for (text, location) in [
        ("keys.json", KeySetLocation::File(PathBuf::from("keys.json"))),
        ("https://a.example/jwks", KeySetLocation::Url("https://a.example/jwks".to_owned())),
    ] {
        let set = token_rules(&jwt(&format!("jwks = {text:?}\n{channels}")));
        let max_age = Duration::from_secs(600);
        assert_eq!(set.keys, TokenKeys::Set { location, max_age });
    }
}

#[test]
fn every_key_of_tokens_arrives() {
    let keys = "secret = \"s\"\nissuers = [\"i\"]\naudiences = [\"a\"]\nleeway_seconds = 7\n\
                token_parameter = \"jwt\"\nchannels_claim = \"ch\"\nuser_id = \"id\"\n\
                user_info = \"info\"\nuser_info_fields = [\"name\"]\nwatchlist = \"w\"";
    let rules = token_rules(&jwt(keys));
    let text = |text: &str| text.to_owned();
    assert_eq!((rules.issuers, rules.audiences), (vec![text("i")], vec![text("a")]));
    assert_eq!((rules.leeway.as_secs(), rules.parameter), (7, text("jwt")));
    assert_eq!((rules.channels_claim, rules.user_id), (text("ch"), text("id")));
    assert_eq!((rules.user_info, rules.user_info_fields), (text("info"), vec![text("name")]));
    assert_eq!(rules.watchlist, "w");
}

#[test]
fn every_key_of_questions_arrives() {
    let keys = "url = \"http://a.example/auth\"\nuser_url = \"http://a.example/user\"\n\
                headers = [\"X-Tenant\"]\nremember_seconds = 0\nremember_refusals_seconds = 1\n\
                max_remembered_bytes = 5\nmax_concurrent = 6\ntimeout_seconds = 7";
    let rules = ask_rules(&ask(keys));
    assert_eq!(rules.url, "http://a.example/auth");
    assert_eq!(rules.user_url.as_deref(), Some("http://a.example/user"));
    assert_eq!(rules.headers, ["x-tenant"]);
    assert_eq!((rules.remember.as_secs(), rules.remember_refusals.as_secs()), (0, 1));
    assert_eq!((rules.remembered_bytes, rules.concurrent, rules.timeout.as_secs()), (5, 6, 7));
}

#[test]
fn secrets_stand_in_files_too_and_are_never_shown() {
    let folder = std::env::temp_dir().join(format!("resound-auth-{}", std::process::id()));
    std::fs::write(&folder, "from-a-file\n").unwrap();
    let file = jwt(&format!("secret_file = {folder:?}\nchannels = [\"private-a\"]"));
    let config = load(&file, &[]).unwrap();
    std::fs::remove_file(&folder).unwrap();
    assert!(!format!("{config:?}").contains("from-a-file"));
    let shown = config.resolved.keys().find(|key| key.key == "apps[0].auth.jwt.secret").unwrap();
    assert!(shown.value.starts_with("sha256:"), "{}", shown.value);
    let key = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
    let file = format!(
        "{APP}[apps.auth]\nmode = \"sign-everything\"\nencryption_master_key = \"{key}\"\n[server]\nhost = \"127.0.0.1\""
    );
    let config = load(&file, &[]).unwrap();
    let shown = config.resolved.keys().find(|key| key.key.ends_with("master_key"));
    assert!(shown.unwrap().value.starts_with("sha256:") || shown.unwrap().is_default);
    assert!(!format!("{config:?}").contains(key));
}

#[test]
fn a_mode_needs_its_keys() {
    let channels = "channels = [\"private-a\"]";
    check_refused(
        &jwt(channels),
        &[],
        "config/reverb.toml: apps[0].auth.mode is \"jwt\"; mode jwt needs a key: auth.jwt.secret (HS256), auth.jwt.public_key (the file of a key) or auth.jwt.jwks (a set of keys)",
    );
    check(
        &jwt(&format!("secret = \"s\"\njwks = \"a.json\"\n{channels}")),
        "mode is \"jwt\"; only one of auth.jwt.secret, auth.jwt.public_key and auth.jwt.jwks can be set, since the key decides the algorithm",
    );
    check(
        &jwt(&format!("public_key = {PRIVATE:?}\n{channels}")),
        &format!(
            "jwt.public_key is {PRIVATE:?}; it holds a private key, which only the issuer of the tokens may have: write the public one (openssl pkey -pubout)"
        ),
    );
    check(
        &jwt(&format!("jwks = \"https://u:p@a.example/\"\n{channels}")),
        "jwt.jwks must be the path of a file, or an https:// or http:// address without a user name",
    );
    let needs = "it must have at least one pattern, such as \"private-user.{sub}\", or channels_claim must name a claim: else no token permits anything";
    check_refused(
        &jwt("secret = \"s\""),
        &[],
        &format!("app.auth.jwt.channels (the default) is empty; {needs}"),
    );
    let form = "a pattern is the name of a channel with claims in braces, which it does not begin with, and * for any characters";
    for pattern in ["", "{sub}", "private-{sub", "private-{}", "private-{a{b}}", "private-a}"] {
        check(
            &jwt(&format!("secret = \"s\"\nchannels = [{pattern:?}]")),
            &format!("jwt.channels has {pattern:?}; {form}"),
        );
    }
    let address = "it must be the app's own endpoint, an http:// or https:// address such as https://app.example.com/broadcasting/auth, without a user name";
    check_refused(&ask(""), &[], &format!("app.auth.ask.url (the default) is empty; {address}"));
    for url in ["a.example", "ftp://a.example", "https://u:hidden@a.example"] {
        check(&ask(&format!("url = {url:?}")), &format!("ask.url is no address; {address}"));
    }
    let header = "it must be the name of a header field that the page sends, and none that the server sets itself";
    for name in ["Host", "x y", "X-Forwarded-For"] {
        check(
            &ask(&format!("url = \"http://a.example\"\nheaders = [{name:?}]")),
            &format!("ask.headers has {name:?}; {header}"),
        );
    }
}

#[test]
fn paths_are_none_of_the_servers_own() {
    let file = |path: &str| {
        format!(
            "{APP}[apps.auth]\nmode = \"ask\"\npath = {path:?}\n[apps.auth.ask]\nurl = \"http://a.example\"\n"
        )
    };
    let allowed = "it must be a path such as /broadcasting/auth, without a slash at its end, and none of this server's own (/app/, /apps/, /live, /up, /ready, /metrics)";
    for path in ["", "a", "/", "/a/", "//a", "/a?b", "/up", "/app/key/auth", "/apps/1/events"] {
        check(&file(path), &format!("path is {path:?}; {allowed}"));
    }
    assert_eq!(settings(&file("/tenant-1/auth")).path, "/tenant-1/auth");
    check_refused(
        &file("/broadcasting/user-auth"),
        &[],
        "app.auth.user_path (the default) is \"/broadcasting/user-auth\"; auth.path has that path already",
    );
}

#[test]
fn what_signs_everything_is_reached_from_this_machine_alone() {
    let file = |server: &str| format!("{server}\n{APP}[apps.auth]\nmode = \"sign-everything\"\n");
    let why = |address: &str| {
        format!(
            "mode is \"sign-everything\"; it permits everything to every client, so server.listen and http.listen must be loopback addresses or unix sockets, and {address} is not: set server.host = \"127.0.0.1\" (RESOUND_SERVER_HOST), or auth.mode to jwt or ask"
        )
    };
    check(&file(""), &why("0.0.0.0:8080"));
    check(&file("[server]\nlisten = [\"127.0.0.1:1\", \"[::]:2\"]"), &why("[::]:2"));
    check(
        &file("[server]\nhost = \"127.0.0.1\"\n[http]\nlisten = [\"10.0.0.1:3\"]"),
        &why("10.0.0.1:3"),
    );
    let local = file("[server]\nlisten = [\"127.0.0.1:1\", \"unix:/tmp/a.sock\"]");
    assert_eq!(settings(&local).mode, AuthMode::SignEverything);
}
