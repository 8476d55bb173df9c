//! How a metric is declared: the field is its name, the doc comment its help text, the type its kind and labels.
//!
//! Owns the macro and the names in the exposition. What is counted is left to the files of each subject.

use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::gauge;
use prometheus_client::registry::{Metric, Registry, Unit};

/// A value that rises and falls, never below zero.
pub type Gauge = gauge::Gauge<u64, AtomicU64>;

/// The name and the value of a single label.
pub(super) type Label<V> = [(&'static str, V); 1];

/// Declares a struct of metrics and how it is registered, in the order of its fields; the names begin with
/// the text behind `in`.
macro_rules! metrics {
    (
        $(#[doc = $doc:literal])*
        $reach:vis struct $set:ident in $prefix:literal {
            $($(#[doc = $help:literal])+ $visibility:vis $name:ident: $metric:ty,)*
        }
    ) => {
        $(#[doc = $doc])*
        #[derive(Debug, Default)]
        $reach struct $set {
            $($(#[doc = $help])+ $visibility $name: $metric,)*
        }

        impl $set {
            pub(super) fn register(&self, registry: &mut prometheus_client::registry::Registry) {
                $(super::declare::register(
                    registry,
                    concat!($prefix, stringify!($name)),
                    concat!($($help),+),
                    &self.$name,
                );)*
            }
        }
    };
}
pub(super) use metrics;

/// Registers a clone of a metric, which shares its value. A name that ends in a unit has that unit.
pub(super) fn register(
    registry: &mut Registry,
    name: &str,
    help: &str,
    metric: &(impl Metric + Clone),
) {
    let (help, metric) = (help.trim_start(), metric.clone());
    for (suffix, unit) in [("_bytes", Unit::Bytes), ("_seconds", Unit::Seconds)] {
        if let Some(stem) = name.strip_suffix(suffix) {
            registry.register_with_unit(stem, help, unit, metric);
            return;
        }
    }
    registry.register(name, help, metric);
}
