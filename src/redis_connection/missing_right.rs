//! The right that a user of Redis lacks, and the command that gives it.
//!
//! Redis names a command that it refuses, and no key and no channel: those of a node all begin with its
//! prefix. All rights that a node needs are listed in config/README.md.

use super::key_names::KeyNames;

/// The user of a connection, and what its keys and topics begin with.
#[derive(Debug, Clone, Copy)]
pub(super) struct RedisUser<'a> {
    pub(super) name: &'a str,
    pub(super) prefix: &'a str,
    pub(super) keys: KeyNames,
}

impl RedisUser<'_> {
    /// What to change after an answer of Redis that refuses a right; `None` for another answer.
    pub(super) fn remedy(self, answer: &str) -> Option<String> {
        let Self { name, prefix, keys } = self;
        let right = Right::refused_by(answer)?;
        let words = match &right {
            Right::Command(Some(command)) => format!("+{command}"),
            Right::Command(None) => "+COMMAND, for the command that ACL LOG shows there".to_owned(),
            Right::Keys if matches!(keys, KeyNames::Url | KeyNames::Laravel) => {
                format!("~{prefix}*")
            }
            Right::Topics if !keys.are_of_cluster() => format!("&{prefix}*"),
            Right::Keys => format!("~{prefix}:* ~{prefix}{{*"),
            Right::Topics => format!("&{prefix}:* &{prefix}{{*"),
        };
        let rights = match keys {
            KeyNames::Cluster | KeyNames::Listed(_) => {
                " (config/README.md lists all rights of a node)"
            }
            KeyNames::Input => " (config/README.md lists all rights of an input)",
            KeyNames::Url | KeyNames::Laravel => "",
        };
        Some(format!("run ACL SETUSER {name} {words}{rights}"))
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Right {
    /// `None` where a script called it: Redis 7 does not name it then.
    Command(Option<String>),
    Keys,
    Topics,
}

impl Right {
    /// Since Redis 7 an error inside a script does not begin with `NOPERM`.
    fn refused_by(answer: &str) -> Option<Self> {
        let is_inside_script = answer.contains("user executing the script")
            || answer.contains("ACL failure in script");
        // Of a refused SELECT the client library keeps the text without the code.
        if !answer.contains("no permissions") && !answer.starts_with("NOPERM") && !is_inside_script
        {
            return None;
        }
        let named = answer.split_once("run the '").and_then(|(_, rest)| rest.split_once('\''));
        Some(match named {
            Some((command, _)) => Self::Command(Some(command.to_ascii_lowercase())),
            // The names of keys and channels in the answer come last.
            None if answer.contains("run this command") => Self::Command(None),
            None if answer.contains("channel") => Self::Topics,
            None if answer.contains("key") => Self::Keys,
            None => Self::Command(None),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{KeyNames, RedisUser};

    fn check(answer: &str, words: &str) {
        let user = RedisUser { name: "node", prefix: "resound@1", keys: KeyNames::Cluster };
        let remedy = user.remedy(answer).unwrap_or_default();
        assert!(remedy.starts_with(&format!("run ACL SETUSER node {words} (")), "{remedy}");
    }

    #[test]
    fn the_answers_of_all_versions_lead_to_the_right_that_is_missing() {
        let of_6_2 =
            "NOPERM this user has no permissions to run the 'info' command or its subcommand";
        check(of_6_2, "+info");
        check("NOPERM this user has no permissions to run the 'client|id' command", "+client|id");
        check("NOPERM User node has no permissions to run the 'info' command", "+info");
        let keys = "~resound@1:* ~resound@1{*";
        check(
            "NOPERM this user has no permissions to access one of the keys used as arguments",
            keys,
        );
        check("NOPERM No permissions to access a key", keys);
        let topics = "&resound@1:* &resound@1{*";
        check(
            "NOPERM this user has no permissions to access one of the channels used as arguments",
            topics,
        );
        check("NOPERM No permissions to access a channel", topics);
    }

    #[test]
    fn an_answer_from_inside_a_script_is_recognized() {
        check(
            "ERR The user executing the script can't run this command or subcommand script: 4e6d",
            "+COMMAND, for the command that ACL LOG shows there",
        );
        check(
            "ERR The user executing the script can't access at least one of the keys mentioned in the command arguments script: 5439",
            "~resound@1:* ~resound@1{*",
        );
        check(
            "ERR The user executing the script can't publish to the channel mentioned in the command script: 21b7",
            "&resound@1:* &resound@1{*",
        );
        check(
            "ERR ACL failure in script: User node has no permissions to run the 'get' command",
            "+get",
        );
    }

    #[test]
    fn an_input_needs_topics_that_begin_with_its_prefix() {
        let user = RedisUser { name: "hub", prefix: "shop-", keys: KeyNames::Input };
        let remedy = user.remedy("NOPERM No permissions to access a channel");
        let command = "run ACL SETUSER hub &shop-* (config/README.md lists all rights of an input)";
        assert_eq!(remedy.as_deref(), Some(command));
    }

    #[test]
    fn other_answers_are_no_missing_rights() {
        let user = RedisUser { name: "node", prefix: "resound", keys: KeyNames::Cluster };
        for answer in ["ERR unknown command 'INFO'", "WRONGPASS invalid username-password pair"] {
            assert_eq!(user.remedy(answer), None, "{answer}");
        }
    }
}
