//! The doctor: what is wrong with a set-up, seen from outside the server, and which line to change.
//!
//! Owns the checks, the order in which they are tried, and the forms of the result. Changes nothing and
//! prints no secret. The command line is left to `cli`.

mod broadcast_events;
mod bundle;
mod check;
mod checks;
mod destinations;
mod diagnosis;
mod echo_options;
mod env_file;
mod finding;
mod fix_hints;
mod inside;
mod js_value;
mod json_report;
mod laravel_destinations;
mod network;
mod nginx_site;
mod laravel_app;
mod listeners;
mod server_ports;
mod page_target;
mod queue_place;
mod redaction;
mod round_trip;
mod setup;
mod signed_request;
mod source_text;
mod system;
mod text_report;
mod worker;

pub use bundle::bundle;
pub use check::{Answer, Method, SetupCheck};
pub use checks::all;
pub use diagnosis::{Diagnosis, Examined, NotTried, TIME_LIMIT, diagnose};
pub use finding::{CheckOutcome, Finding, Gravity, Remedy};
pub use fix_hints::fix_hints;
pub use inside::ServerDoctor;
pub use json_report::{SCHEMA_VERSION, WithHints, json_report};
pub use redaction::Redaction;
pub use setup::{DoctorReach, Setup, SetupError, SetupOptions};
pub use text_report::{Paint, text_report};
