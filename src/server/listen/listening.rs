//! The listening sockets of one address, and for whom they are.
//!
//! A value: how they are bound, taken over and passed on is left to the files beside it.

use std::sync::Arc;

use super::socket_file::SocketFile;
use crate::config::ListenAddress;
use crate::stream::StdListener;
use crate::supervision::BoundBy;

/// For whom an address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) enum Audience {
    /// Clients, and back ends unless the API has an address of its own.
    Clients,
    /// Back ends: `http.listen`.
    BackEnds,
    /// Scrapers: `metrics.listen`.
    Scrapers,
    /// Those who operate the server: `internal.listen`.
    Operators,
}

/// The listening sockets of one address.
#[derive(Debug)]
pub(in crate::server) struct Listening {
    pub(in crate::server) audience: Audience,
    /// As it is bound: never with port 0.
    pub(in crate::server) address: ListenAddress,
    pub(in crate::server) bound_by: BoundBy,
    /// TCP has one for each worker, and the kernel spreads connections over them. A unix socket, and the
    /// listeners without a worker, are one socket; those that were passed on are as many as there are.
    pub(in crate::server) sockets: Vec<StdListener>,
    /// The file of a unix socket.
    pub(in crate::server) file: Option<Arc<SocketFile>>,
}
