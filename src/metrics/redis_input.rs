//! What is counted of the inputs in Redis: Laravel's broadcaster, and Reverb's scaling channel.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use serde::{Deserialize, Serialize};

use super::declare::{Gauge, Label, metrics};

metrics! {
    /// The metrics of all inputs; they stay zero without any.
    pub struct InputFamilies in "redis_input_" {
        /// Links to Redis that are up, by input: laravel or reverb
        links: Family<Label<&'static str>, Gauge>,
        /// Times a link to Redis was lost, by input
        links_lost: Family<Label<&'static str>, Counter>,
        /// Topics that are subscribed to, by input
        topics: Family<Label<&'static str>, Gauge>,
        /// Messages that arrived, by input; each node counts those that it receives itself
        messages: Family<Label<&'static str>, Counter>,
        /// Messages that were not delivered, by input and reason
        messages_refused: Family<RefusalLabels, Counter>,
        /// Times a channel may have lost events while Redis was away, by input
        possible_gaps: Family<Label<&'static str>, Counter>,
        /// Events of this node that were published for Reverb's servers, by input
        messages_published: Family<Label<&'static str>, Counter>,
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusalLabels {
    input: &'static str,
    reason: &'static str,
}

/// A counter of one input, which counts for its kind too.
#[derive(Debug, Clone, Default)]
pub struct InputCounter {
    of_kind: Counter,
    own: Counter,
}

impl InputCounter {
    fn new(of_kind: Counter) -> Self {
        Self { of_kind, own: Counter::default() }
    }

    /// Counts one.
    pub fn inc(&self) {
        self.of_kind.inc();
        self.own.inc();
    }

    /// What this input has counted.
    pub fn get(&self) -> u64 {
        self.own.get()
    }
}

/// Messages of one input that were not delivered, by reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedMessages {
    /// As the label of the metric has it.
    pub reason: String,
    /// How many.
    pub count: u64,
}

/// What is counted of one input, with the series of its kind.
#[derive(Debug, Clone)]
pub struct InputMetrics {
    input: &'static str,
    reasons: Vec<&'static str>,
    /// Links that are up.
    pub links: Gauge,
    /// Links that were lost.
    pub links_lost: InputCounter,
    /// Topics that are subscribed to.
    pub topics: Gauge,
    /// Messages that arrived.
    pub messages: InputCounter,
    /// Channels that may have lost events.
    pub possible_gaps: InputCounter,
    /// Events that were published for others.
    pub messages_published: InputCounter,
    refused: Family<RefusalLabels, Counter>,
    own_refused: Family<RefusalLabels, Counter>,
}

/// All inputs.
const INPUTS: [&str; 2] = ["laravel", "reverb"];

impl InputFamilies {
    /// Times a channel of any input may have lost events so far.
    pub fn all_possible_gaps(&self) -> u64 {
        let count = |input| self.possible_gaps.get_or_create(&[("input", input)]).get();
        INPUTS.map(count).iter().sum()
    }

    /// Exposes the series of every input.
    pub(super) fn expose(&self) {
        for input in INPUTS {
            self.of(input, &["malformed"]);
        }
    }

    /// What counts an input of a kind, whose series are exposed from now on with each reason.
    pub fn of(&self, input: &'static str, reasons: &[&'static str]) -> InputMetrics {
        let label = [("input", input)];
        for &reason in reasons {
            self.messages_refused.get_or_create_owned(&RefusalLabels { input, reason });
        }
        InputMetrics {
            input,
            reasons: reasons.to_vec(),
            links: self.links.get_or_create_owned(&label),
            links_lost: InputCounter::new(self.links_lost.get_or_create_owned(&label)),
            topics: self.topics.get_or_create_owned(&label),
            messages: InputCounter::new(self.messages.get_or_create_owned(&label)),
            possible_gaps: InputCounter::new(self.possible_gaps.get_or_create_owned(&label)),
            messages_published: InputCounter::new(
                self.messages_published.get_or_create_owned(&label),
            ),
            refused: self.messages_refused.clone(),
            own_refused: Family::default(),
        }
    }
}

impl InputMetrics {
    /// Counts messages that are not delivered.
    pub fn refused(&self, reason: &'static str, count: u64) {
        let input = self.input;
        for refused in [&self.refused, &self.own_refused] {
            refused.get_or_create(&RefusalLabels { input, reason }).inc_by(count);
        }
    }

    /// What this input did not deliver, for each reason that occurred.
    pub fn refused_messages(&self) -> Vec<RefusedMessages> {
        let input = self.input;
        let of = |&reason: &&'static str| RefusedMessages {
            reason: reason.to_owned(),
            count: self.own_refused.get_or_create(&RefusalLabels { input, reason }).get(),
        };
        self.reasons.iter().map(of).filter(|refused| refused.count > 0).collect()
    }
}
