//! `.env` files: lines, names, values and refusals are those of phpdotenv, what the process has wins, and what was read can
//! be written and read again.

use resound::dotenv::{Dotenv, DotenvVariables, EnvLiteral, Quoting, ShellDifference, decode};

use super::Target;
use crate::naive;
use crate::naive::dotenv::Shell;
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
        "as in a shell",
        "not as in a shell",
    ],
};

/// What the process of the test has.
const PROCESS: [(&str, &str); 3] =
    [("A", "of the process"), ("REVERB_APP_KEY", ""), ("B-C", "has a name that no reference has")];

fn run(input: &[u8]) {
    let text = decode(input);
    assert_eq!(text, naive::dotenv::decode(input));
    let lines = 1 + text.matches(['\r', '\n']).count();
    let plain = naive::dotenv::read(&text);
    let parsed = match Dotenv::parse(&text) {
        Ok(parsed) => parsed,
        Err(error) => {
            reached("error");
            if let Some(plain) = plain {
                assert_eq!(plain, Err((error.line, error.flaw.in_php())), "{text:?}");
            }
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
    let process =
        |name: &str| PROCESS.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
    let beside = parsed.load(process);
    if let Some(plain) = plain {
        let plain = plain.unwrap_or_else(|refused| panic!("{refused:?} in {text:?}"));
        as_phpdotenv(&parsed, &alone, &plain, |_| None);
        as_phpdotenv(&parsed, &beside, &plain, process);
        as_in_shell(&parsed, &alone, &plain);
    }
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

/// The lines, names and values are those that phpdotenv finds.
fn as_phpdotenv(
    parsed: &Dotenv,
    variables: &DotenvVariables,
    plain: &naive::dotenv::File,
    process: impl Fn(&str) -> Option<&'static str>,
) {
    let lost = parsed.lost.iter().map(|lost| (lost.first, lost.last));
    assert_eq!(lost.collect::<Vec<_>>(), plain.lost, "{plain:?}");
    let places = variables.all().iter().map(|variable| (variable.line, &variable.name));
    let plain_places = plain.entries.iter().map(|entry| (entry.line, &entry.name));
    assert!(places.eq(plain_places), "{variables:?} is not {plain:?}");
    let Some(values) = plain.values(|name| process(name).map(str::to_owned)) else { return };
    reached("plain");
    let read = variables.all().iter().map(|variable| variable.value.clone());
    assert_eq!(read.collect::<Vec<_>>(), values, "{plain:?}");
}

/// A difference is named where a shell makes something else of a simple entry, and nowhere else.
fn as_in_shell(parsed: &Dotenv, alone: &DotenvVariables, plain: &naive::dotenv::File) {
    let named: Vec<_> = parsed.shell_differences(alone).collect();
    for (place, (entry, variable)) in plain.entries.iter().zip(alone.all()).enumerate() {
        let before = |name: &str| {
            alone.all()[..place].iter().rfind(|other| other.name == name)?.value.clone()
        };
        let difference = match entry.in_shell(before) {
            None => continue,
            Some(Shell::Runs) => Some(ShellDifference::Command),
            Some(Shell::SetsOther) => Some(ShellDifference::Value),
            Some(Shell::Sets(value)) => {
                (variable.value != Some(value)).then_some(ShellDifference::Value)
            }
        };
        reached(if difference.is_some() { "not as in a shell" } else { "as in a shell" });
        let found = named.iter().find(|(other, _)| other.line == variable.line);
        assert_eq!(found.map(|(_, difference)| *difference), difference, "{entry:?}");
    }
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
        let literal = match EnvLiteral::of(value) {
            EnvLiteral::True => Err("true"),
            EnvLiteral::False => Err("false"),
            EnvLiteral::Null => Err("null"),
            EnvLiteral::Empty => Err(""),
            EnvLiteral::Text(text) => Ok(text),
        };
        assert_eq!(literal, naive::dotenv::literal(value), "{value:?}");
        if literal != Ok(value) {
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
