//! What the sources of pages listen to: channels and events of Laravel Echo.
//!
//! Owns the forms of Echo's calls. A name that the code computes is no name here.

use super::js_value::JsValue;
use super::source_text::{behind, line_of, pattern, quoted, without_comments};

/// The ways to subscribe to a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subscribed {
    Public,
    Private,
    Presence,
}

/// A subscription in a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SubscribedChannel {
    pub(super) file: String,
    pub(super) line: usize,
    pub(super) kind: Subscribed,
    /// `orders.*`
    pub(super) pattern: String,
}

/// An event that a source listens to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ListenedEvent {
    pub(super) file: String,
    pub(super) line: usize,
    /// As it is written, with its dot.
    pub(super) name: String,
}

/// The `namespace` of Echo, which it puts before the names of classes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum EchoNamespace {
    /// `App\\Events`, or empty for `namespace: false`.
    Known(String),
    /// Computed, or not the same in all places where Echo starts.
    Unknown,
}

impl EchoNamespace {
    /// That of the places where Echo starts.
    pub(super) fn of<'o>(starts: impl Iterator<Item = &'o JsValue>) -> Self {
        let mut known: Vec<String> = Vec::new();
        for fields in starts {
            match fields.field("namespace") {
                JsValue::Undefined => known.push(DEFAULT_NAMESPACE.to_owned()),
                JsValue::Text(text) => known.push(text.replace('.', "\\")),
                JsValue::Bool(false) | JsValue::Null => known.push(String::new()),
                _ => return Self::Unknown,
            }
        }
        known.dedup();
        match known.as_slice() {
            [] => Self::Known(DEFAULT_NAMESPACE.to_owned()),
            [one] => Self::Known(one.clone()),
            _ => Self::Unknown,
        }
    }
}

impl ListenedEvent {
    /// The name on the wire, as Echo makes it of what is written; `None` if its namespace is not known.
    pub(super) fn wire_name(&self, namespace: &EchoNamespace) -> Option<String> {
        let written = self.name.replace("\\\\", "\\");
        if let Some(rest) = written.strip_prefix(['.', '\\']) {
            return Some(rest.to_owned());
        }
        let EchoNamespace::Known(namespace) = namespace else { return None };
        let name = written.replace('.', "\\");
        Some(if namespace.is_empty() { name } else { format!("{namespace}\\{name}") })
    }
}

/// Of Echo.
const DEFAULT_NAMESPACE: &str = "App\\Events";

/// The calls whose first argument is the name of a channel.
const CHANNEL_CALLS: [(&str, Subscribed); 8] = [
    ("Echo.channel(", Subscribed::Public),
    ("Echo.private(", Subscribed::Private),
    ("Echo.join(", Subscribed::Presence),
    ("echo().channel(", Subscribed::Public),
    ("echo().private(", Subscribed::Private),
    ("echo().join(", Subscribed::Presence),
    ("useEcho(", Subscribed::Private),
    ("useEchoPublic(", Subscribed::Public),
];

/// Everything that a source subscribes and listens to.
pub(super) fn find(file: &str, text: &str) -> (Vec<SubscribedChannel>, Vec<ListenedEvent>) {
    let text = without_comments(text);
    let mut channels = Vec::new();
    let mut events = Vec::new();
    for (call, kind) in CHANNEL_CALLS {
        for (at, rest) in behind(&text, call) {
            let Some((name, rest)) = quoted(rest.trim_start()) else { continue };
            let (file, line) = (file.to_owned(), line_of(&text, at));
            channels.push(SubscribedChannel { file, line, kind, pattern: pattern(name) });
            if call.starts_with("use") {
                events.extend(event(rest.trim_start().trim_start_matches(','), &text, at));
            }
        }
    }
    for (at, rest) in
        text.match_indices(".listen(").map(|(at, call)| (at, &text[at + call.len()..]))
    {
        events.extend(event(rest, &text, at));
    }
    let named =
        events.into_iter().map(|(line, name)| ListenedEvent { file: file.to_owned(), line, name });
    (channels, named.collect())
}

fn event(rest: &str, text: &str, at: usize) -> Option<(usize, String)> {
    let (name, _) = quoted(rest.trim_start())?;
    (!name.contains("${")).then(|| (line_of(text, at), name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::{Subscribed, find};

    #[test]
    fn channels_and_events_are_found() {
        let text = "// Echo.private('no')\nEcho.private(`orders.${id}`)\n  .listen('.OrderShipped', f)\n\
                    window.Echo.channel('servers').listen(\"ServerUpdated\", f);\nEcho.join(name).listen(event, f);\n\
                    useEcho(`a.${b}`, 'C', f)";
        let (channels, events) = find("resources/js/app.js", text);
        let channels: Vec<_> =
            channels.iter().map(|one| (one.line, one.kind, one.pattern.as_str())).collect();
        assert_eq!(
            channels,
            [
                (4, Subscribed::Public, "servers"),
                (2, Subscribed::Private, "orders.*"),
                (6, Subscribed::Private, "a.*")
            ]
        );
        let events: Vec<_> = events.iter().map(|one| (one.line, one.name.as_str())).collect();
        assert_eq!(events, [(6, "C"), (3, ".OrderShipped"), (4, "ServerUpdated")]);
    }
}
