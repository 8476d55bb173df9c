//! The address of Redis: every form, which layer wins, and that no password is ever shown.

use std::path::PathBuf;

use resound::app::Secret;
use resound::config::{HostPort, RedisAddress, RedisConfig};

use crate::{APP, AUTHORITY, check_refused, load};

const ON: (&str, &str) = ("REVERB_SCALING_ENABLED", "true");
const FORMS: &str = "it must be redis://[user:password@]host[:port][/database], the same with \
                     rediss:// for TLS, for a Redis Cluster several host[:port] with commas between \
                     them, unix:///path, or redis+sentinel://host[:port],host[:port]/master";

/// A file with a cluster of these keys.
fn file(keys: &str) -> String {
    format!("{APP}[cluster]\nenabled = true\n{keys}\n")
}

fn redis(file: &str, variables: &[(&str, &str)]) -> RedisConfig {
    load(file, variables).unwrap().cluster.unwrap().redis
}

/// All of it but the sentinels' user as one text, password included: `user:password@address database`.
fn shown(redis: &RedisConfig) -> String {
    let RedisConfig { address, username, password, database, .. } = redis;
    format!("{}@{address} {database}", login(username.as_deref(), password.as_ref()))
}

/// The user at the sentinels, `user:password`.
fn at_sentinels(redis: &RedisConfig) -> String {
    login(redis.sentinel_username.as_deref(), redis.sentinel_password.as_ref())
}

fn login(username: Option<&str>, password: Option<&Secret>) -> String {
    let password = password.map_or("", Secret::reveal);
    format!("{}:{password}", username.unwrap_or_default())
}

fn check_url(url: &str, expected: &str) {
    let of_file = redis(&file(&format!("url = {url:?}")), &[]);
    assert_eq!(shown(&of_file), expected, "{url}");
    let of_environment = redis(APP, &[ON, ("REDIS_URL", url)]);
    assert_eq!(shown(&of_environment), expected, "{url}");
}

/// What is wrong with a URL, which holds "hidden" where it holds a password.
fn check_flaw(url: &str, message: &str) {
    assert!(!message.contains("hidden"));
    let message = format!("config/reverb.toml: cluster.url {message}");
    check_refused(&file(&format!("url = {url:?}")), &[], &message);
}

#[test]
fn every_form_of_url_leads_to_one_redis() {
    for (url, expected) in [
        ("redis://localhost", ":@redis://localhost:6379 0"),
        ("valkey://localhost/", ":@redis://localhost:6379 0"),
        ("tcp://redis_1:7000/3", ":@redis://redis_1:7000 3"),
        ("REDISS://10.0.0.1/15", ":@rediss://10.0.0.1:6379 15"),
        ("valkeys://a.example:6380", ":@rediss://a.example:6380 0"),
        ("redis://[::1]:6380/1", ":@redis://[::1]:6380 1"),
        ("redis://[::1]", ":@redis://[::1]:6379 0"),
        ("tls://user:pw@127.0.0.1:6380?database=1", "user:pw@rediss://127.0.0.1:6380 1"),
        ("redis://:pw@h", ":pw@redis://h:6379 0"),
        ("redis://user@h", "user:@redis://h:6379 0"),
        ("redis://a%40b:p%2Fw%3A%25@h", "a@b:p/w:%@redis://h:6379 0"),
        ("redis://:p@w:#@h", ":p@w:#@redis://h:6379 0"),
        ("redis://h?db=2&user=u&pass=p", "u:p@redis://h:6379 2"),
        ("unix:///run/redis.sock", ":@unix:///run/redis.sock 0"),
        ("unix:///run/a%20b@c?db=4&pass=p", ":p@unix:///run/a b@c 4"),
        ("redis+unix:///run/redis.sock", ":@unix:///run/redis.sock 0"),
    ] {
        check_url(url, expected);
    }
    let unix = redis(&file("url = \"unix:///run/redis.sock\""), &[]).address;
    assert_eq!(unix, RedisAddress::Unix(PathBuf::from("/run/redis.sock")));
    let tcp = redis(&file("url = \"rediss://[::1]\""), &[]).address;
    assert_eq!(tcp, RedisAddress::Tcp { host: "::1".to_owned(), port: 6379, tls: true });
}

#[test]
fn a_sentinel_url_lists_sentinels_and_names_the_master() {
    check_url("redis+sentinel://a/mymaster", ":@redis+sentinel://a:26379/mymaster 0");
    check_url(
        "rediss+sentinel://u:p@a:1,[::1],b:2/main/3",
        "u:p@rediss+sentinel://a:1,[::1]:26379,b:2/main 3",
    );
    let redis = redis(&file("url = \"valkeys+sentinel://a:1,b/main\""), &[]);
    let expected = RedisAddress::Sentinel {
        sentinels: [("a", 1), ("b", 26_379)]
            .map(|(host, port)| HostPort { host: host.to_owned(), port })
            .to_vec(),
        master: "main".to_owned(),
        tls: true,
    };
    assert_eq!(redis.address, expected);
}

#[test]
fn a_redis_cluster_has_the_addresses_of_some_of_its_nodes() {
    let nodes = "u:p@redis://a:6379,[::1]:7001 0";
    for scheme in ["redis", "valkey", "redis+cluster", "redis-cluster", "valkey+cluster"] {
        check_url(&format!("{scheme}://u:p@a,[::1]:7001"), nodes);
    }
    check_url("rediss+cluster://a:1,b:2/3", ":@rediss://a:1,b:2 3");
    check_url("redis+cluster://a", ":@redis://a:6379 0");
    let keys = |list: &str| file(&format!("url = \"redis://a,b\"\nnode_addresses = {list}"));
    let addresses = redis(&keys(r#"["10.0.0.5:6379 = c:7001", "d=e"]"#), &[]).node_addresses;
    let reachable = |host: &str, port| {
        addresses.reachable(HostPort { host: host.to_owned(), port }).to_string()
    };
    assert_eq!(reachable("10.0.0.5", 6379), "c:7001");
    assert_eq!(reachable("d", 7002), "e:7002");
    let message = "config/reverb.toml: cluster.node_addresses is \"d\"; an entry must be \
                   announced[:port]=reachable[:port], such as 10.0.0.5:6379=redis.example:7001, both with a port or \
                   both without";
    check_refused(&keys(r#"["d"]"#), &[], message);
}

#[test]
fn sentinels_have_a_user_of_their_own() {
    let url = "redis+sentinel://u:p@a/main";
    let check = |file: &str, variables: &[(&str, &str)], expected: &str| {
        let redis = redis(file, variables);
        assert_eq!(at_sentinels(&redis), expected, "{file} {variables:?}");
        assert_eq!(shown(&redis), "u:p@redis+sentinel://a:26379/main 0");
    };
    let with = |more: &str| file(&format!("url = \"{url}{more}\""));
    check(&with(""), &[], ":");
    check(&with("?sentinel_user=s&sentinel_pass=a%26b"), &[], "s:a&b");
    check(&with("?sentinel_password=pw"), &[], ":pw");
    let keys = format!("{}\nsentinel_username = \"s\"\nsentinel_password = 12", with(""));
    check(&keys, &[], "s:12");
    // A variable replaces that part of what the file has.
    check(&keys, &[("REDIS_SENTINEL_PASSWORD", "b")], "s:b");
    check(&with("?sentinel_pass=a"), &[("RESOUND_CLUSTER_SENTINEL_PASSWORD", "b")], ":b");
    let names = [("REDIS_SENTINEL_USERNAME", "s"), ("REDIS_SENTINEL_PASSWORD", "pw")];
    check(APP, &[&[ON, ("REDIS_URL", url)], &names[..]].concat(), "s:pw");
}

#[test]
fn a_wrong_url_is_refused_without_showing_it() {
    check_flaw("redis://:hidden@a:1,", &format!("has no host; {FORMS}"));
    check_flaw("redis://:hidden@a:1,b:x", &format!("has a port that is none; {FORMS}"));
    check_flaw("http://:hidden@a", &format!("begins with http://; {FORMS}"));
    check_flaw("redis:hidden@a", &format!("has no scheme; {FORMS}"));
    check_flaw("hidden@a://b", &format!("has no scheme; {FORMS}"));
    check_flaw("redis://", &format!("has no host; {FORMS}"));
    check_flaw("redis://:hidden@", &format!("has no host; {FORMS}"));
    check_flaw("redis://:hidden", &format!("has a port that is none; {FORMS}"));
    check_flaw("redis://h:0", &format!("has a port that is none; {FORMS}"));
    check_flaw("redis://h:65536", &format!("has a port that is none; {FORMS}"));
    check_flaw("redis://::1", &format!("has a host that is no name and no address; {FORMS}"));
    check_flaw("redis://hid den", &format!("has a host that is no name and no address; {FORMS}"));
    let unescaped = "has an @ behind the host; in a user name and a password / ? @ and % are \
                     written %2F %3F %40 and %25";
    for url in ["redis://:hid/den@h", "redis://:hid?den@h", "redis+sentinel://:hid/den@h/m"] {
        check_flaw(url, unescaped);
    }
    let database = "has a database that is no number from 0 to 2147483647";
    check_flaw("redis://:hidden@h/one", database);
    check_flaw("redis://h?db=2147483648", database);
    check_flaw("redis://h/-1", database);
    let parameter = "has an unknown parameter; known are db, user, pass";
    check_flaw("redis://h?sentinel_pass=hidden", parameter);
    check_flaw("redis://h?hidden", parameter);
    check_flaw("redis://h?ssl=hidden", parameter);
    let parameter = format!("{parameter}, sentinel_user and sentinel_pass");
    check_flaw("redis+sentinel://h/main?hidden", &parameter);
    check_flaw("redis://:%FF@h", "has a part that is not UTF-8 after percent-decoding");
    let path = "has no path; it must have three slashes: unix:///path";
    check_flaw("unix://run/redis.sock", path);
    check_flaw("unix:///", path);
    check_flaw(
        "redis+sentinel://:hidden@a,b",
        "has no name of a master; it must end with the one the sentinels know, such as \
         redis+sentinel://host/mymaster",
    );
}

#[test]
fn every_name_of_laravel_arrives() {
    let parts = [
        ON,
        ("REDIS_HOST", "redis.example"),
        ("REDIS_PORT", "7000"),
        ("REDIS_USERNAME", "user"),
        ("REDIS_PASSWORD", "pw"),
        ("REDIS_DB", "3"),
        ("REDIS_TIMEOUT", "ignored"),
        ("REDIS_CLIENT", "phpredis"),
    ];
    assert_eq!(shown(&redis(APP, &parts)), "user:pw@redis://redis.example:7000 3");
    let words = [ON, ("REDIS_USERNAME", "null"), ("REDIS_PASSWORD", "(null)"), ("REDIS_URL", "")];
    assert_eq!(shown(&redis(APP, &words)), ":@redis://127.0.0.1:6379 0");
    // As Laravel merges them: the URL wins, and the rest fills what it leaves out.
    let both = [&parts[..], &[("REDIS_URL", "rediss://a.example/1")]].concat();
    assert_eq!(shown(&redis(APP, &both)), "user:pw@rediss://a.example:6379 1");
    let whole = [&parts[..], &[("REDIS_URL", "redis://u:p@a.example")]].concat();
    assert_eq!(shown(&redis(APP, &whole)), "u:p@redis://a.example:6379 3");
    // The variable that Kubernetes sets for a service named redis.
    let kubernetes = [ON, ("REDIS_PORT", "tcp://10.0.0.1:6379")];
    assert_eq!(shown(&redis(APP, &kubernetes)), ":@redis://127.0.0.1:6379 0");
    check_refused(
        APP,
        &[ON, ("REDIS_PORT", "none")],
        "environment variable REDIS_PORT is \"none\"; it must be a whole number",
    );
}

#[test]
fn later_layers_win() {
    let url = file("url = \"redis://u:p@file.example/1\"\nusername = \"file\"");
    let keys = file("host = \"file.example\"\nusername = \"file\"\npassword = 12\ndatabase = 5");
    for (file, variables, expected) in [
        (&url, &[][..], "u:p@redis://file.example:6379 1"),
        (&keys, &[], "file:12@redis://file.example:6379 5"),
        // A host or a port replaces a URL as a whole: its password is another server's.
        (&url, &[("REDIS_HOST", "b")], "file:@redis://b:6379 0"),
        (&url, &[("RESOUND_CLUSTER_PORT", "7")], "file:@redis://127.0.0.1:7 0"),
        // Credentials and database replace their part of it.
        (&url, &[("REDIS_PASSWORD", "b")], "u:b@redis://file.example:6379 1"),
        (&url, &[("REDIS_USERNAME", "b")], "b:p@redis://file.example:6379 1"),
        (&url, &[("RESOUND_CLUSTER_DATABASE", "0")], "u:p@redis://file.example:6379 0"),
        // And a URL replaces every key of an earlier layer.
        (&keys, &[("REDIS_URL", "redis://b")], ":@redis://b:6379 0"),
        (&url, &[("REDIS_URL", "redis://b")], ":@redis://b:6379 0"),
        (
            &keys,
            &[("REDIS_HOST", "b"), ("REDIS_PASSWORD", "pw"), ("RESOUND_CLUSTER_URL", "tls://c")],
            ":@rediss://c:6379 0",
        ),
        (
            &keys,
            &[("REDIS_URL", "tls://u:p@c/1"), ("RESOUND_CLUSTER_HOST", "d")],
            "file:12@redis://d:6379 5",
        ),
    ] {
        assert_eq!(shown(&redis(file, variables)), expected, "{variables:?}");
    }
}

#[test]
fn a_host_is_a_name_an_address_or_a_path() {
    for (host, address) in [
        ("tls://redis.example", "rediss://redis.example:6379"),
        ("rediss://redis.example", "rediss://redis.example:6379"),
        ("tcp://10.0.0.1", "redis://10.0.0.1:6379"),
        ("::1", "redis://[::1]:6379"),
        ("tls://[::1]", "rediss://[::1]:6379"),
        ("/run/redis.sock", "unix:///run/redis.sock"),
        ("unix:///run/redis.sock", "unix:///run/redis.sock"),
    ] {
        assert_eq!(redis(APP, &[ON, ("REDIS_HOST", host)]).address.to_string(), address);
    }
    // As Laravel's documentation has it.
    let unix = [ON, ("REDIS_HOST", "/run/redis.sock"), ("REDIS_PORT", "0")];
    assert_eq!(redis(APP, &unix).address, RedisAddress::Unix("/run/redis.sock".into()));
}

#[test]
fn wrong_keys_are_refused() {
    let form = "it must be a host name or an IP address, tls:// and one of them, or the path of a \
                unix socket";
    let port = "the port is a key of its own, cluster.port, in the environment REDIS_PORT";
    for (key, message) in [
        ("host = \"\"", format!("cluster.host is \"\"; {form}")),
        ("host = \"a b\"", format!("cluster.host is \"a b\"; {form}")),
        ("host = \"http://a\"", format!("cluster.host is \"http://a\"; {form}")),
        ("host = \"unix://a\"", format!("cluster.host is \"unix://a\"; {form}")),
        ("host = \"a:6379\"", format!("cluster.host is \"a:6379\"; {port}")),
        ("host = \"tls://[::1]:6379\"", format!("cluster.host is \"tls://[::1]:6379\"; {port}")),
        (
            "host = \"redis://:hidden@a\"",
            "cluster.host has a user name or password; only cluster.url holds them too".to_owned(),
        ),
        ("port = 0", "cluster.port is 0; allowed are 1 to 65535".to_owned()),
        (
            "database = 2147483648",
            "cluster.database is 2147483648; allowed are 0 to 2147483647".to_owned(),
        ),
    ] {
        check_refused(&file(key), &[], &format!("config/reverb.toml: {message}"));
    }
}

#[test]
fn the_root_ca_is_read_at_start() {
    let tls = "url = \"rediss://redis.example\"\n";
    let pem = include_bytes!("authority.pem");
    let read = redis(&file(&format!("{tls}ca_file = {AUTHORITY:?}")), &[]);
    assert_eq!(read.ca.as_deref(), Some(&pem[..]));
    let check = |keys: &str, path: &str, message: &str| {
        let message = format!("config/reverb.toml: cluster.ca_file is {path:?}; {message}");
        check_refused(&file(&format!("{keys}ca_file = {path:?}")), &[], &message);
    };
    let missing = "/there/is/no/such.pem";
    check(tls, missing, "it cannot be read: No such file or directory (os error 2)");
    let form = "it must hold certificates in PEM form, each from -----BEGIN CERTIFICATE----- to \
                -----END CERTIFICATE-----";
    check(tls, concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"), form);
    check(
        "url = \"redis://u:hidden@h\"\n",
        AUTHORITY,
        "it is for TLS, and redis://h:6379 has none: begin the url with rediss:// or the host with \
         tls://, or remove it",
    );
    // While it is off, the file need not be there.
    assert!(load(&format!("{APP}[cluster]\nca_file = {missing:?}\n"), &[]).is_ok());
}

#[test]
fn passwords_are_never_shown() {
    let sentinel = "redis+sentinel://:hidden@h/main?sentinel_pass=hidden";
    for keys in [
        "url = \"redis://user:hidden@h\"",
        "password = \"hidden\"",
        &format!("url = {sentinel:?}"),
        "password = \"hidden\"\nsentinel_password = \"hidden\"",
    ] {
        let config = load(&file(keys), &[]).unwrap();
        assert!(!format!("{config:?}").contains("hidden"), "{keys}");
        assert_eq!(config.cluster.unwrap().redis.password.unwrap().reveal(), "hidden");
    }
}
