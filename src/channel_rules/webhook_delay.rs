//! Which webhook events are sent at once, which after a delay, and which not at all: Pusher's rules.
//!
//! A page change leaves a channel and returns within a second. `channel_vacated` and `member_removed`
//! therefore wait, and a return cancels both. Holds for the channels of one node; in a cluster the
//! directory's scripts apply the same rules to all nodes and take the constants as arguments.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::webhook_event::{WebhookEvent, WebhookPayload};
use crate::protocol::ChannelName;

/// How long a leave waits for a return that cancels it.
pub const LEAVE_DELAY: Duration = Duration::from_secs(3);

/// Within this time of a `cache_miss`, further ones of the same channel are dropped.
pub const CACHE_MISS_WINDOW: Duration = Duration::from_secs(3);

/// A leave that may be cancelled: of a user, or of a channel's last subscriber.
type Leave = (ChannelName, Option<Arc<str>>);

/// The webhook events of one app on their way to its endpoints.
pub struct WebhookDelay {
    entries_max: usize,
    ready: VecDeque<WebhookEvent>,
    /// Leaves that wait, and when each is due.
    held: HashMap<Leave, Instant>,
    /// The same in order of time; an entry that `held` does not confirm was cancelled.
    order: VecDeque<(Instant, Leave)>,
    /// Channels that reported a cache miss within [`CACHE_MISS_WINDOW`], also in order of time.
    missed: HashSet<ChannelName>,
    missed_order: VecDeque<(Instant, ChannelName)>,
}

impl WebhookDelay {
    /// Holds up to `entries_max` leaves, and as many cache misses. Beyond that the oldest leave is due
    /// early, and the oldest miss is forgotten.
    pub fn new(entries_max: usize) -> Self {
        let (ready, held, order, missed, missed_order) = Default::default();
        Self { entries_max, ready, held, order, missed, missed_order }
    }

    /// Takes the next event of the app.
    pub fn push(&mut self, event: WebhookEvent, now: Instant) {
        let channel = &event.channel;
        match &event.payload {
            WebhookPayload::ChannelVacated if !event.is_final => {
                self.hold((channel.clone(), None), now);
            }
            WebhookPayload::MemberRemoved(user_id) if !event.is_final => {
                self.hold((channel.clone(), Some(user_id.clone())), now);
            }
            WebhookPayload::ChannelOccupied if self.cancel(channel, None) => {}
            WebhookPayload::MemberAdded(user_id) if self.cancel(channel, Some(user_id)) => {}
            WebhookPayload::CacheMiss if self.is_repeated_miss(channel, now) => {}
            _ => self.ready.push_back(event),
        }
    }

    /// Returns what is to be sent now.
    pub fn release(&mut self, now: Instant) -> Vec<WebhookEvent> {
        while let Some((at, _)) = self.order.front()
            && (*at <= now || self.order.len() > self.entries_max)
        {
            let Some((at, leave)) = self.order.pop_front() else { break };
            if self.held.get(&leave) == Some(&at) {
                self.held.remove(&leave);
                let (channel, user_id) = leave;
                let payload =
                    user_id.map_or(WebhookPayload::ChannelVacated, WebhookPayload::MemberRemoved);
                self.ready.push_back(WebhookEvent { channel, payload, is_final: true });
            }
        }
        self.ready.drain(..).collect()
    }

    /// When the next leave is due.
    pub fn next_due(&self) -> Option<Instant> {
        self.order.front().map(|(at, _)| *at)
    }

    fn hold(&mut self, leave: Leave, now: Instant) {
        let at = now + LEAVE_DELAY;
        self.held.insert(leave.clone(), at);
        self.order.push_back((at, leave));
    }

    fn cancel(&mut self, channel: &ChannelName, user_id: Option<&Arc<str>>) -> bool {
        self.held.remove(&(channel.clone(), user_id.cloned())).is_some()
    }

    fn is_repeated_miss(&mut self, channel: &ChannelName, now: Instant) -> bool {
        let is_over =
            |(at, _): &(Instant, ChannelName)| now.duration_since(*at) >= CACHE_MISS_WINDOW;
        while self.missed_order.front().is_some_and(is_over) {
            self.forget_oldest_miss();
        }
        let is_repeated = self.missed.contains(channel);
        if !is_repeated {
            if self.missed.len() >= self.entries_max {
                self.forget_oldest_miss();
            }
            self.missed.insert(channel.clone());
            self.missed_order.push_back((now, channel.clone()));
        }
        is_repeated
    }

    fn forget_oldest_miss(&mut self) {
        if let Some((_, channel)) = self.missed_order.pop_front() {
            self.missed.remove(&channel);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CACHE_MISS_WINDOW, LEAVE_DELAY, WebhookDelay, WebhookEvent, WebhookPayload};
    use crate::protocol::ChannelName;
    use std::time::{Duration, Instant};

    const SECOND: Duration = Duration::from_secs(1);

    fn event(channel: &str, payload: WebhookPayload) -> WebhookEvent {
        let channel = ChannelName::parse(channel, 164).unwrap();
        WebhookEvent { channel, payload, is_final: false }
    }

    fn sent(delay: &mut WebhookDelay, now: Instant) -> Vec<WebhookPayload> {
        delay.release(now).into_iter().map(|event| event.payload).collect()
    }

    #[test]
    fn a_return_within_three_seconds_cancels_both() {
        let (mut delay, start) = (WebhookDelay::new(10), Instant::now());
        delay.push(event("presence-a", WebhookPayload::MemberRemoved("1".into())), start);
        delay.push(event("presence-a", WebhookPayload::ChannelVacated), start);
        delay.push(event("presence-a", WebhookPayload::ChannelOccupied), start + 2 * SECOND);
        delay
            .push(event("presence-a", WebhookPayload::MemberAdded("1".into())), start + 2 * SECOND);
        assert_eq!(sent(&mut delay, start + LEAVE_DELAY), []);
    }

    #[test]
    fn leaves_without_a_return_are_sent_after_the_delay_in_order() {
        let (mut delay, start) = (WebhookDelay::new(10), Instant::now());
        delay.push(event("presence-a", WebhookPayload::MemberRemoved("1".into())), start);
        delay.push(event("presence-a", WebhookPayload::ChannelVacated), start);
        delay.push(event("presence-a", WebhookPayload::MemberAdded("2".into())), start);
        assert_eq!(
            sent(&mut delay, start),
            [WebhookPayload::MemberAdded("2".into())],
            "another user"
        );
        assert_eq!(delay.next_due(), Some(start + LEAVE_DELAY));
        assert_eq!(
            sent(&mut delay, start + LEAVE_DELAY),
            [WebhookPayload::MemberRemoved("1".into()), WebhookPayload::ChannelVacated]
        );
        assert_eq!(delay.next_due(), None);
        delay.push(event("presence-a", WebhookPayload::ChannelOccupied), start + LEAVE_DELAY);
        assert_eq!(sent(&mut delay, start + LEAVE_DELAY), [WebhookPayload::ChannelOccupied]);
    }

    #[test]
    fn a_second_leave_starts_the_delay_anew() {
        let (mut delay, start) = (WebhookDelay::new(10), Instant::now());
        delay.push(event("a", WebhookPayload::ChannelVacated), start);
        delay.push(event("a", WebhookPayload::ChannelOccupied), start + SECOND);
        delay.push(event("a", WebhookPayload::ChannelVacated), start + 2 * SECOND);
        assert_eq!(sent(&mut delay, start + LEAVE_DELAY), []);
        assert_eq!(
            sent(&mut delay, start + LEAVE_DELAY + 2 * SECOND),
            [WebhookPayload::ChannelVacated]
        );
    }

    #[test]
    fn the_misses_of_one_channel_within_the_window_are_one() {
        let (mut delay, start) = (WebhookDelay::new(10), Instant::now());
        for _ in 0..3 {
            delay.push(event("cache-a", WebhookPayload::CacheMiss), start);
        }
        delay.push(event("cache-b", WebhookPayload::CacheMiss), start);
        delay.push(event("cache-a", WebhookPayload::CacheMiss), start + CACHE_MISS_WINDOW);
        assert_eq!(sent(&mut delay, start).len(), 3);
    }

    #[test]
    fn the_number_of_remembered_misses_is_bounded() {
        let (mut delay, start) = (WebhookDelay::new(2), Instant::now());
        for channel in ["cache-a", "cache-b", "cache-c", "cache-a"] {
            delay.push(event(channel, WebhookPayload::CacheMiss), start);
        }
        assert_eq!(delay.missed.len(), 2);
        assert_eq!(
            sent(&mut delay, start).len(),
            4,
            "the oldest was forgotten, so it is sent again"
        );
    }

    #[test]
    fn above_the_bound_the_oldest_leave_is_sent_early() {
        let (mut delay, start) = (WebhookDelay::new(1), Instant::now());
        delay.push(event("a", WebhookPayload::ChannelVacated), start);
        delay.push(event("b", WebhookPayload::ChannelVacated), start);
        let early = delay.release(start);
        assert_eq!(
            early,
            [WebhookEvent { is_final: true, ..event("a", WebhookPayload::ChannelVacated) }]
        );
    }

    #[test]
    fn a_final_leave_is_sent_at_once() {
        let (mut delay, start) = (WebhookDelay::new(10), Instant::now());
        let left = event("presence-a", WebhookPayload::MemberRemoved("1".into()));
        delay.push(WebhookEvent { is_final: true, ..left }, start);
        assert_eq!(sent(&mut delay, start), [WebhookPayload::MemberRemoved("1".into())]);
    }
}
