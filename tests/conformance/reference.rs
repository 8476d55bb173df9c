//! README.md and reverb_cases.txt point to tests: what they point to exists.

use std::path::Path;

use crate::folder;

/// Reverb's own suite, as of the snapshot the list was made from.
const REVERB_CASES: usize = 237;

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

/// One case per line: `file | case | transcript or test`, or `differs: why` in the last column.
#[test]
fn every_case_of_reverb_is_covered_or_differs_for_a_reason() {
    let list = std::fs::read_to_string(folder().join("reverb_cases.txt")).unwrap();
    let cases: Vec<&str> = list.lines().filter(|line| !line.starts_with('#')).collect();
    let mut wrong = Vec::new();
    for case in &cases {
        let covered = match case.split('|').map(str::trim).collect::<Vec<_>>().as_slice() {
            [file, name, by] if !file.is_empty() && !name.is_empty() => {
                by.strip_prefix("differs:").map_or(exists(by), |why| !why.trim().is_empty())
            }
            _ => false,
        };
        if !covered {
            wrong.push(case);
        }
    }
    assert!(wrong.is_empty(), "neither covered nor explained: {wrong:#?}");
    assert_eq!(cases.len(), REVERB_CASES);
}
