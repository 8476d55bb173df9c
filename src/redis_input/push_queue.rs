//! What Redis pushes over one link, until this node can deliver it.
//!
//! Filled where the connection is read, emptied by the task of the link: where sockets take less than Redis sends,
//! messages wait here, up to a bound in bytes, and are dropped and counted beyond it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use redis::{PushInfo, PushKind, Value};
use tokio::sync::Notify;

/// Memory of a message beyond its bytes.
const OVERHEAD_BYTES: usize = 128;

/// Something that Redis pushed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum InputPush {
    Message {
        topic: String,
        payload: Vec<u8>,
    },
    Subscribed(String),
    /// The connection has ended.
    Gone,
}

/// The pushes of one link.
pub(super) struct PushQueue {
    waiting: Mutex<Waiting>,
    filled: Notify,
    bytes_max: usize,
    dropped: AtomicU64,
}

#[derive(Default)]
struct Waiting {
    pushes: VecDeque<InputPush>,
    bytes: usize,
}

impl PushQueue {
    pub(super) fn new(bytes_max: usize) -> Self {
        let (waiting, filled, dropped) = Default::default();
        Self { waiting, filled, bytes_max, dropped }
    }

    /// Queues a push. Waits for nothing.
    pub(super) fn push(&self, info: PushInfo) {
        let Some(push) = read(info) else { return };
        let mut waiting = self.waiting.lock();
        if let InputPush::Message { topic, payload } = &push {
            let bytes = topic.len() + payload.len() + OVERHEAD_BYTES;
            if waiting.bytes + bytes > self.bytes_max {
                self.dropped.fetch_add(1, Ordering::Relaxed);
                return;
            }
            waiting.bytes += bytes;
        }
        waiting.pushes.push_back(push);
        self.filled.notify_one();
    }

    /// Takes everything that waits.
    pub(super) fn take(&self) -> VecDeque<InputPush> {
        let mut waiting = self.waiting.lock();
        waiting.bytes = 0;
        std::mem::take(&mut waiting.pushes)
    }

    /// Resolves once something waits.
    pub(super) async fn filled(&self) {
        while self.waiting.lock().pushes.is_empty() {
            self.filled.notified().await;
        }
    }

    /// Messages that were dropped since the last call.
    pub(super) fn take_dropped(&self) -> u64 {
        self.dropped.swap(0, Ordering::Relaxed)
    }
}

/// `None` for what no input uses, and for topics that are no text.
fn read(info: PushInfo) -> Option<InputPush> {
    let mut data = info.data.into_iter().map(bytes);
    match info.kind {
        PushKind::Disconnection => Some(InputPush::Gone),
        PushKind::Subscribe => Some(InputPush::Subscribed(String::from_utf8(data.next()??).ok()?)),
        PushKind::Message => {
            let topic = String::from_utf8(data.next()??).ok()?;
            Some(InputPush::Message { topic, payload: data.next()?? })
        }
        _ => None,
    }
}

fn bytes(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        Value::SimpleString(text) => Some(text.into_bytes()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{InputPush, OVERHEAD_BYTES, PushInfo, PushKind, PushQueue, Value};

    fn message(payload: &[u8]) -> PushInfo {
        let data = [&b"t"[..], payload].map(|part| Value::BulkString(part.to_vec()));
        PushInfo { kind: PushKind::Message, data: data.into() }
    }

    #[test]
    fn messages_beyond_the_bound_are_dropped_and_counted() {
        let queue = PushQueue::new(2 * (OVERHEAD_BYTES + 5));
        for _ in 0..3 {
            queue.push(message(b"1234"));
        }
        queue.push(PushInfo { kind: PushKind::Disconnection, data: Vec::new() });
        let taken = Vec::from(queue.take());
        let first = InputPush::Message { topic: "t".to_owned(), payload: b"1234".to_vec() };
        assert_eq!((taken.len(), &taken[0], &taken[2]), (3, &first, &InputPush::Gone));
        assert_eq!((queue.take_dropped(), queue.take_dropped()), (1, 0));
        queue.push(message(b"1234"));
        assert_eq!(queue.take().len(), 1, "what was taken waits no more");
    }
}
