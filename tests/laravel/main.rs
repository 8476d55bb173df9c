//! Laravel's own PHP beside what this server makes of the same input: phpdotenv on generated texts.
//!
//! Needs `php-cli` and `php-vlucas-phpdotenv` (`tests/install`).

#![allow(clippy::unwrap_used, reason = "all of this crate is a test, the functions around it too")]

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};

use resound::dotenv::Dotenv;
use serde_json::{Value, json};

const TEXTS: usize = 5000;

/// What has a meaning in a `.env` file, and what has none.
const PIECES: [&str; 23] = [
    "A", "BC", "=", "=", "=", "\"", "'", "\\", "#", "$", "${A}", "${BC}", "${", "}", " ", "\t",
    "\n", "\r\n", "export ", "n", "\u{c}", "\nA=1\n", "\nBC=x",
];

/// A fixed sequence of numbers below `bound`.
fn next(state: &mut u64, bound: usize) -> usize {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    usize::try_from(*state >> 33).unwrap() % bound
}

fn ours(text: &str) -> Value {
    match Dotenv::parse(text) {
        Err(error) => json!(error.flaw.in_php()),
        Ok(file) => {
            let variables = file.load(|_| None);
            let pairs = variables.effective().map(|it| (it.name.clone(), it.value.clone()));
            json!(pairs.collect::<BTreeMap<_, _>>())
        }
    }
}

/// The version of Debian 12, 5.4, takes an inner line with an opening quote otherwise than 5.6.
fn is_alike_in_all_versions(text: &str) -> bool {
    text.lines().filter(|line| line.contains("=\"")).count() < 2
}

#[test]
fn phpdotenv_reads_generated_texts_alike() {
    let mut state = 7;
    let mut texts: Vec<String> = Vec::new();
    while texts.len() < TEXTS {
        let pieces = 1 + next(&mut state, 14);
        let text: String = (0..pieces).map(|_| PIECES[next(&mut state, PIECES.len())]).collect();
        if is_alike_in_all_versions(&text) {
            texts.push(text);
        }
    }
    let mut php = Command::new("php");
    php.arg("tests/laravel/dotenv.php").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut php = php.spawn().expect("php-cli and php-vlucas-phpdotenv are needed: tests/install");
    let mut stdin = php.stdin.take().unwrap();
    let lines: String = texts.iter().map(|text| format!("{}\n", json!(text))).collect();
    let writer = std::thread::spawn(move || stdin.write_all(lines.as_bytes()).unwrap());
    let output = php.wait_with_output().unwrap();
    writer.join().unwrap();
    let answers = String::from_utf8(output.stdout).unwrap();
    assert_eq!(answers.lines().count(), TEXTS, "php answers each text");
    for (text, answer) in texts.iter().zip(answers.lines()) {
        assert_eq!(ours(text), serde_json::from_str::<Value>(answer).unwrap(), "{text:?}");
    }
}
