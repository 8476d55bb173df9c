//! What commands print of an answer: no text of a server, an app's files or a configuration commands the terminal, and data
//! stays what it was for the program that reads it.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Output;
use std::thread;

use serde_json::{Value, json};

use super::live::Following;
use super::reload::Running;
use super::{APP, HOSTILE, folder, resound, text};

/// The end of a path, and the body of its answers.
type Answer = (&'static str, fn() -> String);

/// Reads one request, its head and its body; `None` at the end of the connection.
fn request(stream: &TcpStream) -> Option<String> {
    let (mut reader, mut head) = (BufReader::new(stream), String::new());
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).unwrap_or_default() == 0 {
            return None;
        }
    }
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("content-length").then(|| value.parse().unwrap())
    });
    let mut body = vec![0; length.unwrap_or_default()];
    reader.read_exact(&mut body).unwrap();
    Some(head + text(&body))
}

/// Answers each request with the body of the path that it ends with, or of any, for as long as the test runs.
fn server(status: &'static str, bodies: &'static [Answer]) -> String {
    let address = serve(move |mut stream| {
        while let Some(asked) = request(&stream) {
            let path = asked.split([' ', '?']).nth(1).unwrap();
            let known = bodies.iter().find(|(end, _)| path.ends_with(end));
            let body = known.map_or_else(String::new, |(_, body)| body());
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len());
            stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
        }
    });
    format!("http://{address}")
}

fn serve(answer: impl Fn(TcpStream) + Clone + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let answer = answer.clone();
            thread::spawn(move || answer(stream));
        }
    });
    address
}

/// Whether a terminal would obey something in this.
fn commands(shown: &str) -> bool {
    shown.contains(|letter: char| {
        letter.is_control() && !"\n\t".contains(letter) || letter == '\u{202e}'
    })
}

/// Fails unless the whole output commands nothing, and has the text that does.
fn check(output: &Output, code: i32) {
    let (out, beside) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{out:?} {beside:?}");
    assert!(!commands(out) && !commands(beside), "{out:?} {beside:?}");
    let all = out.to_owned() + beside;
    assert!(all.contains("[2J"), "it is not shown at all: {all:?}");
}

/// The internal API. In JSON a terminal would obey what need not be escaped.
const INTERNAL: &[Answer] = &[
    ("/apps", || json!({ "apps": ["7"] }).to_string()),
    ("/explain", || {
        let past = json!([{ "ago_ms": 1, "sentence": HOSTILE, "trigger": HOSTILE }]);
        json!({ "now": { "sentence": HOSTILE }, "past": past }).to_string()
    }),
    ("/events", || json!({ "events": [{ "event": "e", "data": HOSTILE }] }).to_string()),
    ("/stream", || {
        let row = json!({ "kind": HOSTILE, "at_ms": 1, "app": HOSTILE, "channel": HOSTILE });
        format!("{row}\n")
    }),
];

#[test]
fn an_answer_of_a_server_is_shown_and_not_obeyed() {
    let here = folder("terminal-answer");
    for (status, code) in [("200 OK", 0), ("503 Unavailable", 1)] {
        let url = server(status, &[("", || HOSTILE.to_owned())]);
        let run = |arguments: &[&str]| {
            resound(&here, &[arguments, &["--url", &url]].concat()).output().unwrap()
        };
        check(&run(&["trigger", "hello", "greeting", "{}"]), code);
        check(&run(&["healthcheck"]), code);
    }
}

#[test]
fn what_the_internal_api_answers_is_shown_and_not_obeyed() {
    let here = folder("terminal-internal");
    let url = server("200 OK", INTERNAL);
    let run = |arguments: &[&str]| {
        let output = resound(&here, &[arguments, &["--url", &url]].concat()).output().unwrap();
        check(&output, 0);
        text(&output.stdout).to_owned()
    };
    run(&["explain", "orders"]);
    let json: Value = serde_json::from_str(&run(&["explain", "orders", "--json"])).unwrap();
    assert_eq!(json["now"]["sentence"], HOSTILE);
    let row: Value = serde_json::from_str(&run(&["expect", "orders", "e", "--app", "7"])).unwrap();
    assert_eq!(row["data"], HOSTILE);
}

#[test]
fn rows_of_the_stream_are_shown_and_not_obeyed() {
    let here = folder("terminal-stream");
    let url = server("200 OK", INTERNAL);
    let rows = Following::of(resound(&here, &["tail", "--url", &url]));
    let row = rows.line("app ");
    assert!(!commands(&row) && row.contains("[2J"), "{row:?}");
    let rows = Following::of(resound(&here, &["tail", "--json", "--url", &url]));
    let row = rows.line("at_ms");
    assert!(!commands(&row), "{row:?}");
    assert_eq!(serde_json::from_str::<Value>(&row).unwrap()["channel"], HOSTILE);
}

#[test]
fn a_refusal_in_the_report_of_a_bench_is_one_line() {
    let server_of_sockets = Running::start("terminal-bench", APP, &[]);
    let upstream = SocketAddr::from((Ipv4Addr::LOCALHOST, server_of_sockets.port));
    let between = serve(move |mut stream| {
        let mut first = [0];
        if stream.peek(&mut first).unwrap_or_default() == 0 {
            return;
        }
        if first == *b"G" {
            let mut server = TcpStream::connect(upstream).unwrap();
            let (mut back, mut client) = (server.try_clone().unwrap(), stream.try_clone().unwrap());
            thread::spawn(move || io::copy(&mut back, &mut client));
            let _ = io::copy(&mut stream, &mut server);
            return;
        }
        while let Some(asked) = request(&stream) {
            // Nothing is measured where the first event, on a channel without subscribers, is refused.
            let (status, body) = match asked.contains("load-check") {
                true => ("200 OK", "{}".to_owned()),
                false => ("400 No", format!("first\n{HOSTILE}")),
            };
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len());
            stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
        }
    });
    let url = format!("http://{between}");
    let run = |more: &[&str]| {
        let load = ["bench", "--connections", "2", "--warm-up", "0", "--events", "20"];
        let rest = ["--config", "a.toml", "--url", &url];
        resound(&server_of_sockets.here, &[&load[..], &rest, more].concat()).output().unwrap()
    };
    let report = run(&[]);
    check(&report, 0);
    assert!(text(&report.stdout).contains(r"first: 400: first\n\u{1b}[2J"), "{report:?}");
    let json = run(&["--json"]);
    check(&json, 0);
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["refusal"], format!("400: first\n{HOSTILE}"));
}

#[test]
fn what_an_import_reads_is_shown_and_not_obeyed() {
    let here = folder("terminal-import");
    let php = format!(
        "<?php return ['servers' => ['reverb' => ['hostname' => \"{HOSTILE}\", \"{HOSTILE}\" => f()]]];"
    );
    fs::write(here.join("config/reverb.php"), php).unwrap();
    let output = resound(&here, &["import"]).output().unwrap();
    check(&output, 0);
    assert!(text(&output.stderr).contains("[2J"), "{output:?}");
    let file: toml::Value = toml::from_str(text(&output.stdout)).unwrap();
    assert_eq!(file["server"]["hostname"].as_str(), Some(HOSTILE), "{output:?}");
}
