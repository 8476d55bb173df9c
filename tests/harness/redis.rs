//! A real Redis of a test's own, on a free port, which the test starts, stops, kills and queries.
//!
//! Nothing outlives it: the process is ended by its id when its owner is dropped, and what it
//! wrote is removed.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Weak};

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, FromRedisValue, RedisResult, TlsCertificates};
use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::{DEADLINE, Folder, within};

/// Below the ports the kernel gives to connections, so that one can be had again after a restart.
/// Those of the clients' suites begin at 20 000.
const PORTS: Range<u16> = 10_000..20_000;

/// The one that is shared by tests that need none of their own.
static SHARED: Mutex<Weak<TestRedis>> = Mutex::const_new(Weak::new());

/// A running server of the [`program`].
pub struct TestRedis {
    pub port: u16,
    /// Where it writes.
    pub folder: Folder,
    /// How a test reaches it; a test that gave it a password changes it.
    pub url: String,
    /// The authority that signed its certificate, for a `rediss://` url.
    pub authority: Option<Vec<u8>>,
    arguments: Vec<String>,
    process: Process,
}

/// A process and its log. Dropping it kills it.
pub struct Process {
    child: Child,
    log: UnboundedReceiver<String>,
}

/// The program that every test starts: that of `TEST_REDIS_SERVER`, such as `valkey-server`, or `redis-server`.
pub fn program() -> String {
    variable("TEST_REDIS_SERVER").unwrap_or_else(|| "redis-server".to_owned())
}

/// Whether that is Valkey, whose answers differ where Redis' are vague.
pub fn is_valkey() -> bool {
    program().contains("valkey")
}

#[allow(clippy::disallowed_methods, reason = "no configuration: it selects what is tested")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Whether tests that need a Redis are left out, because there is none here. `tests/run` requires
/// all suites (`TEST_SUITES=all`), and then they fail instead.
pub fn is_left_out() -> bool {
    let program = program();
    let mut command = Command::new(&program);
    let found = command.arg("--version").stdout(Stdio::null()).status();
    if found.is_ok_and(|status| status.success()) {
        return false;
    }
    let wanted = variable("TEST_SUITES").unwrap_or_default();
    assert_ne!(wanted, "all", "{program} is missing: install the package {program}");
    let name = std::thread::current().name().unwrap_or_default().to_owned();
    // Past the test runner, which shows nothing of a test that passes.
    let text = format!("LEFT OUT: {name} ({program} is missing); tests/run installs it\n");
    let _ = std::io::stderr().write_all(text.as_bytes());
    true
}

impl TestRedis {
    /// One that forgets everything when it ends.
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// One that every test of this process uses at the same time: what keeps them apart is the
    /// prefix.
    pub async fn shared() -> Arc<Self> {
        let mut shared = SHARED.lock().await;
        if let Some(running) = shared.upgrade() {
            return running;
        }
        let started = Arc::new(Self::start().await);
        *shared = Arc::downgrade(&started);
        started
    }

    /// One that writes every command to a file, and has its data again after a restart.
    pub async fn persistent() -> Self {
        Self::with(&["--appendonly", "yes", "--appendfsync", "always"]).await
    }

    /// With further options; `$port` and `$folder` in them are its own.
    pub async fn with(options: &[&str]) -> Self {
        Self::within_folder(Folder::new(), options).await
    }

    /// The same with a folder that holds files already.
    pub async fn within_folder(folder: Folder, options: &[&str]) -> Self {
        // Another process may take the port in between: then another one is tried.
        for _ in 0..20 {
            let port = free_port();
            let arguments = arguments(port, &folder, options);
            if let Some(process) = Process::start(&arguments, "eady to accept connections").await {
                let url = format!("redis://127.0.0.1:{port}");
                return Self { port, folder, url, authority: None, arguments, process };
            }
        }
        panic!("the server ends at once with the options {options:?}");
    }

    /// Ends it as a crash of its machine would.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again where it was, after [`kill`](Self::kill): empty unless it is persistent.
    pub async fn restart(&mut self) {
        let process = Process::start(&self.arguments, "eady to accept connections").await;
        self.process = process.expect("a Redis that started before starts again");
    }

    /// Stops the process with SIGSTOP: connections stay, and no command is answered.
    pub fn stop(&self) {
        self.process.signal("STOP");
    }

    /// It goes on.
    pub fn go_on(&self) {
        self.process.signal("CONT");
    }

    /// A connection of a test.
    pub async fn connection(&self) -> MultiplexedConnection {
        within("Redis", self.connect()).await.expect("a connection to Redis")
    }

    async fn connect(&self) -> RedisResult<MultiplexedConnection> {
        let client = match &self.authority {
            None => Client::open(&*self.url),
            root_cert @ Some(_) => {
                let root_cert = root_cert.clone();
                Client::build_with_tls(&*self.url, TlsCertificates { client_tls: None, root_cert })
            }
        };
        // The limits of the library are shorter than what a busy machine needs.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(DEADLINE))
            .set_response_timeout(Some(DEADLINE));
        let client = client.expect("a valid address");
        client.get_multiplexed_async_connection_with_config(&config).await
    }

    /// Sends one command, as `redis-cli` does.
    pub async fn ask<T: FromRedisValue>(&self, words: &[&str]) -> T {
        self.try_ask(words).await.unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    /// The same where Redis may refuse it, or be gone.
    pub async fn try_ask<T: FromRedisValue>(&self, words: &[&str]) -> RedisResult<T> {
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        let mut connection = within("Redis", self.connect()).await?;
        within("an answer of Redis", command.query_async(&mut connection)).await
    }

    /// Publishes any bytes; returns the number of receivers.
    pub async fn publish(&self, topic: &str, message: &[u8]) -> u32 {
        let mut command = redis::cmd("PUBLISH");
        command.arg(topic).arg(message);
        let mut connection = self.connection().await;
        within("an answer", command.query_async(&mut connection)).await.expect("it is published")
    }

    /// Waits for a line of its log.
    pub async fn log_line(&mut self, part: &str) -> String {
        self.process.log_line(part).await
    }
}

impl Process {
    /// A server that has logged `ready`; `None` if it ends before.
    pub async fn start(arguments: &[String], ready: &str) -> Option<Self> {
        let mut command = Command::new(program());
        command.args(arguments);
        Self::start_by(command, ready).await
    }

    /// The same of a command that starts the server, such as in a network namespace.
    pub async fn start_by(mut command: Command, ready: &str) -> Option<Self> {
        let started = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let mut child = started.expect("the server of the tests is installed");
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (line_read, log) = unbounded_channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let _ = line_read.send(line);
            }
        });
        let mut process = Self { child, log };
        process.read_log(ready).await.map(|_| process)
    }

    /// Waits for a line of its log.
    pub async fn log_line(&mut self, part: &str) -> String {
        self.read_log(part).await.unwrap_or_else(|| panic!("Redis ended without logging {part:?}"))
    }

    async fn read_log(&mut self, part: &str) -> Option<String> {
        let received = async {
            loop {
                let line = self.log.recv().await?;
                if line.contains(part) {
                    return Some(line);
                }
            }
        };
        within(part, received).await
    }

    /// Ends it without giving it a chance.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args([&format!("-{signal}"), &*id]).status();
        assert!(sent.is_ok_and(|status| status.success()), "kill -{signal} {id}");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Of two options of one name the later counts.
fn arguments(port: u16, folder: &Folder, options: &[&str]) -> Vec<String> {
    let (port, folder) = (port.to_string(), folder.to_string());
    let own = ["--bind", "127.0.0.1", "--port", "$port", "--dir", "$folder", "--save", ""];
    let all = own.iter().chain(&["--appendonly", "no"]).chain(options);
    all.map(|text| text.replace("$port", &port).replace("$folder", &folder)).collect()
}

/// A port without a listener right now.
pub fn free_port() -> u16 {
    let is_free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    let tried = std::iter::repeat_with(|| rand::random_range(PORTS));
    tried.take(1000).find(is_free).expect("a free port")
}
