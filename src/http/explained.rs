//! What becomes of each event of a trigger: an id and a verdict, in the log and, on request, in the answer.
//!
//! Owns the header `resound-explain` and its bounds: proxies refuse answers with more than some KB of headers. The
//! verdict is left to `node`.

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;
use serde::Serialize;

use crate::explanation::{TriggerId, Verdict};
use crate::node::{Channels, ExplainedEvent, Node};
use crate::protocol::{ChannelName, SocketId};

/// Asks for verdicts in a request, and holds one in an answer.
const EXPLAIN: HeaderName = HeaderName::from_static("resound-explain");

/// Verdicts of one request; each may have to look up near names.
const VERDICTS_MAX: usize = 10;

/// Bytes of one verdict, and of all of an answer: Nginx takes 4 KB of headers by default.
const VERDICT_BYTES_MAX: usize = 1024;
const ANSWER_BYTES_MAX: usize = 3 * 1024;

/// Bytes of the name of an event or a channel that a verdict repeats, a letter being two where it may be escaped.
const NAME_BYTES_MAX: usize = 400;

/// Explains the events of one request.
pub(super) struct Explainer {
    node: Arc<Node>,
    /// Whether the answer is to hold the verdicts; the log takes them otherwise.
    is_answered: bool,
}

/// An event that was published on one channel.
pub(super) struct PublishedEvent<'a> {
    pub(super) trigger: TriggerId,
    pub(super) channel: &'a ChannelName,
    pub(super) name: &'a str,
    pub(super) data: &'a str,
    pub(super) except: Option<SocketId>,
    /// `None` if other nodes may have some.
    pub(super) subscribers: Option<usize>,
}

/// The verdicts on the events of one request.
#[derive(Default)]
pub(super) struct Verdicts(Vec<HeaderValue>);

/// One verdict as the header holds it.
#[derive(Serialize)]
struct ExplainedTrigger<'a> {
    trigger: &'a str,
    channel: &'a str,
    event: &'a str,
    #[serde(flatten)]
    verdict: &'a Verdict,
}

impl Explainer {
    /// For a request with these headers; `None` if neither it nor the log wants verdicts.
    pub(super) fn of(headers: &HeaderMap, node: &Arc<Node>) -> Option<Self> {
        let is_answered = headers.get(EXPLAIN).is_some_and(|value| value == "1");
        let is_logged = tracing::enabled!(target: "resound::stream", tracing::Level::DEBUG);
        (is_answered || is_logged).then(|| Self { node: node.clone(), is_answered })
    }

    /// Explains the events, and logs each verdict.
    pub(super) async fn explain(
        &self,
        channels: &Channels,
        events: &[PublishedEvent<'_>],
    ) -> Verdicts {
        let (mut verdicts, mut bytes) = (Vec::new(), 0);
        for published in events.iter().take(VERDICTS_MAX) {
            let PublishedEvent { trigger, channel, name, data, except, subscribers } = *published;
            let (event, data) = (Some(name), Some(data));
            let explained =
                ExplainedEvent { channel: channel.as_str(), event, data, except, subscribers };
            let verdict = self.node.explain(channels, explained).await;
            let (app, because) = (&channels.app().id, &verdict.sentence);
            let reason = verdict.code.name();
            tracing::debug!(target: "resound::stream", %trigger, app, %channel, event = name, reason, because, "event explained");
            let value = header(trigger, channel.as_str(), name, verdict);
            bytes += value.len();
            if bytes <= ANSWER_BYTES_MAX {
                verdicts.push(value);
            }
        }
        if !self.is_answered {
            return Verdicts::default();
        }
        let omitted = events.len() - verdicts.len();
        if omitted > 0 {
            verdicts.extend(HeaderValue::from_str(&format!("{{\"omitted\":{omitted}}}")));
        }
        Verdicts(verdicts)
    }
}

impl Verdicts {
    /// Adds a header for each verdict.
    pub(super) fn mark(self, answer: &mut Response) {
        for verdict in self.0 {
            answer.headers_mut().append(EXPLAIN, verdict);
        }
    }
}

/// One line of JSON in ASCII. Beyond its bound near names are left out, the farthest first, then the end of the
/// sentence, then the call of Echo.
fn header(trigger: TriggerId, channel: &str, event: &str, mut verdict: Verdict) -> HeaderValue {
    let (channel, event) = (cut(channel, NAME_BYTES_MAX), cut(event, NAME_BYTES_MAX));
    let trigger = trigger.to_string();
    loop {
        let (trigger, verdict_now) = (&*trigger, &verdict);
        let text = ascii(&ExplainedTrigger { trigger, channel, event, verdict: verdict_now });
        let over = text.len().saturating_sub(VERDICT_BYTES_MAX);
        if over == 0 || (verdict.sentence.is_empty() && verdict.listen.is_none()) {
            return HeaderValue::from_str(&text).expect("ASCII without control characters");
        }
        if verdict.near_misses.pop().is_some() {
            continue;
        }
        if verdict.sentence.is_empty() {
            verdict.listen = None;
        } else {
            let kept = ascii(&verdict.sentence).len().saturating_sub(over + 2);
            verdict.sentence = cut(&verdict.sentence, kept).to_owned();
        }
    }
}

/// The start of a text that takes at most so many bytes as JSON in ASCII.
fn cut(text: &str, bytes_max: usize) -> &str {
    let mut bytes = 0;
    let is_over = |&(_, letter): &(usize, char)| {
        bytes += if letter.is_ascii() { 2 } else { 6 * letter.len_utf16() };
        bytes > bytes_max
    };
    text.char_indices().find(is_over).map_or(text, |(end, _)| &text[..end])
}

/// JSON in which every character beyond ASCII is escaped.
fn ascii(value: &impl Serialize) -> String {
    let text = serde_json::to_string(value).expect("texts and numbers serialize");
    if text.is_ascii() {
        return text;
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        if letter.is_ascii() {
            escaped.push(letter);
        } else {
            let mut units = [0; 2];
            for unit in letter.encode_utf16(&mut units) {
                escaped.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::{VERDICT_BYTES_MAX, header};
    use crate::explanation::{NearMiss, Situation, TriggerIds, verdict};

    #[test]
    fn a_header_is_bounded_json_in_ascii() {
        let id = TriggerIds::new(1).draw();
        let (channel, event) = ("x".repeat(200), "é😀".repeat(300));
        let occupied = format!("private-{channel}");
        let near_misses = (0..5).filter_map(|_| NearMiss::new(&channel, &occupied, 1)).collect();
        let situation = Situation {
            channel: &channel,
            event: Some(&event),
            near_misses,
            ..Situation::default()
        };
        let value = header(id, &channel, &event, verdict(&situation));
        let text = value.to_str().unwrap();
        assert!(text.len() <= VERDICT_BYTES_MAX, "{}", text.len());
        let read: serde_json::Value = serde_json::from_str(text).unwrap();
        assert_eq!(read["trigger"], id.to_string());
        assert_eq!(read["verdict"], "near_miss");
        assert!(event.starts_with(read["event"].as_str().unwrap()));
        let short = Situation { channel: "x", event: Some("a"), ..Situation::default() };
        let value = header(id, "x", "a", verdict(&short));
        let expected = format!(
            r#"{{"trigger":"{id}","channel":"x","event":"a","verdict":"no_subscriber","sentence":"0 on `x`: no socket is subscribed, and no channel has a near name","sockets":0,"nodes":0,"socket_id":null,"excluded":null,"listen":".listen('.a')"}}"#
        );
        assert_eq!(value.to_str().unwrap(), expected);
    }
}
