//! Webhook events on their way into a queue of Laravel while Redis or the line to it fails, or no worker reads.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

use crate::harness::redis::{TestRedis, free_port, is_left_out};
use crate::harness::server::INTERNAL_TOKEN;
use crate::harness::{Folder, Program, TestServer, TestSocket, eventually};
use crate::laravel_queue::{app, names, pairs, url};

/// Passes bytes on, and keeps the first answer to an EVAL for itself: then it ends the connection.
struct LossyLine {
    port: u16,
    task: AbortHandle,
}

impl LossyLine {
    async fn start(redis_port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let serve = async move {
            let mut loses = true;
            while let Ok((client, _)) = listener.accept().await {
                let redis = TcpStream::connect(("127.0.0.1", redis_port)).await.unwrap();
                loses = pass(client, redis, loses).await;
            }
        };
        Self { port, task: tokio::spawn(serve).abort_handle() }
    }
}

impl Drop for LossyLine {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Whether an answer is still to be lost. A connection that loses none is passed on in the background.
async fn pass(mut client: TcpStream, mut redis: TcpStream, loses: bool) -> bool {
    if !loses {
        tokio::spawn(async move {
            let _ = tokio::io::copy_bidirectional(&mut client, &mut redis).await;
        });
        return false;
    }
    let (mut request, mut answer) = ([0; 65_536], [0; 65_536]);
    let mut is_eval = false;
    loop {
        tokio::select! {
            read = client.read(&mut request) => match read {
                Ok(bytes @ 1..) => {
                    is_eval |= request[..bytes].windows(4).any(|word| word == b"EVAL");
                    redis.write_all(&request[..bytes]).await.unwrap();
                }
                _ => return true,
            },
            read = redis.read(&mut answer) => match read {
                Ok(1..) if is_eval => return false,
                Ok(bytes @ 1..) => client.write_all(&answer[..bytes]).await.unwrap(),
                _ => return true,
            },
        }
    }
}

#[tokio::test]
async fn jobs_whose_answer_was_lost_are_not_doubled() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::start().await;
    let line = LossyLine::start(redis.port).await;
    let keys = url(&redis, "").replace(&redis.port.to_string(), &line.port.to_string());
    let server = TestServer::with(&app(&keys)).await;
    let mut socket = server.connect().await;
    socket.subscribe("orders").await;
    eventually("a second attempt", async || {
        server.metric("resound_webhook_events_sent_total") == 2.0
    })
    .await;
    let failed = server.metric("resound_webhook_attempts_failed_total");
    let expected = pairs(&[("channel_occupied", "orders"), ("subscription_count", "orders")]);
    assert_eq!(names(&redis, "queues:default", 2).await, expected);
    assert_eq!(failed, 1.0, "the answer was not lost");
}

#[tokio::test]
async fn jobs_wait_for_a_redis_that_is_away_and_its_log_line_names_the_keys() {
    if is_left_out() {
        return;
    }
    let folder = Folder::new();
    let port = free_port();
    let url = format!("laravel-queue://user:geheim@127.0.0.1:{port}/?job=Realtime");
    let file = folder.write("resound.toml", &app(&format!("url = '{url}'")));
    let mut program = Program::start_with_file(&file).await;
    let mut socket = TestSocket::greeted(program.address, "/app/reverb-key").await;
    socket.subscribe("orders").await;
    let failed = program.log_line("webhook failed").await;
    let text = "nothing listens on that port; start Redis, or correct the url";
    assert!(failed.contains(text) && !failed.contains("geheim"), "{failed}");
    assert!(failed.contains(&format!("laravel-queue://127.0.0.1:{port}/0?queue=default")));
    // A Redis that wants a password, at that port: the user is unknown there at first.
    let options = ["--port", &port.to_string(), "--requirepass", "x"];
    let _redis = TestRedis::with(&options).await;
    let refused = program.log_line("WRONGPASS").await;
    assert!(refused.contains("correct the user of the url and the password"), "{refused}");
    let of_default = format!("redis://:x@127.0.0.1:{port}");
    let admin = redis::Client::open(of_default).unwrap();
    let mut admin = admin.get_multiplexed_async_connection().await.unwrap();
    let rights = ["on", ">geheim", "~queues:*", "+eval", "+rpush", "+get"];
    let setuser = || redis::cmd("ACL").arg("SETUSER").arg("user").to_owned();
    setuser().arg(&rights).exec_async(&mut admin).await.unwrap();
    // A right that the script needs: nothing is appended without it.
    let denied = program.log_line("ACL SETUSER user").await;
    let length: u64 =
        redis::cmd("LLEN").arg("queues:default").query_async(&mut admin).await.unwrap();
    assert_eq!(length, 0, "{denied}");
    setuser().arg("+set").exec_async(&mut admin).await.unwrap();
    program.log_line("webhook events become jobs in Laravel's queue").await;
    let length = redis::cmd("LLEN").arg("queues:default").to_owned();
    eventually("both jobs", async || length.query_async::<u64>(&mut admin).await.unwrap() == 2)
        .await;
    program.terminate();
    assert_eq!(program.exit_code().await, Some(0));
}

/// A queue under another key than that of the workers, or without any, grows: the log asks for one, once.
#[tokio::test]
async fn a_queue_that_no_worker_reads_is_named() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::start().await;
    let fill = "for i = 1, 2000 do redis.call('RPUSH', KEYS[1], i) end";
    let _: Option<u64> = redis.ask(&["EVAL", fill, "1", "queues:default"]).await;
    let folder = Folder::new();
    let file = folder.write("resound.toml", &app(&url(&redis, "")));
    let mut program = Program::start_with_file(&file).await;
    let mut socket = TestSocket::greeted(program.address, "/app/reverb-key").await;
    socket.subscribe("orders").await;
    let line = program.log_line("jobs wait in Laravel's queue: run queue:work for it").await;
    assert!(line.contains("waiting=200") && line.contains("key=\"queues:default\""), "{line}");
}

#[tokio::test]
async fn jobs_that_were_given_up_are_sent_again_behind_later_ones() {
    if is_left_out() {
        return;
    }
    let mut redis = TestRedis::start().await;
    let internal = format!(
        "internal.listen = [\"127.0.0.1:0\"]\ninternal.token = \"{INTERNAL_TOKEN}\"\nwebhooks.retry_for_seconds = 1\n"
    );
    let server = TestServer::with(&(internal + &app(&url(&redis, "")))).await;
    redis.kill();
    let mut socket = server.connect().await;
    socket.subscribe("orders").await;
    eventually("the jobs to be given up", async || {
        server.metric("resound_webhook_events_lost_total") == 2.0
    })
    .await;
    redis.restart().await;
    let mut other = server.connect().await;
    other.subscribe("later").await;
    let later = pairs(&[("channel_occupied", "later"), ("subscription_count", "later")]);
    assert_eq!(names(&redis, "queues:default", 2).await, later);

    let webhooks = "/internal/v1/apps/123456/webhooks";
    let listed = server.internal_as("GET", webhooks).await.json();
    let given_up = listed["endpoints"][0]["given_up"].as_array().unwrap().clone();
    for call in given_up.iter().rev() {
        let batch = call["batch"].as_str().unwrap();
        let resend = format!("{webhooks}/0/given_up/{batch}/resend");
        assert_eq!(server.internal_as("POST", &resend).await.status, 200);
    }
    let orders = pairs(&[("channel_occupied", "orders"), ("subscription_count", "orders")]);
    assert_eq!(names(&redis, "queues:default", 4).await, [later, orders].concat());
    eventually("the events to be counted", async || {
        server.metric("resound_webhook_events_resent_total") == 2.0
    })
    .await;
}
