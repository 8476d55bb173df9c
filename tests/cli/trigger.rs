//! `resound trigger` against a listener that gives one canned answer.
//!
//! Owns the bytes on the wire; what a server makes of them is tested elsewhere.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use super::{APP, check, folder, resound, text};

/// A server that takes one request and gives one answer; returns what it was asked.
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
    let message = format!("error: {url} answered 401 Unauthorized: no sign\n");
    check(&resound(&here, &arguments).output().unwrap(), 1, "", &message);
    asked.join().unwrap();

    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{free}");
    let output = resound(&here, &["trigger", "a", "b", "c", "--url", &url]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let start = format!("error: no server answers at {url}: Connection refused");
    assert!(text(&output.stderr).starts_with(&start), "{output:?}");
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
    let output =
        resound(&here, &[&trigger[..], &["--app", "7", "--url", "https://a"]].concat()).output();
    assert_eq!(output.unwrap().status.code(), Some(2));
}
