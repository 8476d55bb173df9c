//! What arrives on the topics of a cluster: an event is read by its layout, what is no message of a node is dropped with
//! its cause, and nothing that anything on that Redis publishes makes a node grow or act on a channel it does not have.

use resound::cluster::{
    ChannelEffect, Effect, InvalidTopicMessage, NodeId, TopicMessage, event_head,
};
use resound::protocol::SocketId;

use super::Target;
use crate::bytes::Bytes;
use crate::cluster_stage::{ClusterStage, FIRST_REQUEST, NODE, OTHER};
use crate::outcomes::reached;
use crate::packed::{number, pack};

pub(crate) const TARGET: Target = Target {
    name: "cluster_messages",
    run,
    words: &[
        "R\u{2}E",
        "R\u{2}K",
        "R\u{2}C",
        "R\u{2}O",
        "R\u{2}T",
        "R\u{2}I",
        "R\u{2}A",
        "R\u{3}E",
        "ann",
        "bob",
        "{}",
        "\u{0}\u{0}\u{0}\u{0}",
    ],
    outcomes: &[
        "event",
        "change",
        "outcome",
        "terminate",
        "inquiry",
        "answer",
        "malformed",
        "other_format",
        "unknown_request",
        "absurd_number",
        "delivered",
        "missed",
        "subscribed",
        "watchers",
    ],
};

/// The names of fields, and texts that stand in them.
const NAMES: [&str; 30] = [
    "removed",
    "added",
    "count",
    "recount",
    "number",
    "own",
    "total",
    "report_occupied",
    "report_miss",
    "refused",
    "report_added",
    "roster",
    "cached",
    "missed",
    "more",
    "app",
    "user_id",
    "id",
    "text",
    "part",
    "is_last",
    "1",
    "ann",
    "bob",
    "",
    "{}",
    "no",
    "sent",
    "later",
    "{\"event\":\"x\"}",
];

const KINDS: &[u8; 9] = b"EKCOTIAOX";

fn run(input: &[u8]) {
    let mut bytes = Bytes::new(input);
    let mut stage = ClusterStage::new(bytes.byte() % 2 == 1);
    let channels = stage.core.channels().count();
    while !bytes.is_empty() {
        let step = bytes.byte();
        match step % 16 {
            0 => stage.wait(u64::from(bytes.byte()) * 40),
            1 => stage.reconnect(bytes.byte() % 3),
            2 => {
                let topic = stage.topics[bytes.below(stage.topics.len())].clone();
                stage.core.subscribed(&topic);
                reached("subscribed");
            }
            3 => message(&mut stage, &mut bytes, |bytes| bytes.chunk().to_vec()),
            4..=8 => message(&mut stage, &mut bytes, event),
            _ => message(&mut stage, &mut bytes, with_fields),
        }
        stage.settle();
        assert!(stage.core.channels().count() <= channels, "a channel without a socket");
    }
}

fn event(bytes: &mut Bytes<'_>) -> Vec<u8> {
    let origin = NodeId(bytes.pick(&[OTHER, NODE, 0, 9]));
    let (serial, number) = (number(bytes), number(bytes));
    let except = SocketId::of_halves(u32::from(bytes.byte() % 4), 1);
    let head = event_head(origin, serial, except, bytes.byte() % 2 == 1);
    [&head, &number.to_be_bytes()[..], bytes.chunk()].concat()
}

fn with_fields(bytes: &mut Bytes<'_>) -> Vec<u8> {
    let sender = match bytes.below(6) {
        0 => NODE,
        1 => number(bytes),
        2 => OTHER,
        _ => FIRST_REQUEST + u64::from(bytes.byte() % 8),
    };
    let mut message = vec![b'R', 2 + u8::from(bytes.byte() == 255), bytes.pick(KINDS)];
    message.extend_from_slice(&sender.to_be_bytes());
    if bytes.byte().is_multiple_of(4) {
        pack(bytes, &NAMES, &mut message);
        return message;
    }
    // A map of the fields of one kind, mostly.
    let count = bytes.below(14);
    message.push(0x80 | count as u8);
    for _ in 0..count {
        crate::packed::string(bytes.pick(&NAMES[..21]).as_bytes(), &mut message);
        pack(bytes, &NAMES, &mut message);
    }
    message
}

fn message(
    stage: &mut ClusterStage,
    bytes: &mut Bytes<'_>,
    make: impl Fn(&mut Bytes<'_>) -> Vec<u8>,
) {
    let topic = stage.topics[bytes.below(stage.topics.len())].clone();
    let payload = make(bytes);
    let read = TopicMessage::read(&payload);
    read_again(&payload, read.as_ref());
    let result = stage.core.message(&topic, &payload, stage.now);
    match result {
        Ok(()) => assert!(read.is_some(), "{payload:02x?}"),
        Err(why) => {
            let is_foreign =
                matches!(why, InvalidTopicMessage::Malformed | InvalidTopicMessage::OtherFormat);
            assert_eq!(is_foreign, read.is_none(), "{why:?} for {payload:02x?}");
            assert_eq!(
                why == InvalidTopicMessage::OtherFormat,
                is_foreign
                    && payload.first() == Some(&b'R')
                    && payload.get(1).is_some_and(|format| *format != 2)
            );
            reached(why.label());
        }
    }
    for effect in stage.settle() {
        effects(&effect, read.as_ref(), payload.len());
    }
}

/// An event has a layout that is simple enough to be written again.
fn read_again(payload: &[u8], read: Option<&TopicMessage<'_>>) {
    reached(match read {
        Some(TopicMessage::Event(event)) => {
            let head = event_head(event.origin, event.serial, event.except, event.kept);
            let again = [&head, &event.number.to_be_bytes()[..], event.text.as_bytes()].concat();
            assert_eq!(again, payload);
            "event"
        }
        Some(TopicMessage::Change(_)) => "change",
        Some(TopicMessage::Outcome(..)) => "outcome",
        Some(TopicMessage::Terminate(_)) => "terminate",
        Some(TopicMessage::Inquiry(..)) => "inquiry",
        Some(TopicMessage::Answer(..)) => "answer",
        None => {
            let is_event = matches!(payload, [b'R', 2, b'E' | b'K', ..]);
            let has_text = payload.get(35..).is_some_and(|text| std::str::from_utf8(text).is_ok());
            assert!(!(is_event && has_text), "an event that is not read: {payload:02x?}");
            return;
        }
    });
}

/// What a message may bring about.
fn effects(effect: &Effect, read: Option<&TopicMessage<'_>>, bytes: usize) {
    match effect {
        Effect::Channel { action: ChannelEffect::Deliver { frame, .. }, .. } => {
            reached("delivered");
            // What is added to a text is the frame and the words of an announcement.
            assert!(frame.len() <= 4 * bytes + 512, "{} bytes from {bytes}", frame.len());
        }
        Effect::Channel { action: ChannelEffect::Missed(_), .. } => reached("missed"),
        Effect::Terminate { app, .. } => {
            assert!(matches!(read, Some(TopicMessage::Terminate(_))) && *app == 0);
        }
        Effect::Inquiry { .. } => assert!(matches!(read, Some(TopicMessage::Inquiry(..)))),
        Effect::InquiryAnswer { .. } => assert!(matches!(read, Some(TopicMessage::Answer(..)))),
        Effect::Watchers { .. } => reached("watchers"),
        _ => {}
    }
}
