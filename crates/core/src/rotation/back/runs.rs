//! What hosts' journals tell of a rotation: runs in their order, and which of them are taken back. Not what
//! is done about it.

use super::{ArchivedKeys, HowFar};
use crate::model::{ComponentKind, Inventory};
use crate::plan::RotationMark;
use crate::rotation::phase::Phase;
use crate::rotation::plan::is_swap;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The mark of a rotation whose new generation does not exist yet.
const NONE_YET: &str = "new";

/// A finished run that was part of a rotation, as its host's journal tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RotationRun {
    /// The run.
    pub id: String,
    /// When it was begun.
    pub started_at: Timestamp,
    /// Rotation, phase and round.
    pub mark: RotationMark,
    /// The archive with the old files; `None` when nothing was written or no backup made.
    pub archive: Option<PathBuf>,
    /// What became of the private keys in the archive.
    #[serde(default)]
    pub keys: ArchivedKeys,
    /// The paths that it wrote.
    pub written: Vec<PathBuf>,
    /// The components that took it up, to be restarted when it is taken back.
    pub components: Vec<ComponentKind>,
}

/// A run of a rotation that was taken back, as its host's journal tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TakenBackRun {
    /// Rotation, phase and round.
    pub mark: RotationMark,
    /// When the way back was over.
    pub at: Timestamp,
}

/// A host and the runs on it.
#[derive(Clone, Copy, Debug)]
pub struct HostRuns<'a> {
    /// Its name in the cluster document.
    pub name: &'a str,
    /// What is on it.
    pub inventory: &'a Inventory,
    /// Those that were not taken back yet, in any order.
    pub runs: &'a [RotationRun],
    /// Those that were.
    pub taken_back: &'a [TakenBackRun],
    /// Whether what opens its encrypted archives is at hand.
    pub opens_archives: bool,
}

/// A run, and the index of its host.
pub(super) type Taken<'a> = (usize, &'a RotationRun);

/// The runs to take back, the newest first: of one rotation, and as far as is asked.
pub(super) fn taken<'a>(hosts: &[HostRuns<'a>], how_far: HowFar) -> Vec<Taken<'a>> {
    let mut all: Vec<Taken<'a>> = Vec::new();
    for (index, host) in hosts.iter().enumerate() {
        let runs = host.runs.iter().filter(|run| !run.written.is_empty());
        all.extend(runs.map(|run| (index, run)));
    }
    all.sort_by(|(_, one), (_, other)| {
        (other.started_at, &other.id).cmp(&(one.started_at, &one.id))
    });
    let Some((_, newest)) = all.first().copied() else {
        return all;
    };
    let rotation = &newest.mark.rotation;
    let is_wanted = |run: &RotationRun| match how_far {
        HowFar::Round => run.mark.phase == newest.mark.phase && run.mark.round == newest.mark.round,
        HowFar::Phase => run.mark.phase == newest.mark.phase,
        HowFar::Everything => true,
    };
    all.into_iter()
        .take_while(|(_, run)| {
            let is_same = run.mark.rotation == *rotation || run.mark.rotation == NONE_YET;
            is_same && is_wanted(run)
        })
        .collect()
}

/// When an earlier way back was behind `later`, the phase after the one that is taken back now; `None` when
/// there was none, or when `later` is taken back by this one, too.
pub(super) fn came_back(
    hosts: &[HostRuns<'_>],
    taken: &[Taken<'_>],
    phase: Phase,
    later: Phase,
) -> Option<Timestamp> {
    let of = |phase: Phase| taken.iter().find(|(_, run)| run.mark.phase == phase);
    let (Some((_, run)), None) = (of(phase), of(later)) else {
        return None;
    };
    let earlier = hosts.iter().flat_map(|host| host.taken_back);
    let earlier = earlier
        .filter(|it| it.mark.rotation == run.mark.rotation && it.mark.phase == later)
        .map(|it| it.at);
    earlier.max()
}

/// Runs of the same round that follow each other.
pub(super) fn rounds<'a>(taken: &[Taken<'a>]) -> Vec<Vec<Taken<'a>>> {
    let mut rounds: Vec<Vec<Taken<'a>>> = Vec::new();
    for (host, run) in taken {
        let is_same = |round: &Vec<Taken<'_>>| {
            round.last().is_some_and(|(_, last)| {
                last.mark.phase == run.mark.phase && last.mark.round == run.mark.round
            })
        };
        match rounds.last_mut().filter(|round| is_same(round)) {
            Some(round) => round.push((*host, run)),
            None => rounds.push(vec![(*host, run)]),
        }
    }
    rounds
}

/// What a round has to do with a swap that had everything down.
pub(super) enum Swap<'a> {
    None,
    All(Vec<Taken<'a>>),
    Done,
}

pub(super) fn swap_of<'a>(round: &[Taken<'a>], taken: &[Taken<'a>]) -> Swap<'a> {
    let Some((_, first)) = round.first() else {
        return Swap::None;
    };
    let same: Vec<Taken<'a>> = taken
        .iter()
        .copied()
        .filter(|(_, run)| run.mark.phase == first.mark.phase)
        .collect();
    let is_swapped = same.iter().any(|(_, run)| is_swap(&run.mark));
    match same.first() {
        _ if !is_swapped => Swap::None,
        Some((_, newest)) if newest.id == first.id => Swap::All(same),
        _ => Swap::Done,
    }
}
