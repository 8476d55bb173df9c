//! What needs the attention of an operator, in sentences: a pure function of what holds and what happened of late.
//!
//! Owns the sentences, how severe each is, and which page of the console explains it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::explanation::ago;
use crate::metrics::{Condition, Severity};
use crate::timeline::{ConditionSince, LastMinute};

/// A certificate that ends within three weeks should have been renewed: authorities renew a month before.
const CERTIFICATE_DAYS: u64 = 21;

/// With fewer days left it is urgent.
const CERTIFICATE_DAYS_URGENT: u64 = 3;

const SECONDS_OF_DAY: u64 = 86_400;

/// What the sentences are made from.
#[derive(Debug)]
pub(super) struct AttentionFacts {
    pub(super) unix_time: Duration,
    pub(super) conditions: Vec<ConditionSince>,
    pub(super) minute: LastMinute,
    /// Nodes with a heartbeat, as this one counted them of late; 0 without a cluster.
    pub(super) nodes: u64,
    /// Partitions whose Redis is away, and all of them; none without a cluster.
    pub(super) partitions: (usize, usize),
    /// When the first certificate ends, in Unix time; 0 without TLS.
    pub(super) certificate_ends_seconds: u64,
}

/// One thing that needs attention.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Attention {
    pub(super) code: String,
    pub(super) severity: Urgency,
    pub(super) sentence: String,
    /// Since when, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) since_ms: Option<u64>,
    /// The page of the console that shows more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) page: Option<String>,
}

/// How soon it needs to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Urgency {
    Bad,
    Warn,
}

/// All that needs attention, the most urgent first.
pub(super) fn attention(facts: &AttentionFacts) -> Vec<Attention> {
    let conditions = facts.conditions.iter().map(|held| of_condition(held, facts));
    let mut all: Vec<Attention> =
        conditions.chain(certificate(facts)).chain(of_minute(&facts.minute)).collect();
    all.sort_by_key(|it| it.severity);
    all
}

fn of_condition(held: &ConditionSince, facts: &AttentionFacts) -> Attention {
    let ConditionSince { condition, unix_time } = *held;
    let span = match facts.unix_time.saturating_sub(unix_time) {
        short if short.as_secs() < 120 => format!("{} s", short.as_secs()),
        long => ago(long),
    };
    let sentence = match (condition, facts.nodes) {
        (Condition::RedisAway, _) if is_partly_away(facts.partitions) => {
            let (away, all) = facts.partitions;
            format!(
                "Redis of {away} of {all} partitions is away since {span}: in their channels each node serves its own sockets"
            )
        }
        (Condition::RedisAway, 2..) => {
            format!("Redis is away since {span}: {} nodes serve their own sockets", facts.nodes)
        }
        (Condition::RedisAway, _) => {
            format!("Redis is away since {span}: this node serves its own sockets")
        }
        (Condition::RedisInputAway, _) => format!(
            "A Redis that Laravel or Reverb publishes to is away since {span}: its events do not arrive"
        ),
        _ => capitalised(condition.text()),
    };
    let severity = match condition.severity() {
        Severity::Degraded if condition != Condition::RedisAway => Urgency::Warn,
        _ => Urgency::Bad,
    };
    Attention {
        code: condition.label().to_owned(),
        severity,
        sentence,
        since_ms: u64::try_from(unix_time.as_millis()).ok(),
        page: page_of(condition).map(str::to_owned),
    }
}

fn is_partly_away((away, all): (usize, usize)) -> bool {
    (1..all).contains(&away)
}

fn page_of(condition: Condition) -> Option<&'static str> {
    match condition {
        Condition::DescriptorsExhausted | Condition::DescriptorsLow | Condition::MemoryShort => {
            Some("sockets")
        }
        Condition::WebhookQueueFull => Some("webhooks"),
        Condition::RedisAway | Condition::RedisInputAway | Condition::ClusterDisagreements => {
            Some("cluster")
        }
        Condition::Starting | Condition::Draining | Condition::LogLinesDropped => None,
        Condition::CertificatesRefused
        | Condition::CertificateExpired
        | Condition::ConfigurationRefused => Some("doctor"),
    }
}

/// One that still counts; a condition has the others.
fn certificate(facts: &AttentionFacts) -> Option<Attention> {
    let left = facts.certificate_ends_seconds.checked_sub(facts.unix_time.as_secs())?;
    let days = left / SECONDS_OF_DAY;
    let ends = match days {
        _ if days > CERTIFICATE_DAYS => return None,
        0 => "within a day".to_owned(),
        1 => "in 1 day".to_owned(),
        _ => format!("in {days} days"),
    };
    let severity = if days <= CERTIFICATE_DAYS_URGENT { Urgency::Bad } else { Urgency::Warn };
    let sentence = format!("A certificate ends {ends}: renew the file of tls.certificate");
    Some(of_now("certificate_ends", severity, sentence, "doctor"))
}

fn of_minute(minute: &LastMinute) -> impl Iterator<Item = Attention> {
    let unknown = match minute.unknown_keys {
        0 => None,
        1 => Some("1 client a minute uses an unknown key".to_owned()),
        count => Some(format!("{count} clients a minute use an unknown key")),
    };
    let slow = match minute.errors.slow_sockets {
        0 => None,
        1 => {
            Some("1 socket was ended within a minute, since its client reads too slowly".to_owned())
        }
        count => Some(format!(
            "{count} sockets were ended within a minute, since their clients read too slowly"
        )),
    };
    let failed = match minute.failed_webhooks {
        0 => None,
        1 => Some("1 call of a webhook failed within a minute".to_owned()),
        count => Some(format!("{count} calls of webhooks failed within a minute")),
    };
    let all = [
        ("unknown_key", unknown, "refused"),
        ("slow_sockets", slow, "sockets"),
        ("webhooks_failed", failed, "webhooks"),
    ];
    let shown = |(code, sentence, page): (&str, Option<String>, &str)| {
        sentence.map(|sentence| of_now(code, Urgency::Warn, sentence, page))
    };
    all.into_iter().filter_map(shown)
}

fn of_now(code: &str, severity: Urgency, sentence: String, page: &str) -> Attention {
    let (code, page) = (code.to_owned(), Some(page.to_owned()));
    Attention { code, severity, sentence, since_ms: None, page }
}

fn capitalised(text: &str) -> String {
    let mut signs = text.chars();
    signs.next().map(|first| first.to_uppercase().chain(signs).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{
        AttentionFacts, Condition, ConditionSince, Duration, LastMinute, SECONDS_OF_DAY, Urgency,
        attention,
    };
    use crate::metrics::ErrorCounts;

    const NOW: Duration = Duration::from_secs(1_700_000_000);

    fn facts() -> AttentionFacts {
        AttentionFacts {
            unix_time: NOW,
            conditions: Vec::new(),
            minute: LastMinute::default(),
            nodes: 0,
            partitions: (0, 0),
            certificate_ends_seconds: 0,
        }
    }

    fn since(condition: Condition, seconds: u64) -> ConditionSince {
        ConditionSince { condition, unix_time: NOW - Duration::from_secs(seconds) }
    }

    fn sentences(facts: &AttentionFacts) -> Vec<(Urgency, String)> {
        attention(facts).into_iter().map(|it| (it.severity, it.sentence)).collect()
    }

    #[test]
    fn nothing_needs_attention_where_nothing_happens() {
        assert_eq!(sentences(&facts()), []);
    }

    #[test]
    fn redis_that_is_away_comes_first_with_its_time_and_its_nodes() {
        let conditions =
            vec![since(Condition::LogLinesDropped, 3), since(Condition::RedisAway, 12)];
        let all = attention(&AttentionFacts { nodes: 3, conditions, ..facts() });
        assert_eq!(all[0].sentence, "Redis is away since 12 s: 3 nodes serve their own sockets");
        assert_eq!((all[0].severity, all[0].page.as_deref()), (Urgency::Bad, Some("cluster")));
        assert_eq!(all[0].since_ms, Some(1_699_999_988_000));
        assert_eq!(all[1].code, "log_lines_dropped");
        assert!(all[1].sentence.starts_with("Log lines were lost"), "{}", all[1].sentence);
    }

    #[test]
    fn partitions_that_are_away_are_counted_while_others_are_there() {
        let sentence = |partitions| {
            let conditions = vec![since(Condition::RedisAway, 5)];
            let facts = AttentionFacts { nodes: 2, partitions, conditions, ..facts() };
            attention(&facts)[0].sentence.clone()
        };
        assert_eq!(
            sentence((1, 3)),
            "Redis of 1 of 3 partitions is away since 5 s: in their channels each node serves its own sockets"
        );
        for all in [(3, 3), (1, 1)] {
            assert_eq!(
                sentence(all),
                "Redis is away since 5 s: 2 nodes serve their own sockets",
                "{all:?}"
            );
        }
    }

    #[test]
    fn an_input_that_is_away_leads_to_the_page_with_its_cause() {
        let conditions = vec![since(Condition::RedisInputAway, 30)];
        let all = attention(&AttentionFacts { conditions, ..facts() });
        assert_eq!(
            all[0].sentence,
            "A Redis that Laravel or Reverb publishes to is away since 30 s: its events do not arrive"
        );
        assert_eq!((all[0].severity, all[0].page.as_deref()), (Urgency::Warn, Some("cluster")));
    }

    #[test]
    fn a_certificate_is_named_three_weeks_before_its_end() {
        let ends = |days: u64| AttentionFacts {
            certificate_ends_seconds: NOW.as_secs() + days * SECONDS_OF_DAY + 7,
            ..facts()
        };
        assert_eq!(sentences(&ends(22)), []);
        for (days, severity, when) in [
            (21, Urgency::Warn, "in 21 days"),
            (9, Urgency::Warn, "in 9 days"),
            (1, Urgency::Bad, "in 1 day"),
            (0, Urgency::Bad, "within a day"),
        ] {
            let expected = format!("A certificate ends {when}: renew the file of tls.certificate");
            assert_eq!(sentences(&ends(days)), [(severity, expected)]);
        }
        let ended = AttentionFacts { certificate_ends_seconds: NOW.as_secs() - 1, ..facts() };
        assert_eq!(sentences(&ended), []);
    }

    #[test]
    fn what_happened_within_a_minute_is_counted() {
        let many = LastMinute {
            unknown_keys: 41,
            errors: ErrorCounts { slow_sockets: 2, ..ErrorCounts::default() },
            failed_webhooks: 5,
            ..LastMinute::default()
        };
        let shown: Vec<String> = attention(&AttentionFacts { minute: many, ..facts() })
            .into_iter()
            .map(|it| it.sentence)
            .collect();
        assert_eq!(
            shown,
            [
                "41 clients a minute use an unknown key",
                "2 sockets were ended within a minute, since their clients read too slowly",
                "5 calls of webhooks failed within a minute",
            ]
        );
        let one = LastMinute { unknown_keys: 1, ..LastMinute::default() };
        let shown = sentences(&AttentionFacts { minute: one, ..facts() });
        assert_eq!(shown, [(Urgency::Warn, "1 client a minute uses an unknown key".to_owned())]);
    }
}
