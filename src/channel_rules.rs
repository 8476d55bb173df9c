//! The rules of one channel that hold on one node and on several.
//!
//! Owns the roster of a presence channel, the throttle of subscription counts, the pace of events, and the events that
//! webhooks report with the delay that cancels a short leave. Pure: the time is an argument. Where
//! a channel's sockets are, and who sends what to them, is left to [`hub`](crate::hub) and
//! [`cluster`](crate::cluster).

mod count_throttle;
mod pacer;
mod roster;
mod webhook_delay;
mod webhook_event;

pub use count_throttle::{COUNT_INTERVAL, CountThrottle, UNTHROTTLED_SUBSCRIBERS};
pub use pacer::{PacedDelivery, PacedEvent, Pacer, SLICES, SliceSet, only, slice_of};
pub use roster::{Roster, RosterJoin, RosterLeave};
pub use webhook_delay::{CACHE_MISS_WINDOW, LEAVE_DELAY, WebhookDelay};
pub use webhook_event::{WebhookEvent, WebhookPayload, WebhookSink};
