//! Who is told what a rotation does: as other campaigns, with a clock beside it that says where the
//! time of each round goes, and an ear for who asks it to pause.

use crate::commands::fleet::Voices;
use jiff::Timestamp;
use kubepki_core::model::ComponentKind;
use kubepki_core::plan::{Downtime, Gate, Stage};
use kubepki_core::rotation::Picture;
use kubepki_fleet::campaign::{CampaignOutcome, CampaignProgress};
use serde::Serialize;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Where the time of one round went.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RoundTime {
    /// The round.
    pub round: String,
    /// When it was begun.
    pub started_at: Timestamp,
    /// All of it.
    pub seconds: f64,
    /// Until gates stood open.
    pub waiting_seconds: f64,
    /// Until components had taken up what was written, summed over hosts, as they told.
    pub restarting_seconds: f64,
    /// While the only API server, or the only member of etcd, was being restarted.
    pub api_away_seconds: f64,
    /// As it was planned.
    pub estimate_seconds: u32,
    /// Whether a downtime begins or ends with it.
    #[serde(skip)]
    pub downtime: Downtime,
}

/// Told, and asked whether the next round may begin.
pub struct Clocked<'a> {
    voices: Voices<'a>,
    paused: &'a (dyn Fn() -> bool + Sync + Send),
    times: Mutex<Times>,
}

struct Times {
    rounds: Vec<RoundTime>,
    began: Instant,
    /// The last time that something was done, as against: waited for.
    worked: Instant,
}

impl Times {
    fn close(&mut self) {
        let spent = seconds(self.began.elapsed());
        if let Some(round) = self.rounds.last_mut()
            && round.seconds == 0.0
        {
            round.seconds = spent;
        }
    }
}

impl<'a> Clocked<'a> {
    /// With these voices; `paused` is asked between rounds.
    pub fn new(voices: Voices<'a>, paused: &'a (dyn Fn() -> bool + Sync + Send)) -> Self {
        Self {
            voices,
            paused,
            times: Mutex::new(Times {
                rounds: Vec::new(),
                began: Instant::now(),
                worked: Instant::now(),
            }),
        }
    }

    /// Every round's time, when the campaign is over.
    pub fn rounds(&self, outcome: &CampaignOutcome, picture: &Picture) -> Vec<RoundTime> {
        let mut times = self.times();
        times.close();
        let mut rounds = times.rounds.clone();
        for round in &mut rounds {
            for host in &outcome.hosts {
                let runs = host.runs.iter().filter(|run| run.stage == round.round);
                for words in runs.flat_map(|run| &run.components) {
                    let seconds = told_seconds(words).unwrap_or_default();
                    round.restarting_seconds += seconds;
                    if interrupts_api(picture, &host.host, words) {
                        round.api_away_seconds += seconds;
                    }
                }
            }
        }
        rounds
    }

    fn times(&self) -> MutexGuard<'_, Times> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CampaignProgress for Clocked<'_> {
    fn stage(&self, number: usize, of: usize, stage: &Stage) {
        let mut times = self.times();
        times.close();
        times.began = Instant::now();
        times.worked = times.began;
        times.rounds.push(RoundTime {
            round: stage.name.clone(),
            started_at: Timestamp::now(),
            estimate_seconds: stage.estimate_seconds,
            downtime: stage.downtime(),
            ..RoundTime::default()
        });
        drop(times);
        self.voices.stage(number, of, stage);
    }

    fn host(&self, host: &str, text: &str) {
        self.times().worked = Instant::now();
        self.voices.host(host, text);
    }

    fn gate(&self, gate: &Gate, open: bool, found: &str) {
        let mut times = self.times();
        let waited = seconds(times.worked.elapsed());
        times.worked = Instant::now();
        if let Some(round) = times.rounds.last_mut() {
            round.waiting_seconds += waited;
        }
        drop(times);
        self.voices.gate(gate, open, found);
    }

    fn goes_on(&self) -> bool {
        !(self.paused)()
    }
}

/// To the tenth: more is noise.
fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 10.0).round() / 10.0
}

/// The seconds in `kube-apiserver: restarted, process 4711 (9.2 s)`.
fn told_seconds(words: &str) -> Option<f64> {
    let (_, rest) = words.rsplit_once('(')?;
    rest.split_once(" s)")?.0.parse().ok()
}

/// Whether nobody reached the API while a host did what these words tell.
fn interrupts_api(picture: &Picture, host: &str, words: &str) -> bool {
    let only = |kind| {
        let mut hosts = picture.hosts_with(kind);
        hosts.next().filter(|_| hosts.next().is_none())
    };
    let is_only = |kind| only(kind).is_some_and(|it| it.name == host);
    let restarts = |kind: ComponentKind| words.starts_with(&format!("{kind}: restarted"));
    // A member of etcd is restarted while the API server beside it stands still.
    let is_etcd = restarts(ComponentKind::Etcd);
    is_only(ComponentKind::KubeApiserver) && (is_etcd || restarts(ComponentKind::KubeApiserver))
        || is_only(ComponentKind::Etcd) && is_etcd
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::rotate::scene::{half_way, many_workers};

    #[test]
    fn the_only_api_server_is_missed_and_one_of_two_is_not() {
        let words = "kube-apiserver: restarted, process 4711 (9.2 s)";
        assert!(interrupts_api(&many_workers(), "cp1", words));
        assert!(!interrupts_api(&half_way(), "cp1", words));
        let reloaded = "kube-apiserver: took the new files by itself (41.0 s)";
        assert!(!interrupts_api(&many_workers(), "cp1", reloaded));
        let beside = "kubelet: restarted, process 4711 (12.0 s)";
        assert!(!interrupts_api(&many_workers(), "cp1", beside));
    }

    #[test]
    fn a_component_tells_how_long_it_took() {
        let words = "kube-apiserver: restarted, process 4711 (9.2 s); as asked";
        assert_eq!(told_seconds(words), Some(9.2));
        assert_eq!(told_seconds("kubelet: does not run here"), None);
    }
}
