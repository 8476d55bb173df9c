//! What runs of a scenario gave, and the median of them.

use std::collections::BTreeMap;

/// What one run measured, by name.
pub(crate) type Figures = BTreeMap<&'static str, f64>;

/// A part of the protocol the subject does not support: no failure, and no figure either.
#[derive(Debug, thiserror::Error)]
#[error("{0} not negotiated")]
pub(crate) struct NotNegotiated(pub(crate) &'static str);

/// All runs of one subject in one scenario.
#[derive(Debug, Default)]
pub(crate) struct Runs {
    figures: BTreeMap<&'static str, Vec<f64>>,
    failure: Option<Failure>,
}

/// Why there is no figure.
#[derive(Debug, Clone)]
pub(crate) enum Failure {
    /// The subject does not support that part of the protocol.
    NotNegotiated,
    /// It has nothing of that kind.
    Missing,
    /// It went wrong; so.
    Error(String),
}

impl Runs {
    /// One more run.
    pub(crate) fn add(&mut self, run: anyhow::Result<Figures>) {
        match run {
            Ok(figures) => {
                for (name, value) in figures {
                    self.figures.entry(name).or_default().push(value);
                }
            }
            Err(error) if error.is::<NotNegotiated>() => {
                self.failure = Some(Failure::NotNegotiated);
            }
            Err(error) => self.failure = Some(Failure::Error(format!("{error:#}"))),
        }
    }

    /// The median of a figure, or why there is none: one failed run spoils the figure.
    pub(crate) fn median(&self, figure: &str) -> Result<f64, Failure> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        let found = self.figures.get(figure).and_then(|values| median(values));
        found.ok_or(Failure::Missing)
    }
}

/// The middle one, or what is between the two in the middle.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let (low, high) =
        (values.get(values.len().checked_sub(1)? / 2)?, values.get(values.len() / 2)?);
    Some((low + high) / 2.0)
}
