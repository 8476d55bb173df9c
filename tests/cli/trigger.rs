//! `resound trigger` against a listener that gives one canned answer.
//!
//! Owns the bytes on the wire; what a server makes of them is tested elsewhere.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use super::{APP, check, folder, resound};

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
        (
            "https://a",
            "TLS is not supported; give the address the server itself listens on, such as \
             http://127.0.0.1:8080",
        ),
    ] {
        let arguments = [&trigger[..], &["--app", "7", "--url", url]].concat();
        let message = format!("error: flag --url is {url:?}; {reason}\n");
        check(&resound(&here, &arguments).output().unwrap(), 2, "", &message);
    }
}
