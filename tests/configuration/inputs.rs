//! `[[laravel_redis]]` and `[beside_reverb]`: values in, or one exact message out.

use resound::config::{BesideReverbConfig, LaravelRedisConfig};

use crate::{APP, check_refused, flag, load, sources};

fn input(keys: &str, variables: &[(&str, &str)]) -> LaravelRedisConfig {
    let file = format!("{APP}[[laravel_redis]]\n{keys}\n");
    load(&file, variables).unwrap().laravel_redis.remove(0)
}

fn check(keys: &str, message: &str) {
    let file = format!("{APP}[[laravel_redis]]\n{keys}\n");
    check_refused(&file, &[], &format!("config/reverb.toml: {message}"));
}

#[test]
fn an_entry_has_the_address_of_laravel_unless_it_sets_its_own() {
    let laravel = [
        ("REDIS_HOST", "tls://redis.example"),
        ("REDIS_PORT", "7000"),
        ("REDIS_PASSWORD", "secret"),
        ("REDIS_DB", "3"),
    ];
    let shown = |input: &LaravelRedisConfig| {
        let password = input.redis.password.as_ref().map_or("", |secret| secret.reveal());
        format!("{} {password} {}", input.redis.address, input.redis.database)
    };
    let of_default = input("prefix = \"\"", &[]);
    assert_eq!(shown(&of_default), "redis://127.0.0.1:6379  0");
    assert_eq!((&*of_default.app, &*of_default.prefix), ("1", ""));
    let of_laravel = input("prefix = \"shop_\"", &laravel);
    assert_eq!(shown(&of_laravel), "rediss://redis.example:7000 secret 0");
    let own = input("prefix = \"\"\nurl = \"redis://:p@other/2\"", &laravel);
    assert_eq!(shown(&own), "redis://other:6379 p 0");
    let host = input("prefix = \"\"\nhost = \"other\"", &[("REDIS_URL", "redis://:p@redis")]);
    assert_eq!(shown(&host), "redis://other:6379  0");
    let prefix = input("prefix = \"${REDIS_PREFIX}\"", &[("REDIS_PREFIX", "mine-")]);
    assert_eq!(prefix.prefix, "mine-");
}

#[test]
fn each_wrong_entry_is_refused_with_its_place() {
    check(
        "host = \"redis\"",
        "laravel_redis[0].prefix is missing; it must be the prefix of Laravel's Redis connection: \
         REDIS_PREFIX of its .env, or options.prefix in config/database.php, such as \
         \"laravel-database-\"; \"\" is no prefix",
    );
    check(
        "prefix = \"\"\napp = \"2\"",
        "laravel_redis[0].app is \"2\"; it must be the id of a configured app (REVERB_APP_ID)",
    );
    check("prefix = \"\"\nport = 0", "laravel_redis[0].port is 0; allowed are 1 to 65535");
    check(
        "prefix = \"\"\nhost = \"redis:6379\"",
        "laravel_redis[0].host is \"redis:6379\"; the port is a key of its own, \
         laravel_redis[0].port, in the environment REDIS_PORT",
    );
    check(
        "prefix = \"\"\ntimeout_ms = 1",
        "laravel_redis[0].timeout_ms is 1; allowed are 100 to 60000",
    );
    check(
        "prefix = \"\"\n[[laravel_redis]]\nprefix = \"\"\nhost = \"other\"",
        "laravel_redis[1] has the app and the prefix of an entry before it: each event would be \
         delivered twice; remove one",
    );
    check("prefx = \"\"", "line 6 is prefx = \"\"; prefx is not known; did you mean prefix?");
    let two = format!("{APP}[[apps]]\nid = \"2\"\nkey = \"k2\"\nsecret = \"s\"\n");
    check_refused(
        &format!("{two}[[laravel_redis]]\nprefix = \"\"\n"),
        &[],
        "config/reverb.toml: laravel_redis[0].app is missing; several apps are configured, so it \
         must be the id of the one that gets these events",
    );
    check_refused(
        APP,
        &[("RESOUND_LARAVEL_REDIS", "x")],
        "environment variable RESOUND_LARAVEL_REDIS is not known; a list of tables has no \
         variable: set laravel_redis in a file",
    );
}

#[test]
fn reverb_is_named_by_a_url_and_its_channel() {
    let beside = |file: &str, variables: &[(&str, &str)]| {
        load(&format!("{file}{APP}"), variables).unwrap().beside_reverb
    };
    assert!(beside("", &[("REVERB_SCALING_CHANNEL", "other")]).is_none());
    let shown = |config: Option<BesideReverbConfig>| {
        let BesideReverbConfig { redis, channel, .. } = config.unwrap();
        format!("{} {channel}", redis.address)
    };
    let url = "beside_reverb.url = \"redis://:hidden@redis.example\"\n";
    assert_eq!(shown(beside(url, &[])), "redis://redis.example:6379 reverb");
    let channel = [("REVERB_SCALING_CHANNEL", "other")];
    assert_eq!(shown(beside(url, &channel)), "redis://redis.example:6379 other");
    let of_flag = flag("--beside-reverb", "beside_reverb.url", "redis://localhost:7000");
    let of_flag = resound::config::Config::new(&sources(APP, &[], &[of_flag])).unwrap();
    assert_eq!(shown(of_flag.beside_reverb), "redis://localhost:7000 reverb");
    check_refused(
        APP,
        &[("RESOUND_BESIDE_REVERB_URL", "redis.example:hidden")],
        "environment variable RESOUND_BESIDE_REVERB_URL has no scheme; it must be \
         redis://[user:password@]host[:port][/database], the same with rediss:// for TLS, \
         for a Redis Cluster several host[:port] with commas between them, \
         unix:///path, or redis+sentinel://host[:port],host[:port]/master",
    );
}

#[test]
fn passwords_are_shown_by_their_fingerprints_and_changes_need_a_restart() {
    let resolved = |entry: &str| load(&format!("{APP}{entry}"), &[]).unwrap().resolved;
    let one = resolved(
        "[[laravel_redis]]\nprefix = \"a\"\npassword = \"hidden\"\nurl = \"redis://:hidden@r\"\n",
    );
    let text: Vec<String> = one.keys().map(|key| format!("{} = {}", key.key, key.value)).collect();
    assert!(text.iter().any(|line| line == "laravel_redis[0].prefix = \"a\""), "{text:?}");
    assert!(!text.iter().any(|line| line.contains("hidden")), "{text:?}");
    let names = |before: &str, after: &str| -> Vec<String> {
        let pending = resolved(before).pending(&resolved(after));
        pending
            .into_iter()
            .map(|key| format!("{} {} {}", key.key, key.running, key.configured))
            .collect()
    };
    let entry = |prefix: &str| format!("[[laravel_redis]]\nprefix = \"{prefix}\"\n");
    assert_eq!(names(&entry("a"), &entry("a")), Vec::<String>::new());
    assert_eq!(names(&entry("a"), &entry("b")), ["laravel_redis[0].prefix \"a\" \"b\""]);
    assert_eq!(names("", &entry("a")), ["laravel_redis 0 entries 1 entries"]);
    assert_eq!(names(&entry("a"), ""), ["laravel_redis 1 entries 0 entries"]);
    let beside = "[beside_reverb]\nchannel = \"other\"\n";
    assert_eq!(names("", beside), ["beside_reverb.channel \"reverb\" \"other\""]);
}
