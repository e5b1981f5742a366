//! One rotation, or one that is taken back, from its beginning to its end, with everything that
//! interrupts it: what ends is typed again, and that is what is interrupted next.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::chance::Chance;
use crate::operator::{Operator, Said};
use crate::point::{Journals, Point};
use crate::sound::{Roots, sound};
use crate::strike::{heal, strike, target};
use crate::tally::Tally;
use crate::{Field, rolling};

/// What is rotated, and how far before it is taken back.
pub struct Way {
    root: &'static str,
    /// Goes forward until this phase, then back to the beginning of all.
    back_from: Option<&'static str>,
}

const fn forward(root: &'static str) -> Way {
    Way {
        root,
        back_from: None,
    }
}

const fn back(root: &'static str, from: &'static str) -> Way {
    Way {
        root,
        back_from: Some(from),
    }
}

/// In their order, and again from the first.
pub const LEGS: [Way; 7] = [
    forward("all"),
    back("all", "settle"),
    forward("kubernetes-ca"),
    forward("all"),
    back("kubernetes-ca", "retire-old"),
    forward("etcd-ca"),
    forward("service-account-key"),
];

/// The longest that one run may take.
const AT_MOST: Duration = Duration::from_secs(1800);

/// The longest that who was killed is waited for.
const HELD: Duration = Duration::from_secs(180);

/// So often it may be typed again without anything having been killed meanwhile.
const AGAIN: usize = 4;

/// One rotation under way.
pub struct Leg<'a, 'cluster> {
    /// The cluster.
    pub field: &'a Field<'cluster>,
    /// What is done.
    pub way: &'a Way,
    /// Picks the points.
    pub chance: &'a mut Chance,
    /// The account.
    pub tally: &'a mut Tally,
}

impl Leg<'_, '_> {
    /// From beginning to end; `Ok` when it ended well and nothing is left.
    pub fn carry_out(&mut self) -> Result<()> {
        let begun = Instant::now();
        let root = self.way.root;
        let before = Roots::of(self.field)?;
        println!("##### {root}, back from {:?}", self.way.back_from);
        match self.way.back_from {
            None => {
                let until_settled = ["run", root, "--acknowledge", "all", "--until", "retire-old"];
                self.typed_until_it_ends(&until_settled, &|| Ok(false))?;
                // The old tokens of pods that nobody would make again are kept until their owner does.
                self.field.cluster.restart_pods()?;
                self.typed_until_it_ends(&["run", root, "--acknowledge", "all"], &|| {
                    Ok(!self.field.is_under_way()?
                        && Roots::of(self.field)?.are_others_than(&before, root))
                })?;
                ensure!(
                    Roots::of(self.field)?.are_others_than(&before, root),
                    "the roots are the ones of before"
                );
            }
            Some(phase) => {
                let forward = ["run", root, "--acknowledge", "all", "--until", phase];
                self.typed_until_it_ends(&forward, &|| Ok(false))?;
                self.typed_until_it_ends(&["back", "--to", "start"], &|| {
                    Ok(!self.field.is_under_way()?)
                })?;
                let now = Roots::of(self.field)?;
                ensure!(now == before, "{}", now.differences(&before));
            }
        }
        println!(
            "##### {root} over after {:.0} s",
            begun.elapsed().as_secs_f64()
        );
        rolling::is_complete(self.field.cluster)?;
        // Pods that nobody would make again: their owner does.
        self.field.cluster.restart_pods()?;
        sound(self.field)
    }

    /// Types these words until they end well, and interrupts.
    fn typed_until_it_ends(
        &mut self,
        words: &[&str],
        is_over: &dyn Fn() -> Result<bool>,
    ) -> Result<()> {
        let words = [words, &["--yes"]].concat();
        let mut failed = 0;
        let mut held: Option<Instant> = None;
        loop {
            let count = self.tally.count();
            let said = self.interrupted_run(&words)?;
            if said.is_fine() {
                return Ok(());
            }
            let is_struck = self.tally.count() > count;
            if said.is_held() && !is_struck {
                let since = *held.get_or_insert_with(Instant::now);
                ensure!(since.elapsed() < HELD, "still held: {}", said.text);
                std::thread::sleep(Duration::from_secs(3));
                continue;
            }
            held = None;
            self.tally.again();
            if !said.was_killed() {
                self.tally.ended(said.error());
            }
            if is_over().unwrap_or(false) {
                println!("--- it was over");
                return Ok(());
            }
            failed = if is_struck { 0 } else { failed + 1 };
            ensure!(failed < AGAIN, "does not come to an end: {}", said.text);
        }
    }

    /// One run, interrupted as often as chance wants it.
    fn interrupted_run(&mut self, words: &[&str]) -> Result<Said> {
        println!("--- rotate {}", words.join(" "));
        let is_back = words.first() == Some(&"back");
        let field = self.field;
        let operator = Operator::begin(&field.access, words);
        let mut journals = Journals::default();
        while !self.tally.is_full() {
            let point = Point::next(self.tally.count(), is_back, self.chance);
            let first = journals.written(&field.hosts)?.lines;
            let begun = Instant::now();
            let last = loop {
                if operator.has_ended() {
                    return operator.end();
                }
                let written = journals.written(&field.hosts)?;
                if written.lines >= first + point.lines {
                    break written.last;
                }
                if begun.elapsed() > AT_MOST {
                    field.access.kill_kubepki()?;
                    bail!("it stands still: {}", operator.end()?.text);
                }
                std::thread::sleep(Duration::from_millis(5));
            };
            let until = Instant::now() + point.pause;
            while Instant::now() < until && !operator.has_ended() {
                std::thread::sleep(Duration::from_millis(5));
            }
            if operator.has_ended() {
                return operator.end();
            }
            let host = target(field, &point, last.as_ref())?;
            let what = format!(
                "{} of {} on {}, {} lines and {:.1} s on",
                words.first().context("no words")?,
                self.way.root,
                host.map_or("the operator's machine", |host| host.name()),
                point.lines,
                point.pause.as_secs_f64()
            );
            self.tally.struck(&point, what);
            strike(field, &point, host)?;
            if host.is_none() {
                return operator.end();
            }
            heal(&point, host)?;
        }
        operator.end()
    }
}
