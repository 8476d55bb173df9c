//! The events of an application that are broadcast: their names and channels, as far as their source shows them.
//!
//! Owns the forms in which Laravel's documentation writes them. What is computed counts as unknown.

use super::listeners::Subscribed;
use super::source_text::{behind, line_of, pattern, quoted, without_comments};

/// A class that implements `ShouldBroadcast`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BroadcastEvent {
    pub(super) file: String,
    /// With its namespace.
    pub(super) class: String,
    /// Sent in the request, not by a worker.
    pub(super) is_sent_at_once: bool,
    pub(super) name: EventName,
    pub(super) channels: Vec<EventChannel>,
}

/// The name on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum EventName {
    /// The class, for there is no `broadcastAs`.
    Class,
    /// What `broadcastAs` returns.
    Given(String),
    /// `broadcastAs` computes it, or the class has a parent.
    Unknown,
}

/// A channel in `broadcastOn`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EventChannel {
    pub(super) line: usize,
    pub(super) kind: Subscribed,
    /// `orders.*`
    pub(super) pattern: String,
}

impl BroadcastEvent {
    /// Reads a source; `None` if its class is not broadcast.
    pub(super) fn read(file: &str, text: &str) -> Option<Self> {
        let text = without_comments(text);
        let (_, declaration) = behind(&text, "class").next()?;
        let (head, body) = declaration.split_once('{')?;
        let class = head.split_whitespace().next()?;
        let (_, interfaces) = head.split_once("implements")?;
        let names: Vec<&str> =
            interfaces.split(',').filter_map(|name| name.trim().rsplit('\\').next()).collect();
        let is_sent_at_once = names.contains(&"ShouldBroadcastNow");
        if !is_sent_at_once && !names.contains(&"ShouldBroadcast") {
            return None;
        }
        let namespace = behind(&text, "namespace").next();
        let namespace = namespace.and_then(|(_, rest)| rest.split(';').next()).unwrap_or_default();
        let class = format!("{}\\{class}", namespace.trim()).trim_start_matches('\\').to_owned();
        let at = text.len() - body.len();
        Some(Self {
            file: file.to_owned(),
            class,
            is_sent_at_once,
            name: name(body, head),
            channels: channels(&text, at),
        })
    }

    /// The class without its namespace.
    pub(super) fn short_name(&self) -> &str {
        self.class.rsplit('\\').next().unwrap_or(&self.class)
    }
}

fn name(body: &str, head: &str) -> EventName {
    let Some((_, method)) = behind(body, "broadcastAs").next() else {
        // A parent may have one.
        return if head.contains(" extends ") { EventName::Unknown } else { EventName::Class };
    };
    let returned = behind(method, "return").next().map(|(_, rest)| rest.trim_start());
    let literal = returned
        .and_then(quoted)
        .filter(|(name, rest)| rest.trim_start().starts_with(';') && !name.contains(['$', '{']));
    literal.map_or(EventName::Unknown, |(name, _)| EventName::Given(name.to_owned()))
}

fn channels(text: &str, from: usize) -> Vec<EventChannel> {
    let kinds = [
        ("Channel", Subscribed::Public),
        ("PrivateChannel", Subscribed::Private),
        ("PresenceChannel", Subscribed::Presence),
    ];
    let mut channels = Vec::new();
    for (class, kind) in kinds {
        for (at, rest) in behind(text, class).filter(|(at, _)| *at >= from) {
            let is_made = text[..at].trim_end().trim_end_matches('\\').ends_with("new")
                || text[..at].trim_end().ends_with("Broadcasting\\");
            let argument = rest.trim_start().strip_prefix('(').map(str::trim_start);
            let Some(argument) = argument.filter(|_| is_made) else { continue };
            if let Some(pattern) = concatenated(argument) {
                channels.push(EventChannel { line: line_of(text, at), kind, pattern });
            }
        }
    }
    channels
}

/// `'orders.'.$this->order->id` as `orders.*`.
fn concatenated(argument: &str) -> Option<String> {
    let (first, mut rest) = quoted(argument)?;
    let mut out = pattern(first);
    loop {
        rest = rest.trim_start();
        let Some(next) = rest.strip_prefix('.') else { return Some(out) };
        let next = next.trim_start();
        match quoted(next) {
            Some((literal, behind)) => {
                out.push_str(&pattern(literal));
                rest = behind;
            }
            None => {
                out.push('*');
                let is_part =
                    |c: char| c.is_alphanumeric() || matches!(c, '_' | '$' | '-' | '>' | ':');
                let end = next.find(|c| !is_part(c)).unwrap_or(next.len());
                rest = next[end..].trim_start_matches("()");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{BroadcastEvent, EventName, Subscribed};

    fn event(body: &str) -> Option<BroadcastEvent> {
        let text = format!(
            "<?php\nnamespace App\\Events;\nuse X;\n// class Not implements ShouldBroadcast\n{body}"
        );
        BroadcastEvent::read("app/Events/A.php", &text)
    }

    #[test]
    fn name_and_channels_are_read() {
        let event = event(
            "class CapacityChanged implements ShouldQueue, ShouldBroadcast\n{\n  public function broadcastOn(): array {\n\
             return [new Channel('organization.'.$this->organization->id.'.capacity'),\n\
             new PrivateChannel(\"user.{$this->user->id}\"), new \\Illuminate\\Broadcasting\\PresenceChannel('all'),\n\
             new PrivateChannel($this->name)]; }\n  public function broadcastAs(): string { return 'capacity.changed'; }\n}",
        )
        .unwrap();
        assert_eq!(event.class, "App\\Events\\CapacityChanged");
        assert_eq!(event.short_name(), "CapacityChanged");
        assert!(!event.is_sent_at_once);
        assert_eq!(event.name, EventName::Given("capacity.changed".to_owned()));
        let channels: Vec<_> =
            event.channels.iter().map(|one| (one.line, one.kind, one.pattern.as_str())).collect();
        assert_eq!(
            channels,
            [
                (8, Subscribed::Public, "organization.*.capacity"),
                (9, Subscribed::Private, "user.*"),
                (9, Subscribed::Presence, "all")
            ]
        );
    }

    #[test]
    fn other_names_and_other_classes() {
        let class = "class A implements ShouldBroadcastNow { }";
        let read = event(class).unwrap();
        assert!(read.is_sent_at_once);
        assert_eq!(read.name, EventName::Class);
        let computed =
            "class A implements ShouldBroadcast { function broadcastAs() { return $this->x; } }";
        assert_eq!(event(computed).unwrap().name, EventName::Unknown);
        assert_eq!(event("class A implements ShouldQueue { }"), None);
        assert_eq!(event("class A { }"), None);
    }
}
