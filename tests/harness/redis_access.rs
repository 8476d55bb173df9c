//! A Redis over TLS, with an authority of the test's own, and a Sentinel in front of one.

use std::process::{Command, Stdio};

use super::Folder;
use super::redis::{Process, TestRedis, free_port};

/// The names in the certificate by which tests reach it.
pub const NAMES: &str = "DNS:localhost, IP:127.0.0.1";

/// A folder with an authority, `ca.pem`, and a certificate for these names that it has signed, `redis.pem`.
pub fn certificates(names: &str) -> Folder {
    certificates_of_days(names, 2)
}

/// The same, valid for so many days; it has expired already if they are negative.
pub fn certificates_of_days(names: &str, days: i32) -> Folder {
    let folder = Folder::new();
    let openssl = |arguments: &str| {
        let arguments = arguments.replace("$folder", &folder.to_string());
        let mut command = Command::new("openssl");
        command.args(arguments.split(' ')).stdout(Stdio::null()).stderr(Stdio::null());
        let made = command.status().expect("openssl, of the package openssl, is installed");
        assert!(made.success(), "openssl {arguments}");
    };
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2";
    folder.write("names", &format!("subjectAltName = {names}\n"));
    openssl(&format!("req -x509 {key} -subj /CN=ours -keyout $folder/ca.key -out $folder/ca.pem"));
    openssl(
        "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost \
         -keyout $folder/redis.key -out $folder/redis.request",
    );
    openssl(&format!(
        "x509 -req -in $folder/redis.request -CA $folder/ca.pem -CAkey $folder/ca.key \
         -CAcreateserial -days {days} -extfile $folder/names -out $folder/redis.pem",
    ));
    folder
}

/// A Redis with TLS alone that presents this certificate, and the file with the authority.
pub async fn redis_with(folder: Folder, certificate: &str, clients: &str) -> (TestRedis, String) {
    let authority = folder.path("ca.pem");
    let (file, key) = (format!("$folder/{certificate}.pem"), format!("$folder/{certificate}.key"));
    let options = [
        ["--port", "0"],
        ["--tls-port", "$port"],
        ["--tls-cert-file", &file],
        ["--tls-key-file", &key],
        ["--tls-ca-cert-file", "$folder/ca.pem"],
        ["--tls-auth-clients", clients],
    ];
    (TestRedis::within_folder(folder, options.as_flattened()).await, authority)
}

/// One with a valid certificate.
pub async fn tls_redis() -> (TestRedis, String) {
    redis_with(certificates(NAMES), "redis", "no").await
}

/// One Sentinel that decides alone, and soon; with the port it answers on. `more` are further lines of
/// its configuration.
pub async fn sentinel(folder: &Folder, primary: u16, more: &str) -> (Process, u16) {
    for _ in 0..20 {
        let port = free_port();
        let text = format!(
            "port {port}\nbind 127.0.0.1\ndir {folder}\n\
             sentinel monitor main 127.0.0.1 {primary} 1\n\
             sentinel down-after-milliseconds main 500\n\
             sentinel failover-timeout main 3000\n{more}"
        );
        let file = folder.write(&format!("sentinel-{port}.conf"), &text);
        let arguments = [file, "--sentinel".to_owned()];
        if let Some(process) = Process::start(&arguments, "+monitor master").await {
            return (process, port);
        }
    }
    panic!("no Sentinel starts");
}

/// A Redis with a replica that knows all, and a Sentinel that watches both.
pub struct Watched {
    pub primary: TestRedis,
    pub replica: TestRedis,
    pub sentinel: Process,
    /// The address by which clients find the primary.
    pub url: String,
    folder: Folder,
}

impl Watched {
    pub async fn start() -> Self {
        let folder = Folder::new();
        let primary = TestRedis::start().await;
        let port = primary.port.to_string();
        let options = ["--replicaof", "127.0.0.1", &port, "--repl-diskless-sync-delay", "0"];
        let mut replica = TestRedis::with(&options).await;
        replica.log_line("<-> REPLICA sync: Finished with success").await;
        let (mut sentinel, port) = sentinel(&folder, primary.port, "").await;
        sentinel.log_line("+slave").await;
        let url = format!("redis+sentinel://127.0.0.1:{port}/main");
        Self { primary, replica, sentinel, url, folder }
    }

    /// Ends the primary; returns when the replica is the primary.
    pub async fn fail_over(&mut self) {
        self.primary.kill();
        self.sentinel.log_line("+switch-master").await;
    }
}
