//! An event as a job of Laravel: the JSON that its queue workers read.
//!
//! Owns the fields, those of a job that is named by class and method: its payload has no serialised PHP. Pure:
//! time and ids are arguments. The list that jobs are appended to is left to `job_queue`.

use std::time::Duration;

use serde::Serialize;

use crate::app::LaravelQueue;
use crate::channel_rules::WebhookEvent;

/// What distinguishes one job from all others.
pub(super) struct JobIdentity {
    /// 128 random bits.
    pub(super) uuid: u128,
    /// The name under which Laravel's queue has it: 32 letters and digits.
    pub(super) id: String,
    /// Since the epoch.
    pub(super) created: Duration,
}

/// In the order of Laravel's own; what it leaves open, the options of the worker decide. Fields that older
/// versions do not have are ignored there.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Job<'a> {
    uuid: String,
    display_name: &'a str,
    job: &'a str,
    max_tries: Option<u32>,
    max_exceptions: Option<u32>,
    fail_on_timeout: bool,
    backoff: Option<String>,
    timeout: Option<u32>,
    data: JobData<'a>,
    created_at: u64,
    id: String,
    attempts: u32,
    delay: Option<u32>,
}

/// The second argument of the method. The names are those of a webhook call.
#[derive(Serialize)]
struct JobData<'a> {
    app_id: &'a str,
    time_ms: u64,
    #[serde(flatten)]
    event: &'a WebhookEvent,
}

/// The job that brings an event of this app.
pub(super) fn job(
    queue: &LaravelQueue,
    app_id: &str,
    event: &WebhookEvent,
    identity: JobIdentity,
) -> String {
    let JobIdentity { uuid, id, created } = identity;
    let time_ms = u64::try_from(created.as_millis()).unwrap_or(u64::MAX);
    let job = Job {
        uuid: version_4(uuid),
        display_name: queue.job.split('@').next().unwrap_or_default(),
        job: &queue.job,
        max_tries: queue.tries,
        max_exceptions: None,
        fail_on_timeout: false,
        backoff: queue.backoff_seconds.map(|seconds| seconds.to_string()),
        timeout: queue.timeout_seconds,
        data: JobData { app_id, time_ms, event },
        created_at: created.as_secs(),
        id,
        attempts: 0,
        delay: None,
    };
    serde_json::to_string(&job).expect("plain strings and numbers serialize")
}

/// A random UUID in its usual form.
fn version_4(random: u128) -> String {
    let bits = random & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
    parts.join("-")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{JobIdentity, job, version_4};
    use crate::app::{LaravelQueue, RedisAddress, RedisConfig};
    use crate::channel_rules::{WebhookEvent, WebhookPayload};
    use crate::protocol::ChannelName;

    fn queue() -> LaravelQueue {
        let redis = RedisConfig {
            address: RedisAddress::Unix("/run/redis.sock".into()),
            place: None,
            username: None,
            password: None,
            sentinel_username: None,
            sentinel_password: None,
            database: 0,
            ca: None,
            node_addresses: Default::default(),
        };
        LaravelQueue {
            redis,
            prefix: String::new(),
            queue: "default".to_owned(),
            job: r"App\Realtime@handle".to_owned(),
            tries: None,
            backoff_seconds: None,
            timeout_seconds: None,
        }
    }

    fn check(queue: &LaravelQueue, expected: &str) {
        let channel = ChannelName::parse("presence-a", 164).unwrap();
        let payload = WebhookPayload::MemberAdded("7".into());
        let event = WebhookEvent { channel, payload, is_final: false };
        let created = Duration::from_millis(1_764_288_000_123);
        let identity = JobIdentity { uuid: 0, id: "x".repeat(32), created };
        assert_eq!(job(queue, "123456", &event, identity), expected);
    }

    #[test]
    fn a_job_has_the_fields_of_laravels_own() {
        check(
            &queue(),
            r#"{"uuid":"00000000-0000-4000-8000-000000000000","displayName":"App\\Realtime","job":"App\\Realtime@handle","maxTries":null,"maxExceptions":null,"failOnTimeout":false,"backoff":null,"timeout":null,"data":{"app_id":"123456","time_ms":1764288000123,"name":"member_added","channel":"presence-a","user_id":"7"},"createdAt":1764288000,"id":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx","attempts":0,"delay":null}"#,
        );
        let limited = LaravelQueue {
            tries: Some(3),
            backoff_seconds: Some(10),
            timeout_seconds: Some(30),
            job: "Realtime".to_owned(),
            ..queue()
        };
        check(
            &limited,
            r#"{"uuid":"00000000-0000-4000-8000-000000000000","displayName":"Realtime","job":"Realtime","maxTries":3,"maxExceptions":null,"failOnTimeout":false,"backoff":"10","timeout":30,"data":{"app_id":"123456","time_ms":1764288000123,"name":"member_added","channel":"presence-a","user_id":"7"},"createdAt":1764288000,"id":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx","attempts":0,"delay":null}"#,
        );
    }

    #[test]
    fn a_uuid_has_the_bits_of_a_random_one() {
        assert_eq!(version_4(u128::MAX), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }
}
