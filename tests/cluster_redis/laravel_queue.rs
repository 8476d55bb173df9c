//! Webhook events as jobs of Laravel, run by its own worker (`tests/laravel/worker.php`).

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::fixture::members;
use crate::harness::laravel::is_class_missing;
use crate::harness::redis::{TestRedis, is_left_out};
use crate::harness::server::REVERB_APP;
use crate::harness::{Folder, TestCluster, TestServer, eventually};

const WORKER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/laravel/worker.php");

/// The class that config/laravel.md shows.
const GUIDE: &str = include_str!("../../config/laravel.md");

/// Prints each event, and fails the first time for those on a channel that ends with `retry`.
const PRINTING: &str = r#"<?php
namespace App;
class Realtime
{
    public function handle(\Illuminate\Contracts\Queue\Job $job, array $event): void
    {
        logger()->info(json_encode($event));
        if ($job->attempts() === 1 && str_ends_with($event['channel'], 'retry')) {
            throw new \Exception('the first attempt');
        }
        $job->delete();
    }
}
"#;

fn is_worker_left_out() -> bool {
    is_left_out() || is_class_missing("Queue/Worker")
}

/// The app with a webhook of these keys.
pub(crate) fn app(keys: &str) -> String {
    format!("{REVERB_APP}subscription_count_events = true\n[[apps.webhooks]]\n{keys}\n")
}

pub(crate) fn url(redis: &TestRedis, parameters: &str) -> String {
    format!(
        "url = 'laravel-queue://127.0.0.1:{}/?job=App\\Realtime@handle{parameters}'",
        redis.port
    )
}

/// The jobs in a list, without running them.
async fn jobs(redis: &TestRedis, key: &str) -> Vec<Value> {
    let jobs: Vec<String> = redis.ask(&["LRANGE", key, "0", "-1"]).await;
    jobs.iter().map(|job| serde_json::from_str(job).unwrap()).collect()
}

/// Waits for so many jobs; returns the kind and the channel of each.
pub(crate) async fn names(redis: &TestRedis, key: &str, count: usize) -> Vec<(String, String)> {
    eventually(&format!("{count} jobs in {key}"), async || jobs(redis, key).await.len() >= count)
        .await;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let data = jobs(redis, key).await.into_iter().map(|job| job["data"].clone());
    data.map(|data| (text(&data["name"]), text(&data["channel"]))).collect()
}

pub(crate) fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(name, channel): &(&str, &str)| ((*name).to_owned(), (*channel).to_owned());
    expected.iter().map(owned).collect()
}

/// A Redis as Laravel's worker finds it.
struct Worker<'a> {
    redis: &'a TestRedis,
    prefix: &'a str,
    queue: &'a str,
    variable: (&'a str, &'a str),
}

impl Worker<'_> {
    /// Runs it until the queue is empty; what the jobs printed.
    fn run(&self, source: &str) -> Vec<String> {
        let folder = Folder::new();
        let source = folder.write("Realtime.php", source);
        let mut php = Command::new("php");
        let port = self.redis.port.to_string();
        let database = if self.variable.0 == "RESOUND_TEST_PASSWORD" { "3" } else { "0" };
        php.args([WORKER, &source, "127.0.0.1", &port, database, self.prefix, self.queue]);
        let output = php.env(self.variable.0, self.variable.1).stdin(Stdio::null()).output();
        let output = output.expect("php, of the package php-cli, is installed");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && errors.is_empty(), "{errors} {output:?}");
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
    }
}

/// What the jobs printed as kind and channel, and where a first attempt failed, the exception.
fn printed(lines: &[String]) -> Vec<(String, String)> {
    let one = |line: &String| match serde_json::from_str::<Value>(line) {
        Ok(event) => {
            assert_eq!(event["app_id"], "123456", "{line}");
            assert!(event["time_ms"].as_u64().is_some_and(|time| time > 1_764_288_000_000));
            let text = |name: &str| event[name].as_str().unwrap().to_owned();
            (text("name"), text("channel"))
        }
        Err(_) => (line.clone(), String::new()),
    };
    lines.iter().map(one).collect()
}

#[tokio::test]
async fn laravels_worker_runs_every_kind_of_event_in_order_and_tries_again() {
    if is_worker_left_out() {
        return;
    }
    let redis = TestRedis::with(&["--requirepass", "geheim"]).await;
    let folder = Folder::new();
    let password = folder.write("password", "geheim\n");
    let parameters = "&queue=realtime&prefix=laravel-database-&tries=2";
    let url = url(&redis, parameters).replace("/?", "/3?");
    let keys = format!("{url}\npassword_file = \"{password}\"");
    let server = TestServer::with(&app(&keys)).await;
    let mut socket = server.connect().await;
    socket.subscribe("cache-orders").await;
    // The number of subscribers and the missing event.
    socket.receive().await;
    socket.receive().await;
    let data = r#"{"user_id":"7","user_info":{}}"#;
    socket.subscribe_signed("presence-retry", Some(data)).await;
    let event = r#"{"event":"client-typing","channel":"presence-retry","data":{"a":"ü☃\"\\/"}}"#;
    socket.send_text(event).await;
    drop(socket);
    let worker = Worker {
        redis: &redis,
        prefix: "laravel-database-",
        queue: "realtime",
        variable: ("RESOUND_TEST_PASSWORD", "geheim"),
    };
    // Leaves are final after three seconds.
    let mut all = Vec::new();
    eventually("the leave of the channel", async || {
        all.extend(worker.run(PRINTING));
        printed(&all).iter().any(|(name, channel)| {
            (name.as_str(), channel.as_str()) == ("channel_vacated", "presence-retry")
        }) && all.iter().any(|line| line.contains("member_removed"))
    })
    .await;
    let of = |channel: &str| -> Vec<String> {
        let all = printed(&all).into_iter();
        all.filter(|(_, at)| at == channel).map(|(name, _)| name).collect()
    };
    let expected = ["channel_occupied", "cache_miss", "subscription_count", "channel_vacated"];
    assert_eq!(of("cache-orders"), expected, "{all:#?}");
    // Each first attempt fails; Laravel puts the job back and runs it again, with the same data.
    let mut retried = of("presence-retry");
    retried.sort_unstable();
    let names =
        ["channel_occupied", "channel_vacated", "client_event", "member_added", "member_removed"];
    assert_eq!(retried, names.iter().flat_map(|name| [name, name]).copied().collect::<Vec<_>>());
    let client_event = all.iter().filter(|line| line.contains("client_event"));
    let client_event: Vec<Value> =
        client_event.map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(client_event[0], client_event[1]);
    assert_eq!(client_event[0]["data"], r#"{"a":"ü☃\"\\/"}"#);
    assert_eq!(client_event[0]["user_id"], "7");
    let exceptions = all.iter().filter(|line| *line == "exception: the first attempt").count();
    assert_eq!((exceptions, server.metric("resound_webhook_events_lost_total")), (5, 0.0));
    let taken = "resound_webhook_calls_total{app=\"123456\",result=\"taken\"}";
    // The worker is faster than the answer to the push.
    eventually("all to be counted", async || {
        server.metric(taken) >= 1.0 && server.metric("resound_webhook_events_sent_total") == 9.0
    })
    .await;
}

#[tokio::test]
async fn a_job_has_the_fields_of_the_framework_and_runs_the_class_of_the_guide() {
    if is_worker_left_out() {
        return;
    }
    let redis = TestRedis::start().await;
    let server = TestServer::with(&app(&url(&redis, ""))).await;
    let mut socket = server.connect().await;
    let data = r#"{"user_id":"7","user_info":{}}"#;
    socket.subscribe_signed("presence-room", Some(data)).await;
    let expected =
        pairs(&[("channel_occupied", "presence-room"), ("member_added", "presence-room")]);
    assert_eq!(names(&redis, "queues:default", 2).await, expected);
    let worker = |variable| Worker { redis: &redis, prefix: "", queue: "default", variable };
    worker(("RESOUND_TEST_PUSH", "1")).run(PRINTING);
    let jobs = jobs(&redis, "queues:default").await;
    let fields = |job: &Value| -> Vec<String> {
        let fields = job.as_object().unwrap().iter();
        // The data is that of another job; newer versions of the framework have the last two.
        fields
            .filter(|(name, _)| !["createdAt", "delay", "data"].contains(&name.as_str()))
            .map(|(name, value)| match name.as_str() {
                "uuid" | "id" => format!("{name}: {} characters", value.as_str().unwrap().len()),
                _ => format!("{name}: {value}"),
            })
            .collect()
    };
    assert_eq!(fields(&jobs[0]), fields(&jobs[2]));
    let signs: u64 = redis.ask(&["LLEN", "queues:default:notify"]).await;
    assert_eq!(signs, 3);
    let _: u64 = redis.ask(&["LREM", "queues:default", "1", &jobs[2].to_string()]).await;
    let _: String = redis.ask(&["LTRIM", "queues:default", "0", "1"]).await;
    let class = GUIDE.split("```php\n").find(|block| block.contains("class Realtime")).unwrap();
    let class = class.split("```").next().unwrap();
    assert!(class.lines().filter(|line| !line.trim().is_empty()).count() <= 20, "{class}");
    let printed = worker(("RESOUND_TEST", "1")).run(class);
    assert_eq!(printed, ["user 7 joined presence-room"]);
    let left: u64 = redis.ask(&["EXISTS", "queues:default", "queues:default:reserved"]).await;
    assert_eq!(left, 0);
}

#[tokio::test]
async fn each_event_of_a_cluster_is_one_job() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::start().await;
    let toml = app(&url(&redis, "&queue={realtime}&prefix=p:"));
    let cluster = TestCluster::with(&redis, 3, &toml).await;
    let sockets = members(&cluster, "presence-room").await;
    let mut public = Vec::new();
    for node in &cluster.nodes {
        let mut socket = node.connect().await;
        socket.subscribe("orders").await;
        public.push(socket);
    }
    let key = "p:queues:{realtime}";
    let mut found = names(&redis, key, 8).await;
    cluster.settle().await;
    drop((sockets, public));
    found.sort();
    let expected = pairs(&[
        ("channel_occupied", "orders"),
        ("channel_occupied", "presence-room"),
        ("member_added", "presence-room"),
        ("member_added", "presence-room"),
        ("member_added", "presence-room"),
        ("subscription_count", "orders"),
        ("subscription_count", "orders"),
        ("subscription_count", "orders"),
    ]);
    assert_eq!(found, expected);
    let all = names(&redis, key, 13).await;
    let left = |name: &str| all.iter().filter(|(found, _)| found == name).count();
    assert_eq!((left("member_removed"), left("channel_vacated")), (3, 2), "{all:?}");
}

#[tokio::test]
async fn jobs_that_wait_are_pushed_before_the_end_and_after_a_change_of_the_queue() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::start().await;
    let toml = |queue: &str| {
        app(&format!("{}\nbatch_window_ms = 60000", url(&redis, &format!("&queue={queue}"))))
            .replace("port = 0", "port = 0\ndrain_seconds = 60")
    };
    let mut server = TestServer::with(&toml("first")).await;
    let mut socket = server.connect().await;
    socket.subscribe("orders").await;
    server.reload(&toml("second"));
    let mut other = server.connect().await;
    other.subscribe("news").await;
    server.stop();
    server.ended().await;
    drop((socket, other));
    let occupied = |jobs: Vec<(String, String)>| -> Vec<String> {
        let occupied = jobs.into_iter().filter(|(name, _)| name == "channel_occupied");
        occupied.map(|(_, channel)| channel).collect()
    };
    let mut all = occupied(names(&redis, "queues:first", 0).await);
    all.extend(occupied(names(&redis, "queues:second", 2).await));
    assert_eq!(all, ["orders", "news"]);
}
