//! What is counted of the authorization of subscriptions and sign-ins by this server.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

use super::declare::{Gauge, Label, metrics};
use super::histogram::Histogram;

metrics! {
    /// The metrics of authorization.
    pub struct ChannelAuthMetrics in "channel_auth_" {
        /// Requests for the authorization of a subscription or a sign-in, by app and result
        requests: Family<AppResult, Counter>,
        /// Requests that were answered with what the app had answered before, or was just being asked
        remembered_answers: Family<Label<String>, Counter>,
        /// Questions to the app's own endpoint, by app and result
        questions: Family<AppResult, Counter>,
        /// The time from a question to the app's own endpoint to its answer
        question_duration_seconds: Histogram,
        /// Bytes of answers of the app that are remembered
        remembered_bytes: Family<Label<String>, Gauge>,
        /// Fetches of the keys of tokens, by app and result
        key_fetches: Family<AppResult, Counter>,
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AppResult {
    app: String,
    result: &'static str,
}

/// How a request for authorization ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthResult {
    /// It was signed.
    Granted,
    /// The request is not well-formed, or for a channel that needs no authorization.
    Invalid,
    /// The page is of an origin that the app does not allow.
    Origin,
    /// It has no token, or no session.
    NoCredentials,
    /// The token is not valid.
    InvalidToken,
    /// Token or app do not permit it.
    NotPermitted,
    /// The app's endpoint answered with an error, or with nothing that is signed.
    AppFailed,
    /// The app's endpoint, or the source of the keys, gave no answer in time.
    NoAnswer,
    /// Too many questions wait.
    Overloaded,
    /// The address sends too many requests.
    AddressRate,
}

impl AuthResult {
    const ALL: [Self; 10] = [
        Self::Granted,
        Self::Invalid,
        Self::Origin,
        Self::NoCredentials,
        Self::InvalidToken,
        Self::NotPermitted,
        Self::AppFailed,
        Self::NoAnswer,
        Self::Overloaded,
        Self::AddressRate,
    ];

    /// Whether a question to the app may end so.
    fn is_of_question(self) -> bool {
        use AuthResult::{AppFailed, Granted, NoAnswer, NoCredentials, NotPermitted, Overloaded};
        let all = [Granted, NoCredentials, NotPermitted, AppFailed, NoAnswer, Overloaded];
        all.contains(&self)
    }

    fn label(self) -> &'static str {
        match self {
            Self::Granted => "granted",
            Self::Invalid => "invalid",
            Self::Origin => "origin",
            Self::NoCredentials => "no_credentials",
            Self::InvalidToken => "invalid_token",
            Self::NotPermitted => "not_permitted",
            Self::AppFailed => "app_failed",
            Self::NoAnswer => "no_answer",
            Self::Overloaded => "overloaded",
            Self::AddressRate => "address_rate",
        }
    }
}

impl ChannelAuthMetrics {
    /// Exposes the series of an app before its first request.
    pub fn expose(&self, app: &str) {
        let of = |result| AppResult { app: app.to_owned(), result };
        for result in AuthResult::ALL {
            self.requests.get_or_create_owned(&of(result.label()));
            if result.is_of_question() {
                self.questions.get_or_create_owned(&of(result.label()));
            }
        }
        for result in ["fetched", "failed"] {
            self.key_fetches.get_or_create_owned(&of(result));
        }
        self.remembered_answers.get_or_create_owned(&[("app", app.to_owned())]);
        self.set_remembered_bytes(app, 0);
    }

    /// Counts an answer.
    pub fn answered(&self, app: &str, result: AuthResult) {
        let labels = AppResult { app: app.to_owned(), result: result.label() };
        self.requests.get_or_create(&labels).inc();
    }

    /// Counts a request that asked nothing of the app.
    pub fn remembered(&self, app: &str) {
        self.remembered_answers.get_or_create(&[("app", app.to_owned())]).inc();
    }

    /// Counts a question to the app.
    pub fn asked(&self, app: &str, result: AuthResult, duration: Duration) {
        let labels = AppResult { app: app.to_owned(), result: result.label() };
        self.questions.get_or_create(&labels).inc();
        self.question_duration_seconds.observe(duration);
    }

    /// Sets how much is remembered.
    pub fn set_remembered_bytes(&self, app: &str, bytes: usize) {
        self.remembered_bytes.get_or_create(&[("app", app.to_owned())]).set(bytes as u64);
    }

    /// Counts a fetch of keys.
    pub fn keys_fetched(&self, app: &str, result: &'static str) {
        self.key_fetches.get_or_create(&AppResult { app: app.to_owned(), result }).inc();
    }
}
