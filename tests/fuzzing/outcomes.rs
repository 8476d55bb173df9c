//! What a target came across while an input ran: a message of this kind, a refusal with that code.
//!
//! Stable Rust measures no coverage of a running program. The outcomes stand for it: an input that brings a new
//! combination of them is kept and changed further, and the seeds of a target must reach all that it lists.

use std::cell::RefCell;
use std::collections::BTreeSet;

/// Those of one input.
pub(crate) type Outcomes = BTreeSet<String>;

thread_local! {
    static REACHED: RefCell<Outcomes> = const { RefCell::new(BTreeSet::new()) };
}

/// Called by a target: the input that runs has this outcome.
pub(crate) fn reached(outcome: &str) {
    REACHED.with_borrow_mut(|reached| {
        if !reached.contains(outcome) {
            reached.insert(outcome.to_owned());
        }
    });
}

/// The outcomes since the last call.
pub(crate) fn take_reached() -> Outcomes {
    REACHED.take()
}
