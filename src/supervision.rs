//! The process and what watches over it: a service manager such as systemd, which receives its state and
//! ends it when it hangs.
//!
//! Owns the protocol of systemd's notifications and what counts as a sign of life. When the state of the
//! server changes is left to `server` and `cli`.

mod notifier;
mod pulse;

pub use notifier::Notifier;
pub use pulse::{Pulse, watch};
