//! What the directory says on topics, byte by byte.

/// The answer to a state.
#[derive(Default)]
pub(crate) struct Said {
    pub(crate) number: u64,
    pub(crate) own: u64,
    pub(crate) total: u32,
    pub(crate) tell_occupied: bool,
    pub(crate) count_told: bool,
    pub(crate) count_later: bool,
    pub(crate) tell_miss: bool,
    pub(crate) refused: Vec<String>,
    pub(crate) added: Vec<String>,
    pub(crate) removed: Vec<String>,
    pub(crate) tell_added: Vec<String>,
    /// Arrival, user and info.
    pub(crate) roster: Option<Vec<(u64, String, String)>>,
    pub(crate) cached: Option<String>,
    pub(crate) missed: Vec<Vec<u8>>,
    pub(crate) more: bool,
}

/// An event behind its head.
pub(crate) fn event(head: &[u8], number: u64, text: &str) -> Vec<u8> {
    [head, &number.to_be_bytes(), text.as_bytes()].concat()
}

/// Who came and went; `None` if there is nothing to say.
pub(crate) fn change(
    origin: u64,
    removed: &[String],
    added: &[(String, String)],
    count: u32,
) -> Option<Vec<u8>> {
    if removed.is_empty() && added.is_empty() && count == 0 {
        return None;
    }
    let mut bytes = head(b'C', origin);
    texts(&mut bytes, removed);
    bytes.extend((added.len() as u32).to_be_bytes());
    for (user, info) in added {
        text(&mut bytes, user.as_bytes());
        text(&mut bytes, info.as_bytes());
    }
    bytes.extend(count.to_be_bytes());
    Some(bytes)
}

/// The outcome of a request.
pub(crate) fn outcome(request: u64, said: &Said) -> Vec<u8> {
    let mut bytes = head(b'O', request);
    bytes.extend(said.number.to_be_bytes());
    bytes.extend(said.own.to_be_bytes());
    bytes.extend(said.total.to_be_bytes());
    let flags = [
        said.tell_occupied,
        said.count_told,
        said.count_later,
        said.roster.is_some(),
        said.cached.is_some(),
        said.tell_miss,
        said.more,
    ];
    bytes.push(flags.iter().enumerate().map(|(bit, is_so)| u8::from(*is_so) << bit).sum());
    for users in [&said.refused, &said.added, &said.removed, &said.tell_added] {
        texts(&mut bytes, users);
    }
    if let Some(roster) = &said.roster {
        bytes.extend((roster.len() as u32).to_be_bytes());
        for (arrival, user, info) in roster {
            bytes.extend(arrival.to_be_bytes());
            text(&mut bytes, user.as_bytes());
            text(&mut bytes, info.as_bytes());
        }
    }
    said.cached.iter().for_each(|cached| text(&mut bytes, cached.as_bytes()));
    bytes.extend((said.missed.len() as u32).to_be_bytes());
    said.missed.iter().for_each(|message| text(&mut bytes, message));
    bytes
}

fn head(kind: u8, first: u64) -> Vec<u8> {
    [&b"R\x01"[..], &[kind], &first.to_be_bytes()].concat()
}

fn texts(bytes: &mut Vec<u8>, all: &[String]) {
    bytes.extend((all.len() as u32).to_be_bytes());
    all.iter().for_each(|one| text(bytes, one.as_bytes()));
}

fn text(bytes: &mut Vec<u8>, one: &[u8]) {
    bytes.extend((one.len() as u32).to_be_bytes());
    bytes.extend_from_slice(one);
}
