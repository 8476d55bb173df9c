#![doc = include_str!("ARCHITECTURE.md")]

// In reading order: a room uses only rooms above it.
pub mod build_info;
pub mod app;
pub mod network_fault;
pub mod protocol;
pub mod metrics;
pub mod tls;
pub mod stream;
pub mod dotenv;
pub mod config;
pub mod logging;
pub mod redis_connection;
pub mod channel_rules;
pub mod explanation;
pub mod hub;
pub mod cluster;
pub mod node;
pub mod webhook;
pub mod telemetry;
pub mod websocket;
pub mod http;
pub mod supervision;
pub mod probe;
pub mod server;
pub mod doctor;
