//! Work on many things for operators, on a thread that gives its core away now and then.
//!
//! A thread that wakes may have to wait for the time slice of the one that runs, milliseconds even if that has a lower
//! priority. Who makes a list lets others run within 0.1 ms.

/// Things between two calls of the scheduler, of about 1 µs each.
const AT_ONCE: usize = 64;

/// The same things, with the core given away for a moment after some of them.
pub fn gently<T>(things: impl IntoIterator<Item = T>) -> impl Iterator<Item = T> {
    things.into_iter().enumerate().map(|(number, thing)| {
        if number % AT_ONCE == AT_ONCE - 1 {
            std::thread::yield_now();
        }
        thing
    })
}
