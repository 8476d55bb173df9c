//! Log calls: their messages are fixed, and nothing writes beside the log.
//!
//! The log limits the lines of a kind, and a message is a part of the kind: with text of a peer in it, a
//! peer could make kinds without end.

use proc_macro2::{TokenStream, TokenTree};
use syn::Macro;
use syn::visit::{self, Visit};

use crate::assert_none;
use crate::source::{Source, code};

const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

/// Messages with a placeholder, each for a text of our own or for one that is bounded where it is logged.
const WITH_PLACEHOLDER: [&str; 4] = [
    "connection rejected: {text}",
    "{text}",
    "{note}",
    "nodes on this Redis do not agree with this one: {new}",
];

/// The messages of the log calls of a file.
#[derive(Default)]
struct Messages(Vec<String>);

impl<'ast> Visit<'ast> for Messages {
    fn visit_macro(&mut self, called: &'ast Macro) {
        let names: Vec<String> =
            called.path.segments.iter().map(|part| part.ident.to_string()).collect();
        let is_log_call = names.last().is_some_and(|name| LEVELS.contains(&name.as_str()));
        if is_log_call && names.len() == 2 && names[0] == "tracing" {
            self.0.extend(message(&called.tokens));
        }
        visit::visit_macro(self, called);
    }
}

impl Messages {
    fn of(source: &Source) -> Vec<String> {
        let mut messages = Self::default();
        messages.visit_file(&source.parse());
        messages.0
    }
}

/// The text behind the last comma of the arguments, which is the message.
fn message(arguments: &TokenStream) -> Option<String> {
    let last = arguments.clone().into_iter().filter(|token| !is_comma(token)).last()?;
    match syn::parse2::<syn::LitStr>(last.into()) {
        Ok(text) => Some(text.value()),
        Err(_) => Some("(no literal text)".to_owned()),
    }
}

fn is_comma(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == ',')
}

#[test]
fn the_message_of_a_log_line_is_fixed() {
    let (mut problems, mut calls) = (Vec::new(), 0);
    for source in code("src") {
        for message in Messages::of(&source) {
            calls += 1;
            let is_fixed = !message.contains('{') && message != "(no literal text)";
            if !is_fixed && !WITH_PLACEHOLDER.contains(&message.as_str()) {
                problems.push(format!("{}: {message:?}", source.name()));
            }
        }
    }
    assert!(calls > 20, "{calls} log calls were found; are they written in another way now?");
    assert_none(
        &problems,
        "put what differs into a field; one of the names in logging::line_layer makes a kind of its own",
    );
}

/// `clippy::print_stderr` finds the macros.
#[test]
fn only_the_log_and_the_commands_write_to_the_terminal() {
    let mut problems = Vec::new();
    for source in code("src") {
        let writes =
            ["io::stderr()", "io::stdout()", "set_global_default", "tracing_subscriber::fmt()"];
        let found = writes.into_iter().find(|call| source.text.contains(call));
        if let Some(call) = found.filter(|_| !["logging", "cli", "config"].contains(&source.room()))
        {
            problems.push(format!("{}: {call}", source.name()));
        }
    }
    assert_none(&problems, "log it: the log bounds what is written, and never waits");
}

#[test]
fn a_message_is_found_behind_its_fields() {
    let of = |text: &str| message(&text.parse().unwrap());
    assert_eq!(of(r#"app, channel = %name, "words""#).as_deref(), Some("words"));
    assert_eq!(of(r#"target: "x", "{words}","#).as_deref(), Some("{words}"));
    assert_eq!(of("app, words").as_deref(), Some("(no literal text)"));
}
