//! `.env` files: each value has a line of the file, what the process has wins, and what was read can be written and read
//! again.

use resound::dotenv::{Dotenv, DotenvVariables, EnvLiteral, Quoting, decode};

use super::Target;
use crate::naive;
use crate::outcomes::reached;

pub(crate) const TARGET: Target = Target {
    name: "dotenv",
    run,
    words: &[
        "REVERB_APP_KEY=",
        "A=",
        "B=",
        "export ",
        "\"",
        "'",
        "\\",
        "\\n",
        "\\$",
        "${A}",
        "${B}",
        "$A",
        "#",
        " #",
        "\n",
        "\r\n",
        "=\"",
        "\"\"",
        "\u{feff}",
        "\u{c}",
        "(true)",
        "null",
        "empty",
        " ",
        "É=",
        ".",
        "`x`",
        ";",
    ],
    outcomes: &[
        "bare",
        "single",
        "double",
        "absent",
        "replaced",
        "shadowed",
        "lost",
        "error",
        "shell differs",
        "several lines",
        "literal",
        "plain",
    ],
};

/// What the process of the test has.
const PROCESS: [(&str, &str); 2] = [("A", "of the process"), ("REVERB_APP_KEY", "")];

fn run(input: &[u8]) {
    let text = decode(input);
    if !text.starts_with('\u{feff}') {
        assert_eq!(decode(text.as_bytes()), text, "what is decoded is text");
    }
    let lines = 1 + text.matches(['\r', '\n']).count();
    let plain = naive::dotenv::read(&text);
    let parsed = match Dotenv::parse(&text) {
        Ok(parsed) => parsed,
        Err(error) => {
            reached("error");
            assert_eq!(plain, None, "{error:?} in {text:?}");
            assert!((1..=lines).contains(&error.line), "{error:?} in {text:?}");
            assert!(!error.to_string().contains(char::is_control), "{error}");
            return;
        }
    };
    for assignment in &parsed.assignments {
        assert!((1..=lines).contains(&assignment.line), "{assignment:?}");
        let is_name = |sign: char| !sign.is_whitespace() && !"=\"'#$`;&|\\".contains(sign);
        assert!(
            !assignment.name.is_empty() && assignment.name.chars().all(is_name),
            "{assignment:?}"
        );
        reached(match assignment.quoting {
            Quoting::Absent => "absent",
            Quoting::Bare => "bare",
            Quoting::Single => "single",
            Quoting::Double => "double",
        });
    }
    for lost in &parsed.lost {
        reached("lost");
        assert!(1 <= lost.first && lost.first <= lost.last && lost.last <= lines, "{lost:?}");
    }
    let alone = parsed.load(|_| None);
    loaded(&parsed, &alone);
    if let Some(plain) = plain {
        reached("plain");
        let read = alone.all().iter().map(|variable| {
            (variable.line, variable.name.clone(), variable.value.clone().unwrap_or_default())
        });
        assert_eq!(read.collect::<Vec<_>>(), plain, "{text:?}");
    }
    let process =
        |name: &str| PROCESS.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
    let beside = parsed.load(process);
    for (variable, other) in beside.all().iter().zip(alone.all()) {
        assert_eq!(variable.is_shadowed, process(&variable.name).is_some());
        assert_eq!((&variable.name, variable.line), (&other.name, other.line));
        if variable.is_shadowed {
            reached("shadowed");
        }
        if variable.value != other.value {
            reached("replaced");
        }
    }
    if parsed.shell_differences(&alone).count() > 0 {
        reached("shell differs");
    }
    written_again(&alone);
}

fn loaded(parsed: &Dotenv, variables: &DotenvVariables) {
    assert_eq!(variables.all().len(), parsed.assignments.len());
    for (variable, assignment) in variables.all().iter().zip(&parsed.assignments) {
        assert_eq!((&variable.name, variable.line), (&assignment.name, assignment.line));
        assert_eq!(variable.value.is_none(), assignment.quoting == Quoting::Absent);
        let last = variables.all().iter().rfind(|other| other.name == variable.name);
        assert_eq!(variables.get(&variable.name), last, "the last of a name counts");
        let Some(value) = &variable.value else { continue };
        if value.contains('\n') {
            reached("several lines");
        }
        if !matches!(EnvLiteral::of(value), EnvLiteral::Text(text) if text == value) {
            reached("literal");
        }
    }
    let names: Vec<&String> = variables.effective().map(|variable| &variable.name).collect();
    assert!(names.is_sorted() && names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
}

/// Every value in double quotes, each sign escaped that needs it.
fn written_again(variables: &DotenvVariables) {
    let mut text = String::new();
    for variable in variables.effective() {
        let Some(value) = &variable.value else { continue };
        let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('$', "\\$");
        let value = value.replace('\n', "\\n").replace('\r', "\\r");
        text += &format!("{}=\"{value}\"\n", variable.name);
    }
    let again =
        Dotenv::parse(&text).unwrap_or_else(|error| panic!("{error} in {text:?}")).load(|_| None);
    for variable in variables.effective().filter(|variable| variable.value.is_some()) {
        let value = again.get(&variable.name).and_then(|again| again.value.as_ref());
        assert_eq!(value, variable.value.as_ref(), "{} in {text:?}", variable.name);
    }
}
