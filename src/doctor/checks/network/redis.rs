//! Checks of Redis: that of the cluster, and that of Laravel.

use std::time::Duration;

use futures_util::future::join_all;

use crate::config::RedisConfig;
use crate::doctor::check::{Method, SetupCheck};
use crate::doctor::destinations::RedisDestination;
use crate::doctor::finding::{CheckOutcome, Finding, Remedy};
use crate::doctor::network::PROBE_LIMIT;
use crate::probe::{RedisFacts, RedisUse, ask_redis};

/// An answer on one network takes a millisecond; each event of a cluster waits for one.
const SLOW: Duration = Duration::from_millis(50);

/// What a roster may have, and what Redis has by default.
const PUBSUB_BYTES_MIN: u64 = 32 * 1024 * 1024;

pub(super) const CHECKS: [SetupCheck; 2] = [
    SetupCheck {
        id: "R054",
        title: "The Redis of the cluster can be used.",
        looks_at: "`[cluster]`, or `REVERB_SCALING_ENABLED` and `REDIS_*`: a connection with the rights of a node",
        says: &[
            "The Redis of the cluster cannot be used: …",
            "The Redis of cluster.urls[…] cannot be used: …",
            "Redis forgets keys of the cluster when its memory is full (…).",
            "Redis cuts nodes off from which … bytes wait.",
            "Redis takes … ms for an answer, and each event waits for one.",
        ],
        change: "`cluster.*` or `REDIS_*`, or the setting of Redis",
        needs: &["R001"],
        method: Method::Ask(|setup| {
            Box::pin(async move {
                let all = &setup.network.destinations.cluster;
                let asked = all.iter().map(|one| ask(Some(one), NO_CLUSTER));
                combined(all, join_all(asked).await)
            })
        }),
    },
    SetupCheck {
        id: "R055",
        title: "The Redis of Laravel can be used.",
        looks_at: "`REDIS_*`, if the queue or the broadcaster of Laravel is Redis",
        says: &[
            "The Redis of Laravel cannot be used: …",
            "Redis forgets jobs of Laravel when its memory is full (…).",
        ],
        change: "`REDIS_*`, or the setting of Redis",
        needs: &[],
        method: Method::Ask(|setup| {
            Box::pin(async move {
                ask(
                    setup.network.destinations.laravel_redis.as_ref(),
                    "Laravel uses no Redis for events",
                )
                .await
            })
        }),
    },
];

const NO_CLUSTER: &str = "no cluster is configured";

/// What was found of all Redis. Of a list, each finding has the key and the address of its own.
fn combined(all: &[RedisDestination], outcomes: Vec<CheckOutcome>) -> CheckOutcome {
    let (mut findings, mut seen) = (Vec::new(), Vec::new());
    for (RedisDestination { redis, .. }, outcome) in all.iter().zip(outcomes) {
        match outcome {
            CheckOutcome::Found(found) => {
                let listed = redis.listed_as().map(|key| format!("{key}, {}", redis.address));
                findings.extend(found.into_iter().map(|one| match &listed {
                    Some(listed) => one.seen(listed.clone()),
                    None => one,
                }));
            }
            CheckOutcome::Passed(facts) => seen.extend(facts),
            other => return other,
        }
    }
    match all.is_empty() {
        true => CheckOutcome::Inapplicable(NO_CLUSTER.to_owned()),
        false => CheckOutcome::of(findings, seen),
    }
}

async fn ask(destination: Option<&RedisDestination>, none: &str) -> CheckOutcome {
    let Some(RedisDestination { redis, prefix }) = destination else {
        return CheckOutcome::Inapplicable(none.to_owned());
    };
    let needed = prefix.as_deref().map_or(RedisUse::Laravel, RedisUse::Cluster);
    match ask_redis(redis, needed, PROBE_LIMIT).await {
        Ok(facts) => judge(needed, &facts),
        Err(cause) => CheckOutcome::Found(vec![unusable(redis, needed, &cause)]),
    }
}

fn unusable(redis: &RedisConfig, needed: RedisUse<'_>, cause: &str) -> Finding {
    let listed = redis.listed_as();
    let (whose, settings) = match (needed, &listed) {
        (RedisUse::Laravel, _) => ("Laravel", "the settings of Redis".to_owned()),
        (_, None) => ("the cluster", "the settings of Redis".to_owned()),
        (_, Some(key)) => (&**key, format!("{key}, or the settings of that Redis")),
    };
    let (cause, remedy) = cause.split_once("; ").unwrap_or((cause, &settings));
    let finding = Finding::fail(format!("The Redis of {whose} cannot be used: {cause}."))
        .change(Remedy::advice(remedy.to_owned()));
    match listed {
        // What was found of each of a list has its address already.
        Some(_) => finding,
        None => finding.seen(redis.address.to_string()),
    }
}

fn judge(needed: RedisUse<'_>, facts: &RedisFacts) -> CheckOutcome {
    let what = match needed {
        RedisUse::Cluster(_) => "keys of the cluster",
        RedisUse::Laravel => "jobs of Laravel",
    };
    let policy = &facts.maxmemory_policy;
    let mut findings = Vec::new();
    if facts.maxmemory_bytes > 0 && !policy.is_empty() && policy != "noeviction" {
        findings.push(
            Finding::warn(format!("Redis forgets {what} when its memory is full ({policy})."))
                .seen(format!(
                    "maxmemory {} bytes, maxmemory-policy {policy}",
                    facts.maxmemory_bytes
                ))
                .change(Remedy::run("redis-cli CONFIG SET maxmemory-policy noeviction")),
        );
    }
    if matches!(needed, RedisUse::Cluster(_)) {
        findings.extend(of_a_cluster(facts));
    }
    let notify = facts.settings.get("notify-keyspace-events").filter(|value| !value.is_empty());
    let notify = notify.map_or(String::new(), |value| format!(", notify-keyspace-events {value}"));
    let RedisFacts { address, version, ping, .. } = facts;
    let seen = format!(
        "{address}: version {version}, {:.1} ms for an answer, {policy}{notify}",
        ping.as_secs_f64() * 1000.0
    );
    CheckOutcome::of(findings, vec![seen])
}

fn of_a_cluster(facts: &RedisFacts) -> Vec<Finding> {
    let mut findings = Vec::new();
    let bytes =
        facts.settings.get("client-output-buffer-limit").and_then(|text| pubsub_bytes(text));
    if let Some(bytes) = bytes.filter(|bytes| *bytes < PUBSUB_BYTES_MIN) {
        findings.push(
            Finding::warn(format!("Redis cuts nodes off from which {bytes} bytes wait."))
                .seen("client-output-buffer-limit pubsub".to_owned())
                .change(Remedy::run(
                    "redis-cli CONFIG SET client-output-buffer-limit 'pubsub 32mb 8mb 60'",
                )),
        );
    }
    if facts.ping > SLOW {
        let says = format!(
            "Redis takes {} ms for an answer, and each event waits for one.",
            facts.ping.as_millis()
        );
        findings.push(
            Finding::warn(says).change(Remedy::advice("a Redis that is nearer to the nodes")),
        );
    }
    findings
}

/// The hard limit of `pubsub`; `None` where there is none.
fn pubsub_bytes(setting: &str) -> Option<u64> {
    let (_, rest) = setting.split_once("pubsub ")?;
    let bytes = rest.split(' ').next()?.parse().ok()?;
    (bytes > 0).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::pubsub_bytes;

    #[test]
    fn the_limit_of_subscribers_is_read_from_the_classes() {
        let setting = "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60";
        assert_eq!(pubsub_bytes(setting), Some(33_554_432));
        assert_eq!(pubsub_bytes("normal 0 0 0 pubsub 0 0 0"), None);
        assert_eq!(pubsub_bytes(""), None);
    }
}
