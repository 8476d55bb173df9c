//! One name per type, names that state the content, and rules that exist in one place.

use std::collections::BTreeMap;
use std::path::Path;

use syn::visit::{self, Visit};
use syn::{Ident, Visibility};

use crate::assert_none;
use crate::source::{Source, code, files, is_test, sources};

/// Words that do not describe what a file or type holds.
const EMPTY_WORDS: [&str; 8] =
    ["util", "utility", "helper", "common", "manager", "handler", "service", "shared"];

/// What makes a name of a channel special; only `channel_name` may look at it.
const PREFIXES: [&str; 5] =
    ["private-", "presence-", "cache-", "private-encrypted-", "#server-to-user-"];

/// Pronouns that leave open which part of the system is meant.
const PEOPLE: [&str; 4] = ["whoever", "nobody", "somebody", "everybody"];

const CHANNEL_NAME: &str = "src/protocol/channel_name.rs";
const SIGNATURE: &str = "src/protocol/signature.rs";

/// The types that a file defines, and whether others may name them.
#[derive(Default)]
struct Types(Vec<(String, bool)>);

impl Types {
    fn of(source: &Source) -> Vec<(String, bool)> {
        let mut types = Self::default();
        types.visit_file(&source.parse());
        types.0
    }

    fn add(&mut self, name: &Ident, visibility: &Visibility) {
        self.0.push((name.to_string(), !matches!(visibility, Visibility::Inherited)));
    }
}

impl<'ast> Visit<'ast> for Types {
    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.add(&item.ident, &item.vis);
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.add(&item.ident, &item.vis);
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.add(&item.ident, &item.vis);
    }

    fn visit_item_type(&mut self, item: &'ast syn::ItemType) {
        self.add(&item.ident, &item.vis);
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_test(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }
}

/// The text of string and byte string literals that are no documentation.
#[derive(Default)]
struct Literals(Vec<String>);

impl<'ast> Visit<'ast> for Literals {
    fn visit_lit_str(&mut self, literal: &'ast syn::LitStr) {
        self.0.push(literal.value());
    }

    fn visit_lit_byte_str(&mut self, literal: &'ast syn::LitByteStr) {
        self.0.push(String::from_utf8_lossy(&literal.value()).into_owned());
    }

    fn visit_attribute(&mut self, _: &'ast syn::Attribute) {}
}

/// The words of `CamelCase` or `snake_case`, in lower case and singular.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for letter in name.chars() {
        if letter == '_' || letter.is_uppercase() {
            words.push(String::new());
        }
        if letter != '_' {
            words.last_mut().unwrap().extend(letter.to_lowercase());
        }
    }
    words.iter().map(|word| word.trim_end_matches('s').to_owned()).collect()
}

fn empty_word(name: &str) -> Option<&'static str> {
    let words = words(name);
    EMPTY_WORDS.into_iter().find(|empty| words.iter().any(|word| word == empty))
}

#[test]
fn an_exported_type_has_a_name_of_its_own() {
    let mut files: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for source in code("src") {
        for (name, _) in Types::of(&source).into_iter().filter(|(_, is_exported)| *is_exported) {
            files.entry(name).or_default().push(source.name().to_string());
        }
    }
    let twice = files.iter().filter(|(_, files)| files.len() > 1);
    let problems: Vec<String> =
        twice.map(|(name, files)| format!("{name}: {}", files.join(", "))).collect();
    assert_none(
        &problems,
        "one meaning per name: put what tells them apart into each name (see Words in ARCHITECTURE.md)",
    );
}

#[test]
fn names_of_files_and_types_state_their_content() {
    let mut problems = Vec::new();
    for source in ["src", "tests", "benches"].into_iter().flat_map(sources) {
        let stem = source.path.file_stem().unwrap().to_str().unwrap().to_owned();
        let is_product = source.path.starts_with("src");
        let types = if is_product { Types::of(&source) } else { Vec::new() };
        for name in types.into_iter().map(|(name, _)| name).chain([stem]) {
            if let Some(word) = empty_word(&name) {
                problems.push(format!("{}: {name} is named {word}", source.name()));
            }
        }
    }
    assert_none(&problems, "name it after what it holds or does, in the words of ARCHITECTURE.md");
}

#[test]
fn only_channel_name_looks_at_prefixes() {
    let mut problems = Vec::new();
    for source in code("src").iter().filter(|source| source.path != Path::new(CHANNEL_NAME)) {
        let mut literals = Literals::default();
        literals.visit_file(&source.parse());
        for literal in literals.0 {
            if PREFIXES.iter().any(|prefix| literal.starts_with(prefix)) {
                problems.push(format!("{}: {literal:?}", source.name()));
            }
        }
    }
    for script in files("src", "lua") {
        let text = std::fs::read_to_string(&script).unwrap();
        for prefix in PREFIXES {
            if ['\'', '"'].iter().any(|quote| text.contains(&format!("{quote}{prefix}"))) {
                problems.push(format!("{}: {prefix}", script.display()));
            }
        }
    }
    assert_none(&problems, "ask ChannelName for its kind, and pass the answer on");
}

#[test]
fn secrets_are_compared_in_one_place() {
    let mut problems = Vec::new();
    for source in code("src") {
        let compares = source.text.contains("verify_slice");
        if compares != (source.path == Path::new(SIGNATURE)) {
            problems.push(format!("{} compares signatures: {compares}", source.name()));
        }
    }
    assert_none(&problems, "use protocol::signature, which compares in constant time");
}

#[test]
fn no_sentence_hides_its_subject() {
    let mut problems = Vec::new();
    let all = ["rs", "lua", "md", "toml"]
        .into_iter()
        .flat_map(|kind| ["src", "config"].into_iter().flat_map(move |folder| files(folder, kind)));
    for file in all {
        let text = std::fs::read_to_string(&file).unwrap().to_lowercase();
        let mut words = text.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
        if let Some(word) = words.find(|word| PEOPLE.contains(word)) {
            problems.push(format!("{}: {word}", file.display()));
        }
    }
    assert_none(&problems, "name the subject: the client, the node, the caller, every subscriber");
}
