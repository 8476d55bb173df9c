//! An event as text to copy: the commands that publish it again, the listener of a page, the class of a back end.
//!
//! Owns the quoting for each of the languages. Keys and secrets are never in it: commands read them from the variables
//! of Laravel's `.env`, or from the configuration of the server.

use serde::Serialize;

use super::echo_call::{laravel_channel, listen_call, literal, subscribe_call};
use crate::protocol::channel_name::{user_of_channel, without_type};

/// The namespace of Laravel's events.
const NAMESPACE: &str = "App\\Events";

/// What a copied event is made from.
#[derive(Debug, Clone, Copy)]
pub struct CopiedEvent<'a> {
    /// The id of the app.
    pub app: &'a str,
    /// The channels.
    pub channels: &'a [&'a str],
    /// The name on the wire.
    pub event: &'a str,
    /// The data, as far as the reader may see them.
    pub data: CopiedData<'a>,
}

/// The data of a copied event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopiedData<'a> {
    /// All of them.
    Whole(&'a str),
    /// The reader does not see them.
    Masked,
    /// Only their beginning is kept.
    Cut,
}

impl<'a> CopiedData<'a> {
    /// What stands in the text: data that are missing are an empty object.
    fn text(self) -> &'a str {
        match self {
            Self::Whole(data) => data,
            Self::Masked | Self::Cut => "{}",
        }
    }

    /// A comment that says what is missing; `sign` begins it.
    fn comment(self, sign: &str) -> String {
        match self {
            Self::Whole(_) => String::new(),
            Self::Masked => format!(
                "{sign} The payload is masked, and {{}} stands for it: choose full for Payload on the page Live (payloads=full), which internal.payloads has to allow.\n"
            ),
            Self::Cut => format!(
                "{sign} The payload is longer than the 4 KB that are kept, and {{}} stands for it: take it from the back end.\n"
            ),
        }
    }
}

/// An event as text to copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Snippets {
    /// A `resound trigger` for each channel.
    pub resound: String,
    /// A signed request with curl and openssl.
    pub curl: String,
    /// The listener of a page, with Laravel Echo.
    pub echo: String,
    /// The class of the event, and the call that broadcasts it.
    pub php: String,
}

/// The texts of an event.
pub fn snippets(event: CopiedEvent<'_>) -> Snippets {
    let CopiedEvent { app, channels, event: name, data } = event;
    let shown = data.text();
    let command = |channel: &&str| {
        let words = [*channel, name, shown].map(shell_word);
        format!("resound trigger {} --app {}", words.join(" "), shell_word(app))
    };
    let listeners = channels.iter().map(|channel| echo_listener(channel, Some(name)));
    Snippets {
        resound: data.comment("#") + &channels.iter().map(command).collect::<Vec<_>>().join("\n"),
        curl: data.comment("#") + &curl(event, shown),
        echo: listeners.collect::<Vec<_>>().join("\n"),
        php: data.comment("//") + &php(event, shown),
    }
}

/// The statement by which a page listens, with Laravel Echo.
pub fn echo_listener(channel: &str, event: Option<&str>) -> String {
    const CALLBACK: &str = "(event) => console.log(event)";
    if user_of_channel(channel).is_some() {
        let name = literal(event.unwrap_or("event"));
        return format!(
            "Echo.connector.pusher.signin();\nEcho.connector.pusher.user.bind({name}, {CALLBACK});"
        );
    }
    let subscribe = subscribe_call(channel);
    let Some(event) = event else { return format!("{subscribe};") };
    let listen = listen_call(event);
    let call = match listen.strip_suffix("(callback)") {
        Some(notification) => format!("{notification}({CALLBACK})"),
        None => format!("{}, {CALLBACK})", listen.strip_suffix(')').unwrap_or(&listen)),
    };
    format!("{subscribe}\n    {call};")
}

/// A request that a shell signs with openssl; the variables are those of Laravel's `.env`.
fn curl(event: CopiedEvent<'_>, data: &str) -> String {
    #[derive(Serialize)]
    struct Body<'a> {
        name: &'a str,
        channels: &'a [&'a str],
        data: &'a str,
    }
    let CopiedEvent { app, channels, event: name, .. } = event;
    let body = Body { name, channels, data };
    let body = serde_json::to_string(&body).expect("strings always serialize");
    let path = format!("/apps/{app}/events");
    [
        "# REVERB_APP_KEY, REVERB_APP_SECRET, REVERB_HOST, REVERB_PORT and REVERB_SCHEME as in Laravel's .env".to_owned(),
        format!("body={}", shell_word(&body)),
        "md5=$(printf %s \"$body\" | openssl md5 -r | cut -d ' ' -f 1)".to_owned(),
        "query=\"auth_key=$REVERB_APP_KEY&auth_timestamp=$(date +%s)&auth_version=1.0&body_md5=$md5\"".to_owned(),
        format!("signature=$(printf 'POST\\n%s\\n%s' {} \"$query\" | openssl dgst -sha256 -hmac \"$REVERB_APP_SECRET\" -r | cut -d ' ' -f 1)", shell_word(&path)),
        format!("curl --json \"$body\" \"${{REVERB_SCHEME:-http}}://${{REVERB_HOST:-127.0.0.1}}:${{REVERB_PORT:-8080}}\"{}\"?$query&auth_signature=$signature\"", shell_word(&path)),
    ]
    .join("\n")
}

/// The class of the event as Laravel has it, with a `broadcastAs` where the name on the wire needs one.
fn php(event: CopiedEvent<'_>, data: &str) -> String {
    let CopiedEvent { channels, event: name, .. } = event;
    let (namespace, class) = class_of(name);
    let as_name = match format!("{namespace}\\{class}") == name {
        true => String::new(),
        false => format!(
            "\n    public function broadcastAs(): string\n    {{\n        return {};\n    }}\n",
            literal(name)
        ),
    };
    let on = channels.iter().map(|channel| laravel_channel(channel)).collect::<Vec<_>>().join(", ");
    let mut classes: Vec<&str> = channels
        .iter()
        .map(|channel| super::echo_call::laravel_class(without_type(channel).0))
        .collect();
    classes.sort_unstable();
    classes.dedup();
    let uses: Vec<String> =
        classes.iter().map(|class| format!("use Illuminate\\Broadcasting\\{class};\n")).collect();
    format!(
        "namespace {namespace};\n\n{}use Illuminate\\Contracts\\Broadcasting\\ShouldBroadcastNow;\n\nclass {class} implements ShouldBroadcastNow\n{{\n    public function broadcastOn(): array\n    {{\n        return [{on}];\n    }}\n{as_name}\n    public function broadcastWith(): array\n    {{\n        return json_decode({}, true);\n    }}\n}}\n\nbroadcast(new {class}());\n",
        uses.concat(),
        literal(data)
    )
}

/// The namespace and the class of an event: those of its name where it is a class, and otherwise one that is made
/// from its letters.
fn class_of(name: &str) -> (String, String) {
    let is_word = |word: &&str| {
        word.starts_with(|first: char| first.is_ascii_alphabetic())
            && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    let words: Vec<&str> = name.split('\\').collect();
    if words.len() > 1 && words.iter().all(is_word) {
        let (class, namespace) = words.split_last().expect("there are two words");
        return (namespace.join("\\"), (*class).to_owned());
    }
    let mut class = String::new();
    for word in name.split(|letter: char| !letter.is_ascii_alphanumeric()) {
        let mut letters = word.chars();
        class.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        class.push_str(letters.as_str());
    }
    let is_class = class.starts_with(|first: char| first.is_ascii_alphabetic());
    (NAMESPACE.to_owned(), if is_class { class } else { format!("Event{class}") })
}

/// A text as one word of a POSIX shell.
fn shell_word(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:@=,".contains(&byte);
    match !text.is_empty() && text.bytes().all(is_plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
#[path = "snippets/tests.rs"]
mod tests;
