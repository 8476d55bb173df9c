//! The webhooks of apps: as documented, as written, and what each key refuses.

use std::time::Duration;

use resound::app::{Webhook, WebhookKind, WebhookTarget};

use crate::{APP, check_refused, load, only_app};

const DEFAULTS: &str = include_str!("../../config/defaults.toml");
const URL: &str = "url = \"https://example.com/pusher\"";
const FORM: &str =
    "it must be an http:// or https:// address with a host, such as https://example.com/pusher";

/// A file with one app that has one webhook of these keys.
fn file(keys: &str) -> String {
    format!("{APP}[[apps.webhooks]]\n{keys}\n")
}

/// The only webhook of the only app.
fn only_webhook(file: &str) -> Webhook {
    let [webhook] = <[Webhook; 1]>::try_from(only_app(file, &[]).webhooks).unwrap();
    webhook
}

fn headers(webhook: Webhook) -> Vec<(String, String)> {
    match webhook.target {
        WebhookTarget::Http { headers } => headers,
        WebhookTarget::LaravelQueue(queue) => panic!("{queue:?}"),
    }
}

/// One key of a webhook with a valid url, and what follows the origin of the webhook.
fn check_key(key: &str, message: &str) {
    let message = format!("config/reverb.toml: apps[0].webhooks[0].{message}");
    check_refused(&file(&format!("{URL}\n{key}")), &[], &message);
}

fn check_url(text: &str, message: &str) {
    let message = format!("config/reverb.toml: apps[0].webhooks[0].url {message}");
    check_refused(&file(&format!("url = {text:?}")), &[], &message);
}

/// The commented webhook of `config/defaults.toml`, without its comment signs.
fn example() -> String {
    let from = DEFAULTS.find("#   [[apps.webhooks]]\n").unwrap();
    let lines = DEFAULTS[from..].lines().map_while(|line| line.strip_prefix("#   "));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_url_is_enough() {
    let webhook = only_webhook(&file(URL));
    assert_eq!(webhook.url, "https://example.com/pusher");
    assert!(webhook.events.is_empty());
    assert_eq!((webhook.channel_prefix.as_str(), webhook.channel_suffix.as_str()), ("", ""));
    assert_eq!(webhook.batch_window, Duration::ZERO);
    assert!(headers(webhook).is_empty());
}

#[test]
fn every_key_arrives() {
    let keys = "url = \"http://[::1]:9000/hook?a=b\"\n\
                events = [\"member_added\", \"cache_miss\"]\n\
                channel_prefix = \"presence-\"\n\
                channel_suffix = \"-eu\"\n\
                headers = { X-Tenant = \"7\", authorization = \"Bearer t\", \"x.y\" = \"\" }\n\
                batch_window_ms = 60000";
    let webhook = only_webhook(&file(keys));
    assert_eq!(webhook.url, "http://[::1]:9000/hook?a=b");
    assert_eq!(webhook.events, [WebhookKind::MemberAdded, WebhookKind::CacheMiss]);
    assert_eq!(webhook.channel_prefix, "presence-");
    assert_eq!(webhook.channel_suffix, "-eu");
    assert_eq!(webhook.batch_window, Duration::from_secs(60));
    let expected = [("X-Tenant", "7"), ("authorization", "Bearer t"), ("x.y", "")];
    assert_eq!(headers(webhook), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[test]
fn every_event_has_a_name() {
    let names = WebhookKind::ALL.map(WebhookKind::name);
    let webhook = only_webhook(&file(&format!("{URL}\nevents = {names:?}")));
    assert_eq!(webhook.events, WebhookKind::ALL);
}

#[test]
fn the_commented_example_names_every_key_and_loads() {
    let example = example();
    let webhook = only_webhook(&format!("{APP}{example}\n"));
    assert_eq!(webhook.events, [WebhookKind::ChannelOccupied, WebhookKind::ChannelVacated]);
    assert_eq!(headers(webhook), [("X-Tenant".to_owned(), "7".to_owned())]);

    let known = load(&file("colour = 1"), &[]).unwrap_err().to_string();
    let (_, known) = known.split_once("colour is not known; known are ").unwrap();
    for key in known.split(", ") {
        // The file of a secret stands in place of the secret.
        let is_named = |key: &str| example.contains(&format!("\n{key} = "));
        assert!(is_named(key) || is_named(key.trim_end_matches("_file")), "{key}");
    }
    for name in WebhookKind::ALL.map(WebhookKind::name) {
        assert!(example.contains(name), "{name}");
    }
}

#[test]
fn the_list_of_an_entry_replaces_what_every_app_starts_from() {
    let urls = |file: &str| -> Vec<String> {
        only_app(file, &[]).webhooks.into_iter().map(|webhook| webhook.url).collect()
    };
    let common = "[[app.webhooks]]\nurl = \"http://all.example\"\n";
    assert_eq!(urls(&format!("{APP}{common}")), ["http://all.example"]);
    let two = "[[apps.webhooks]]\nurl = \"http://a.example\"\n\
               [[apps.webhooks]]\nurl = \"http://b.example\"\n";
    assert_eq!(urls(&format!("{APP}{two}{common}")), ["http://a.example", "http://b.example"]);
    assert_eq!(urls(&format!("{APP}webhooks = []\n{common}")), [""; 0]);
    let development = load(common, &[]).unwrap().development.unwrap();
    assert_eq!(development.webhooks.len(), 1);
}

#[test]
fn an_address_that_is_not_whole_is_refused() {
    check_refused(
        &file("events = []"),
        &[],
        &format!("config/reverb.toml: apps[0].webhooks[0].url is missing; {FORM}"),
    );
    for text in [
        "example.com",
        "/pusher",
        "ftp://example.com",
        "https://",
        "https:///pusher",
        "https://:80/",
        "https://example.com:/",
        "https://example.com:65536/",
        "https://example.com/a b",
    ] {
        check_url(text, &format!("is {text:?}; {FORM}"));
    }
    for text in ["https://user@example.com", "https://user:pass@example.com/", "u:p w@example.com"]
    {
        check_url(text, "has a user name or password; send them in headers, as Authorization");
    }
    assert!(load(&file("url = \"https://example.com/@me?to=a@b\""), &[]).is_ok());
}

#[test]
fn an_unknown_event_and_a_long_window_are_refused() {
    let allowed = "allowed are channel_occupied, channel_vacated, member_added, member_removed, \
                   client_event, cache_miss and subscription_count";
    check_key(
        "events = [\"member_added\", \"channel_ocupied\"]",
        &format!("events has \"channel_ocupied\"; {allowed}"),
    );
    check_key("batch_window_ms = 60001", "batch_window_ms is 60001; allowed are 0 to 60000");
}

#[test]
fn header_fields_of_the_server_and_invalid_ones_are_refused() {
    let letters = "the name of a header field is of letters, digits and !#$%&'*+-.^_`|~";
    for name in ["", "X Tenant", "X-Ténant", "X:"] {
        check_key(
            &format!("headers = {{ {name:?} = \"7\" }}"),
            &format!("headers has {name:?}; {letters}"),
        );
    }
    for name in ["X-Pusher-Key", "x-pusher-signature", "X-PUSHER-"] {
        check_key(
            &format!("headers = {{ {name:?} = \"7\" }}"),
            &format!("headers has {name:?}; names that start with X-Pusher- are set by the server"),
        );
    }
    for name in ["Content-Type", "content-length", "HOST"] {
        check_key(
            &format!("headers = {{ {name:?} = \"7\" }}"),
            &format!(
                "headers has {name:?}; Content-Type, Content-Length and Host are set by the server"
            ),
        );
    }
    check_key(
        "headers = { \"X-Tenant\" = \"7\\r\\nX-Other: 8\" }",
        "headers.X-Tenant has a control character; a header field is one line of text",
    );
    check_key(
        "headers = { X-Tenant = \"7\", x-tenant = \"8\" }",
        "headers has \"x-tenant\" twice; capitals make no other name of it",
    );
}

#[test]
fn a_refused_webhook_is_named_by_its_number() {
    let second = file(URL).replace("\"1\"", "\"2\"").replace("\"k\"", "\"l\"");
    check_refused(
        &format!("{APP}{second}[[apps.webhooks]]\nurl = \"x\"\n"),
        &[],
        &format!("config/reverb.toml: apps[1].webhooks[1].url is \"x\"; {FORM}"),
    );
    check_refused(
        &format!("{APP}[[app.webhooks]]\nurl = \"x\"\n"),
        &[],
        &format!("config/reverb.toml: app.webhooks[0].url is \"x\"; {FORM}"),
    );
}

#[test]
fn the_shape_is_checked_line_by_line() {
    for (file, message) in [
        (
            "[[app.webhooks]]\nurl = \"http://a.example\"\nevent = []\n",
            "line 3 is event = []; event is not known; did you mean events?",
        ),
        (
            "[[app.webhooks]]\nheaders = { \"X-Tenant\" = 7 }\n",
            "line 2 is headers = { \"X-Tenant\" = 7 }; it must be text in quotes",
        ),
        (
            "[[apps]]\nid = \"1\"\n[apps.webhooks]\nurl = \"http://a.example\"\n",
            "line 3 is [apps.webhooks]; it must be a list: a table in it has two brackets, as in \
             [[apps]]",
        ),
    ] {
        check_refused(file, &[], &format!("config/reverb.toml: {message}"));
    }
}
