//! The messages that the directory publishes on topics: written with field names of their own.

use serde::{Serialize, Serializer};

/// What every message begins with.
pub(crate) const FORMAT: &[u8; 2] = b"R\x02";

/// The outcome of a state; fields that are absent in Redis are empty here.
#[derive(Default, Serialize)]
pub(crate) struct Outcome {
    pub(crate) number: u64,
    pub(crate) own: u64,
    pub(crate) total: u32,
    pub(crate) report_occupied: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) count: Option<&'static str>,
    pub(crate) report_miss: bool,
    pub(crate) refused: Vec<String>,
    pub(crate) added: Vec<String>,
    pub(crate) removed: Vec<String>,
    pub(crate) report_added: Vec<String>,
    /// User ids and packed members in turn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) roster: Option<Vec<Bytes>>,
    pub(crate) cached: Option<String>,
    pub(crate) missed: Vec<Bytes>,
    pub(crate) more: bool,
}

/// Packed as one value, as Redis packs its strings.
pub(crate) struct Bytes(pub(crate) Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

/// How a channel changed.
#[derive(Serialize)]
pub(crate) struct Change<'a> {
    pub(crate) removed: &'a [String],
    /// Users and infos.
    pub(crate) added: &'a [(String, String)],
    pub(crate) count: Option<u32>,
    pub(crate) recount: bool,
}

/// The bytes of an event up to its number.
pub(crate) fn event_head(origin: u64, serial: u64) -> Vec<u8> {
    [&head(b'E', origin)[..], &serial.to_be_bytes(), &[0; 8]].concat()
}

/// The same of an event that a cache channel keeps.
pub(crate) fn kept_event_head(origin: u64, serial: u64) -> Vec<u8> {
    [&head(b'K', origin)[..], &serial.to_be_bytes(), &[0; 8]].concat()
}

/// An event behind its head.
pub(crate) fn event(head: &[u8], number: u64, text: &str) -> Vec<u8> {
    [head, &number.to_be_bytes(), text.as_bytes()].concat()
}

/// A member as the directory stores it: arrival, nodes, info.
pub(crate) fn member(arrival: u64, nodes: &[u64], info: &str) -> Bytes {
    let nodes = nodes.iter().flat_map(|node| node.to_be_bytes()).collect();
    Bytes(pack(&(arrival, Bytes(nodes), info)))
}

/// A change of a channel; `None` if there is none.
pub(crate) fn change(origin: u64, change: &Change<'_>) -> Option<Vec<u8>> {
    let Change { removed, added, count, recount } = change;
    let is_change = !removed.is_empty() || !added.is_empty() || count.is_some() || *recount;
    is_change.then(|| [head(b'C', origin), pack(change)].concat())
}

/// The outcome of a request.
pub(crate) fn outcome(request: u64, outcome: &Outcome) -> Vec<u8> {
    [head(b'O', request), pack(outcome)].concat()
}

fn head(kind: u8, first: u64) -> Vec<u8> {
    [&FORMAT[..], &[kind], &first.to_be_bytes()].concat()
}

fn pack(value: &impl Serialize) -> Vec<u8> {
    rmp_serde::to_vec_named(value).unwrap()
}
