//! The checks that a running server makes of itself, by `POST /internal/v1/doctor`.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;

use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::harness::redis::free_port;
use crate::harness::{Answer, Backend, Folder, Program};

const TOKEN: &str = "token-of-the-doctor-0123456789";
const READ_ONLY_TOKEN: &str = "token-that-looks-only-0123456789";
const SECRET: &str = "reverb-secret";

/// A server whose internal listener takes tokens.
struct Examined {
    _program: Program,
    internal: SocketAddr,
}

impl Examined {
    async fn start() -> Self {
        let internal = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let variables = [
            ("RESOUND_INTERNAL_LISTEN", internal.to_string()),
            ("RESOUND_INTERNAL_TOKEN", TOKEN.to_owned()),
            ("RESOUND_INTERNAL_READ_ONLY_TOKEN", READ_ONLY_TOKEN.to_owned()),
        ];
        let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
        Self { _program: Program::start(&variables).await, internal }
    }

    async fn run(&self, token: &str, body: &str) -> Answer {
        let token = format!("Bearer {token}");
        let fields = [("Authorization", token.as_str())];
        let mut listener = Backend::new(self.internal, "", "", "");
        listener.send_with("POST", "/internal/v1/doctor", &fields, body).await
    }
}

fn check<'a>(answer: &'a Value, id: &str) -> &'a Value {
    let checks = answer["report"]["checks"].as_array().unwrap();
    checks.iter().find(|check| check["id"] == id).unwrap_or(&Value::Null)
}

#[tokio::test]
async fn a_running_server_makes_the_checks_of_itself() {
    let server = Examined::start().await;
    let answer = server.run(TOKEN, "").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(!answer.body.contains(SECRET) && !answer.body.contains(TOKEN));
    let answer = answer.json();
    assert_eq!(answer["report"]["schema_version"], 1);
    for id in ["R001", "R050", "R051", "R052", "R056", "R057", "R080"] {
        assert_eq!(check(&answer, id)["outcome"], "pass", "{}", check(&answer, id));
    }
    assert_eq!(check(&answer, "R054")["reason"], "no cluster is configured");
    assert_eq!(check(&answer, "R060")["reason"], "no public URL is known; --url names it");
    for id in ["R002", "R005", "R012", "R055", "R072"] {
        assert_eq!(check(&answer, id), &Value::Null, "{id} needs a Laravel application");
    }
    let (text, summary) = (&answer["text"], answer["report"]["summary"].as_str().unwrap());
    assert!(text.as_str().unwrap().ends_with(&format!("{summary}\n")), "{text}");
}

#[tokio::test]
async fn what_is_asked_for_is_looked_at_too() {
    let server = Examined::start().await;
    let gone = free_port();
    let body = json!({"url": format!("http://127.0.0.1:{gone}")}).to_string();
    let answer = server.run(TOKEN, &body).await.json();
    let finding = &check(&answer, "R061")["findings"][0];
    let says = format!("Nothing listens on 127.0.0.1:{gone}, where browsers connect to.");
    assert_eq!((&finding["says"], &answer["report"]["outcome"]), (&json!(says), &json!("fail")));
    assert_eq!(check(&answer, "R066")["blocked_by"], "R061");
    assert!(answer["text"].as_str().unwrap().starts_with(&format!("✗ R061  {says}\n")));
    for (body, error) in [
        (r#"{"url":"no url"}"#, "flag --url is \"no url\"; it must be like https://ws.example.com"),
        (r#"{"app":"7"}"#, "app is \"7\", which the configuration does not have"),
    ] {
        let answer = server.run(TOKEN, body).await;
        assert_eq!((answer.status, answer.json()["error"].as_str().unwrap()), (400, error));
    }
    let answer = server.run(TOKEN, r#"{"path":"/"}"#).await;
    assert!(
        answer.status == 400 && answer.body.contains("unknown field `path`"),
        "{}",
        answer.body
    );
}

#[tokio::test]
async fn a_configuration_that_a_start_would_refuse_is_named_before_the_next_start() {
    let folder = Folder::new();
    let (port, internal) = (free_port(), SocketAddr::from((Ipv4Addr::LOCALHOST, free_port())));
    let toml = format!(
        "server.host = \"127.0.0.1\"\nserver.port = {port}\n[internal]\nlisten = [\"{internal}\"]\ntoken = \"{TOKEN}\"\n\
         [[apps]]\nid = \"7\"\nkey = \"a-key\"\nsecret = \"a-secret-of-its-own\"\n"
    );
    let file = folder.write("resound.toml", &toml);
    let program = Command::new(env!("CARGO_BIN_EXE_resound"));
    let program = Program::start_from(program, &file).await;
    let server = Examined { _program: program, internal };
    let answer = server.run(TOKEN, "").await.json();
    assert_eq!(check(&answer, "R001")["outcome"], "pass", "{answer}");
    folder.write("resound.toml", &format!("{toml}colour = \"red\"\n"));
    let answer = server.run(TOKEN, "").await.json();
    let says = check(&answer, "R001")["findings"][0]["says"].as_str().unwrap();
    assert!(says.starts_with("Resound does not start with this configuration: "), "{says}");
    assert!(says.contains("colour"), "{says}");
    assert_eq!(check(&answer, "R050")["blocked_by"], "R001");
}

#[tokio::test]
async fn one_run_is_made_at_a_time_and_none_for_those_who_only_read() {
    let server = Examined::start().await;
    let refused = server.run(READ_ONLY_TOKEN, "").await;
    let error = "this token only reads; send that of internal.token to change something";
    assert_eq!((refused.status, refused.json()["error"].as_str().unwrap()), (403, error));
    // It accepts connections and answers nothing, so the run takes the time of a probe.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let body = json!({"url": format!("http://{}", silent.local_addr().unwrap())}).to_string();
    let first = server.run(TOKEN, &body);
    let second = async {
        let _accepted = silent.accept().await.unwrap();
        server.run(TOKEN, "").await
    };
    let (first, second) = tokio::join!(first, second);
    assert_eq!(first.status, 200, "{}", first.body);
    let error = "the checks are being made already; they take ten seconds at most";
    assert_eq!((second.status, second.json()["error"].as_str().unwrap()), (429, error));
    assert_eq!(server.run(TOKEN, "").await.status, 200, "the next one");
}
