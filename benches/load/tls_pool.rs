//! Sockets over TLS, connected one after the other, which may resume the session of the one before: each of the
//! generator's stands for a client of its own, shakes hands in full, and connects beside others.
//!
//! Owns the connections, and how many bytes of content they received. What is published is left to the scenario.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use rustls::client::Resumption;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use crate::subject::Subject;

/// The authority of the certificate that the subjects present.
const AUTHORITY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/certificates/ca.pem");

/// How long a server may take for a step.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Sockets on the channel `load`.
pub(crate) struct TlsPool {
    sockets: Vec<(TcpStream, ClientConnection)>,
    poll: Poll,
    pub(crate) received_bytes: u64,
}

/// Clients that resume sessions, or shake hands in full each time.
pub(crate) fn clients(resumption: Resumption) -> anyhow::Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(AUTHORITY)?)?;
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.resumption = resumption;
    Ok(Arc::new(config))
}

impl TlsPool {
    /// Connects so many, one after the other, to what serves TLS at `address` in front of the subject.
    pub(crate) fn connect(
        subject: &Subject,
        address: SocketAddr,
        config: &Arc<ClientConfig>,
        sockets: usize,
    ) -> anyhow::Result<Self> {
        let mut this = Self { sockets: Vec::new(), poll: Poll::new()?, received_bytes: 0 };
        for index in 0..sockets {
            let (stream, session) = subscribe(subject, address, config)?;
            stream.set_nonblocking(true)?;
            let mut stream = TcpStream::from_std(stream);
            this.poll.registry().register(&mut stream, Token(index), Interest::READABLE)?;
            this.sockets.push((stream, session));
        }
        Ok(this)
    }

    /// Reads what arrives until `due`.
    pub(crate) fn read_until(&mut self, due: Instant) -> anyhow::Result<()> {
        let mut events = Events::with_capacity(1024);
        while let Some(left) = due.checked_duration_since(Instant::now()) {
            self.poll.poll(&mut events, Some(left))?;
            for event in &events {
                self.read(event.token().0)?;
            }
        }
        Ok(())
    }

    /// Reads until so many bytes of content have arrived.
    pub(crate) fn read_bytes(&mut self, bytes: u64) -> anyhow::Result<()> {
        let given_up = Instant::now() + TIMEOUT;
        while self.received_bytes < bytes {
            let missing = bytes - self.received_bytes;
            ensure!(Instant::now() < given_up, "{missing} of {bytes} bytes did not arrive");
            self.read_until(Instant::now() + Duration::from_millis(5))?;
        }
        ensure!(self.received_bytes == bytes, "more arrived than was published");
        Ok(())
    }

    fn read(&mut self, index: usize) -> anyhow::Result<()> {
        let (stream, session) = &mut self.sockets[index];
        loop {
            match session.read_tls(stream) {
                Ok(0) => anyhow::bail!("the server closed a socket"),
                Ok(_) => self.received_bytes += content(session)?.len() as u64,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// The content of the records that were read.
fn content(session: &mut ClientConnection) -> anyhow::Result<Vec<u8>> {
    let ready = session.process_new_packets()?.plaintext_bytes_to_read();
    let mut content = vec![0; ready];
    session.reader().read_exact(&mut content)?;
    Ok(content)
}

/// A connection that has shaken hands, was greeted, and has subscribed.
fn subscribe(
    subject: &Subject,
    address: SocketAddr,
    config: &Arc<ClientConfig>,
) -> anyhow::Result<(std::net::TcpStream, ClientConnection)> {
    let mut stream = std::net::TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    let mut session = ClientConnection::new(config.clone(), ServerName::try_from("localhost")?)?;
    let request = resound_load::upgrade(&subject.target, &subject.credentials.key, None);
    session.writer().write_all(request.as_bytes())?;
    answer(&mut stream, &mut session, "connection_established")?;
    let message = resound_load::subscribe(&subject.credentials, "", "load", None);
    session.writer().write_all(&resound_load::text_frame(message.as_bytes()))?;
    answer(&mut stream, &mut session, "subscription_succeeded")?;
    Ok((stream, session))
}

/// Sends what is queued, and reads up to the end of the message that has this part.
fn answer(
    stream: &mut std::net::TcpStream,
    session: &mut ClientConnection,
    part: &str,
) -> anyhow::Result<()> {
    let mut received = String::new();
    while !(received.contains(part) && received.ends_with('}')) {
        while session.wants_write() {
            session.write_tls(stream)?;
        }
        let read = session.read_tls(stream).context("waiting for the server")?;
        ensure!(read > 0, "the server cut the connection: {received}");
        received.push_str(&String::from_utf8_lossy(&content(session)?));
    }
    Ok(())
}
