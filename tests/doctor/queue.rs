//! A queue whose workers may run on other machines: what its Redis shows decides, and without that nothing is claimed.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::application::Application;
use crate::catalogue::is_listed;
use crate::harness::TestRedis;
use crate::network::{Diagnosed, diagnosed};

/// The list of an application with the name `Shop`, in Laravel 12 and in Laravel 11.
const LISTS: [&str; 2] = ["shop-database-queues:default", "shop_database_queues:default"];

/// What the doctor says of workers: the outcome of the check, and its sentence or its reason.
fn of_workers(report: &Value) -> (String, String) {
    let checks = report["checks"].as_array().unwrap();
    let check = checks.iter().find(|check| check["id"] == "R016").unwrap();
    let says = check["findings"][0]["says"].as_str().or(check["reason"].as_str());
    let says = says.or(check["seen"].as_array().and_then(|seen| seen.last()?.as_str()));
    (check["outcome"].as_str().unwrap().to_owned(), says.unwrap_or_default().to_owned())
}

/// A queue in this Redis, by a name of it that does not show that it is this machine.
async fn with_queue_in(redis: &TestRedis) -> Diagnosed {
    let app = Application::healthy("queue-elsewhere")
        .env("QUEUE_CONNECTION=sync", "QUEUE_CONNECTION=redis")
        .env(
            "REDIS_PASSWORD=redis-password-of-the-fixture",
            &format!("REDIS_HOST=127.1\nREDIS_PORT={}", redis.port),
        );
    let folder = app.write().to_str().unwrap();
    diagnosed(&["--app", folder, "--nginx", "/nonexistent"]).await
}

#[tokio::test]
async fn the_queue_in_redis_decides_where_workers_may_be_elsewhere() {
    if crate::harness::redis::is_left_out() {
        return;
    }
    let redis = TestRedis::with(&[]).await;
    let report = |diagnosed: &Diagnosed| serde_json::from_str::<Value>(&diagnosed.text).unwrap();
    let (outcome, why) = of_workers(&report(&with_queue_in(&redis).await));
    let expected = "the connection redis (REDIS_HOST has the host 127.1) needs a worker; no worker of this application \
                    runs on this machine, and its queue is empty; look where the workers run";
    assert_eq!((&*outcome, &*why), ("not_decided", expected));

    let job =
        r#"{"uuid":"1","displayName":"App\\Events\\OrderShipped","data":{"secret":"of-a-job"}}"#;
    for list in LISTS {
        let _: () = redis.ask(&["RPUSH", list, job, job]).await;
        let diagnosed = with_queue_in(&redis).await;
        let (outcome, says) = of_workers(&report(&diagnosed));
        let expected =
            "2 jobs wait in the queue redis, and no worker took the first one within 3.5 s.";
        assert_eq!((&*outcome, &*says), ("fail", expected), "{list}");
        assert!(is_listed("R016", &says), "{says} is not in the catalogue");
        assert!(!diagnosed.text.contains("of-a-job"), "{}", diagnosed.text);
        assert!(diagnosed.took.as_secs() < 10, "{:?}", diagnosed.took);

        let until = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 90;
        let reserved = format!("{list}:reserved");
        let _: () = redis.ask(&["ZADD", &reserved, &until.to_string(), job]).await;
        let (outcome, seen) = of_workers(&report(&with_queue_in(&redis).await));
        assert_eq!(
            (&*outcome, &*seen),
            ("pass", "a worker has jobs of the queue in hand (1)"),
            "{list}"
        );
        let _: () = redis.ask(&["DEL", list, &reserved]).await;
    }
}

#[test]
fn a_queue_that_cannot_be_looked_at_is_not_decided() {
    for (lines, reason) in [
        (
            "QUEUE_CONNECTION=database\nDB_CONNECTION=mysql\nDB_HOST=db.internal",
            "the connection database (DB_HOST has the host db.internal) needs a worker; no worker of this application \
             runs on this machine, and its queue is not looked at; look where the workers run",
        ),
        (
            "QUEUE_CONNECTION=sqs",
            "the connection sqs needs a worker; no worker of this application runs on this machine, and its queue is \
             not looked at; look where the workers run",
        ),
    ] {
        let app = Application::healthy("queue-undecided").env("QUEUE_CONNECTION=sync", lines);
        let examined = app.examined();
        assert_eq!((examined.code, examined.says()), (0, vec![]), "{}", examined.text);
        assert_eq!(of_workers(&examined.json), ("not_decided".to_owned(), reason.to_owned()));
        let line =
            format!("? R016  A worker takes the jobs that send events. Not decided: {reason}.\n");
        assert!(examined.text.starts_with(&line), "{}", examined.text);
        assert!(examined.text.contains(" · 1 not decided · "), "{}", examined.text);
    }
}
