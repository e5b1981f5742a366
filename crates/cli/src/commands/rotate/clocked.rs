//! Who is told what a rotation does: as other campaigns, with a clock beside it that says where the
//! time of each round goes, and an ear for who asks it to pause.

use crate::commands::fleet::Voices;
use jiff::Timestamp;
use kubepki_core::plan::{Gate, Stage};
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
    /// As it was planned.
    pub estimate_seconds: u32,
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
    pub fn rounds(&self, outcome: &CampaignOutcome) -> Vec<RoundTime> {
        let mut times = self.times();
        times.close();
        let mut rounds = times.rounds.clone();
        for round in &mut rounds {
            let runs = outcome.hosts.iter().flat_map(|host| &host.runs);
            let taken_up = runs
                .filter(|run| run.stage == round.round)
                .flat_map(|run| &run.components);
            round.restarting_seconds = taken_up
                .filter_map(|words| told_seconds(words))
                .fold(0.0, |sum, one| sum + one);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_tells_how_long_it_took() {
        let words = "kube-apiserver: restarted, process 4711 (9.2 s); as asked";
        assert_eq!(told_seconds(words), Some(9.2));
        assert_eq!(told_seconds("kubelet: does not run here"), None);
    }
}
