//! The values of phpdotenv as a table, what is lost or refused, and any text at all.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{
    Dotenv, DotenvError, DotenvFlaw, EnvLiteral, LostCause, LostLines, Quoting, ShellDifference,
    decode,
};

/// One line of the table that the tests with PHP read too.
#[derive(serde::Deserialize)]
struct Row {
    text: String,
    #[serde(default)]
    env: BTreeMap<String, String>,
    vars: Option<BTreeMap<String, Option<String>>>,
    line: Option<usize>,
    error: Option<String>,
}

#[test]
fn every_value_is_that_of_phpdotenv() {
    for row in include_str!("../../tests/laravel/dotenv.jsonl").lines() {
        let Row { text, env, vars, line, error } = serde_json::from_str(row).unwrap();
        let environment = |name: &str| env.get(name).map(String::as_str);
        let read = Dotenv::parse(&text).map(|file| file.load(environment));
        let read = read.map_err(|error| (error.line, error.flaw.in_php().to_owned()));
        let values = read.map(|variables| {
            let value = |it: &super::DotenvVariable| match environment(&it.name) {
                Some(outer) => Some(outer.to_owned()),
                None => it.value.clone(),
            };
            variables.effective().map(|it| (it.name.clone(), value(it))).collect()
        });
        assert_eq!(values, vars.ok_or_else(|| (line.unwrap(), error.unwrap())), "{row}");
    }
}

#[test]
fn each_value_has_its_line_and_quoting() {
    let text = "\u{feff}# first\r\nA=1\r\nB='2'\r\n\r\nC=\"3\r\n4\"\r\nD\r\nA= # none";
    let file = Dotenv::parse(&decode(text.as_bytes())).unwrap();
    let variables = file.load(|name| (name == "B").then_some("outer"));
    let seen: Vec<_> = variables
        .all()
        .iter()
        .map(|it| (it.name.as_str(), it.value.as_deref(), it.line, it.quoting, it.is_shadowed))
        .collect();
    assert_eq!(
        seen,
        [
            ("A", Some("1"), 2, Quoting::Bare, false),
            ("B", Some("2"), 3, Quoting::Single, true),
            ("C", Some("3\n4"), 5, Quoting::Double, false),
            ("D", None, 7, Quoting::Absent, false),
            ("A", Some(""), 8, Quoting::Bare, false),
        ]
    );
    assert!(file.has_carriage_returns);
    assert_eq!(variables.get("A").unwrap().line, 8);
    assert_eq!(variables.get("E"), None);
    assert_eq!(format!("{:?}", variables.get("C").unwrap()), "C on line 5");
}

#[test]
fn lines_that_disappear_are_named() {
    let (unclosed, comment) = (LostCause::Unclosed, LostCause::Comment);
    for (text, first, last, cause) in [
        ("A=1\nB=\"open\nC=2\nD=3", 2, 4, unclosed),
        ("A=\"open", 1, 1, unclosed),
        ("\n# A=\"open\nB=1\nC=\"2\"\nD=3", 2, 4, comment),
        ("# A=\"open\nB=1\n", 1, 3, comment),
        ("A=1 # x=\"y\nB=2\nC=\"3\"\nD=4", 1, 3, comment),
    ] {
        let lost = Dotenv::parse(text).unwrap().lost;
        assert_eq!(lost, [LostLines { first, last, cause }], "{text:?}");
    }
    for text in ["A=\"1\n2\" # 3\nB=4", "A='x=\"y\"'", "# A=\"1\"", "A=1 # 2"] {
        assert_eq!(Dotenv::parse(text).unwrap().lost, [], "{text:?}");
    }
}

#[test]
fn an_error_names_line_and_variable_and_no_value() {
    for (text, message) in [
        ("A=1\nKEY=se cret", "line 2: KEY has text behind a space or a closing quote; "),
        ("KEY='secret", "line 1: KEY has a quote without an end; "),
        ("\n\nKEY=\"se\\cret\"", "line 3: KEY has a backslash that escapes nothing; "),
        ("=secret", "line 1: an equals sign has no name before it; "),
        ("se+cret", "line 1: the name is not valid; "),
    ] {
        let error = Dotenv::parse(text).unwrap_err().to_string();
        assert!(error.starts_with(message), "{error}");
        assert!(!error.contains("cret"), "{error}");
    }
    let flaw = DotenvFlaw::Name;
    assert_eq!(Dotenv::parse("A B=1"), Err(DotenvError { line: 1, name: None, flaw }));
}

#[test]
fn a_shell_is_followed_where_it_differs() {
    let differences = |text: &str| {
        let file = Dotenv::parse(text).unwrap();
        let variables = file.load(|_| None);
        file.shell_differences(&variables).map(|(_, difference)| difference).collect::<Vec<_>>()
    };
    for same in [
        "A=b",
        "export AB='b c'\nB=\"d e\" # f",
        "A=b#",
        "A=1\nB=${A}\nC=\"x${B}\"",
        "A=\"a\\\"b\\\\c\\$d\"",
        "A=\"one\ntwo\"",
        "A=a$ # b",
        "A=",
    ] {
        let expected = if same == "A=b#" { vec![ShellDifference::Value] } else { Vec::new() };
        assert_eq!(differences(same), expected, "{same:?}");
    }
    for value in [
        "A=pa$word",
        "A=abc#def",
        "A=x${NOPE}y",
        "A=#b",
        "A=a\\nb",
        "A=\"a\\nb\"",
        "A=~/b",
        "A=${B:-c}",
    ] {
        assert_eq!(differences(value), [ShellDifference::Value], "{value:?}");
    }
    for command in
        ["A = b", "A= b", "A", "A.B=c", "A=b;c", "A=a&b", "A=$(b)", "A=\"`b`\"", "\"A\"=b", "A=(b)"]
    {
        assert_eq!(differences(command), [ShellDifference::Command], "{command:?}");
    }
    for open in ["A=a\"b", "A=a'b"] {
        assert_eq!(differences(open), [ShellDifference::Syntax], "{open:?}");
    }
}

#[test]
fn literals_are_those_of_laravel() {
    use EnvLiteral::{Empty, False, Null, Text, True};
    for (text, literal) in [
        ("true", True),
        ("(TRUE)", True),
        ("False", False),
        ("(false)", False),
        ("", Empty),
        ("empty", Empty),
        ("(empty)", Empty),
        ("null", Null),
        ("(Null)", Null),
        ("\"a b\"", Text("a b")),
        ("'a'", Text("a")),
        ("''", Text("")),
        ("'", Text("'")),
        ("'a\"", Text("'a\"")),
        ("\"a\nb\"", Text("\"a\nb\"")),
        (" true", Text(" true")),
        ("8080", Text("8080")),
    ] {
        assert_eq!(EnvLiteral::of(text), literal, "{text:?}");
    }
}

#[test]
fn bytes_that_are_no_text_become_question_marks() {
    assert_eq!(decode(b"\xef\xbb\xbfA=\xffb\n"), "A=?b\n");
    assert_eq!(decode("A=ü".as_bytes()), "A=ü");
}

/// Texts of the characters that mean something, and of any others.
fn texts() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        8 => prop::sample::select(vec![
            "A", "B", "=", "=", "=\"", "\"", "'", "\\", "#", "$", "${A}", "${", "}", " ", "\t", "\n", "\r\n",
            "\r", "export ", "n", "\x0c", "\0", "ü", ".", "A=1\n", "B=\"${A}\"\n",
        ])
        .prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

#[test]
fn references_that_double_a_value_with_each_line_stop_at_a_bound() {
    let text = format!("A=0123456789\n{}", "A=${A}${A}\n".repeat(60));
    let file = Dotenv::parse(&text).unwrap();
    let variables = file.load(|_| None);
    let values: Vec<&str> = variables.all().iter().filter_map(|it| it.value.as_deref()).collect();
    assert_eq!((values[1], values[10].len()), ("01234567890123456789", 10 << 10));
    assert!(values.iter().map(|value| value.len()).sum::<usize>() < 3 << 20);
    assert_eq!(values.last(), Some(&"${A}${A}"), "what is beyond the bound stays as it stands");
    assert!(file.shell_differences(&variables).count() > 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_text_is_read_or_refused(text in texts()) {
        let lines = text.split("\r\n").flat_map(|part| part.split(['\r', '\n'])).count();
        match Dotenv::parse(&text) {
            Ok(file) => {
                let variables = file.load(|name| (name == "B").then_some("outer"));
                prop_assert_eq!(variables.all().len(), file.assignments.len());
                prop_assert!(variables.all().iter().all(|it| (1..=lines).contains(&it.line)));
                prop_assert!(variables.all().is_sorted_by_key(|it| it.line));
                prop_assert!(file.lost.iter().all(|lost| lost.first <= lost.last && lost.last <= lines));
                prop_assert!(file.shell_differences(&variables).count() <= file.assignments.len());
            }
            Err(error) => prop_assert!((1..=lines).contains(&error.line)),
        }
    }

    #[test]
    fn a_value_that_is_quoted_arrives_as_it_is(value in any::<String>()) {
        let quoted = value.replace('\\', "\\\\").replace('"', "\\\"").replace('$', "\\$");
        let quoted = quoted.replace('\n', "\\n").replace('\r', "\\r");
        let file = Dotenv::parse(&format!("BEFORE=1\nA=\"{quoted}\"\nAFTER=2")).unwrap();
        let variables = file.load(|_| None);
        prop_assert_eq!(variables.get("A").and_then(|it| it.value.as_deref()), Some(&*value));
        prop_assert_eq!(variables.all().len(), 3);
    }
}
