//! README.md and the lists of cases point to tests: what they point to exists.

use std::path::Path;

use crate::folder;

/// The suites of others, as of the snapshots the lists were made from.
const CASES: [(&str, usize); 2] = [("reverb_cases.txt", 237), ("soketi_cases.txt", 85)];

/// Whether a name in a document is a transcript (`topic/name.txt`) or a file of the project
/// (`tests/…`, `src/…`), and is there.
fn exists(name: &str) -> bool {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let of_the_project = name.starts_with("tests/") || name.starts_with("src/");
    let path =
        if of_the_project { root.join(name) } else { folder().join("transcripts").join(name) };
    path.is_file()
}

#[test]
fn every_file_named_in_the_readme_exists() {
    let readme = std::fs::read_to_string(folder().join("README.md")).unwrap();
    let quoted = readme.split('`').skip(1).step_by(2);
    let files = quoted
        .filter(|name| name.contains('/') && (name.ends_with(".txt") || name.ends_with(".rs")));
    let (there, missing): (Vec<&str>, Vec<&str>) = files.partition(|name| exists(name));
    assert!(!there.is_empty(), "the table names no file");
    assert!(missing.is_empty(), "README.md names files that are not there: {missing:#?}");
}

/// One case per line: `file or number | case | transcripts or tests`, or `differs: why` in the last
/// column.
#[test]
fn every_case_of_others_is_covered_or_differs_for_a_reason() {
    for (file, count) in CASES {
        let list = std::fs::read_to_string(folder().join(file)).unwrap();
        let cases: Vec<&str> = list.lines().filter(|line| !line.starts_with('#')).collect();
        let wrong: Vec<_> = cases.iter().filter(|case| !is_covered(case)).collect();
        assert!(wrong.is_empty(), "{file}: neither covered nor explained: {wrong:#?}");
        assert_eq!(cases.len(), count, "{file}");
    }
}

fn is_covered(case: &str) -> bool {
    let [id, name, by] = case.split('|').map(str::trim).collect::<Vec<_>>()[..] else {
        return false;
    };
    let covered = || by.split(", ").all(exists);
    let explained = by.strip_prefix("differs:").map_or_else(covered, |why| !why.trim().is_empty());
    !id.is_empty() && !name.is_empty() && explained
}

#[test]
fn the_cases_of_soketi_are_numbered_without_a_gap() {
    let list = std::fs::read_to_string(folder().join("soketi_cases.txt")).unwrap();
    let cases = list.lines().filter(|line| !line.starts_with('#'));
    let numbers: Vec<usize> =
        cases.map(|case| case.split(' ').next().unwrap().parse().unwrap()).collect();
    assert_eq!(numbers, (1..=85).collect::<Vec<usize>>());
}
