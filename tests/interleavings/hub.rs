//! The files of the hub that take what threads share from `hub::sync`, on that of this folder.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "the files are those of the server, which uses more of them"
)]

#[path = "../../src/hub/alarm.rs"]
mod alarm;
#[path = "../../src/hub/inbox.rs"]
mod inbox;
#[path = "../../src/hub/schedule.rs"]
mod schedule;
pub(crate) mod sync;

mod alarm_orders;
mod inbox_orders;
