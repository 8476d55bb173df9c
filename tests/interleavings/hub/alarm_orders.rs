//! The alarm of paced channels: the task that waits for the earliest time misses no earlier one.

use std::time::{Duration, Instant};

use loom::sync::Arc;
use loom::thread;

use super::alarm::Alarm;
use super::schedule::Schedule;
use super::sync::Mutex;
use crate::every_order::{block_on, every_order};

/// The loop of the pacing task, for which the time `until` has come: what it takes before a later time is set.
fn wait_for(alarm: &Alarm, until: Instant) -> Instant {
    loop {
        match alarm.next() {
            Some(next) if next <= until => return alarm.take().unwrap(),
            _ => block_on(alarm.earlier()),
        }
    }
}

#[test]
fn an_earlier_time_wakes_the_task_that_waits_for_a_later_one() {
    every_order(|| {
        let (alarm, start) = (Arc::new(Alarm::default()), Instant::now());
        let (soon, later) = (start + Duration::from_secs(1), start + Duration::from_secs(9));
        alarm.set(later);
        let setters = [soon, later].map(|at| {
            let alarm = alarm.clone();
            thread::spawn(move || alarm.set(at))
        });
        assert_eq!(wait_for(&alarm, soon), soon);
        setters.into_iter().for_each(|setter| setter.join().unwrap());
    });
}

#[test]
fn what_is_set_beside_a_take_is_not_forgotten() {
    every_order(|| {
        let (alarm, at) = (Arc::new(Alarm::default()), Instant::now());
        let own = alarm.clone();
        let setter = thread::spawn(move || own.set(at));
        let taken = alarm.take();
        setter.join().unwrap();
        assert_eq!(taken.or(alarm.next()), Some(at));
    });
}

/// What stands in for a paced channel: the events that wait, and how many were delivered.
#[derive(Default)]
struct Paced {
    waiting: usize,
    delivered: usize,
}

impl Paced {
    fn release(&mut self) {
        self.delivered += std::mem::take(&mut self.waiting);
    }
}

/// As the registry publishes an event that may wait, under the lock of its channel.
fn publish(alarm: &Alarm, schedule: &Schedule<Mutex<Paced>>, slot: &std::sync::Arc<Mutex<Paced>>) {
    let mut channel = slot.lock();
    channel.waiting += 1;
    if alarm.is_over() {
        return channel.release();
    }
    let at = Instant::now();
    schedule.push(at, slot);
    alarm.set(at);
    if alarm.is_over() {
        channel.release();
    }
}

/// As a node ends the pacing.
fn end(alarm: &Alarm, schedule: &Schedule<Mutex<Paced>>) {
    alarm.end();
    for slot in schedule.take(None) {
        slot.lock().release();
    }
}

#[test]
fn after_the_end_no_event_waits() {
    every_order(|| {
        let (alarm, schedule) = (Arc::new(Alarm::default()), Arc::new(Schedule::default()));
        let slot = std::sync::Arc::new(Mutex::new(Paced::default()));
        let publisher = {
            let (alarm, schedule, slot) = (alarm.clone(), schedule.clone(), slot.clone());
            thread::spawn(move || publish(&alarm, &schedule, &slot))
        };
        end(&alarm, &schedule);
        publisher.join().unwrap();
        let channel = slot.lock();
        assert_eq!((channel.waiting, channel.delivered), (0, 1));
    });
}
