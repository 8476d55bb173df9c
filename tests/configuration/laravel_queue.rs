//! Webhooks whose events become jobs: what a `laravel-queue://` address has, and what it refuses.

use resound::app::{LaravelQueue, Webhook, WebhookTarget};

use crate::{APP, AUTHORITY, check_refused, load, only_app};

const FORMS: &str = "it must be laravel-queue://[user:password@]host[:port][/database]?job=App\\Realtime@handle, or \
                     laravel-queue+ and then an address as cluster.url takes it, such as \
                     laravel-queue+rediss://host?job=App\\Realtime@handle";
const JOB: &str =
    "it must be the class and the method that a worker calls, such as job=App\\Realtime@handle";

fn file(url: &str, keys: &str) -> String {
    format!("{APP}[[apps.webhooks]]\nurl = '{url}'\n{keys}\n")
}

/// The queue of the only webhook of the only app, and its address as it is shown.
fn queue(url: &str, keys: &str) -> (LaravelQueue, String) {
    let webhooks = only_app(&file(url, keys), &[]).webhooks;
    let [webhook] = <[Webhook; 1]>::try_from(webhooks).unwrap();
    match webhook.target {
        WebhookTarget::LaravelQueue(queue) => (*queue, webhook.url),
        WebhookTarget::Http { .. } => panic!("{url} is no queue"),
    }
}

/// The address without credentials, and the key of the list.
fn shown(url: &str) -> (String, String) {
    let (queue, shown) = queue(url, "");
    (shown, queue.key())
}

fn check(url: &str, keys: &str, message: &str) {
    let message = format!("config/reverb.toml: apps[0].webhooks[0].{message}");
    check_refused(&file(url, keys), &[], &message);
}

#[test]
fn an_address_has_the_server_the_queue_and_the_job() {
    let url = r"laravel-queue://user:p%40ss@redis.example:6380/3?queue=realtime&prefix=laravel-database-&job=App\Realtime@handle&tries=3&backoff=10&timeout=60";
    let (queue, shown) = queue(url, "");
    assert_eq!(shown, "laravel-queue://redis.example:6380/3?queue=realtime");
    assert_eq!(queue.redis.username.as_deref(), Some("user"));
    assert_eq!(queue.redis.password.as_ref().unwrap().reveal(), "p@ss");
    assert_eq!(queue.key(), "laravel-database-queues:realtime");
    assert_eq!(queue.job, r"App\Realtime@handle");
    let numbers = (queue.tries, queue.backoff_seconds, queue.timeout_seconds);
    assert_eq!(numbers, (Some(3), Some(10), Some(60)));
}

#[test]
fn every_form_of_an_address_of_redis_is_one() {
    for (url, expected) in [
        ("laravel-queue://h?job=A", "laravel-queue://h:6379/0?queue=default"),
        ("Laravel-Queue://h/?job=%5CApp%5CA", "laravel-queue://h:6379/0?queue=default"),
        ("laravel-queue+redis://h?job=A", "laravel-queue://h:6379/0?queue=default"),
        ("laravel-queue+rediss://h/1?job=A", "laravel-queue+rediss://h:6379/1?queue=default"),
        ("laravel-queue+tls://h?job=A", "laravel-queue+rediss://h:6379/0?queue=default"),
        (
            "laravel-queue+unix:///run/redis.sock?db=2&job=A",
            "laravel-queue+unix:///run/redis.sock?queue=default",
        ),
        (
            "laravel-queue+redis+sentinel://:pw@a,b:1/main/2?job=A&sentinel_pass=x",
            "laravel-queue+redis+sentinel://a:26379,b:1/main/2?queue=default",
        ),
    ] {
        assert_eq!(shown(url), (expected.to_owned(), "queues:default".to_owned()), "{url}");
    }
    let (_, key) = shown("laravel-queue://h?job=A&queue={default}&prefix=my%20app:");
    assert_eq!(key, "my app:queues:{default}");
}

#[test]
fn the_password_and_the_root_ca_stand_beside_it() {
    let url = "laravel-queue+rediss://h?job=A";
    let (queue, _) = queue(url, &format!("password = 7\nca_file = '{AUTHORITY}'"));
    assert_eq!(queue.redis.password.unwrap().reveal(), "7");
    assert!(queue.redis.ca.is_some());
    let variables = [("REDIS_PASSWORD", "geheim")];
    let of_variable = file(url, "password = '${REDIS_PASSWORD}'");
    let app = only_app(&of_variable, &variables);
    assert!(!format!("{app:?}").contains("geheim"));
    check(
        "laravel-queue://:a@h?job=A",
        "password = 'b'",
        "password stands beside a url that has a password; remove one of them",
    );
    check(
        "laravel-queue://h?job=A",
        &format!("ca_file = '{AUTHORITY}'"),
        &format!(
            "ca_file is {AUTHORITY:?}; it is for TLS, and redis://h:6379 has none: begin the url with laravel-queue+rediss://, or remove it"
        ),
    );
    for key in ["password", "ca_file"] {
        let message = format!("{key} is for the Redis of laravel-queue://; remove it");
        check("https://example.com/", &format!("{key} = 'x'"), &message);
    }
    let message = "headers is for http:// and https://; a job has no headers";
    check("laravel-queue://h?job=A", "headers = { X-A = '1' }", message);
}

#[test]
fn what_is_wrong_is_named_and_the_address_is_not_shown() {
    for (url, flaw) in [
        ("laravel-queue://h", format!("has no job; {JOB}")),
        ("laravel-queue://h?job=", format!("has no job; {JOB}")),
        ("laravel-queue://h?job=App/A@b", format!("has a job that is no class and method; {JOB}")),
        ("laravel-queue://h?job=A@", format!("has a job that is no class and method; {JOB}")),
        ("laravel-queue://h?job=1A", format!("has a job that is no class and method; {JOB}")),
        (
            r"laravel-queue://h?job=App\\A@b",
            format!("has a job with two backslashes in a row, as PHP sees it; {JOB}"),
        ),
        ("laravel-queue://h?job=A&job=B", "has job twice; remove one of them".to_owned()),
        (
            "laravel-queue://h?job=A&queue=a,b",
            "has a queue that is no name; it must be one of those that a worker reads, such as queue=default".to_owned(),
        ),
        ("laravel-queue://h?job=A&tries=x", "has a tries that is no number from 0 to 86400".to_owned()),
        (
            "laravel-queue://h?job=A&que=b",
            "has an unknown parameter; known are job, queue, prefix, tries, backoff and timeout, and those of cluster.url".to_owned(),
        ),
        ("laravel-queue://?job=A", format!("has no host; {FORMS}")),
        ("laravel-queue://h:x?job=A", format!("has a port that is none; {FORMS}")),
        ("laravel-queue+http://h?job=A", format!("begins with http://; {FORMS}")),
        ("laravel-queue:h?job=A", format!("has no scheme; {FORMS}")),
        ("laravel-queue://h/x?job=A", "has a database that is no number from 0 to 2147483647".to_owned()),
        ("laravel-queue://h?job=A&prefix=%FF", "has a prefix that is not UTF-8".to_owned()),
        ("laravel-queue://h?job=A&prefix=%0A", "has a prefix with a control character".to_owned()),
    ] {
        check(url, "", &format!("url {flaw}"));
    }
    let secret = load(&file("laravel-queue://:geh/eim@h?job=A", ""), &[]).unwrap_err();
    assert!(!secret.to_string().contains("geh"), "{secret}");
}
