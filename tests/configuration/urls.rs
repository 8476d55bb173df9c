//! `cluster.urls`: several Redis, what excludes the list, and that no password is ever shown.

use resound::config::{ClusterConfig, RedisConfig};

use crate::{APP, check_refused, load};

/// A file with a cluster of these keys.
fn file(keys: &str) -> String {
    format!("{APP}[cluster]\nenabled = true\n{keys}\n")
}

fn cluster(file: &str, variables: &[(&str, &str)]) -> ClusterConfig {
    load(file, variables).unwrap().cluster.unwrap()
}

fn shown(cluster: &ClusterConfig) -> Vec<String> {
    let one = |RedisConfig { address, username, password, database, .. }: &RedisConfig| {
        let password = password.as_ref().map_or("", |password| password.reveal());
        format!("{}:{password}@{address} {database}", username.as_deref().unwrap_or_default())
    };
    cluster.servers().iter().map(one).collect()
}

fn check_flaw(keys: &str, message: &str) {
    assert!(!message.contains("hidden"));
    check_refused(&file(keys), &[], &format!("config/reverb.toml: {message}"));
}

#[test]
fn each_url_leads_to_one_redis() {
    let urls = r#"urls = ["redis://a/1", "rediss://u:pw@b:7000,c", "redis+sentinel://s/main", "unix:///r.sock"]"#;
    let all = cluster(&file(&format!("{urls}\nusername = \"x\"\npassword = \"y\"")), &[]);
    let expected = [
        "x:y@redis://a:6379 1",
        "u:pw@rediss://b:7000,c:6379 0",
        "x:y@redis+sentinel://s:26379/main 0",
        "x:y@unix:///r.sock 0",
    ];
    assert_eq!(shown(&all), expected);
    assert_eq!(all.settings.partitions, 4, "as many as urls");
    assert_eq!(all.settings.prefix, "resound@1", "with the database of the first");
    let more = cluster(&file(&format!("{urls}\npartitions = 16")), &[]);
    assert_eq!(more.settings.partitions, 16);
}

#[test]
fn a_variable_has_a_list_and_so_has_a_file() {
    let expected = [":@redis://a:6379 0", ":@redis://b:6379 0"];
    let on = ("RESOUND_CLUSTER_ENABLED", "true");
    let of = |text| cluster(APP, &[on, ("RESOUND_CLUSTER_URLS", text)]);
    assert_eq!(shown(&of("redis://a,redis://b")), expected);
    assert_eq!(shown(&of("[\"redis://a\", \"redis://b\"]")), expected);
    assert_eq!(shown(&of("[\"redis://a,b\"]")), [":@redis://a:6379,b:6379 0"]);
    let substituted = file("urls = [\"redis://:${PASSWORD}@a\", \"redis://b\"]");
    let substituted = cluster(&substituted, &[("PASSWORD", "pw")]);
    assert_eq!(shown(&substituted)[0], ":pw@redis://a:6379 0");
    // Those of the application are beside the list, not in place of it.
    let laravel = [("REDIS_HOST", "10.0.0.9"), ("REDIS_PASSWORD", "pw")];
    let beside = cluster(&file("urls = [\"redis://a\", \"redis://u:own@b\"]"), &laravel);
    assert_eq!(shown(&beside), [":pw@redis://a:6379 0", "u:own@redis://b:6379 0"]);

    let path = std::env::temp_dir().join(format!("resound-urls-{}", std::process::id()));
    std::fs::write(&path, "redis://a,redis://b\n").unwrap();
    let named = path.to_str().unwrap();
    let of_key = cluster(&file(&format!("urls_file = {named:?}")), &[]);
    let of_variable = cluster(APP, &[on, ("RESOUND_CLUSTER_URLS_FILE", named)]);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(shown(&of_key), expected);
    assert_eq!(shown(&of_variable), expected);
}

#[test]
fn a_list_that_cannot_be_used_is_refused_with_the_line_to_change() {
    let two = "urls = [\"redis://a\", \"redis://b\"]\n";
    check_flaw(
        &format!("{two}url = \"redis://:hidden@c\""),
        "cluster.urls excludes config/reverb.toml: cluster.url: remove one of them; a single Redis may stand in the list, too",
    );
    check_flaw(
        &format!("{two}host = \"c\""),
        "cluster.urls excludes config/reverb.toml: cluster.host: remove one of them; a single Redis may stand in the list, too",
    );
    check_flaw(
        &format!("{two}partitions = 1"),
        "cluster.partitions is 1; it must not be less than the number of cluster.urls, which is 2: each Redis has at least one partition",
    );
    check_flaw(
        "urls = [\"redis://a\", \"redis://:hidden@a:6379\"]",
        "cluster.urls[1] leads to the same Redis as the url at 0, redis://a:6379; name each once",
    );
    check_flaw(
        "urls = [\"redis://a\", \"redis://:hidden@h:0\"]",
        "cluster.urls[1] has a port that is none; it must be redis://[user:password@]host[:port][/database], the same with rediss:// for TLS, for a Redis Cluster several host[:port] with commas between them, unix:///path, or redis+sentinel://host[:port],host[:port]/master",
    );
    let broken =
        [("RESOUND_CLUSTER_ENABLED", "true"), ("RESOUND_CLUSTER_URLS", "[redis://:hidden@a]")];
    check_refused(
        APP,
        &broken,
        "environment variable RESOUND_CLUSTER_URLS is no list; it must be a list such as a,b or [\"a\",\"b\"]",
    );
}

#[test]
fn passwords_of_a_list_are_never_shown() {
    let config = load(&file("urls = [\"redis://:hidden@a\", \"redis://b\"]"), &[]).unwrap();
    assert!(!format!("{config:?}").contains("hidden"));
    let key = config.resolved.keys().find(|key| key.key == "cluster.urls").unwrap();
    assert!(key.value.starts_with("sha256:"), "{}", key.value);
}
