//! The bundle that a user attaches to a report: what is in it, and that no secret is.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::application::{Application, SECRETS};
use crate::harness::redis::free_port;
use crate::harness::{Folder, Program};

const CONFIG: &str = "[[apps]]\nid = \"123456\"\nkey = \"fixture-key\"\nsecret = \"reverb-secret-of-the-fixture\"\n\
                      previous_secret = \"old-secret-of-the-fixture\"\n\
                      [cluster]\nenabled = true\nurl = \"redis://:redis-password-of-the-fixture@127.0.0.1:1/0\"\n";

fn doctor(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_resound"));
    command.current_dir(folder).env_clear().arg("doctor").args(arguments).output().unwrap()
}

#[test]
fn a_bundle_has_the_set_up_and_no_secret() {
    let app = Application::healthy("bundle").with("resound.toml", CONFIG);
    let folder = app.write();
    let arguments =
        ["--offline", "--app", ".", "--config", "resound.toml", "--bundle", "report.json"];
    assert_eq!(doctor(folder, &arguments).status.code(), Some(0));
    let file = folder.join("report.json");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let text = fs::read_to_string(&file).unwrap();
    for secret in SECRETS {
        assert!(!text.contains(secret), "{secret} is in {text}");
    }
    let bundle: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(bundle["bundle_version"], 1);
    assert_eq!(bundle["report"]["outcome"], "pass");
    assert!(bundle["system"]["processors"].as_u64() >= Some(1), "{bundle}");
    let variables = bundle["env"]["variables"].as_array().unwrap();
    let shown = |line: usize| variables.iter().find(|row| row["line"] == line).unwrap();
    assert_eq!(shown(1)["shown"], "APP_NAME=sha256:d00aae6b");
    assert_eq!(shown(15)["shown"], "REVERB_HOST=\"ws.example.com\"");
    let keys = bundle["configuration"]["keys"].as_array().unwrap();
    let key = |name: &str| keys.iter().find(|row| row["key"] == name).unwrap();
    assert_eq!(key("apps[0].key")["value"], "\"fixture-key\"");
    assert_eq!(key("apps[0].secret")["source"], "resound.toml:4");
    assert_eq!(bundle["server"], Value::Null);

    let again = doctor(folder, &arguments);
    assert_eq!(again.status.code(), Some(1));
    let error = "error: cannot write the bundle to \"report.json\": File exists (os error 17)\n";
    assert_eq!(String::from_utf8_lossy(&again.stderr), error);
    assert_eq!(fs::read_to_string(&file).unwrap(), text);
}

#[test]
fn a_configuration_that_is_refused_is_in_it_with_the_reason() {
    let app = Application::healthy("bundle-refused").with("resound.toml", "[server]\nprt = 1\n");
    let folder = app.write();
    let arguments =
        ["--offline", "--app", ".", "--config", "resound.toml", "--bundle", "report.json"];
    assert_eq!(doctor(folder, &arguments).status.code(), Some(1));
    let bundle: Value =
        serde_json::from_str(&fs::read_to_string(folder.join("report.json")).unwrap()).unwrap();
    let refused = bundle["configuration"]["refused"].as_str().unwrap();
    assert!(refused.starts_with("resound.toml: line 2 is prt = 1"), "{refused}");
    assert_eq!(bundle["report"]["headline"], "R001");
}

#[tokio::test]
async fn a_running_server_adds_what_it_refused() {
    let (folder, port, internal) = (Folder::new(), free_port(), free_port());
    let config = folder.write(
        "server.toml",
        &format!(
            "[server]\nhost = \"127.0.0.1\"\nport = {port}\n[internal]\nlisten = [\"127.0.0.1:{internal}\"]\n\
             [[apps]]\nid = \"1\"\nkey = \"k\"\nsecret = \"the-secret-of-the-server\"\n"
        ),
    );
    let _server = Program::start_from(Command::new(env!("CARGO_BIN_EXE_resound")), &config).await;
    let mut connection = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let request =
        "GET /apps/1/channels?auth_key=k HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    connection.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    let at = Path::new(&config).parent().unwrap().to_owned();
    let file = at.join("report.json");
    let output = tokio::task::spawn_blocking(move || {
        doctor(&at, &["--config", "server.toml", "--bundle", "report.json"])
    });
    let output = output.await.unwrap();
    let text = fs::read_to_string(&file).unwrap_or_else(|_| panic!("{output:?}"));
    assert!(!text.contains("the-secret-of-the-server"), "{text}");
    let bundle: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(bundle["server"]["about"]["version"], 1, "{text}");
    let refusals = bundle["server"]["refusals"]["refusals"].as_array().unwrap();
    assert!(refusals.iter().any(|row| row["kind"] == "refused"), "{text}");
}
