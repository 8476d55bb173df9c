//! Why an event reached its sockets or none, and why a subscription was refused, as values with a code and a
//! sentence.
//!
//! Pure: what a node has is an argument. Collecting it is left to `node`, showing it to `http` and `cli`.

mod echo_call;
mod encrypted_data;
mod history;
mod near_miss;
mod recent_sockets;
mod refused_auth;
mod snippets;
mod time_text;
mod trigger_id;
mod unreached;
mod verdict;

pub use encrypted_data::is_encrypted;
pub use history::{AppHistory, Miss, PastEvent, PastKind, RefusedSubscription};
pub use near_miss::{Likeness, NEAR_MISSES_MAX, NearMiss, likeness, nearest};
pub use recent_sockets::RecentSockets;
pub use refused_auth::{AuthEvidence, Reason, SIGNATURES_MAX, reason};
pub use snippets::{CopiedData, CopiedEvent, Snippets, echo_listener, snippets};
pub use time_text::ago;
pub use trigger_id::{TriggerId, TriggerIds};
pub use unreached::{Aftermath, Unreached, UnreachedReason, unreached};
pub use verdict::{ChannelPast, Exclusion, Situation, Subscribers, Verdict, VerdictCode, verdict};
