//! Probes: one look each at a step between a client and a server, from outside, and the evidence of it.
//!
//! Owns the input and output of looking: names, connections, TLS, HTTP, WebSockets, Redis, a queue in a file,
//! the limits of a process. Every probe has a bound in time, changes nothing that outlives it and judges nothing; what the
//! evidence means is left to the doctor.

mod certificate;
mod database_queue;
mod dial;
mod server_url;
mod http;
mod laravel_queue;
mod probe_error;
mod pusher_socket;
mod redis_server;
mod server_process;
mod sqlite_file;
mod tls;

pub use certificate::PresentedCertificate;
pub use database_queue::{QueueTable, watch_table};
pub use dial::{Dialled, dial, resolve};
pub use http::{HttpAnswer, HttpRequest, ProbeRoute};
pub use laravel_queue::{QueueState, WATCH, watch_queue};
pub use probe_error::ProbeError;
pub use pusher_socket::{PusherMessage, PusherSocket, SocketFailure};
pub use redis_server::{RedisFacts, RedisUse, ask_redis};
pub use server_process::{Descriptors, running_servers};
pub use server_url::ServerUrl;
pub use tls::{Handshake, TlsClient};
