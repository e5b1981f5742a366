//! What was interrupted, what the operator said to it, and how it ended: the account of the test.

use std::fmt;

use anyhow::Result;

use crate::point::Point;
use crate::strike::{KINDS, Kind};

/// What the operator's program did when something was killed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It was killed itself.
    Killed,
    /// It went on to its end, or to the next interruption.
    WentOn,
    /// It ended with this error.
    Ended(String),
}

struct Struck {
    kind: Kind,
    what: String,
    answer: Answer,
    /// The rotation, or the way back, that it was part of ended well.
    is_green: Option<bool>,
}

/// All of it.
pub struct Tally {
    seed: u64,
    wanted: usize,
    struck: Vec<Struck>,
    again: usize,
}

impl Tally {
    /// So many.
    pub fn of(seed: u64, wanted: usize) -> Self {
        Self {
            seed,
            wanted,
            struck: Vec::new(),
            again: 0,
        }
    }

    /// How many there were.
    pub fn count(&self) -> usize {
        self.struck.len()
    }

    /// Whether there were enough.
    pub fn is_full(&self) -> bool {
        self.count() >= self.wanted
    }

    /// One more; what the operator did is known later.
    pub fn struck(&mut self, point: &Point, what: String) {
        println!(
            "=== {} of {}: {}, {what}",
            self.count() + 1,
            self.wanted,
            point.kind.words()
        );
        let answer = match point.kind {
            Kind::Operator => Answer::Killed,
            _ => Answer::WentOn,
        };
        self.struck.push(Struck {
            kind: point.kind,
            what,
            answer,
            is_green: None,
        });
    }

    /// The operator's program ended with an error after the last one.
    pub fn ended(&mut self, error: &str) {
        if let Some(last) = self.struck.last_mut()
            && last.answer == Answer::WentOn
        {
            last.answer = Answer::Ended(error.to_owned());
        }
    }

    /// It had to be typed again.
    pub fn again(&mut self) {
        self.again += 1;
    }

    /// The rotation that the last ones were part of is over.
    pub fn leg_ended(&mut self, ended: &Result<()>) {
        for struck in &mut self.struck {
            struck.is_green.get_or_insert(ended.is_ok());
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "##### seed {}", self.seed)?;
        for struck in &self.struck {
            let green = match struck.is_green {
                Some(true) => "green",
                Some(false) => "NOT GREEN",
                None => "…",
            };
            writeln!(
                formatter,
                "{green}: {}, {}: {:?}",
                struck.kind.words(),
                struck.what,
                struck.answer
            )?;
        }
        writeln!(
            formatter,
            "| kind | points | green | the operator went on |"
        )?;
        for kind in KINDS {
            let of = || self.struck.iter().filter(|it| it.kind == kind);
            writeln!(
                formatter,
                "| {} | {} | {} | {} |",
                kind.words(),
                of().count(),
                of().filter(|it| it.is_green == Some(true)).count(),
                of().filter(|it| it.answer == Answer::WentOn).count(),
            )?;
        }
        write!(formatter, "typed again {} times", self.again)
    }
}
