//! Where it is interrupted: so many lines of the hosts' journals after the last time, and a moment
//! later, since most of a rotation is waiting.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use anyhow::Result;
use kubepki_lab::Host;

use crate::chance::Chance;
use crate::strike::{KINDS, Kind};

/// A rotation of everything on four hosts writes some ten times as many.
const FORWARD: usize = 45;

/// What is taken back is taken back in fewer steps.
const BACK: usize = 25;

/// The longest pause: some of what is waited for takes a minute, most a few seconds.
const PAUSE_MILLISECONDS: usize = 8_000;

/// One interruption.
#[derive(Clone, Copy, Debug)]
pub struct Point {
    /// What ends.
    pub kind: Kind,
    /// After so many more lines, counted over all hosts.
    pub lines: usize,
    /// And so long.
    pub pause: Duration,
    /// Picks the host, where any will do.
    pub host: usize,
    /// How long a host stays without power.
    pub off: Duration,
}

impl Point {
    /// The next one; kinds take turns.
    pub fn next(number: usize, is_back: bool, chance: &mut Chance) -> Self {
        let milliseconds = |number: usize| Duration::from_millis(number as u64);
        Self {
            kind: KINDS
                .get(number % KINDS.len())
                .copied()
                .unwrap_or(Kind::Operator),
            lines: 1 + chance.below(if is_back { BACK } else { FORWARD }),
            pause: milliseconds(chance.below(PAUSE_MILLISECONDS)),
            host: chance.below(12),
            off: milliseconds(chance.below(10_000)),
        }
    }
}

/// Lines of all hosts' journals.
#[derive(Default)]
pub struct Journals {
    /// Each one's length in bytes and in lines.
    known: BTreeMap<PathBuf, (u64, usize)>,
}

/// What they hold.
pub struct Written {
    /// Over all hosts.
    pub lines: usize,
    /// The host that wrote last.
    pub last: Option<Host>,
}

impl Journals {
    /// Counts; what has not grown is not read again.
    pub fn written(&mut self, hosts: &[Host]) -> Result<Written> {
        let mut lines = 0;
        let mut last: Option<(SystemTime, &Host)> = None;
        for host in hosts {
            let folder = std::fs::read_dir(host.path("/var/lib/kubepki/journal"));
            for entry in folder.into_iter().flatten().flatten() {
                let path = entry.path();
                let Ok(metadata) = entry.metadata() else {
                    continue;
                };
                let (length, counted) = self.known.get(&path).copied().unwrap_or_default();
                let count = if length == metadata.len() {
                    counted
                } else {
                    let text = fs_err::read(&path)?;
                    let count = text.iter().filter(|byte| **byte == b'\n').count();
                    self.known.insert(path, (metadata.len(), count));
                    count
                };
                lines += count;
                let at = metadata.modified()?;
                if last.is_none_or(|(before, _)| at > before) {
                    last = Some((at, host));
                }
            }
        }
        Ok(Written {
            lines,
            last: last.map(|(_, host)| host.clone()),
        })
    }
}

#[test]
fn a_seed_picks_the_same_points_each_time_and_kinds_take_turns() {
    let points = |seed| -> Vec<String> {
        let mut chance = Chance::seeded(seed);
        (0..10)
            .map(|number| format!("{:?}", Point::next(number, number > 5, &mut chance)))
            .collect()
    };
    assert_eq!(points(5), points(5));
    assert_ne!(points(5), points(6));
    for kind in KINDS {
        let word = format!("kind: {kind:?},");
        let found = points(5).into_iter().filter(|point| point.contains(&word));
        assert_eq!(found.count(), 2);
    }
}
