//! Nginx, which ends TLS in front of a server: one process, so that its CPU and memory are easily read.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use crate::process::{Folder, Process};

/// The certificate and the key that it presents.
const CERTIFICATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/certificates/valid.pem");

/// How long it may take to listen.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Killed when it is dropped.
pub(crate) struct Nginx {
    process: Process,
    pub(crate) address: SocketAddr,
}

impl Nginx {
    /// Starts it in front of a server.
    pub(crate) fn start(server: SocketAddr) -> anyhow::Result<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let folder = Folder::new()?;
        let path = folder.path().display();
        let config = format!(
            "daemon off;\nmaster_process off;\npid {path}/pid;\nerror_log stderr;\n\
             events {{ worker_connections 30000; }}\n\
             http {{\n  access_log off;\n\
               client_body_temp_path {path}/body;\n  proxy_temp_path {path}/proxy;\n\
               fastcgi_temp_path {path}/fastcgi;\n  uwsgi_temp_path {path}/uwsgi;\n\
               scgi_temp_path {path}/scgi;\n\
               server {{\n    listen {address} ssl;\n    ssl_certificate {CERTIFICATE};\n\
                 ssl_certificate_key {CERTIFICATE};\n\
                 location / {{\n      proxy_pass http://{server};\n      proxy_http_version 1.1;\n\
                   proxy_set_header Host $host;\n      proxy_set_header Upgrade $http_upgrade;\n\
                   proxy_set_header Connection upgrade;\n      proxy_read_timeout 3600s;\n    }}\n  }}\n}}\n"
        );
        let file = folder.path().join("nginx.conf");
        std::fs::write(&file, config)?;
        let mut command = Command::new("nginx");
        command.arg("-c").arg(&file).arg("-e").arg("stderr");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().context("cannot start nginx: install it (tests/install)")?;
        let process = Process::new(child, Some(folder));
        let given_up = Instant::now() + TIMEOUT;
        while TcpStream::connect(address).is_err() {
            ensure!(Instant::now() < given_up, "nginx does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(Self { process, address })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }
}
