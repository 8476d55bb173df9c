//! The app's answers that are remembered, and the questions that are under way.
//!
//! Pure but for the channel on which an answer arrives: the time comes in. Both tables have a bound. The key of
//! an answer is a hash of everything that was passed on, so no request gets the answer to another session.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use lru::LruCache;
use tokio::sync::watch;

use super::grant::Grant;
use super::refusal::AuthRefusal;

/// A hash over everything that the app's answer may depend on.
pub(super) type QuestionKey = [u8; 32];

/// What the app answered.
pub(super) type Permission = Result<Grant, AuthRefusal>;

/// Questions under way at once: each may have any number of requests that wait for it.
const QUESTIONS_MAX: usize = 10_000;

/// What an entry costs beside its texts.
const ENTRY_BYTES: usize = 256;

/// What is known about a question.
#[derive(Debug)]
pub(super) enum Known {
    /// The app has answered it of late.
    Answered(Permission),
    /// The app is being asked.
    Asked(watch::Receiver<Option<Permission>>),
    /// The caller has to ask, and to report the answer here and with [`Memory::answered`].
    Unasked(watch::Sender<Option<Permission>>),
    /// Too many questions are under way.
    Full,
}

#[derive(Debug)]
struct Remembered {
    permission: Permission,
    until: Instant,
    bytes: usize,
}

/// The answers of one app.
#[derive(Debug)]
pub(super) struct Memory {
    answers: LruCache<QuestionKey, Remembered>,
    bytes: usize,
    bytes_max: usize,
    asked: HashMap<QuestionKey, watch::Receiver<Option<Permission>>>,
}

impl Memory {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { answers: LruCache::unbounded(), bytes: 0, bytes_max, asked: HashMap::new() }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Looks a question up, and counts it as asked if it is new.
    pub(super) fn look_up(&mut self, key: QuestionKey, now: Instant) -> Known {
        match self.answers.get(&key) {
            Some(remembered) if now < remembered.until => {
                return Known::Answered(remembered.permission.clone());
            }
            Some(_) => self.forget(&key),
            None => {}
        }
        // A closed one was given up: its task ended without an answer.
        if let Some(asked) = self.asked.get(&key).filter(|asked| asked.has_changed().is_ok()) {
            return Known::Asked(asked.clone());
        }
        if self.asked.len() >= QUESTIONS_MAX {
            self.asked.retain(|_, asked| asked.has_changed().is_ok());
            if self.asked.len() >= QUESTIONS_MAX {
                return Known::Full;
            }
        }
        let (answer, asked) = watch::channel(None);
        self.asked.insert(key, asked);
        Known::Unasked(answer)
    }

    /// Ends a question, and remembers its answer for this long.
    pub(super) fn answered(
        &mut self,
        key: QuestionKey,
        permission: &Permission,
        remember: Duration,
        now: Instant,
    ) {
        self.asked.remove(&key);
        if remember.is_zero() {
            return;
        }
        let bytes = ENTRY_BYTES + text_bytes(permission);
        self.forget(&key);
        self.bytes += bytes;
        self.answers
            .put(key, Remembered { permission: permission.clone(), until: now + remember, bytes });
        while self.bytes > self.bytes_max {
            let Some((_, oldest)) = self.answers.pop_lru() else { break };
            self.bytes -= oldest.bytes;
        }
    }

    fn forget(&mut self, key: &QuestionKey) {
        if let Some(old) = self.answers.pop(key) {
            self.bytes -= old.bytes;
        }
    }
}

fn text_bytes(permission: &Permission) -> usize {
    match permission {
        Ok(grant) => {
            let texts = [&grant.data, &grant.shared_secret];
            texts.into_iter().flatten().map(String::len).sum()
        }
        Err(refusal) => refusal.text.len(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{ENTRY_BYTES, Grant, Known, Memory, Permission, QUESTIONS_MAX, QuestionKey};
    use crate::channel_auth::refusal::AuthRefusal;

    const SECOND: Duration = Duration::from_secs(1);

    fn key(number: u64) -> QuestionKey {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&number.to_be_bytes());
        key
    }

    fn grant(text: &str) -> Permission {
        Ok(Grant { data: Some(text.to_owned()), shared_secret: None })
    }

    fn known(memory: &mut Memory, number: u64, now: Instant) -> String {
        match memory.look_up(key(number), now) {
            Known::Answered(Ok(grant)) => grant.data.unwrap(),
            Known::Answered(Err(refusal)) => refusal.text.to_string(),
            Known::Asked(_) => "asked".to_owned(),
            Known::Unasked(_) => "unasked".to_owned(),
            Known::Full => "full".to_owned(),
        }
    }

    #[test]
    fn an_answer_is_remembered_for_its_time_and_for_its_key_alone() {
        let (mut memory, now) = (Memory::new(10_000), Instant::now());
        let Known::Unasked(answer) = memory.look_up(key(1), now) else { panic!("a new question") };
        assert_eq!(known(&mut memory, 1, now), "asked");
        memory.answered(key(1), &grant("yes"), SECOND, now);
        drop(answer);
        assert_eq!(known(&mut memory, 1, now + SECOND / 2), "yes");
        assert_eq!(known(&mut memory, 2, now), "unasked");
        assert_eq!(known(&mut memory, 1, now + SECOND), "unasked");
        assert_eq!(memory.bytes(), 0, "what is too old is forgotten");
        let refusal = Err(AuthRefusal::not_permitted("no"));
        memory.answered(key(1), &refusal, SECOND, now);
        assert_eq!(known(&mut memory, 1, now), "no");
        memory.answered(key(1), &refusal, Duration::ZERO, now);
    }

    #[test]
    fn a_question_whose_task_ended_without_an_answer_is_asked_again() {
        let (mut memory, now) = (Memory::new(10_000), Instant::now());
        for _ in 0..3 {
            assert_eq!(known(&mut memory, 1, now), "unasked", "the sender is dropped each time");
        }
    }

    #[test]
    fn the_memory_has_a_bound_and_keeps_what_was_used_last() {
        let entry = ENTRY_BYTES + 10;
        let (mut memory, now) = (Memory::new(2 * entry), Instant::now());
        for number in 1..=2 {
            memory.answered(key(number), &grant("0123456789"), SECOND, now);
        }
        assert_eq!(known(&mut memory, 1, now), "0123456789");
        memory.answered(key(3), &grant("0123456789"), SECOND, now);
        assert_eq!(memory.bytes(), 2 * entry);
        assert_eq!(known(&mut memory, 2, now), "unasked");
        assert_eq!(known(&mut memory, 1, now), "0123456789");
        memory.answered(key(4), &grant(&"x".repeat(10_000)), SECOND, now);
        assert_eq!(memory.bytes(), 0, "an answer that is larger than all of it");
    }

    #[test]
    fn questions_have_a_bound_that_given_up_ones_do_not_count_against() {
        let (mut memory, now) = (Memory::new(1000), Instant::now());
        let count = QUESTIONS_MAX as u64;
        let mut open: Vec<Known> = (0..count).map(|it| memory.look_up(key(it), now)).collect();
        assert_eq!(known(&mut memory, count, now), "full");
        assert_eq!(known(&mut memory, 0, now), "asked");
        open.truncate(QUESTIONS_MAX / 2);
        assert_eq!(known(&mut memory, count, now), "unasked");
    }
}
