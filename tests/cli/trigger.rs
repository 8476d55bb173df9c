//! `resound trigger` against a listener that gives one canned answer.
//!
//! Owns the bytes on the wire; what a server makes of them is tested elsewhere.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use super::{APP, check, folder, resound};
use crate::harness::TestServer;
use crate::harness::tls::certificate;

/// A server that takes one request and gives one answer; returns the request.
fn answer_once(answer: &'static str) -> (String, thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/ws", listener.local_addr().unwrap());
    let asked = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        // The bodies of these tests end with the only `"}` of the request.
        while !request.ends_with(b"\"}") {
            let mut part = [0; 1024];
            let read = stream.read(&mut part).unwrap();
            assert!(read > 0, "the request was cut");
            request.extend_from_slice(&part[..read]);
        }
        stream.write_all(answer.as_bytes()).unwrap();
        String::from_utf8(request).unwrap()
    });
    (url, asked)
}

#[test]
fn trigger_sends_one_signed_event_and_prints_the_answer() {
    let here = folder("trigger");
    let (url, asked) = answer_once("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
    let arguments = ["trigger", "hello", "greeting", "it's \"x\"", "--url", &url];
    check(&resound(&here, &arguments).output().unwrap(), 0, "{}\n", "");
    let request = asked.join().unwrap();
    let start = "POST /ws/apps/100001/events?auth_key=resound-dev-key&";
    assert!(request.starts_with(start), "{request}");
    let body =
        "\r\n\r\n{\"name\":\"greeting\",\"channels\":[\"hello\"],\"data\":\"it's \\\"x\\\"\"}";
    assert!(request.ends_with(body), "{request}");
}

#[test]
fn trigger_ends_with_1_when_the_event_was_not_taken() {
    let here = folder("trigger-refused");
    let (url, asked) = answer_once("HTTP/1.1 401 Unauthorized\r\nContent-Length: 7\r\n\r\nno sign");
    let arguments = ["trigger", "hello", "greeting", "x", "--url", &url];
    let message = format!("error: {url} did not confirm the event: it answered 401: no sign\n");
    check(&resound(&here, &arguments).output().unwrap(), 1, "", &message);
    asked.join().unwrap();
}

/// The complete stderr of an event that `url` does not confirm.
fn check_unconfirmed(name: &str, url: &str, message: &str) {
    let here = folder(name);
    let output = resound(&here, &["trigger", "a", "b", "{\"c\":\"d\"}", "--url", url]).output();
    check(&output.unwrap(), 1, "", &format!("error: {url} {message}\n"));
}

#[test]
fn a_server_that_cannot_be_reached_is_named_with_the_cause_and_what_to_change() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let refused = "cannot be reached: nothing listens on that port; start the server, or give the \
                   address it listens on";
    check_unconfirmed("trigger-absent", &format!("http://{free}"), refused);
    let unknown =
        "cannot be reached: the name of the host has no address (DNS); check its spelling";
    check_unconfirmed("trigger-unknown", "http://resound.invalid:8080", unknown);
}

#[test]
fn an_answer_of_another_service_is_named_as_such() {
    let closed = "it closed the connection; is it another service, or does it expect TLS?";
    let not_http = "its answer is not HTTP; another service listens there";
    let other = "it answered 404; is there a path prefix, or another service?";
    for (answer, message) in [
        ("", closed),
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", closed),
        ("-ERR unknown command 'POST'\r\n", not_http),
        ("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", other),
        ("HTTP/1.1 404 Not Found\r\nContent-Length: 8\r\n\r\n<html>\n\n", other),
        ("HTTP/1.1 500 Oh\r\nContent-Length: 8\r\n\r\n\u{1b}[1mno\nx", "it answered 500: [1mno"),
    ] {
        let (url, asked) = answer_once(answer);
        let message = format!("did not confirm the event: {message}");
        check_unconfirmed("trigger-other", &url, &message);
        asked.join().unwrap();
    }
}

#[test]
fn trigger_needs_to_know_the_app() {
    let here = folder("trigger-app");
    fs::write(here.join("a.toml"), format!("{APP}{}", APP.replace("7", "8").replace("k\"", "l\"")))
        .unwrap();
    let trigger = ["trigger", "a", "b", "c", "--config", "a.toml"];
    let output = resound(&here, &trigger).output().unwrap();
    check(&output, 2, "", "error: flag --app is missing; the apps are 7, 8\n");
    let output = resound(&here, &[&trigger[..], &["--app", "9"]].concat()).output().unwrap();
    check(&output, 2, "", "error: flag --app is \"9\"; the apps are 7, 8\n");
    for (url, reason) in [
        ("http://127.0.0.1:80800", "its port must be from 1 to 65535"),
        ("https://", "it must be like http://127.0.0.1:8080 or wss://ws.example.com/prefix"),
        ("https://a?b", "it must be like http://127.0.0.1:8080 or wss://ws.example.com/prefix"),
    ] {
        let arguments = [&trigger[..], &["--app", "7", "--url", url]].concat();
        let message = format!("error: flag --url is {url:?}; {reason}\n");
        check(&resound(&here, &arguments).output().unwrap(), 2, "", &message);
    }
}

/// A server with TLS whose certificate is for localhost, and what `resound trigger` says to it.
#[tokio::test]
async fn trigger_reaches_a_server_with_tls() {
    let section = crate::harness::tls::section("mode = \"required\"");
    let apps =
        "[[apps]]\nid = \"100001\"\nkey = \"resound-dev-key\"\nsecret = \"resound-dev-secret\"\n";
    let server = TestServer::with(&format!("{apps}{section}")).await;
    let port = server.address.port();
    let authority = certificate("ca.pem");
    let trigger = async |url: String, flags: &'static [&'static str]| {
        let authority = authority.clone();
        let here = folder("trigger-tls");
        let run = move || {
            let flags =
                flags.iter().map(|flag| if *flag == "CA" { authority.as_str() } else { flag });
            let arguments = ["trigger", "hello", "greeting", "x", "--url", &url];
            let arguments: Vec<&str> = arguments.into_iter().chain(flags).collect();
            (url.clone(), resound(&here, &arguments).env_remove("SSL_CERT_FILE").output().unwrap())
        };
        tokio::task::spawn_blocking(run).await.unwrap()
    };
    for scheme in ["https", "wss"] {
        for flags in [&["--ca-file", "CA"][..], &["--insecure"]] {
            let (_, output) = trigger(format!("{scheme}://localhost:{port}"), flags).await;
            check(&output, 0, "{}\n", "");
        }
    }
    for (host, flags, reason) in [
        (
            "localhost",
            &[][..],
            "its certificate was issued by an authority that is not trusted; name its authority with --ca-file, or \
             accept it with --insecure",
        ),
        (
            "127.0.0.2",
            &["--ca-file", "CA"],
            "its certificate is for other host names; give one of its names, or accept it with --insecure",
        ),
    ] {
        let (url, output) = trigger(format!("https://{host}:{port}"), flags).await;
        check(&output, 1, "", &format!("error: {url} cannot be reached: {reason}\n"));
    }
    let (url, output) = trigger(format!("https://localhost:{port}/ws"), &["--insecure"]).await;
    let message = String::from_utf8(output.stderr).unwrap();
    let expected = format!("error: {url} did not confirm the event: it answered 404");
    assert!(message.starts_with(&expected), "{message}");
}

#[test]
fn flags_about_certificates_need_a_url_with_tls() {
    let here = folder("trigger-tls-flags");
    fs::write(here.join("empty.pem"), "").unwrap();
    let trigger = ["trigger", "a", "b", "c"];
    for (flags, message) in [
        (&["--insecure"][..], "--insecure is for a --url with https:// or wss://"),
        (
            &["--ca-file", "x", "--url", "http://a"],
            "--ca-file is for a --url with https:// or wss://",
        ),
        (
            &["--ca-file", "none.pem", "--url", "https://a"],
            "--ca-file is \"none.pem\"; it cannot be read: No such file or directory (os error 2)",
        ),
        (
            &["--ca-file", "empty.pem", "--url", "https://a"],
            "--ca-file is \"empty.pem\"; it must have certificates in PEM form",
        ),
    ] {
        let arguments = [&trigger[..], flags].concat();
        let output = resound(&here, &arguments).output().unwrap();
        check(&output, 2, "", &format!("error: flag {message}\n"));
    }
}
