//! What a check found, how bad it is, and what to change.
//!
//! Owns the form of a finding, without any text of it.

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckOutcome {
    /// Nothing is wrong; what was seen, for the JSON report and the bundle.
    Passed(Vec<String>),
    /// At least one finding.
    Found(Vec<Finding>),
    /// There is nothing to look at, and why.
    Inapplicable(String),
    /// What can be seen from here does not decide it, and what would.
    Undecided(String),
}

impl CheckOutcome {
    /// Passed if nothing was found.
    pub fn of(findings: Vec<Finding>, seen: Vec<String>) -> Self {
        if findings.is_empty() { Self::Passed(seen) } else { Self::Found(findings) }
    }
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gravity {
    /// It may be meant, or events arrive all the same.
    Warn,
    /// Events do not arrive.
    Fail,
}

/// Something to change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub gravity: Gravity,
    /// One sentence.
    pub says: String,
    /// The evidence: a file with its line and value, an answer of a peer.
    pub seen: Vec<String>,
    /// What to do about it.
    pub change: Vec<Remedy>,
}

impl Finding {
    /// Events do not arrive until it is changed.
    pub fn fail(says: impl Into<String>) -> Self {
        Self { gravity: Gravity::Fail, says: says.into(), seen: Vec::new(), change: Vec::new() }
    }

    /// It may be meant, or harms only in part.
    pub fn warn(says: impl Into<String>) -> Self {
        Self { gravity: Gravity::Warn, ..Self::fail(says) }
    }

    /// The same with one more piece of evidence.
    pub fn seen(mut self, evidence: impl Into<String>) -> Self {
        self.seen.push(evidence.into());
        self
    }

    /// The same with one more thing to do.
    pub fn change(mut self, remedy: Remedy) -> Self {
        self.change.push(remedy);
        self
    }
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remedy {
    /// A line of a file. `<…>` stands for what only its author has.
    Line {
        /// The path, as the report shows it.
        file: String,
        /// Its number; `None` if the line is to be added.
        number: Option<usize>,
        /// The line as it is now, secrets replaced by fingerprints; `None` if there is none.
        old: Option<String>,
        /// The line as it should be; `None` if it is to be removed.
        new: Option<String>,
    },
    /// A command to run.
    Run(String),
    /// Anything else, as the end of "change …".
    Advice(String),
}

impl Remedy {
    /// A command to run.
    pub fn run(command: impl Into<String>) -> Self {
        Self::Run(command.into())
    }

    /// Something that is no line and no command.
    pub fn advice(text: impl Into<String>) -> Self {
        Self::Advice(text.into())
    }

    /// Every text of it that may quote a file.
    pub(super) fn texts(&mut self) -> Vec<&mut String> {
        match self {
            Self::Line { old, new, .. } => old.iter_mut().chain(new).collect(),
            Self::Run(text) | Self::Advice(text) => vec![text],
        }
    }
}
