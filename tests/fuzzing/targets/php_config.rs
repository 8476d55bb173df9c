//! Laravel's configuration files: what is read stands in the file, written as PHP it is read again, and the configuration
//! that is imported from it is TOML.

use std::fmt::Write;

use resound::dotenv::Dotenv;
use resound::laravel_import::{LaravelFile, LaravelFiles, SecretForm, import, import_soketi};
use resound::php_config::{PhpData, PhpItem, PhpValue, read, read_cached};

use super::Target;
use crate::bytes::Bytes;
use crate::outcomes::reached;

pub(crate) const TARGET: Target = Target {
    name: "php_config",
    run,
    words: &[
        "<?php\n",
        "return [",
        "];",
        "'",
        "\"",
        "=>",
        ",",
        "env(",
        "env('A', ",
        "env('REVERB_APP_KEY')",
        "(int) ",
        "(string) ",
        "(bool) ",
        "(float) ",
        "explode(',', ",
        "array(",
        "null",
        "true",
        "[",
        "]",
        "(",
        ")",
        "??",
        "?:",
        ".",
        "===",
        "-",
        "0x",
        "1_000",
        "1e3",
        "//",
        "/*",
        "*/",
        "#",
        "\\\\",
        "\\'",
        "\\n",
        "$",
        "{",
        "}",
        "::class",
        "fn",
        "'apps' => [",
        "'key' => ",
        "---\n",
        "A=1\n",
        "array_map('trim', ",
        "array_filter(",
        "{\"port\": ",
        "\"appManager.array.apps\": [",
        "\"key\": ",
        "<<<X\n",
    ],
    outcomes: &[
        "error",
        "null",
        "truth",
        "whole",
        "fraction",
        "text",
        "list",
        "map",
        "unread",
        "variable",
        "imported",
        "imported from soketi",
        "refused",
    ],
};

/// What stands between the `.env` and the file of Reverb.
const BETWEEN: &str = "---\n";

fn run(input: &[u8]) {
    let mut bytes = Bytes::new(input);
    again(&list(&mut bytes, 0));
    let Ok(text) = std::str::from_utf8(input) else { return };
    let (env, php) = text.split_once(BETWEEN).unwrap_or(("", text));
    let variables = Dotenv::parse(env).unwrap_or_default().load(|_| None);
    let variable = |name: &str| variables.get(name)?.value.as_deref();
    let lines = 1 + php.matches('\n').count();
    match read(php, &variable) {
        Ok(value) => {
            let depth = checked(&value, lines, 0);
            assert!(depth <= 65, "{depth} levels");
            again(&value);
        }
        Err(error) => {
            reached("error");
            assert!((1..=lines).contains(&error.line), "{error}");
        }
    }
    let _ = read_cached(php);
    imported(env, php);
}

/// Looks at each value; how many arrays are within one another.
fn checked(value: &PhpValue, lines: usize, depth: usize) -> usize {
    assert!((1..=lines).contains(&value.line), "{value:?}");
    if value.variable.is_some() {
        reached("variable");
    }
    reached(match &value.data {
        PhpData::Null => "null",
        PhpData::Truth(_) => "truth",
        PhpData::Whole(_) => "whole",
        PhpData::Fraction(_) => "fraction",
        PhpData::Text(_) => "text",
        PhpData::Unread(_) => "unread",
        PhpData::Array(items) if items.iter().any(|item| item.key.is_some()) => "map",
        PhpData::Array(_) => "list",
    });
    for item in value.items() {
        if let Some(key) = &item.key {
            let found = value.get(key).expect("a key that is there");
            let last = value.items().iter().rfind(|other| other.key == item.key);
            assert!(std::ptr::eq(found, &last.unwrap().value), "the last of a key counts");
        }
    }
    value.items().iter().map(|item| checked(&item.value, lines, depth + 1)).max().unwrap_or(depth)
}

/// An array that the bytes of the input make up, whatever they mean as PHP.
fn list(bytes: &mut Bytes<'_>, depth: usize) -> PhpValue {
    let mut items = Vec::new();
    for _ in 0..bytes.below(6) {
        let text = |bytes: &mut Bytes<'_>| String::from_utf8_lossy(bytes.chunk()).into_owned();
        let key = (bytes.byte() % 2 == 1).then(|| text(bytes));
        let number = |bytes: &mut Bytes<'_>| i64::from(i8::from_ne_bytes([bytes.byte()]));
        let data = match bytes.byte() % 6 {
            0 => PhpData::Null,
            1 => PhpData::Truth(bytes.byte() % 2 == 1),
            2 => PhpData::Whole(number(bytes) << bytes.below(56)),
            3 => PhpData::Fraction(number(bytes) as f64 / 8.0),
            4 if depth < 8 => list(bytes, depth + 1).data,
            _ => PhpData::Text(text(bytes)),
        };
        items.push(PhpItem { key, value: PhpValue { data, line: 1, variable: None } });
    }
    PhpValue { data: PhpData::Array(items), line: 1, variable: None }
}

/// Written as PHP and read again.
fn again(value: &PhpValue) {
    let mut text = String::from("<?php\nreturn ");
    if write(value, &mut text).is_none() {
        return;
    }
    text.push(';');
    let again = read(&text, &|_| None).unwrap_or_else(|error| panic!("{error} in {text}"));
    assert!(is_same(&again, value), "{text}\n{again:?}\n{value:?}");
}

/// `None` where a part is no data, or a number that has no literal.
fn write(value: &PhpValue, text: &mut String) -> Option<()> {
    match &value.data {
        PhpData::Null => text.push_str("null"),
        PhpData::Truth(truth) => write!(text, "{truth}").unwrap(),
        PhpData::Whole(number) => {
            number.checked_neg()?;
            write!(text, "{number}").unwrap();
        }
        PhpData::Fraction(number) => {
            let plain = number.to_string();
            if !number.is_finite() || !plain.contains('.') {
                return None;
            }
            text.push_str(&plain);
        }
        PhpData::Text(content) => text.push_str(&quoted(content)),
        PhpData::Array(items) => {
            text.push('[');
            for item in items {
                if let Some(key) = &item.key {
                    write!(text, "{} => ", quoted(key)).unwrap();
                }
                write(&item.value, text)?;
                text.push(',');
            }
            text.push(']');
        }
        PhpData::Unread(_) => return None,
    }
    Some(())
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

fn is_same(a: &PhpValue, b: &PhpValue) -> bool {
    match (&a.data, &b.data) {
        (PhpData::Array(a), PhpData::Array(b)) => {
            let is_same =
                |(a, b): (&PhpItem, &PhpItem)| a.key == b.key && is_same(&a.value, &b.value);
            a.len() == b.len() && a.iter().zip(b).all(is_same)
        }
        (a, b) => a == b,
    }
}

/// The configuration that is written from both files can be read, and from the file as soketi's.
fn imported(env: &str, php: &str) {
    if let Ok(import) =
        import_soketi(&LaravelFile { name: "soketi.json".to_owned(), text: php.to_owned() })
    {
        reached("imported from soketi");
        let table: Result<toml::Table, _> = toml::from_str(&import.text);
        assert!(table.is_ok(), "{table:?} of {php:?}\n{}", import.text);
    }
    let file =
        |name: &str, text: &str| Some(LaravelFile { name: name.to_owned(), text: text.to_owned() });
    for reverb in [file("config/reverb.php", php), None] {
        let files = LaravelFiles { env: file(".env", env), reverb };
        for form in [SecretForm::Reference, SecretForm::Inline] {
            let Ok(import) = import(&files, form) else {
                reached("refused");
                continue;
            };
            reached("imported");
            let table: Result<toml::Table, _> = toml::from_str(&import.text);
            assert!(table.is_ok(), "{table:?} of {files:?}\n{}", import.text);
        }
    }
}
