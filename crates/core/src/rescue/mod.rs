//! Rescue: the cluster is down and its API answers no one. From what was seen of all its hosts to what
//! is wrong in plain words ([`Situation`]) and to the plan that brings it back.
//!
//! Pure: what the hosts said is an argument, and so is the time. What is broken is decided by
//! `assess` and `diagnose`; here is only decided, over all hosts together, which CA is the cluster's
//! ([`authorities`]), what each host's files become (`files`), and in which order what runs takes
//! them up (`plan`). What is not broken is not touched.

pub mod authorities;
mod ca_files;
pub mod clocks;
mod files;
mod leafs;
pub mod names;
mod plan;
mod repair;
mod running;
pub mod situation;
mod telling;
mod templates;
mod trust;
mod words;

pub use authorities::Consensus;
pub use clocks::{ClockState, Clocks};
pub use situation::{Area, Concern, Situation, Standing, Trouble};

use crate::diagnose::{DiagnoseOptions, Diagnosis, Evidence, HostEvidence, diagnose, together};
use crate::model::Gap;
use crate::model::cluster::{ClusterObservation, Node};
use crate::plan::lifetime::{EndRule, LifetimeSyntaxError, StartRule};
use crate::plan::{ClusterPlan, Notice};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// What is known of one host beside its files and processes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostState {
    /// Its name in the cluster document.
    pub name: String,
    /// How far its clock is ahead of the operator's, in seconds; `None` when it was not compared.
    pub clock_ahead_seconds: Option<i64>,
    /// Whether its API server answers `/readyz`; `None` when that was not asked.
    pub api_server: Option<Health>,
    /// Whether its etcd member is healthy; `None` when that was not asked.
    pub etcd: Option<Health>,
}

/// The answer to a question about health.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// Whether it is well.
    pub ok: bool,
    /// What was found.
    pub found: String,
}

/// Everything that was seen.
#[derive(Clone, Copy, Debug)]
pub struct RescueEvidence<'a> {
    /// The hosts that answered.
    pub hosts: &'a [HostEvidence],
    /// The same hosts in the same order.
    pub states: &'a [HostState],
    /// Hosts that could not be looked at, by their names in the cluster document.
    pub unreachable: &'a [Gap],
    /// Nodes, as the API of one good control plane tells; `None` when none could be asked.
    pub nodes: Option<&'a [Node]>,
    /// What lives in the API, when one could be asked.
    pub cluster: Option<&'a ClusterObservation>,
}

/// How to mend.
#[derive(Clone, Debug)]
pub struct RescueRequest {
    /// What is valid for less than this is renewed too; of short-lived certificates the last fifth.
    pub within: SignedDuration,
    /// Renew everything, broken or not.
    pub all: bool,
    /// Start of validity.
    pub start: StartRule,
    /// End of validity.
    pub end: EndRule,
    /// Stop everything first, start everything after: for an allowed downtime.
    pub offline: bool,
    /// Make a new CA where a CA's key is lost on every host.
    pub new_ca: bool,
    /// How many workers at once.
    pub batch: u32,
}

impl Default for RescueRequest {
    fn default() -> Self {
        Self {
            within: SignedDuration::from_hours(30 * 24),
            all: false,
            start: StartRule::default(),
            end: EndRule::default(),
            offline: false,
            new_ca: false,
            batch: 5,
        }
    }
}

/// What is wrong, and what to do.
#[derive(Clone, Debug)]
pub struct Rescue {
    /// What is broken, in mending order.
    pub situation: Situation,
    /// What mends it; empty when nothing of this program does, or nothing is broken.
    pub plan: ClusterPlan,
    /// What the plan cannot mend, and what can.
    pub left: Vec<Notice>,
}

/// The whole judgement that every part of a rescue stands on.
#[derive(Debug)]
pub(crate) struct Scene<'a> {
    pub(crate) evidence: &'a RescueEvidence<'a>,
    pub(crate) request: &'a RescueRequest,
    pub(crate) now: Timestamp,
    pub(crate) not_before: Timestamp,
    pub(crate) not_after: Timestamp,
    pub(crate) diagnosis: Diagnosis,
    pub(crate) consensus: Consensus,
    pub(crate) clocks: Clocks,
}

/// Judges what was seen at `now` and plans what to do.
///
/// # Errors
/// When a length of time leads out of all calendars.
pub fn rescue(
    evidence: &RescueEvidence<'_>,
    request: &RescueRequest,
    now: Timestamp,
) -> Result<Rescue, LifetimeSyntaxError> {
    let clocks = Clocks::compare(evidence);
    let start = clocks.start(&request.start);
    let named = evidence.hosts.iter().enumerate().map(|(index, host)| {
        let state = evidence.states.get(index);
        let name = state.map_or(&host.inventory.host, |state| &state.name);
        (name.clone(), host.clone())
    });
    let judged = together(named.collect(), evidence.cluster);
    let diagnosis = diagnose(
        &Evidence {
            hosts: &judged,
            cluster: evidence.cluster,
        },
        &DiagnoseOptions {
            now,
            thresholds: crate::assess::Thresholds::default(),
            only: &[],
            ignore: &[],
        },
    );
    let scene = Scene {
        evidence,
        request,
        now,
        not_before: start.resolve(now)?,
        not_after: request.end.resolve(now)?,
        consensus: Consensus::find(evidence.hosts, now, request),
        diagnosis,
        clocks,
    };
    Ok(plan::plan(&scene))
}

impl<'a> Scene<'a> {
    /// A host's name in the cluster document.
    pub(crate) fn name(&self, host: usize) -> &'a str {
        let state = self.evidence.states.get(host);
        let named = state.map(|state| state.name.as_str());
        named.unwrap_or_else(|| {
            self.evidence
                .hosts
                .get(host)
                .map_or("", |host| host.inventory.host.as_str())
        })
    }

    /// Whether a certificate's end is near enough to renew it now.
    pub(crate) fn ends_soon(&self, certificate: &kubepki_x509::Certificate) -> bool {
        ends_soon(certificate, self.now, self.request)
    }
}

/// Whether a certificate has ended or ends within the time asked for; of a short-lived one, whether
/// its last fifth has begun: who made it so renews it by itself.
pub(crate) fn ends_soon(
    certificate: &kubepki_x509::Certificate,
    now: Timestamp,
    request: &RescueRequest,
) -> bool {
    let validity = certificate.validity();
    let fifth = validity.duration().as_secs() / 5;
    let within = request.within.as_secs().min(fifth).max(0);
    validity.remaining(now).as_secs() < within || validity.remaining(now).is_negative()
}
