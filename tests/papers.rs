//! The documents of the repository: links, names of files and keys, length and wording.
//!
//! Reads them as text. Whether a sentence is true is for its reader to find out; what the guides promise
//! of the cluster is tested by the other suites.

#![allow(clippy::unwrap_used, reason = "all of this file is a test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Long enough for every table of a move, short enough to be read to the end.
const README_LINES_MAX: usize = 150;

/// Words that hide the subject of a sentence.
const BANNED_WORDS: [&str; 5] = ["anybody", "everybody", "nobody", "somebody", "whoever"];

/// Folders whose files a document or a command may name.
const FOLDERS: [&str; 7] =
    [".cargo/", ".github/", "benches/", "config/", "docker/", "src/", "tests/"];

/// What users read.
const GUIDES: [&str; 5] =
    ["README.md", "config/README.md", "config/doctor.md", "docker/README.md", "benches/README.md"];

/// Files that documents name and the reader creates.
const FILES_OF_READERS: [&str; 1] = ["config/reverb.php"];

struct Document {
    path: PathBuf,
    text: String,
}

impl Document {
    /// The text without blocks of code, and the lines of those blocks.
    fn prose_and_code(&self) -> (String, Vec<&str>) {
        let (mut prose, mut code, mut is_code) = (String::new(), Vec::new(), false);
        for line in self.text.lines() {
            if line.trim_start().starts_with("```") {
                is_code = !is_code;
            } else if is_code {
                code.push(line);
            } else {
                prose.push_str(line);
                prose.push('\n');
            }
        }
        (prose, code)
    }

    /// The targets of all links, as written.
    fn links(&self) -> Vec<String> {
        let (prose, _) = self.prose_and_code();
        prose
            .split("](")
            .skip(1)
            .map(|rest| rest.split(')').next().unwrap_or_default().to_owned())
            .filter(|target| !target.contains("://") && !target.starts_with("crate"))
            .collect()
    }

    /// What follows # in links to the headings, as GitHub derives it.
    fn anchors(&self) -> BTreeSet<String> {
        let (prose, _) = self.prose_and_code();
        let headings = prose.lines().filter(|line| line.starts_with('#'));
        let anchor = |line: &str| {
            let title = line.trim_start_matches('#').trim().to_lowercase();
            let kept = title.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        };
        headings.map(anchor).collect()
    }
}

/// Every Markdown file of the tree, but those of installed packages and of builds.
fn documents() -> Vec<Document> {
    let (mut found, mut folders) = (Vec::new(), vec![PathBuf::from(".")]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                let is_ours = !name.starts_with('.') || name == ".github";
                if is_ours && name != "node_modules" && name != "target" {
                    folders.push(path);
                }
            } else if name.ends_with(".md") {
                found.push(document(&path));
            }
        }
    }
    assert!(found.len() >= 10, "the documents were not found");
    found
}

fn document(path: impl AsRef<Path>) -> Document {
    let path = path.as_ref().to_owned();
    Document { text: fs::read_to_string(&path).unwrap(), path }
}

fn assert_none(problems: &[String]) {
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn every_relative_link_leads_to_a_file_and_a_heading() {
    let mut problems = Vec::new();
    for document in documents() {
        let folder = document.path.parent().unwrap();
        for link in document.links() {
            let (target, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let path = if target.is_empty() { document.path.clone() } else { folder.join(target) };
            if !path.exists() {
                problems.push(format!("{}: {link}: no such file", document.path.display()));
            } else if !anchor.is_empty() && !self::document(&path).anchors().contains(anchor) {
                problems.push(format!("{}: {link}: no such heading", document.path.display()));
            }
        }
    }
    assert_none(&problems);
}

#[test]
fn every_file_that_a_command_names_exists() {
    let mut problems = Vec::new();
    for document in documents() {
        let (_, code) = document.prose_and_code();
        for word in code.iter().flat_map(|line| line.split_whitespace()) {
            let is_path = FOLDERS.iter().any(|folder| word.starts_with(folder));
            if is_path && !FILES_OF_READERS.contains(&word) && !Path::new(word).exists() {
                problems.push(format!("{}: {word}: no such file", document.path.display()));
            }
        }
    }
    assert_none(&problems);
}

#[test]
fn the_readme_is_short() {
    let lines = document("README.md").text.lines().count();
    assert!(
        lines <= README_LINES_MAX,
        "README.md has {lines} lines; what goes beyond {README_LINES_MAX} belongs to the guide \
         beside what it describes"
    );
}

#[test]
fn the_guides_name_their_subjects() {
    let mut problems = Vec::new();
    for path in GUIDES {
        for (number, line) in document(path).text.lines().enumerate() {
            let line = line.to_lowercase();
            let words = line.split(|c: char| !c.is_alphanumeric());
            for word in words.filter(|word| BANNED_WORDS.contains(word)) {
                problems.push(format!("{path}:{}: name who is meant by {word:?}", number + 1));
            }
        }
    }
    assert_none(&problems);
}

/// The keys of `config/defaults.toml` as `section.key`.
fn configuration_keys() -> BTreeSet<String> {
    let (mut keys, mut section) = (BTreeSet::new(), String::new());
    for line in fs::read_to_string("config/defaults.toml").unwrap().lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']').to_owned();
        } else if let Some((key, _)) = line.split_once(" = ")
            && !key.starts_with('#')
        {
            keys.insert(format!("{section}.{key}"));
        }
    }
    keys
}

#[test]
fn keys_in_the_guides_have_the_names_of_the_code() {
    let keys = configuration_keys();
    let sections: BTreeSet<&str> = keys.iter().map(|key| key.split('.').next().unwrap()).collect();
    let is_name = |text: &str| text.chars().all(|c| c.is_ascii_lowercase() || "._".contains(c));
    let mut problems = Vec::new();
    for path in GUIDES {
        let (prose, _) = document(path).prose_and_code();
        // Every second piece is between two backticks.
        for quoted in prose.split('`').skip(1).step_by(2) {
            let name = quoted.split(['{', ' ']).next().unwrap_or_default();
            let section = name.split_once('.').map_or("", |(section, _)| section);
            if !is_name(name) {
                continue;
            }
            if sections.contains(section) && !keys.contains(name) {
                problems.push(format!("{path}: {name} is no key of config/defaults.toml"));
            }
        }
    }
    assert_none(&problems);
}

#[test]
fn the_changelog_has_a_section_for_what_is_not_released() {
    let changelog = document("CHANGELOG.md").text;
    assert!(changelog.contains("\n## [Unreleased]\n"), "new entries need a section Unreleased");
}
