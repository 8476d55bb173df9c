//! The records of a session against rustls' own client, without a network.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::Arc;

use proptest::prelude::*;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, RootCertStore, SupportedProtocolVersion};

use super::TlsSession;
use crate::tls::{CertificateFiles, Certificates, server_config};

fn path(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests/certificates", name].iter().collect()
}

/// A client and a session of the server.
struct Line {
    client: ClientConnection,
    server: TlsSession,
    /// What the server has received of the client's content.
    received: Vec<u8>,
}

impl Line {
    fn new(name: &str, version: &'static SupportedProtocolVersion) -> Self {
        let files = ["valid.pem", "other.pem"]
            .map(|name| CertificateFiles { certificate: path(name), key: path(name) });
        let certificates = Arc::new(Certificates::read(files.to_vec()).unwrap());
        let server = TlsSession::new(server_config(&certificates).unwrap()).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(path("ca.pem")).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let client = ClientConnection::new(Arc::new(config), name).unwrap();
        Self { client, server, received: Vec::new() }
    }

    /// Passes what both have to send, the client's in pieces of `cut` bytes, to a reader that takes
    /// `room` bytes at once.
    fn run(&mut self, cut: usize, room: usize) -> Result<(), rustls::Error> {
        loop {
            let mut sent = Vec::new();
            while self.client.wants_write() {
                self.client.write_tls(&mut sent).unwrap();
            }
            for piece in sent.chunks(cut) {
                self.receive(piece, room)?;
            }
            let unsent = std::mem::take(&mut self.server.unsent);
            if unsent.is_empty() && sent.is_empty() {
                return Ok(());
            }
            self.answer_client(&unsent);
        }
    }

    fn answer_client(&mut self, mut records: &[u8]) {
        while !records.is_empty() {
            self.client.read_tls(&mut records).unwrap();
            self.client.process_new_packets().unwrap();
        }
    }

    fn receive(&mut self, piece: &[u8], room: usize) -> Result<(), rustls::Error> {
        let mut records = [self.server.kept(), piece].concat();
        let mut content = vec![0; room];
        loop {
            let filled = self.server.decrypt(&mut records, &mut content)?;
            self.received.extend_from_slice(&content[..filled]);
            while let taken @ 1.. = self.server.take_unread(&mut content) {
                self.received.extend_from_slice(&content[..taken]);
            }
            if !self.server.has_backlog() {
                return Ok(());
            }
            records = self.server.kept().to_vec();
        }
    }
}

#[test]
fn a_client_gets_the_certificate_for_the_host_it_names() {
    for name in ["localhost", "other.example", "any.wild.example"] {
        let mut line = Line::new(name, &TLS13);
        line.run(usize::MAX, 1024).unwrap();
        assert!(!line.client.is_handshaking() && !line.server.is_handshaking(), "{name}");
    }
}

#[test]
fn an_idle_session_keeps_no_buffer() {
    let mut line = Line::new("localhost", &TLS13);
    line.run(100, 1024).unwrap();
    let server = &line.server;
    let capacities = (server.kept.capacity(), server.unread.capacity(), server.unsent.capacity());
    assert_eq!(capacities, (0, 0, 0));
}

#[test]
fn a_fragmented_message_and_a_write_in_between_break_nothing() {
    let mut line = Line::new("localhost", &TLS13);
    line.run(usize::MAX, 1024).unwrap();
    line.client.refresh_traffic_keys().unwrap();
    let mut sent = Vec::new();
    line.client.write_tls(&mut sent).unwrap();
    let (first, rest) = sent.split_at(7);
    line.receive(first, 1024).unwrap();
    let mut record = Vec::new();
    line.server.encrypt(b"between", &mut record).unwrap();
    line.answer_client(&record);
    line.receive(rest, 1024).unwrap();
    line.client.writer().write_all(b"behind").unwrap();
    line.run(usize::MAX, 1024).unwrap();
    let mut content = [0; 7];
    line.client.reader().read_exact(&mut content).unwrap();
    assert_eq!((&content, &*line.received), (b"between", &b"behind"[..]));
}

#[test]
fn garbage_is_answered_with_an_alert() {
    for version in [&TLS12, &TLS13] {
        let mut line = Line::new("localhost", version);
        line.run(usize::MAX, 1024).unwrap();
        let garbage = b"\x17\x03\x03\x00\x20 this is not a record of content.";
        assert!(line.receive(garbage, 1024).is_err());
        assert!(line.receive(garbage, 1024).is_err() && line.server.is_ended);
        assert!(line.server.encrypt(b"content", &mut Vec::new()).is_err());
        assert!(!line.server.unsent.is_empty(), "an alert");
        let unsent = line.server.unsent.clone();
        line.client.read_tls(&mut &*unsent).unwrap();
        let refusal = line.client.process_new_packets().unwrap_err();
        assert!(matches!(refusal, rustls::Error::AlertReceived(_)), "{refusal}");
    }
}

#[test]
fn endless_fragments_have_a_bound() {
    let mut line = Line::new("localhost", &TLS13);
    // A hello of 60 KB, one byte in each record.
    let hello = b"\x16\x03\x01\x00\x01";
    let head = [0x01, 0x00, 0xea, 0x60];
    let bytes = head.iter().chain(std::iter::repeat_n(&0_u8, 60_000));
    let ended = bytes
        .map(|byte| [&hello[..], &[*byte]].concat())
        .find_map(|record| line.receive(&record, 16).err());
    assert!(ended.is_some());
    assert!(line.server.encrypt_end(&mut Vec::new()).is_err());
    assert!(line.server.kept.capacity() <= 64 * 1024);
}

/// A reader whose room is full after a small record: the records behind it wait, however many were passed at once.
#[test]
fn complete_records_wait_for_a_reader_that_takes_little() {
    for version in [&TLS12, &TLS13] {
        let mut line = Line::new("localhost", version);
        line.run(usize::MAX, 1).unwrap();
        line.client.set_buffer_limit(None);
        let parts = [vec![7], vec![8; 60_000]];
        for part in &parts {
            line.client.writer().write_all(part).unwrap();
        }
        line.run(40_000, 1).unwrap();
        assert_eq!(line.received, parts.concat());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_cut_gives_the_same_content(
        parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..20_000), 1..6),
        cut in 1_usize..40_000,
        room in 1_usize..20_000,
        is_new in any::<bool>(),
    ) {
        let mut line = Line::new("localhost", if is_new { &TLS13 } else { &TLS12 });
        line.run(cut, room).unwrap();
        line.client.set_buffer_limit(None);
        for part in &parts {
            line.client.writer().write_all(part).unwrap();
        }
        line.run(cut, room).unwrap();
        prop_assert_eq!(&line.received, &parts.concat());
        let mut record = Vec::new();
        line.server.encrypt(b"answer", &mut record).unwrap();
        line.server.encrypt_end(&mut record).unwrap();
        line.answer_client(&record);
        let mut content = Vec::new();
        line.client.reader().read_to_end(&mut content).unwrap();
        prop_assert_eq!(content, b"answer");
    }
}
