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
const GUIDES: [&str; 8] = [
    "README.md",
    "config/README.md",
    "config/doctor.md",
    "config/memory.md",
    "config/promises.md",
    "config/threat-model.md",
    "docker/README.md",
    "benches/README.md",
];

/// Those that name the test of each line.
const PROVEN: [&str; 2] = ["config/promises.md", "config/threat-model.md"];

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

/// What stands between backticks in the prose of a document.
fn quoted(prose: &str) -> impl Iterator<Item = &str> {
    prose.split('`').skip(1).step_by(2)
}

#[test]
fn each_test_that_a_paper_names_exists() {
    let mut problems = Vec::new();
    for path in PROVEN {
        let (prose, _) = document(path).prose_and_code();
        let named: Vec<&str> = quoted(&prose).filter(|name| name.starts_with("tests/")).collect();
        assert!(named.len() > 20, "{path} names tests");
        for name in named {
            let (file, test) = name.split_once("::").unwrap_or((name, ""));
            let text = fs::read_to_string(file).unwrap_or_default();
            let definition = if file.ends_with(".py") { "def" } else { "fn" };
            let is_there = match test {
                // A suite of clients, whose tests have sentences for names, or a program.
                "" => !file.ends_with(".rs") && !text.is_empty(),
                _ => text.contains(&format!("{definition} {test}(")),
            };
            if !is_there {
                problems.push(format!("{path}: {name}: no such test"));
            }
        }
        // Each row of a table has one, but for its head.
        for row in prose.lines().filter(|line| line.starts_with("| ") && !line.contains("|---")) {
            let is_head = row.ends_with("Test |") || row.ends_with("Last run |");
            if !is_head && !row.contains("`tests/") && !row.contains("`docker/reproducible`") {
                problems.push(format!("{path}: no test in: {row}"));
            }
        }
    }
    assert_none(&problems);
}

/// The number that a constant of the source is set to, which may be a product.
fn constant(path: &str, name: &str) -> u64 {
    let text = fs::read_to_string(path).unwrap();
    let line = text.lines().find(|line| line.contains(&format!("const {name}:")));
    let line = line.unwrap_or_else(|| panic!("{path} has no constant {name}"));
    let value = line.split_once(" = ").unwrap().1.trim_end_matches(';').replace('_', "");
    value.split('*').map(|factor| factor.trim().parse::<u64>().unwrap()).product()
}

#[test]
fn the_numbers_of_the_formula_are_those_of_the_source() {
    let memory = document("config/memory.md").text;
    let given_up = constant("src/webhook/given_up.rs", "BYTES_MAX") + 30 * 1024;
    for (sentence, number) in [
        (
            "each frame counts with {} bytes more",
            constant("src/hub/outbox.rs", "FRAME_OVERHEAD_BYTES"),
        ),
        ("own messages | {}, one answer", constant("src/hub/outbox.rs", "ANSWER_BYTES_MAX")),
        ("with one subscription | {} |", constant("src/node/shortage.rs", "SOCKET_BYTES")),
        ("is {} % of the lowest limit", constant("src/memory/limit.rs", "SHARE_PERCENT")),
        (
            "as free, up to {} % of the bound,",
            constant("src/memory/pressure.rs", "CEILING_PERCENT"),
        ),
        ("most waits first, until {} % of the", constant("src/memory/pressure.rs", "GOAL_PERCENT")),
        ("and {} for each viewer", constant("src/observation/tap.rs", "RING_BYTES")),
        ("28672 and {} |", given_up),
    ] {
        let sentence = sentence.replace("{}", &number.to_string());
        assert!(memory.replace('\n', " ").contains(&sentence), "config/memory.md: {sentence}");
    }
}

#[test]
fn the_example_of_the_formula_adds_up() {
    let memory = document("config/memory.md").text;
    let number = |row: &str| {
        let last = row.trim_end_matches(" |").rsplit("| ").next().unwrap().replace(['*', ' '], "");
        last.parse::<u64>().ok()
    };
    let example = memory.split_once("## An example").unwrap().1;
    let rows: Vec<u64> = example.lines().filter_map(number).collect();
    let (total, parts) = rows.split_last().unwrap();
    assert!(parts.len() >= 6, "the example has rows");
    assert_eq!(parts.iter().sum::<u64>(), *total);
    assert_eq!(20_000 * constant("src/node/shortage.rs", "SOCKET_BYTES"), parts[0]);
}

/// The lines of every script, workflow and command in a guide that install or build something.
fn cargo_commands() -> Vec<String> {
    let scripts = [
        "tests/run",
        "tests/install",
        "tests/dependencies",
        "tests/steps.sh",
        "tests/clients/run",
        "tests/deployment/run",
        "tests/deployment/install",
        "docker/static-toolchain",
        "docker/reproducible",
        "docker/sbom",
        "docker/debian/package",
        "docker/Dockerfile",
        ".ci/run",
        ".github/workflows/ci.yml",
        ".github/workflows/release.yml",
        "README.md",
        "docker/README.md",
    ];
    let mut commands = Vec::new();
    for script in scripts {
        for line in document(script).text.lines() {
            let is_comment = line.trim_start().starts_with('#');
            let builds =
                ["build", "run", "test", "bench", "install", "clippy", "doc", "tree", "metadata"]
                    .iter()
                    .any(|command| {
                        line.contains(&format!("cargo {command} "))
                            || line.contains(&format!("\"cargo\", \"{command}\""))
                    });
            if builds && !is_comment {
                commands.push(format!("{script}: {}", line.trim()));
            }
        }
    }
    commands
}

#[test]
fn every_build_takes_the_versions_of_the_lock_file() {
    let commands = cargo_commands();
    assert!(commands.len() > 12, "the commands were not found: {commands:#?}");
    let problems: Vec<String> =
        commands.into_iter().filter(|command| !command.contains("--locked")).collect();
    assert_none(&problems);
}

#[test]
fn the_guide_states_how_many_packages_the_lock_file_has() {
    let count = document("Cargo.lock").text.matches("\n[[package]]\n").count();
    let sentence = format!("{count} packages in Cargo.lock, ");
    assert!(document("docker/README.md").text.contains(&sentence), "docker/README.md: {sentence}");
}
