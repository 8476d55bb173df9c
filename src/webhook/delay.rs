//! Which occurrences are told at once, which only if they are not undone within three seconds.
//!
//! Pure: time comes in. A page change leaves and comes back within a second; nobody wants to be
//! told of that. `channel_vacated` and `member_removed` wait, and the return cancels both.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::hub::{Occurrence, What};
use crate::protocol::ChannelName;

/// Pusher's three seconds.
pub(super) const HOLD: Duration = Duration::from_secs(3);

/// A leave that may be undone: of a channel's last subscriber, or of a user.
type Leave = (ChannelName, Option<Arc<str>>);

/// The occurrences of one app on their way to its endpoints.
pub(super) struct Delay {
    held_max: usize,
    ready: VecDeque<Occurrence>,
    /// Leaves that wait, and when each is told.
    held: HashMap<Leave, Instant>,
    /// The same in order of time; an entry that `held` does not confirm was cancelled.
    order: VecDeque<(Instant, Leave)>,
    /// Cache misses told lately, so that a crowd on an empty channel is one miss; and in order.
    missed: HashSet<ChannelName>,
    missed_order: VecDeque<(Instant, ChannelName)>,
}

impl Delay {
    /// Beyond `held_max` leaves the oldest is not waited for, beyond as many misses it is forgotten.
    pub(super) fn new(held_max: usize) -> Self {
        let (ready, held, order, missed, missed_order) = Default::default();
        Self { held_max, ready, held, order, missed, missed_order }
    }

    /// Something happened.
    pub(super) fn saw(&mut self, occurrence: Occurrence, now: Instant) {
        let channel = &occurrence.channel;
        match &occurrence.what {
            What::Vacated if !occurrence.waited => self.hold((channel.clone(), None), now),
            What::MemberRemoved(user) if !occurrence.waited => {
                self.hold((channel.clone(), Some(user.clone())), now);
            }
            What::Occupied if self.cancel(channel, None) => {}
            What::MemberAdded(user) if self.cancel(channel, Some(user)) => {}
            What::CacheMiss if self.was_missed(channel, now) => {}
            _ => self.ready.push_back(occurrence),
        }
    }

    /// What may be told now.
    pub(super) fn release(&mut self, now: Instant) -> Vec<Occurrence> {
        while let Some((at, _)) = self.order.front()
            && (*at <= now || self.order.len() > self.held_max)
        {
            let Some((at, leave)) = self.order.pop_front() else { break };
            if self.held.get(&leave) == Some(&at) {
                self.held.remove(&leave);
                let (channel, user) = leave;
                let what = user.map_or(What::Vacated, What::MemberRemoved);
                self.ready.push_back(Occurrence { channel, what, waited: true });
            }
        }
        self.ready.drain(..).collect()
    }

    /// When there will be something to release.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.order.front().map(|(at, _)| *at)
    }

    fn hold(&mut self, leave: Leave, now: Instant) {
        let at = now + HOLD;
        self.held.insert(leave.clone(), at);
        self.order.push_back((at, leave));
    }

    fn cancel(&mut self, channel: &ChannelName, user: Option<&Arc<str>>) -> bool {
        self.held.remove(&(channel.clone(), user.cloned())).is_some()
    }

    fn was_missed(&mut self, channel: &ChannelName, now: Instant) -> bool {
        let is_old = |(at, _): &(Instant, ChannelName)| now.duration_since(*at) >= HOLD;
        while self.missed_order.front().is_some_and(is_old) {
            self.forget_miss();
        }
        let known = self.missed.contains(channel);
        if !known {
            if self.missed.len() >= self.held_max {
                self.forget_miss();
            }
            self.missed.insert(channel.clone());
            self.missed_order.push_back((now, channel.clone()));
        }
        known
    }

    fn forget_miss(&mut self) {
        if let Some((_, channel)) = self.missed_order.pop_front() {
            self.missed.remove(&channel);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Delay, HOLD};
    use crate::hub::{Occurrence, What};
    use crate::protocol::ChannelName;
    use std::time::{Duration, Instant};

    const SECOND: Duration = Duration::from_secs(1);

    fn occurrence(channel: &str, what: What) -> Occurrence {
        let channel = ChannelName::parse(channel, 164).unwrap();
        Occurrence { channel, what, waited: false }
    }

    fn told(delay: &mut Delay, now: Instant) -> Vec<What> {
        delay.release(now).into_iter().map(|occurrence| occurrence.what).collect()
    }

    #[test]
    fn a_return_within_three_seconds_cancels_both() {
        let (mut delay, start) = (Delay::new(10), Instant::now());
        delay.saw(occurrence("presence-a", What::MemberRemoved("1".into())), start);
        delay.saw(occurrence("presence-a", What::Vacated), start);
        delay.saw(occurrence("presence-a", What::Occupied), start + 2 * SECOND);
        delay.saw(occurrence("presence-a", What::MemberAdded("1".into())), start + 2 * SECOND);
        assert_eq!(told(&mut delay, start + HOLD), []);
    }

    #[test]
    fn a_leave_that_stays_is_told_after_three_seconds_in_order() {
        let (mut delay, start) = (Delay::new(10), Instant::now());
        delay.saw(occurrence("presence-a", What::MemberRemoved("1".into())), start);
        delay.saw(occurrence("presence-a", What::Vacated), start);
        delay.saw(occurrence("presence-a", What::MemberAdded("2".into())), start);
        assert_eq!(told(&mut delay, start), [What::MemberAdded("2".into())], "another user");
        assert_eq!(delay.next_due(), Some(start + HOLD));
        assert_eq!(
            told(&mut delay, start + HOLD),
            [What::MemberRemoved("1".into()), What::Vacated]
        );
        assert_eq!(delay.next_due(), None);
        delay.saw(occurrence("presence-a", What::Occupied), start + HOLD);
        assert_eq!(told(&mut delay, start + HOLD), [What::Occupied]);
    }

    #[test]
    fn leaving_twice_waits_from_the_second_time() {
        let (mut delay, start) = (Delay::new(10), Instant::now());
        delay.saw(occurrence("a", What::Vacated), start);
        delay.saw(occurrence("a", What::Occupied), start + SECOND);
        delay.saw(occurrence("a", What::Vacated), start + 2 * SECOND);
        assert_eq!(told(&mut delay, start + HOLD), []);
        assert_eq!(told(&mut delay, start + HOLD + 2 * SECOND), [What::Vacated]);
    }

    #[test]
    fn a_crowd_on_an_empty_cache_channel_is_one_miss() {
        let (mut delay, start) = (Delay::new(10), Instant::now());
        for _ in 0..3 {
            delay.saw(occurrence("cache-a", What::CacheMiss), start);
        }
        delay.saw(occurrence("cache-b", What::CacheMiss), start);
        delay.saw(occurrence("cache-a", What::CacheMiss), start + HOLD);
        assert_eq!(told(&mut delay, start).len(), 3);
    }

    #[test]
    fn misses_that_are_remembered_are_bounded() {
        let (mut delay, start) = (Delay::new(2), Instant::now());
        for channel in ["cache-a", "cache-b", "cache-c", "cache-a"] {
            delay.saw(occurrence(channel, What::CacheMiss), start);
        }
        assert_eq!(delay.missed.len(), 2);
        assert_eq!(
            told(&mut delay, start).len(),
            4,
            "the oldest was forgotten, so it is told again"
        );
    }

    #[test]
    fn beyond_the_bound_the_oldest_leave_is_told_early() {
        let (mut delay, start) = (Delay::new(1), Instant::now());
        delay.saw(occurrence("a", What::Vacated), start);
        delay.saw(occurrence("b", What::Vacated), start);
        let early = delay.release(start);
        assert_eq!(early, [Occurrence { waited: true, ..occurrence("a", What::Vacated) }]);
    }

    #[test]
    fn a_leave_that_was_waited_for_elsewhere_is_told_at_once() {
        let (mut delay, start) = (Delay::new(10), Instant::now());
        let left = occurrence("presence-a", What::MemberRemoved("1".into()));
        delay.saw(Occurrence { waited: true, ..left }, start);
        assert_eq!(told(&mut delay, start), [What::MemberRemoved("1".into())]);
    }
}
