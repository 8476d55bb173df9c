//! What other programs publish in Redis as inputs: Laravel's `redis` broadcaster, and Reverb's scaling channel.
//!
//! Owns the links, which topics are subscribed to, and the forms of the messages, which are checked like those of
//! any peer. Sockets and channels are left to [`node`](crate::node), which delivers on this node alone: each node
//! receives every message itself.

mod held_join;
mod input_facts;
mod laravel;
mod laravel_event;
mod link;
mod php_value;
mod push_queue;
mod reverb;
mod reverb_app;
mod reverb_message;
mod reverb_metrics;
mod topics;

pub use held_join::HeldJoin;
pub use input_facts::InputFacts;
pub use laravel::{LaravelInput, LaravelOwner};
pub use laravel_event::{LaravelEvent, RefusedEvent};
pub use php_value::{SerializedError, SerializedValue};
pub use reverb::{ReverbInput, ReverbOwner};
pub use reverb_app::InvalidReverbMessage;
pub use reverb_message::{ForwardedData, ForwardedEvent, ReverbEvent, ReverbMessage};
pub use reverb_metrics::{ReverbLookup, ReverbQuery};
