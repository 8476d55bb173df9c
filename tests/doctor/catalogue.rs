//! The catalogue of `config/doctor.md` is that of the code.

use std::collections::BTreeSet;

use resound::doctor::all;

/// Whether a sentence is one of those that the catalogue has for a check.
pub(super) fn is_listed(id: &str, says: &str) -> bool {
    let check = all().into_iter().find(|check| check.id == id);
    check.is_some_and(|check| check.says.iter().any(|pattern| matches(pattern, says)))
}

/// Whether a text is a pattern with something in the place of each `…`.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('…');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

fn rows_of_the_code() -> Vec<String> {
    let row = |check: &resound::doctor::SetupCheck| {
        let needs = match check.needs {
            [] => "–".to_owned(),
            needs => needs.join(", "),
        };
        let says = check.says.join("<br>");
        let cells = [check.id, check.title, check.looks_at, &says, check.change, &needs];
        format!("| {} |", cells.join(" | "))
    };
    all().iter().map(row).collect()
}

#[test]
fn the_guide_lists_every_check() {
    let guide = std::fs::read_to_string("config/doctor.md").unwrap();
    let rows: Vec<&str> = guide.lines().filter(|line| line.starts_with("| R")).collect();
    let expected = rows_of_the_code();
    assert_eq!(rows, expected, "\nthe rows of the code:\n{}\n", expected.join("\n"));
}

#[test]
fn ids_are_in_order_and_a_check_needs_earlier_ones() {
    let mut before = BTreeSet::new();
    for check in all() {
        for needed in check.needs {
            assert!(before.contains(needed), "{} needs {needed}, which is not before it", check.id);
        }
        assert!(before.insert(check.id), "{} is there twice", check.id);
        let number = check.id.strip_prefix('R').unwrap();
        assert!(number.len() == 3 && number.parse::<u16>().is_ok(), "{}", check.id);
        assert!(check.title.ends_with('.') && !check.says.is_empty(), "{}", check.id);
    }
}
