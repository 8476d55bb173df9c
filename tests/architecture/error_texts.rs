//! The texts that people read when something fails: answers to requests, reasons of closed sockets, errors in
//! messages, warnings and errors of the log.
//!
//! `error_texts.txt` has each of them with its file, so that a new or a changed one is read before it is part of
//! the program. `UPDATE_ERROR_TEXTS=1 cargo test --test architecture error_texts` writes the file.

use std::collections::BTreeSet;
use std::fs;

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, ExprLit, ExprMethodCall, Lit, Macro};

use crate::source::{Source, code, is_test};

const GOLDEN: &str = "tests/architecture/error_texts.txt";

/// Rooms whose texts are for those who configure or call the program, and have tests of their own with the
/// exact texts. Of them only the log counts.
const OTHER_TEXTS: [&str; 9] = [
    "build_info",
    "cli",
    "config",
    "doctor",
    "dotenv",
    "laravel_import",
    "main",
    "metrics",
    "php_config",
];

/// A text is a sentence or the head of one if it has so many words; the reasons of close codes are shorter.
const WORDS_MIN: usize = 4;
const WORDS_OF_REASONS: usize = 2;
const REASONS: &str = "src/protocol/close_code.rs";

/// Macros that make a text; those of others are shown by a bug alone.
const OF_TEXTS: [&str; 6] = ["anyhow", "bail", "format", "format_args", "write", "writeln"];

/// Scripts are no texts for people.
const OF_SCRIPTS: &str = "redis.call";

/// Log calls on which an operator has to act.
const OF_THE_LOG: [&str; 2] = ["error", "warn"];

/// The texts of one file.
struct Texts {
    words_min: usize,
    has_answers: bool,
    found: BTreeSet<String>,
}

impl Texts {
    fn of(source: &Source) -> BTreeSet<String> {
        let is_of_reasons = source.name().to_string() == REASONS;
        let mut texts = Self {
            words_min: if is_of_reasons { WORDS_OF_REASONS } else { WORDS_MIN },
            has_answers: !OTHER_TEXTS.contains(&source.room()),
            found: BTreeSet::new(),
        };
        texts.visit_file(&source.parse());
        texts.found
    }

    fn add(&mut self, text: &str) {
        let is_script = text.contains(OF_SCRIPTS);
        if text.split_whitespace().count() >= self.words_min && !is_script {
            self.found.insert(text.split_whitespace().collect::<Vec<_>>().join(" "));
        }
    }

    fn add_tokens(&mut self, tokens: TokenStream) {
        for token in tokens {
            match token {
                TokenTree::Group(group) => self.add_tokens(group.stream()),
                TokenTree::Literal(literal) => {
                    if let Ok(text) = syn::parse_str::<syn::LitStr>(&literal.to_string()) {
                        self.add(&text.value());
                    }
                }
                _ => {}
            }
        }
    }
}

impl<'ast> Visit<'ast> for Texts {
    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if self.has_answers
            && attribute.path().is_ident("error")
            && let Ok(list) = attribute.meta.require_list()
        {
            self.add_tokens(list.tokens.clone());
        }
    }

    fn visit_macro(&mut self, called: &'ast Macro) {
        let name = called.path.segments.last().map(|part| part.ident.to_string());
        let name = name.unwrap_or_default();
        let is_of_log = OF_THE_LOG.contains(&name.as_str());
        if is_of_log || self.has_answers && OF_TEXTS.contains(&name.as_str()) {
            self.add_tokens(called.tokens.clone());
        }
    }

    fn visit_expr_method_call(&mut self, call: &'ast ExprMethodCall) {
        // An invariant that holds.
        if call.method == "expect" {
            return self.visit_expr(&call.receiver);
        }
        visit::visit_expr_method_call(self, call);
    }

    fn visit_expr_lit(&mut self, literal: &'ast ExprLit) {
        if let (true, Lit::Str(text)) = (self.has_answers, &literal.lit) {
            self.add(&text.value());
        }
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_test(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }
}

#[test]
fn each_text_of_an_error_is_in_the_golden_file() {
    let mut lines = String::new();
    for source in code("src") {
        for text in Texts::of(&source) {
            lines.push_str(&format!("{}: {text}\n", source.name()));
        }
    }
    #[allow(clippy::disallowed_methods, reason = "no configuration: it selects what is written")]
    let is_update = std::env::var_os("UPDATE_ERROR_TEXTS").is_some();
    if is_update {
        fs::write(GOLDEN, &lines).unwrap();
    }
    let golden = fs::read_to_string(GOLDEN).unwrap_or_default();
    let (found, known): (BTreeSet<&str>, BTreeSet<&str>) =
        (lines.lines().collect(), golden.lines().collect());
    let new: Vec<String> = found.difference(&known).map(|line| format!("new: {line}")).collect();
    let gone: Vec<String> = known.difference(&found).map(|line| format!("gone: {line}")).collect();
    crate::assert_none(
        &[new, gone].concat(),
        "read each new text as the person who gets it: does it name what to change? Then \
         UPDATE_ERROR_TEXTS=1 cargo test --test architecture error_texts",
    );
}

#[test]
fn texts_are_found_in_errors_answers_and_warnings_and_not_in_invariants() {
    let text = r#"
        //! A file.
        #[error("the first text of {0}")]
        struct A;
        fn f() {
            let _ = format!("the second text of {}", 1);
            tracing::warn!(app, "the third text of it");
            tracing::info!("a line that needs nothing");
            g().expect("an invariant that always holds");
            panic!("a bug that never happens");
            h("the fourth text of it");
            h("too short");
        }
    "#;
    let path = "src/http/some.rs".into();
    let found = Texts::of(&Source { path, text: text.to_owned() });
    let expected = [
        "the first text of {0}",
        "the fourth text of it",
        "the second text of {}",
        "the third text of it",
    ];
    assert_eq!(found.into_iter().collect::<Vec<_>>(), expected);
}
