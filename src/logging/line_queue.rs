//! The lines that wait for the log, and the thread that writes them: a bound in bytes, and no caller
//! ever waits.
//!
//! What a full queue, a full disk or a closed pipe loses is counted in [`LogLosses`]. What a line
//! holds is left to others.

use std::io::{self, ErrorKind, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::log_losses::LogLosses;

/// Bytes that may wait while the log is slower than what is written to it: 5 000 lines of 200 bytes.
const BYTES_MAX: usize = 1 << 20;

/// How often the thread looks for sums that are due.
const TICK: Duration = Duration::from_millis(250);

/// The pause before a log that takes no bytes just now is tried again.
const RETRY: Duration = Duration::from_millis(5);

/// Lines on their way to the log.
pub(super) struct LineQueue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
    losses: &'static LogLosses,
}

#[derive(Default)]
struct Waiting {
    lines: Vec<u8>,
    /// No line comes any more.
    is_ending: bool,
    /// The last line is written.
    has_ended: bool,
}

impl LineQueue {
    pub(super) fn new(losses: &'static LogLosses) -> Arc<Self> {
        Arc::new(Self { waiting: Mutex::default(), changed: Condvar::new(), losses })
    }

    /// Queues a line, with its line end; drops and counts it if too many bytes wait.
    pub(super) fn push(&self, line: &str) {
        let mut waiting = self.waiting.lock();
        if waiting.lines.len() + line.len() > BYTES_MAX {
            drop(waiting);
            return self.losses.add(1, Instant::now());
        }
        let was_empty = waiting.lines.is_empty();
        waiting.lines.extend_from_slice(line.as_bytes());
        drop(waiting);
        if was_empty {
            self.changed.notify_all();
        }
    }

    /// Starts the thread that writes to `sink`, and calls `tick` four times a second.
    pub(super) fn start(
        self: &Arc<Self>,
        sink: impl Write + Send + 'static,
        tick: impl Fn(Instant) + Send + 'static,
    ) -> io::Result<()> {
        let queue = self.clone();
        let thread = std::thread::Builder::new().name("resound-log".to_owned());
        thread.spawn(move || queue.run(sink, tick)).map(drop)
    }

    fn run(&self, mut sink: impl Write, tick: impl Fn(Instant)) {
        let (mut ticked, mut reported) = (Instant::now(), 0);
        let mut is_line_open = false;
        loop {
            let mut waiting = self.waiting.lock();
            if waiting.lines.is_empty() && !waiting.is_ending {
                self.changed.wait_for(&mut waiting, TICK);
            }
            let lines = std::mem::take(&mut waiting.lines);
            let is_last = waiting.is_ending;
            drop(waiting);
            let is_written = self.write(&mut sink, &lines, &mut is_line_open);
            let lost = self.losses.lines() - reported;
            if is_written && !lines.is_empty() && lost > 0 {
                reported += lost;
                tracing::warn!(
                    lines = lost,
                    "log lines were lost: free space on the disk of the log, or read stderr faster"
                );
            }
            if is_last {
                self.waiting.lock().has_ended = true;
                self.changed.notify_all();
                return;
            }
            if ticked.elapsed() >= TICK {
                ticked = Instant::now();
                tick(ticked);
            }
        }
    }

    /// Writes whole lines; false if the sink does not take all of them, and what it does not take is counted.
    /// `is_line_open` says whether the sink took only a part of its last line.
    fn write(&self, sink: &mut impl Write, lines: &[u8], is_line_open: &mut bool) -> bool {
        let mut rest = lines;
        if *is_line_open && !lines.is_empty() && write_some(sink, b"\n").is_ok() {
            *is_line_open = false;
        }
        while !rest.is_empty() {
            match write_some(sink, rest) {
                Ok(written) => rest = &rest[written..],
                Err(_) => {
                    *is_line_open |=
                        lines[..lines.len() - rest.len()].last().is_some_and(|byte| *byte != b'\n');
                    let lost = memchr::memchr_iter(b'\n', rest).count();
                    self.losses.add(lost as u64, Instant::now());
                    return false;
                }
            }
        }
        true
    }

    /// Waits until the lines that wait are written, `timeout` at most.
    pub(super) fn end(&self, timeout: Duration) {
        let deadline = Instant::now() + timeout;
        let mut waiting = self.waiting.lock();
        waiting.is_ending = true;
        self.changed.notify_all();
        while !waiting.has_ended && !self.changed.wait_until(&mut waiting, deadline).timed_out() {}
    }
}

/// Writes at least a byte. Standard error may be non-blocking: the process that started this one, or one
/// that shares the terminal, decides that.
fn write_some(sink: &mut impl Write, bytes: &[u8]) -> io::Result<usize> {
    loop {
        match sink.write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::sleep(RETRY),
            written => return written,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::io::{self, ErrorKind, Write};
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use parking_lot::Mutex;

    use super::{BYTES_MAX, LineQueue, LogLosses};

    /// Answers each write with the next of its outcomes, then takes everything.
    #[derive(Clone, Default)]
    struct Sink {
        outcomes: Arc<Mutex<VecDeque<io::Result<usize>>>>,
        taken: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let outcome = self.outcomes.lock().pop_front();
            let taken = outcome.unwrap_or(Ok(bytes.len()))?.min(bytes.len());
            self.taken.lock().extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn losses() -> &'static LogLosses {
        Box::leak(Box::new(LogLosses::new()))
    }

    fn check(outcomes: impl IntoIterator<Item = io::Result<usize>>, taken: &str, lost: u64) {
        let sink = Sink::default();
        sink.outcomes.lock().extend(outcomes);
        let losses = losses();
        let queue = LineQueue::new(losses);
        let mut is_line_open = false;
        for lines in ["one\ntwo\nthree\n", "four\n"] {
            queue.write(&mut sink.clone(), lines.as_bytes(), &mut is_line_open);
        }
        assert_eq!(String::from_utf8_lossy(&sink.taken.lock()), taken);
        assert_eq!(losses.lines(), lost);
    }

    #[test]
    fn what_a_sink_does_not_take_is_counted_and_the_next_line_begins_on_its_own() {
        let full = || Err(ErrorKind::StorageFull.into());
        let later = || Err(ErrorKind::WouldBlock.into());
        check([], "one\ntwo\nthree\nfour\n", 0);
        check([Ok(2), later(), later()], "one\ntwo\nthree\nfour\n", 0);
        check([full()], "four\n", 3);
        check([Ok(4), full()], "one\nfour\n", 2);
        check([Ok(6), full()], "one\ntw\nfour\n", 2);
        check([Ok(6), full(), full(), full()], "one\ntw", 3);
        check([Ok(0)], "four\n", 3);
    }

    #[test]
    fn a_sink_that_takes_nothing_delays_no_caller_and_costs_lines_above_the_bound() {
        let losses = losses();
        let queue = LineQueue::new(losses);
        let line = format!("{}\n", "x".repeat(1023));
        for _ in 0..BYTES_MAX / 1024 + 3 {
            queue.push(&line);
        }
        assert_eq!(losses.lines(), 3);
        let began = Instant::now();
        queue.end(Duration::from_millis(10));
        assert!(began.elapsed() < Duration::from_secs(5), "no thread writes");
    }

    #[test]
    fn the_end_waits_for_the_lines() {
        let (sink, queue) = (Sink::default(), LineQueue::new(losses()));
        queue.start(sink.clone(), |_| {}).unwrap();
        queue.push("one\n");
        queue.push("two\n");
        queue.end(Duration::from_secs(20));
        assert_eq!(String::from_utf8_lossy(&sink.taken.lock()), "one\ntwo\n");
    }
}
