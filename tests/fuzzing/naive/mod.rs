//! Readers as plain as they can be written, straight from the specifications, which share no code with the server: what
//! the server reads is compared with what they read.

pub(crate) mod dotenv;
pub(crate) mod inflate;
pub(crate) mod json;
pub(crate) mod websocket;
