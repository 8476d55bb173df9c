//! The memory of the process: how much it may use, where that bound comes from, and when it is short of it.
//!
//! Owns the files in which the kernel states its limits, and the rule by which memory counts as short. What is closed and
//! refused then is left to `server`, `websocket` and `http`, the key to `config`.

mod limit;
mod pressure;

pub use limit::{ControlGroup, MemoryBound, MemorySource};
pub use pressure::{MemoryPressure, MemorySample};
