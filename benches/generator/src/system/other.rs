//! Systems without `/proc`.

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::time::Duration;

use crate::usage::{MachineTime, Usage};

pub(super) fn usage(_: u32) -> io::Result<Usage> {
    Err(ErrorKind::Unsupported.into())
}

pub(super) fn thread_times(_: u32) -> io::Result<HashMap<i32, Duration>> {
    Err(ErrorKind::Unsupported.into())
}

pub(super) fn resident_bytes(_: u32) -> io::Result<u64> {
    Err(ErrorKind::Unsupported.into())
}

pub(super) fn time_with_children() -> io::Result<Duration> {
    Err(ErrorKind::Unsupported.into())
}

pub(super) fn machine_time() -> io::Result<MachineTime> {
    Err(ErrorKind::Unsupported.into())
}

pub(super) fn sharpen_timers() {}
