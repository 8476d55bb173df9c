//! Nginx in front of a server, on a free port of loopback, with a site that the test writes.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};

use crate::harness::redis::free_port;
use crate::harness::{Folder, eventually};

/// Passes on everything, a handshake with its Upgrade too.
pub(crate) const WITH_UPGRADE: &str = "proxy_http_version 1.1; proxy_set_header Host $host; \
                                proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection \"Upgrade\";";

/// A running Nginx. Dropping it ends it.
pub(crate) struct Nginx {
    pub(crate) port: u16,
    /// Its configuration.
    pub(crate) file: String,
    _folder: Folder,
    child: Child,
}

impl Nginx {
    /// With the block of one server, in which `$listen` is its address.
    pub(crate) async fn start(site: &str) -> Self {
        let (port, folder) = (free_port(), Folder::new());
        let kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
        let temporary = kinds.map(|kind| format!("{kind}_temp_path {folder}/{kind};")).concat();
        let site = site.replace("$listen", &format!("127.0.0.1:{port}"));
        let text = format!(
            "daemon off; worker_processes 1; user root; pid {folder}/pid; error_log stderr crit;\n\
             events {{}}\nhttp {{ access_log off; {temporary}\nserver {{ {site} }}\n}}\n"
        );
        let file = folder.write("nginx.conf", &text);
        let mut command = Command::new("nginx");
        command.args(["-e", "stderr", "-c", &file]).stdin(Stdio::null()).stdout(Stdio::null());
        let child = command.spawn().expect("nginx is missing: tests/install installs it");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        eventually("Nginx to listen", async || TcpStream::connect(address).is_ok()).await;
        Self { port, file, _folder: folder, child }
    }

    /// In front of the server on this port, with further lines of the server block and of its location.
    pub(crate) async fn before(port: u16, server: &str, location: &str) -> Self {
        let site = format!(
            "listen $listen; server_name localhost 127.0.0.1; {server}\n\
             location / {{ proxy_pass http://127.0.0.1:{port}; {location} }}"
        );
        Self::start(&site).await
    }
}

/// The lines that make the server block one with TLS and this certificate.
pub(crate) fn with_tls(certificate: &str) -> String {
    let path = crate::harness::tls::certificate(certificate);
    format!("ssl_certificate {path}; ssl_certificate_key {path};")
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Its workers end with their master, which a kill would leave behind.
        let _ = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        let _ = self.child.wait();
    }
}
