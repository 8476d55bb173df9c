//! The process beside others: the service manager that watches over it, the commands that request something
//! from it, and the processes that it takes over from and that take over from it.
//!
//! Owns the protocol of systemd's notifications, what counts as a sign of life, the control socket, and how
//! listening sockets are passed on. When the state of the server changes is left to `server` and `cli`.

mod abstract_socket;
mod control;
mod inheritance;
mod notifier;
mod owner_socket;
mod predecessor;
mod pulse;
mod successor;

pub use abstract_socket::is_of_owner;
pub use control::{ControlRequest, ControlSocket, request, running};
pub use inheritance::{BoundBy, Inheritance, PassedSocket};
pub use notifier::Notifier;
pub use owner_socket::{OwnerSocket, owner_socket_name};
pub use predecessor::Predecessor;
pub use pulse::{Pulse, watch};
pub use successor::Successor;
