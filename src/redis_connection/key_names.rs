//! The configuration keys of a connection, as the log names them.
//!
//! The texts of this room name the keys of `[cluster]`. A connection that another key configures, such as an entry of
//! a list with a url of its own, has other keys for the same.

use crate::config::RedisConfig;

/// Which keys configure a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyNames {
    /// Those of `[cluster]`.
    Cluster,
    /// The url at this place of `cluster.urls`, and what keys of `[cluster]` add to it.
    Listed(usize),
    /// Those of an input of this section, which have the same names.
    Input,
    /// The url of an entry, with a password and a root CA beside it. The log line names the entry.
    Url,
    /// Laravel's variables.
    Laravel,
}

/// What stands for keys of `[cluster]`. Longer texts come before those that they contain.
type OtherNames = [(&'static str, &'static str); 14];

const OF_URL: OtherNames = [
    ("cluster.host and cluster.port, or cluster.url", "the url"),
    ("cluster.host or cluster.url", "the url"),
    ("cluster.port or cluster.url", "the url"),
    (
        "begin cluster.url with rediss:// (rediss+sentinel://) or cluster.host with tls://",
        "name rediss (rediss+sentinel) in the scheme of the url",
    ),
    (
        "begin cluster.url with redis:// (redis+sentinel://) or cluster.host without tls://",
        "name redis (redis+sentinel) in the scheme of the url",
    ),
    ("cluster.password (REDIS_PASSWORD)", "the password beside the url"),
    (
        "cluster.username and cluster.password (REDIS_USERNAME, REDIS_PASSWORD)",
        "the user of the url and the password",
    ),
    ("cluster.sentinel_password (REDIS_SENTINEL_PASSWORD)", "sentinel_pass in the url"),
    (
        "cluster.sentinel_username and cluster.sentinel_password (REDIS_SENTINEL_USERNAME, REDIS_SENTINEL_PASSWORD)",
        "sentinel_user and sentinel_pass in the url",
    ),
    ("set it as cluster.password", "set it as the password beside the url"),
    ("cluster.database (REDIS_DB)", "the database of the url"),
    ("cluster.database", "the database of the url"),
    ("cluster.ca_file", "ca_file beside the url"),
    ("cluster.url", "the url"),
];

/// `<url>` is the entry. The keys of the section hold for each url that leaves them out.
const OF_LISTED: OtherNames = [
    ("cluster.host and cluster.port, or cluster.url", "<url>"),
    ("cluster.host or cluster.url", "<url>"),
    ("cluster.port or cluster.url", "<url>"),
    (
        "begin cluster.url with rediss:// (rediss+sentinel://) or cluster.host with tls://",
        "begin <url> with rediss:// (rediss+sentinel://)",
    ),
    (
        "begin cluster.url with redis:// (redis+sentinel://) or cluster.host without tls://",
        "begin <url> with redis:// (redis+sentinel://)",
    ),
    (
        "cluster.password (REDIS_PASSWORD)",
        "the password in <url>, or cluster.password for all urls without one",
    ),
    (
        "cluster.username and cluster.password (REDIS_USERNAME, REDIS_PASSWORD)",
        "the user and the password in <url>, or cluster.username and cluster.password if it has none",
    ),
    (
        "cluster.sentinel_password (REDIS_SENTINEL_PASSWORD)",
        "sentinel_pass in <url>, or cluster.sentinel_password for all urls without one",
    ),
    (
        "cluster.sentinel_username and cluster.sentinel_password (REDIS_SENTINEL_USERNAME, REDIS_SENTINEL_PASSWORD)",
        "sentinel_user and sentinel_pass in <url>, or cluster.sentinel_username and cluster.sentinel_password if it has none",
    ),
    ("set it as cluster.password", "set it as the password in <url>"),
    ("cluster.database (REDIS_DB)", "the database of <url>"),
    ("cluster.database", "the database of <url>"),
    ("cluster.ca_file", "cluster.ca_file"),
    ("cluster.url", "<url>"),
];

const OF_LARAVEL: OtherNames = [
    ("cluster.host and cluster.port, or cluster.url", "REDIS_HOST and REDIS_PORT, or REDIS_URL"),
    ("cluster.host or cluster.url", "REDIS_HOST or REDIS_URL"),
    ("cluster.port or cluster.url", "REDIS_PORT or REDIS_URL"),
    (
        "begin cluster.url with rediss:// (rediss+sentinel://) or cluster.host with tls://",
        "begin REDIS_HOST with tls://",
    ),
    (
        "begin cluster.url with redis:// (redis+sentinel://) or cluster.host without tls://",
        "begin REDIS_HOST without tls://",
    ),
    ("cluster.password (REDIS_PASSWORD)", "REDIS_PASSWORD"),
    (
        "cluster.username and cluster.password (REDIS_USERNAME, REDIS_PASSWORD)",
        "REDIS_USERNAME and REDIS_PASSWORD",
    ),
    ("cluster.sentinel_password (REDIS_SENTINEL_PASSWORD)", "REDIS_SENTINEL_PASSWORD"),
    (
        "cluster.sentinel_username and cluster.sentinel_password (REDIS_SENTINEL_USERNAME, REDIS_SENTINEL_PASSWORD)",
        "REDIS_SENTINEL_USERNAME and REDIS_SENTINEL_PASSWORD",
    ),
    ("set it as cluster.password", "set it as REDIS_PASSWORD"),
    ("cluster.database (REDIS_DB)", "REDIS_DB"),
    ("cluster.database", "REDIS_DB"),
    ("cluster.ca_file", "the root CA of the connection in config/database.php"),
    ("cluster.url", "REDIS_URL"),
];

impl KeyNames {
    /// Those of a Redis of `[cluster]`.
    pub(super) fn of_cluster(redis: &RedisConfig) -> Self {
        redis.place.map_or(Self::Cluster, Self::Listed)
    }

    /// Whether the connection is one of a node of a cluster.
    pub(super) fn are_of_cluster(self) -> bool {
        matches!(self, Self::Cluster | Self::Listed(_))
    }

    /// A text of this room with the keys of the connection.
    pub(super) fn name(self, text: String) -> String {
        let named = |text: String, names: &OtherNames| {
            names.iter().fold(text, |text, (key, name)| replaced(&text, key, name))
        };
        // The time limit of a url is none of its keys.
        let without_limit = |text: String| text.replace(" (cluster.timeout_ms)", "");
        match self {
            // The link of an input knows which entry it is.
            Self::Cluster | Self::Input => text,
            Self::Listed(place) => {
                named(text, &OF_LISTED).replace("<url>", &format!("cluster.urls[{place}]"))
            }
            Self::Url => named(without_limit(text), &OF_URL),
            Self::Laravel => named(without_limit(text), &OF_LARAVEL),
        }
    }
}

/// A text with another name for a key. `cluster.urls` is another key than `cluster.url`.
fn replaced(text: &str, key: &str, name: &str) -> String {
    let mut parts = text.split(key);
    let mut replaced = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let is_longer = part.starts_with(|sign: char| sign.is_alphanumeric() || sign == '_');
        replaced.push_str(if is_longer { key } else { name });
        replaced.push_str(part);
    }
    replaced
}

#[cfg(test)]
mod tests {
    use super::KeyNames;

    /// Every text of this room in which a key of `[cluster]` may stand.
    fn texts() -> Vec<String> {
        let all = std::fs::read_to_string("tests/architecture/error_texts.txt").unwrap();
        let of_room = all.lines().filter_map(|line| line.strip_prefix("src/redis_connection/"));
        let texts = of_room.filter_map(|line| line.split_once(": "));
        let texts = texts.filter(|(file, _)| *file != "key_names.rs");
        let texts: Vec<String> = texts.map(|(_, text)| text.to_owned()).collect();
        assert!(texts.iter().any(|text| text.contains("cluster.host")), "{texts:?}");
        texts
    }

    #[test]
    fn no_text_about_another_redis_names_the_keys_of_the_only_one() {
        let of_one = ["cluster.url ", "cluster.url,", "cluster.url:", "cluster.host"];
        let of_section = ["cluster.password", "cluster.username", "cluster.database"];
        let laravels = ["REDIS_"];
        let beside = ["cluster.ca_file", "cluster.timeout_ms", "cluster.sentinel_"];
        let all = [&of_one[..], &of_section, &beside].concat();
        for text in texts() {
            for (keys, forbidden) in [
                (KeyNames::Listed(3), [&of_one[..], &laravels].concat()),
                (KeyNames::Url, [&all[..], &laravels].concat()),
                (KeyNames::Laravel, all.clone()),
            ] {
                // A key may be the last word.
                let named = format!("{} ", keys.name(text.clone()));
                for key in ["cluster.port"].iter().chain(&forbidden) {
                    assert!(!named.contains(key), "{keys:?}: {named:?} has {key:?}");
                }
                assert!(!named.contains("<url>"), "{named:?}");
            }
        }
    }

    #[test]
    fn a_text_about_a_listed_redis_names_its_place() {
        let name = |text: &str| KeyNames::Listed(1).name(text.to_owned());
        assert_eq!(
            name("start Redis, or correct cluster.host and cluster.port, or cluster.url"),
            "start Redis, or correct cluster.urls[1]"
        );
        let of_all = "reach another Redis at place 2 of cluster.urls than this one";
        assert_eq!(name(of_all), of_all);
    }
}
