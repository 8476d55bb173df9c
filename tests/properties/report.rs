//! What one step of a schedule brought about, on the server or in the model, and how two of them differ.

use std::fmt::{Debug, Write};

use crate::received::Received;
use crate::schedule::SOCKETS;

/// What one step brought about, and what is so now.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// What each socket received.
    pub(crate) received: [Vec<Received>; SOCKETS],
    /// The webhook events, sorted by channel, in the channel's order.
    pub(crate) seen: Vec<Received>,
    /// Answers and queries, in a fixed order.
    pub(crate) facts: Vec<String>,
}

impl Report {
    /// The first difference, in words.
    pub(crate) fn differs(&self, expected: &Self) -> Option<String> {
        let sockets = self.received.iter().zip(&expected.received).enumerate();
        sockets
            .map(|(socket, (is, should))| {
                difference(&format!("socket {socket} received"), is, should)
            })
            .chain([
                difference("the webhooks received", &self.seen, &expected.seen),
                difference("the hub says", &self.facts, &expected.facts),
            ])
            .find_map(|found| found)
    }
}

fn difference<T: Debug + PartialEq>(what: &str, is: &[T], should: &[T]) -> Option<String> {
    let longest = is.len().max(should.len());
    let at = (0..longest).find(|&at| is.get(at) != should.get(at))?;
    let mut text = String::new();
    let show = |all: &[T]| all.get(at).map_or("nothing more".to_owned(), |one| format!("{one:?}"));
    writeln!(text, "{what}, at {at}:\n    {}\n  expected:\n    {}", show(is), show(should))
        .unwrap();
    write!(text, "  all of it: {is:?}\n  expected:  {should:?}").unwrap();
    Some(text)
}
