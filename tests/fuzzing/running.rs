//! The input that runs at the moment: how its panic is caught, and what becomes of it if it never ends or ends the process.

use std::cell::RefCell;
use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Once};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

/// No input takes a hundredth of it, on a busy machine neither.
const INPUT_TIME_MAX: Duration = Duration::from_secs(60);

thread_local! {
    /// The message of the last panic on a thread that catches them.
    static CAUGHT: RefCell<Option<String>> = const { RefCell::new(None) };
    static CATCHES: RefCell<bool> = const { RefCell::new(false) };
}

/// Runs it; the message of its panic, with the place, instead of a report on the terminal.
pub(crate) fn quietly(run: impl FnOnce()) -> Result<(), String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let report = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if CATCHES.with_borrow(|catches| *catches) {
                CAUGHT.set(Some(panic.to_string()));
            } else {
                report(panic);
            }
        }));
    });
    CATCHES.set(true);
    let ended = panic::catch_unwind(AssertUnwindSafe(run));
    CATCHES.set(false);
    ended.map_err(|_| CAUGHT.take().unwrap_or_default())
}

/// Writes an input to a file in the folder of builds.
pub(crate) fn store(target: &str, input: &[u8]) -> PathBuf {
    let folder = folder();
    let hash = xxhash_rust::xxh3::xxh3_64(input);
    let path = folder.join(format!("{target}-{hash:016x}"));
    fs::write(&path, input).unwrap();
    path
}

fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/fuzzing");
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// A target that is being run. A thread of its own ends the process if one input runs for too long; a file names the
/// number of the run for as long as it lasts, and stays if the process ends with it.
pub(crate) struct Running {
    name: &'static str,
    state: Arc<(Mutex<State>, Condvar)>,
    note: PathBuf,
    /// Where each input is written before it runs, if one of them ended an earlier process with this number.
    trace: Option<PathBuf>,
}

#[derive(Default)]
struct State {
    since: Option<Instant>,
    input: Vec<u8>,
    is_over: bool,
}

impl Running {
    pub(crate) fn begin(name: &'static str, seed: u64, traces: bool) -> Self {
        let note = folder().join(format!("{name}.running"));
        fs::write(&note, format!("FUZZ_SEED={seed}\n")).unwrap();
        let trace = traces.then(|| folder().join(format!("{name}.input")));
        let running = Self { name, state: Arc::default(), note, trace };
        running.watch();
        running
    }

    /// An input begins to run.
    pub(crate) fn starts(&self, input: &[u8]) {
        if let Some(trace) = &self.trace {
            fs::write(trace, input).unwrap();
        }
        let mut state = self.state.0.lock();
        state.since = Some(Instant::now());
        state.input.clear();
        state.input.extend_from_slice(input);
    }

    /// It has ended.
    pub(crate) fn ends(&self) {
        self.state.0.lock().since = None;
    }

    /// All inputs have.
    pub(crate) fn end(self) {
        self.state.0.lock().is_over = true;
        self.state.1.notify_all();
        let _ = fs::remove_file(&self.note);
    }

    fn watch(&self) {
        let (name, state) = (self.name, self.state.clone());
        thread::spawn(move || {
            let (state, over) = &*state;
            let mut state = state.lock();
            while !state.is_over {
                if state.since.is_some_and(|since| since.elapsed() > INPUT_TIME_MAX) {
                    let path = store(name, &state.input);
                    eprintln!("{name}: an input runs for {INPUT_TIME_MAX:?}: {}", path.display());
                    std::process::abort();
                }
                over.wait_for(&mut state, INPUT_TIME_MAX / 4);
            }
        });
    }
}
