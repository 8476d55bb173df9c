//! What of PHP is data, what is named instead, and any text at all.

use proptest::prelude::*;

use super::{PhpData, PhpValue, read, read_cached};

fn variable(name: &str) -> Option<&'static str> {
    match name {
        "ID" => Some("7"),
        "LIST" => Some("a.example, b.example,"),
        "ON" => Some("(true)"),
        "OFF" => Some("false"),
        "NULL" => Some("null"),
        "EMPTY" => Some(""),
        _ => None,
    }
}

fn value(expression: &str) -> PhpValue {
    let file = read(&format!("<?php\nreturn [\n'a' => {expression},\n'b' => 2];"), &variable);
    let file = file.unwrap();
    assert_eq!(file.get("b").unwrap().data, PhpData::Whole(2), "{expression}");
    file.get("a").unwrap().clone()
}

fn texts(value: &PhpValue) -> Vec<String> {
    value.items().iter().map(|item| item.value.text().unwrap()).collect()
}

#[test]
fn literals_and_env_are_read() {
    use PhpData::{Fraction, Null, Text, Truth, Whole};
    let text = |text: &str| Text(text.to_owned());
    for (expression, data) in [
        ("10_000", Whole(10_000)),
        ("0x1F", Whole(31)),
        ("-5", Whole(-5)),
        ("1.5", Fraction(1.5)),
        ("'it\\'s \\n'", text("it's \\n")),
        ("\"a\\n\\\"b\\$c\"", text("a\n\"b$c")),
        ("NULL", Null),
        ("True", Truth(true)),
        ("env('ID')", text("7")),
        ("env('NONE')", Null),
        ("env('NONE', 8080)", Whole(8080)),
        ("env('NONE', env('ID', 'x'))", text("7")),
        ("env('ON', false)", Truth(true)),
        ("env('OFF', true)", Truth(false)),
        // A variable that is null or empty is not absent.
        ("env('NULL', 'x')", Null),
        ("env('EMPTY', 'x')", text("")),
        ("(int) env('ID', 60)", Whole(7)),
        ("(int) '12abc'", Whole(12)),
        ("(bool) env('ID')", Truth(true)),
        ("(string) env('NONE', 5)", text("5")),
        ("env('NONE') ?? 3", Whole(3)),
        ("env('EMPTY') ?: 'y'", text("y")),
        ("'a' . env('ID') . \"b\"", text("a7b")),
        ("env('ID') === '7'", Truth(true)),
        ("(env('ID'))", text("7")),
        ("/* x */ 1 // y\n", Whole(1)),
        ("1 # z\n", Whole(1)),
    ] {
        assert_eq!(value(expression).data, data, "{expression}");
    }
    assert_eq!(value("env('ID')").variable.as_deref(), Some("ID"));
    assert_eq!(value("env('NONE', 'x')").variable, None);
    assert_eq!(value("env('ID')").line, 3);
}

#[test]
fn lists_are_read() {
    assert_eq!(texts(&value("['*', 'b',]")), ["*", "b"]);
    assert_eq!(texts(&value("array('x')")), ["x"]);
    assert_eq!(texts(&value("explode(',', env('LIST', '*'))")), ["a.example", " b.example", ""]);
    let trimmed = "array_filter(array_map('trim', explode(',', (string) env('LIST'))))";
    assert_eq!(texts(&value(trimmed)), ["a.example", "b.example"]);
    assert_eq!(texts(&value("explode(',', env('NONE', 'a,b'))")), ["a", "b"]);
    let nested = value("['x' => ['y' => [1, ['z' => 2]]]]");
    assert_eq!(nested.get("x").unwrap().get("y").unwrap().items().len(), 2);
}

#[test]
fn what_is_more_than_data_is_kept_as_unread() {
    for expression in [
        "storage_path('a, b')",
        "fn () => env('ID')",
        "function ($x) { return [1, 2]; }",
        "App\\Models\\Site::all()->map(fn ($s) => ['id' => $s->id])->toArray()",
        "env('ID') === '7' ? 'a' : 'b'",
        "$x",
        "\"a{$b}c\"",
        "PHP_OS",
        "env($name)",
        "explode(',', config('a.b'))",
        "1 + 2",
        "new Foo(1, 2)",
        "match (true) { default => 1 }",
    ] {
        let value = value(expression);
        assert!(matches!(value.data, PhpData::Unread(_)), "{expression} {value:?}");
        assert_eq!(value.line, 3);
    }
    let file =
        read("<?php return ['a' => 1, Foo::B => 2, ...$more, 'c' => 3];", &variable).unwrap();
    assert_eq!(file.get("c").unwrap().data, PhpData::Whole(3));
    assert_eq!(file.items().len(), 4);
}

#[test]
fn a_file_that_returns_no_array_is_refused() {
    for (text, message) in [
        ("", "line 1: there is no <?php"),
        ("<?php $a = 1;", "line 1: there is no return with an array"),
        ("<?php\nreturn config('a');", "line 2: what is returned is not an array in brackets"),
        ("<?php\nif (true) { return []; }", "line 2: the array is made by code that is not read"),
        ("<?php\nreturn ['a' => 'b", "line 2: a text has no end"),
        ("<?php\n\n/* x", "line 3: a comment has no end"),
        ("<?php return [1", "line 1: what is returned is not an array in brackets"),
    ] {
        assert_eq!(read(text, &variable).unwrap_err().to_string(), message, "{text}");
    }
    let text = "<?php\n\ndeclare(strict_types=1);\n\nuse App\\Foo;\n\nreturn [ 'a' => 1 ];\n";
    assert_eq!(read(text, &variable).unwrap().get("a").unwrap().line, 7);
}

#[test]
fn what_laravel_caches_is_read() {
    let text = r"<?php return array (
  'app' => array ('key' => 'base64:x', 'debug' => false, 'cipher' => NULL,
    'when' => \App\Kind::One, 'f' => (object) array( 'a' => 1, ), 'rate' => 0.5, ),
  'broadcasting' =>
  array (
    'default' => 'reverb',
    'connections' => array ('reverb' => array (
        'key' => 'it\'s', 'options' => array ('host' => 'a\\b', 'port' => '443', 'n' => 8080, 0 => 'x'),),),
  ),
  'list' => array ( 0 => 'a', 1 => 'b', ),
);";
    let config = read_cached(text).unwrap();
    let text = |text: &str| Some(PhpData::Text(text.to_owned()));
    for (path, expected) in [
        ("broadcasting.default", text("reverb")),
        ("broadcasting.connections.reverb.key", text("it's")),
        ("broadcasting.connections.reverb.options.host", text("a\\b")),
        ("broadcasting.connections.reverb.options.n", Some(PhpData::Whole(8080))),
        ("broadcasting.connections.reverb.options.0", text("x")),
        ("app.debug", Some(PhpData::Truth(false))),
        ("app.cipher", Some(PhpData::Null)),
        ("app.rate", Some(PhpData::Fraction(0.5))),
        ("list.1", text("b")),
        ("queue.default", None),
        ("app.key.x", None),
    ] {
        assert_eq!(config.at(path).map(|value| value.data.clone()), expected, "{path}");
    }
    for unread in ["app.when", "app.f"] {
        assert!(matches!(config.at(unread).unwrap().data, PhpData::Unread(_)), "{unread}");
    }
    assert!(read_cached("<?php return array ('a' => ").is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_text_is_read_or_refused(pieces in prop::collection::vec(prop_oneof![
        9 => prop::sample::select(vec![
            "[", "]", "(", ")", ",", "=>", "'", "\"", "env(", "'a'", "1", "0x", ".", "..", "??", "?:", "-", "(int)", "fn",
            "return", ";", "{", "}", "$", "\\", "\n", " ", "/*", "*/", "//", "#", "array(", "explode(", "::", "07", "1e9",
        ]).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
    ], 0..60)) {
        let _ = read(&format!("<?php return [{}", pieces.concat()), &variable);
        let _ = read(&pieces.concat(), &variable);
    }
}

#[test]
fn depth_has_a_bound() {
    for open in ["[", "(", "-", "env("] {
        let _ = read(&format!("<?php return [{}", open.repeat(100_000)), &variable);
    }
}
