//! The last link of a node to each Redis process that it has met.
//!
//! A new link ends the last one there: what is still under way on that one must not be executed after the requests of
//! the new one, since a state is absolute and an old one would undo a new one. A slot that moves away and returns
//! leads back to a process that was left before, so the last process alone is not enough.

use std::collections::VecDeque;

/// Processes that are remembered. A node meets another one when Redis restarts, fails over or a slot moves, and what
/// is under way on a link is gone after minutes.
const PROCESSES_MAX: usize = 16;

/// See the module.
#[derive(Debug, Default)]
pub struct LastLinks(VecDeque<(String, u64)>);

impl LastLinks {
    /// Remembers the new link to a process. Returns the one before, which is to be ended.
    pub fn replace(&mut self, run: &str, link: u64) -> Option<u64> {
        let before = self.0.iter().position(|(other, _)| other == run);
        let before = before.and_then(|at| self.0.remove(at));
        self.0.push_back((run.to_owned(), link));
        if self.0.len() > PROCESSES_MAX {
            self.0.pop_front();
        }
        before.map(|(_, link)| link)
    }
}

#[cfg(test)]
mod tests {
    use super::{LastLinks, PROCESSES_MAX};

    #[test]
    fn a_process_that_comes_back_has_its_last_link_ended() {
        let mut links = LastLinks::default();
        let runs = ["a", "b", "a", "a", "b"];
        let ended: Vec<_> = runs.iter().zip(1..).map(|(run, id)| links.replace(run, id)).collect();
        assert_eq!(ended, [None, None, Some(1), Some(3), Some(2)]);
    }

    #[test]
    fn processes_that_were_met_long_ago_are_forgotten() {
        let mut links = LastLinks::default();
        for link in 0..=PROCESSES_MAX as u64 {
            assert_eq!(links.replace(&link.to_string(), link), None);
        }
        assert_eq!(links.replace("1", 99), Some(1));
        assert_eq!(links.replace("0", 99), None);
    }
}
