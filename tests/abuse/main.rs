//! Abuse at scale: many peers at once that send what no client sends. Each test shows that a limit holds, and names its
//! key, and that the others are served meanwhile: the p99 of an event of a [`canary`], measured before and during.
//!
//! What one such peer gets, byte for byte, is tested elsewhere and not again here:
//!
//! | abuse | where | key |
//! |---|---|---|
//! | one slow head, body or reader of answers | `robustness::http_timeouts` | `http.header_timeout_seconds`, `http.body_timeout_seconds` |
//! | the oldest of too many silent connections goes | `robustness::http_timeouts`, `robustness::tls` | `http.max_pending_connections` |
//! | malformed requests, fields that come twice | `robustness::malformed_http`, `robustness::wrong_protocol` | `http.max_headers`, `http.max_header_bytes` |
//! | bodies that are too large | `robustness::bodies` | `http.max_body_bytes` |
//! | floods of messages that reach no other client | `robustness::flood` | – |
//! | readers that never read | `robustness::slow_reader`, `robustness::memory` | `websocket.outbox_bytes`, `limits.memory_bytes` |
//! | too many sockets of an app or an address | `robustness::limits`, `robustness::client_addresses` | `app.max_connections`, `server.max_sockets_per_address` |
//! | handshakes that wait for their start | `robustness::admission` | `server.max_handshakes_per_second` |
//! | wrong signatures, one by one | `robustness::signatures` | – |
//! | a bomb of compression, and other lies of a deflated frame | `robustness::deflate`, `rfc6455::compression` | `app.max_message_size` |
//! | fragments without end | `robustness::malformed_frames`, `rfc6455::fragments` | `websocket.max_fragments`, `websocket.message_timeout_seconds` |
//! | a flood of every kind of refusal: bytes and sums of the log | `robustness::log_flood` | `log.level` |
//! | wrong tokens at the internal listener | `metrics::internal` | `internal.token` |

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "all of this crate is a test, the functions around it too"
)]

#[path = "../harness/mod.rs"]
mod harness;

mod canary;
mod compression;
mod floods;
mod handshakes;
mod json_log;
mod keys;
mod labels;
mod log_fields;
mod members;
mod outgoing;
mod replays;
mod requests;
mod smuggling;
mod subscriptions;
mod tls;

use harness::wire;
