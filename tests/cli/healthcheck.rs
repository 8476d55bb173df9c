//! `resound healthcheck` against a real server, and against answers that are not 200.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Stdio;
use std::thread;

use super::{APP, check, folder, line_with, resound, terminate, text};

#[test]
fn a_server_is_asked_at_the_address_of_its_configuration() {
    let here = folder("healthcheck");
    let socket = here.join("s.sock");
    let listen = format!("unix:{}", socket.display());
    fs::write(here.join("a.toml"), format!("{APP}[server]\nlisten = [\"{listen}\"]\n")).unwrap();
    let healthcheck = || resound(&here, &["healthcheck", "--config", "a.toml"]).output().unwrap();

    let before = healthcheck();
    assert_eq!(before.status.code(), Some(1), "{before:?}");
    assert!(text(&before.stderr).starts_with("error: http://localhost/ready: "), "{before:?}");

    let mut serve = resound(&here, &["serve", "--config", "a.toml"]);
    let mut child = serve.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    line_with(child.stderr.take().unwrap(), "server started");
    check(&healthcheck(), 0, "{\"ready\":true,\"cluster\":\"off\"}\n", "");
    terminate(&child);
    child.wait().unwrap();
    assert_eq!(healthcheck().status.code(), Some(1));
}

#[test]
fn a_server_that_is_not_ready_is_1_with_its_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/ready", listener.local_addr().unwrap());
    let asked = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 1024];
        let length = stream.read(&mut request).unwrap();
        let body = "{\"ready\":false}";
        let head = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 15\r\n\r\n";
        stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
        String::from_utf8(request[..length].to_vec()).unwrap()
    });
    let output = resound(&folder("unready"), &["healthcheck", "--url", &url]).output().unwrap();
    let message = format!("error: {url} answered 503 Service Unavailable: {{\"ready\":false}}\n");
    check(&output, 1, "", &message);
    assert!(asked.join().unwrap().starts_with("GET /ready HTTP/1.1\r\n"));
}

#[test]
fn a_wrong_configuration_is_2() {
    let here = folder("healthcheck-wrong");
    fs::write(here.join("a.toml"), "[server]\nprt = 1\n").unwrap();
    let output = resound(&here, &["healthcheck", "--config", "a.toml"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(text(&output.stderr).contains("prt"), "{output:?}");
}
