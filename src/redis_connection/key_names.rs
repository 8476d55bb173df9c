//! The configuration keys of a connection, as the log names them.
//!
//! The texts of this room name the keys of `[cluster]`. A connection that an entry of a list configures, with a
//! url of its own, has other keys for the same.

/// Which keys configure a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyNames {
    /// Those of `[cluster]`.
    Cluster,
    /// Those of an input of this section, which have the same names.
    Input,
    /// The url of an entry, with a password and a root CA beside it. The log line names the entry.
    Url,
}

/// What stands for keys of `[cluster]`; longer texts come before those that they contain.
const OF_URL: [(&str, &str); 13] = [
    ("cluster.host and cluster.port, or cluster.url", "the url"),
    ("cluster.host or cluster.url", "the url"),
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
    ("cluster.database", "the database of the url"),
    (" (cluster.timeout_ms)", ""),
    ("cluster.ca_file", "ca_file beside the url"),
    ("cluster.url", "the url"),
];

impl KeyNames {
    /// A text of this room with the keys of the connection.
    pub(super) fn name(self, text: String) -> String {
        match self {
            // The link of an input knows which entry it is.
            Self::Cluster | Self::Input => text,
            Self::Url => {
                let replace = |text: String, (key, name): &(&str, &str)| text.replace(key, name);
                OF_URL.iter().fold(text, replace)
            }
        }
    }
}
