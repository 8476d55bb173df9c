//! What is counted of the inputs in Redis: Laravel's broadcaster, and Reverb's scaling channel.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

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

/// The series of one kind of input.
#[derive(Debug, Clone)]
pub struct InputMetrics {
    input: &'static str,
    /// Links that are up.
    pub links: Gauge,
    /// Links that were lost.
    pub links_lost: Counter,
    /// Topics that are subscribed to.
    pub topics: Gauge,
    /// Messages that arrived.
    pub messages: Counter,
    /// Channels that may have lost events.
    pub possible_gaps: Counter,
    /// Events that were published for others.
    pub messages_published: Counter,
    refused: Family<RefusalLabels, Counter>,
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

    /// The series of a kind of input, which are exposed from now on with each reason.
    pub fn of(&self, input: &'static str, reasons: &[&'static str]) -> InputMetrics {
        let label = [("input", input)];
        for &reason in reasons {
            self.messages_refused.get_or_create_owned(&RefusalLabels { input, reason });
        }
        InputMetrics {
            input,
            links: self.links.get_or_create_owned(&label),
            links_lost: self.links_lost.get_or_create_owned(&label),
            topics: self.topics.get_or_create_owned(&label),
            messages: self.messages.get_or_create_owned(&label),
            possible_gaps: self.possible_gaps.get_or_create_owned(&label),
            messages_published: self.messages_published.get_or_create_owned(&label),
            refused: self.messages_refused.clone(),
        }
    }
}

impl InputMetrics {
    /// Counts messages that are not delivered.
    pub fn refused(&self, reason: &'static str, count: u64) {
        let input = self.input;
        self.refused.get_or_create(&RefusalLabels { input, reason }).inc_by(count);
    }
}
