//! Trying the checks: each as soon as those it needs have passed, all under one deadline.
//!
//! Owns which check is not tried and why. What a check does is its own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::check::{Method, SetupCheck};
use super::finding::{CheckOutcome, Finding, Gravity, Remedy};
use super::redaction::Redaction;
use super::setup::Setup;

/// For all checks together, the reading of files included.
pub const TIME_LIMIT: Duration = Duration::from_secs(10);

/// The result of all checks, in their order.
#[derive(Debug, Clone)]
pub struct Diagnosis {
    /// One for each check.
    pub examined: Vec<Examined>,
}

/// A check with its result.
#[derive(Debug, Clone)]
pub struct Examined {
    /// Which.
    pub check: SetupCheck,
    /// Its result.
    pub outcome: Result<CheckOutcome, NotTried>,
    /// How long it took.
    pub took: Duration,
}

/// A check that was not tried, since this one failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotTried {
    /// The first check in the order of the catalogue whose failure may explain a failure here.
    pub needs: &'static str,
}

impl Examined {
    /// The worst of its findings.
    pub fn gravity(&self) -> Option<Gravity> {
        self.findings().iter().map(|finding| finding.gravity).max()
    }

    /// Its findings, if it was tried.
    pub fn findings(&self) -> &[Finding] {
        match &self.outcome {
            Ok(CheckOutcome::Found(findings)) => findings,
            _ => &[],
        }
    }
}

impl Diagnosis {
    /// The first check that failed: what to change first.
    pub fn headline(&self) -> Option<&Examined> {
        self.of(Gravity::Fail).next()
    }

    /// Those whose worst finding is this bad.
    pub fn of(&self, gravity: Gravity) -> impl Iterator<Item = &Examined> {
        self.examined.iter().filter(move |one| one.gravity() == Some(gravity))
    }
}

impl Diagnosis {
    /// The same with fingerprints in the place of secrets.
    pub fn redacted(mut self, redaction: &Redaction) -> Self {
        let clean = |text: &mut String| *text = redaction.of_text(text);
        for examined in &mut self.examined {
            match &mut examined.outcome {
                Ok(CheckOutcome::Passed(seen)) => seen.iter_mut().for_each(clean),
                Ok(CheckOutcome::Found(findings)) => {
                    for finding in findings {
                        clean(&mut finding.says);
                        finding.seen.iter_mut().for_each(clean);
                        finding.change.iter_mut().flat_map(Remedy::texts).for_each(clean);
                    }
                }
                Ok(CheckOutcome::Inapplicable(why) | CheckOutcome::Undecided(why)) => clean(why),
                Err(_) => {}
            }
        }
        self
    }
}

/// Tries `checks` on a set-up. A check follows those it needs in the list; those that the list leaves out are not needed.
pub async fn diagnose(setup: Arc<Setup>, checks: &[SetupCheck], deadline: Instant) -> Diagnosis {
    let mut results: BTreeMap<&'static str, Examined> = BTreeMap::new();
    let mut waiting: Vec<SetupCheck> = checks.to_vec();
    let mut running = JoinSet::new();
    loop {
        while let Some(at) = waiting.iter().position(|check| is_ready(check, checks, &results)) {
            let check = waiting.remove(at);
            match blocked(&check, checks, &results) {
                Some(reason) => {
                    let (outcome, took) = (Err(reason), Duration::ZERO);
                    results.insert(check.id, Examined { check, outcome, took });
                }
                None => drop(running.spawn(examine(check, Arc::clone(&setup), deadline))),
            }
        }
        let Some(done) = running.join_next().await else { break };
        let examined = done.expect("a check is never aborted, and its panic is an outcome");
        results.insert(examined.check.id, examined);
    }
    let examined = checks.iter().filter_map(|check| results.remove(check.id)).collect();
    Diagnosis { examined }
}

fn is_ready(
    check: &SetupCheck,
    checks: &[SetupCheck],
    results: &BTreeMap<&'static str, Examined>,
) -> bool {
    let is_listed = |id: &str| checks.iter().any(|check| check.id == id);
    check.needs.iter().all(|needed| results.contains_key(needed) || !is_listed(needed))
}

/// The failure that may explain one of this check, the earliest of the catalogue if there are several.
fn blocked(
    check: &SetupCheck,
    checks: &[SetupCheck],
    results: &BTreeMap<&'static str, Examined>,
) -> Option<NotTried> {
    let causes = check.needs.iter().filter_map(|needed| {
        let examined = results.get(needed)?;
        match &examined.outcome {
            Err(NotTried { needs }) => Some(*needs),
            Ok(_) if examined.gravity() == Some(Gravity::Fail) => Some(*needed),
            Ok(_) => None,
        }
    });
    let needs = causes.min_by_key(|id| checks.iter().position(|check| check.id == *id))?;
    Some(NotTried { needs })
}

async fn examine(check: SetupCheck, setup: Arc<Setup>, deadline: Instant) -> Examined {
    let start = Instant::now();
    let trial = tokio::spawn(async move {
        match check.method {
            // Reading files blocks.
            Method::Look(look) => tokio::task::spawn_blocking(move || look(&setup)).await,
            Method::Ask(ask) => Ok(ask(setup).await),
        }
    });
    let abort = trial.abort_handle();
    let outcome = match timeout_at(deadline, trial).await {
        Ok(Ok(Ok(outcome))) => outcome,
        Ok(_) => CheckOutcome::Found(vec![
            Finding::warn(format!("{} could not be tried, by a mistake in Resound.", check.id))
                .seen("the check panicked; report it as a bug"),
        ]),
        Err(_) => {
            abort.abort();
            let seconds = TIME_LIMIT.as_secs();
            CheckOutcome::Found(vec![Finding::warn(format!(
                "{} was not finished in the {seconds} seconds that all checks have.",
                check.id
            ))])
        }
    };
    Examined { check, outcome: Ok(outcome), took: start.elapsed() }
}

#[cfg(test)]
mod tests;
