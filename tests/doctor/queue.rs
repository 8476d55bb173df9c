//! A queue whose workers may run on other machines: what its Redis shows decides, and without that nothing is claimed.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
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
                    runs on this machine, and its queue is empty; look where the workers run: php artisan queue:monitor \
                    redis:default shows what waits";
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
             runs on this machine, and its queue is not looked at; look where the workers run: php artisan \
             queue:monitor database:default shows what waits",
        ),
        (
            "QUEUE_CONNECTION=sqs\nSQS_QUEUE=events",
            "the connection sqs needs a worker; no worker of this application runs on this machine, and its queue is \
             not looked at; look where the workers run: php artisan queue:monitor sqs:events shows what waits",
        ),
        (
            "QUEUE_CONNECTION=beanstalkd",
            "the connection beanstalkd needs a worker; no worker of this application runs on this machine, and its \
             queue is not looked at; look where the workers run: php artisan queue:monitor beanstalkd:default shows \
             what waits",
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

/// A file as SQLite writes it: Laravel's table, `jobs` of them in `queue`, some with a payload of several pages, and
/// `reserved` more that a worker took `ago` seconds ago. In the mode `wal` it is kept open until the input ends.
const WRITE_JOBS: &str = r#"
import json, sqlite3, sys, time
file, mode, queue, jobs, reserved, ago = sys.argv[1:4] + [int(number) for number in sys.argv[4:]]
db = sqlite3.connect(file)
db.execute(f"pragma journal_mode = {mode}")
db.execute('create table "users" ("id" integer primary key autoincrement not null, "name" varchar not null)')
db.execute('create table "jobs" ("id" integer primary key autoincrement not null, "queue" varchar not null, "payload" text not null, "attempts" integer not null, "reserved_at" integer, "available_at" integer not null, "created_at" integer not null)')
db.execute('create index "jobs_queue_index" on "jobs" ("queue")')
now = int(time.time())
def add(payload, reserved_at, available_at):
    db.execute("insert into jobs (queue, payload, attempts, reserved_at, available_at, created_at) values (?, ?, 0, ?, ?, ?)",
               (queue, json.dumps(payload), reserved_at, available_at, now))
for nth in range(jobs + reserved):
    payload = {"displayName": "Illuminate\\Broadcasting\\BroadcastEvent", "data": "of-a-job" * (40 if nth % 3 else 3000)}
    add(payload, None if nth < jobs else now - ago, now)
add("delayed", None, now + 3600)
db.commit()
if mode == "wal":
    print("written", flush=True)
    sys.stdin.read()
"#;

/// An application whose queue is in a SQLite file.
fn with_queue_in_sqlite(name: &str) -> Application {
    Application::healthy(name).env("QUEUE_CONNECTION=sync", "QUEUE_CONNECTION=database")
}

/// What writes a file that is not there yet.
fn writer(file: &Path, arguments: &[&str]) -> Command {
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    let mut command = Command::new("python3");
    command.args(["-c", WRITE_JOBS]).arg(file).args(arguments);
    command
}

#[test]
fn jobs_that_wait_in_a_sqlite_file_show_that_no_worker_runs() {
    let cases = [
        (
            "queue-sqlite-waiting",
            ["delete", "default", "300", "0", "0"],
            (
                "fail",
                "300 jobs wait in the queue database, and no worker took the first one within 3.5 s.",
            ),
        ),
        (
            "queue-sqlite-at-work",
            ["delete", "default", "2", "3", "20"],
            ("pass", "a worker has jobs of the queue in hand (3)"),
        ),
        (
            "queue-sqlite-dead-worker",
            ["delete", "default", "0", "2", "91"],
            (
                "fail",
                "2 jobs wait in the queue database, and no worker took the first one within 3.5 s.",
            ),
        ),
        (
            "queue-sqlite-other-queue",
            ["delete", "mails", "2", "0", "0"],
            (
                "fail",
                "Events wait in the queue database, and no worker of this application runs on this machine.",
            ),
        ),
    ];
    // Each waits between its two looks.
    thread::scope(|scope| {
        for (name, arguments, expected) in cases {
            scope.spawn(move || check_sqlite(name, arguments, expected));
        }
    });
}

fn check_sqlite(name: &str, arguments: [&str; 5], expected: (&str, &str)) {
    let app = with_queue_in_sqlite(name);
    let file = app.write().join("database/database.sqlite");
    assert!(writer(&file, &arguments).status().unwrap().success(), "{name}");
    let examined = app.ask(&[]);
    let (outcome, says) = of_workers(&examined.json);
    assert_eq!((&*outcome, &*says), expected, "{name}: {}", examined.text);
    assert!(outcome == "pass" || is_listed("R016", &says), "{says}");
    assert!(!examined.text.contains("of-a-job"), "{}", examined.text);
}

#[test]
fn jobs_in_the_write_ahead_log_of_a_sqlite_file_wait_too() {
    let app = with_queue_in_sqlite("queue-sqlite-wal").env(
        "QUEUE_CONNECTION=database",
        "QUEUE_CONNECTION=database\nDB_DATABASE=database/shop.sqlite\nDB_QUEUE=events",
    );
    let file = app.write().join("database/shop.sqlite");
    // The log is moved into the file when the last connection is closed.
    let mut command = writer(&file, &["wal", "events", "40", "0", "0"]);
    let mut writer = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut written = String::new();
    BufReader::new(writer.stdout.take().unwrap()).read_line(&mut written).unwrap();
    assert_eq!(written, "written\n");
    let log = file.with_file_name("shop.sqlite-wal");
    assert!(fs::metadata(log).unwrap().len() > 40 * 300, "the jobs are in the log");
    let (outcome, says) = of_workers(&app.ask(&[]).json);
    drop(writer.stdin.take());
    assert!(writer.wait().unwrap().success());
    let expected =
        "40 jobs wait in the queue database, and no worker took the first one within 3.5 s.";
    assert_eq!((&*outcome, &*says), ("fail", expected));
}

#[test]
fn a_file_that_is_no_database_decides_nothing() {
    let expected = "Events wait in the queue database, and no worker of this application runs on this machine.";
    for (name, bytes) in
        [("empty", &b""[..]), ("text", b"<?php"), ("torn", b"SQLite format 3\0\x10\0\x01\x01")]
    {
        let app = with_queue_in_sqlite(&format!("queue-sqlite-{name}"));
        let file = app.write().join("database/database.sqlite");
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, bytes).unwrap();
        let (outcome, says) = of_workers(&app.ask(&[]).json);
        assert_eq!((&*outcome, &*says), ("fail", expected), "{name}");
    }
}
