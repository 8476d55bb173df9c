//! Log calls: their messages are fixed, their fields have names of their own, and nothing writes beside the log.
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

/// What each line has: a field of that name would take its place, with a text that may be a peer's.
const OF_EVERY_LINE: [&str; 4] = ["timestamp", "level", "message", "target"];

/// The log calls of a file.
#[derive(Default)]
struct LogCalls(Vec<LogCall>);

/// Its message, and the names of its fields.
struct LogCall {
    message: String,
    fields: Vec<String>,
}

impl<'ast> Visit<'ast> for LogCalls {
    fn visit_macro(&mut self, called: &'ast Macro) {
        let names: Vec<String> =
            called.path.segments.iter().map(|part| part.ident.to_string()).collect();
        let is_log_call = names.last().is_some_and(|name| LEVELS.contains(&name.as_str()));
        if is_log_call && names.len() == 2 && names[0] == "tracing" {
            let fields = fields(&called.tokens);
            self.0.extend(message(&called.tokens).map(|message| LogCall { message, fields }));
        }
        visit::visit_macro(self, called);
    }
}

impl LogCalls {
    fn of(source: &Source) -> Vec<LogCall> {
        let mut calls = Self::default();
        calls.visit_file(&source.parse());
        calls.0
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

/// The names at the beginnings of the arguments, but for that of the target and for texts.
fn fields(arguments: &TokenStream) -> Vec<String> {
    let tokens: Vec<TokenTree> = arguments.clone().into_iter().collect();
    let names = tokens.split(is_comma).filter_map(|argument| {
        let is_sign = |token: &&TokenTree| {
            matches!(token, TokenTree::Punct(punct) if matches!(punct.as_char(), '%' | '?'))
        };
        let mut words = argument.iter().skip_while(is_sign);
        let TokenTree::Ident(name) = words.next()? else { return None };
        let is_of_macro = matches!(words.next(), Some(TokenTree::Punct(punct)) if punct.as_char() == ':');
        (!is_of_macro).then(|| name.to_string())
    });
    names.collect()
}

fn is_comma(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == ',')
}

#[test]
fn the_message_of_a_log_line_is_fixed() {
    let (mut problems, mut calls) = (Vec::new(), 0);
    for source in code("src") {
        for LogCall { message, .. } in LogCalls::of(&source) {
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

#[test]
fn no_field_of_a_log_line_has_the_name_of_another_part_of_it() {
    let (mut problems, mut found) = (Vec::new(), 0);
    for source in code("src") {
        for LogCall { message, fields } in LogCalls::of(&source) {
            found += fields.len();
            let is_taken = |(at, name): &(usize, &String)| {
                OF_EVERY_LINE.contains(&name.as_str()) || fields[..*at].contains(name)
            };
            if let Some((_, name)) = fields.iter().enumerate().find(is_taken) {
                problems.push(format!("{}: {name} of {message:?}", source.name()));
            }
        }
    }
    assert!(found > 100, "{found} fields were found; are they written in another way now?");
    assert_none(&problems, "give the field another name");
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

#[test]
fn the_names_of_fields_are_found_before_the_message() {
    let of = |text: &str| fields(&text.parse().unwrap());
    let call =
        r#"target: "x", app = call(a, b), %socket, ?error, message, "words {name}", name = 1"#;
    assert_eq!(of(call), ["app", "socket", "error", "message", "name"]);
}
