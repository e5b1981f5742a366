//! What was cut short on many hosts, before anything is planned: interrupted runs are finished or taken
//! back, components that were halted are started.

use super::{CampaignProgress, HostProgress, Sessions};
use crate::parallel::{Limits, as_they_come};
use crate::session::{CarryReport, HostSession, InterruptedRun, SessionError};
use kubepki_core::model::ComponentKind;
use kubepki_engine::ports::Progress;
use std::ops::ControlFlow;
use std::path::Path;

/// What became of a host's interrupted run.
#[derive(Clone, Debug, PartialEq)]
pub struct Settlement {
    /// The host's name in the cluster document.
    pub host: String,
    /// What its run came to; `None` when there was nothing left to settle.
    pub result: Result<Option<CarryReport>, SessionError>,
}

/// Settles these runs, each on its host. What one host says does not keep the others from it: a run
/// that is half done is worse than one that is done. In the order of the hosts.
pub fn settle(
    sessions: &Sessions<'_>,
    runs: &[(String, InterruptedRun)],
    pki_folder: &Path,
    max_parallel: usize,
    progress: &dyn CampaignProgress,
) -> Vec<Settlement> {
    let mut settled = Vec::new();
    as_they_come(
        runs,
        Limits::at_most(max_parallel),
        |(host, run)| {
            progress.host(host, &format!("settling run {}", run.id));
            let own = HostProgress {
                campaign: progress,
                host,
            };
            sessions.with(host, |session| session.settle(pki_folder, &own))
        },
        |index, result| {
            if let Some((host, _)) = runs.get(index) {
                settled.push((
                    index,
                    Settlement {
                        host: host.clone(),
                        result,
                    },
                ));
            }
            ControlFlow::Continue(())
        },
    );
    settled.sort_by_key(|(index, _)| *index);
    settled
        .into_iter()
        .map(|(_, settlement)| settlement)
        .collect()
}

/// What has to run before what: an API server ends without etcd, the others wait for an API server.
const STARTED: [&[ComponentKind]; 4] = [
    &[ComponentKind::Kubelet],
    &[ComponentKind::Etcd],
    &[ComponentKind::KubeApiserver],
    &[
        ComponentKind::KubeControllerManager,
        ComponentKind::KubeScheduler,
        ComponentKind::CloudControllerManager,
    ],
];

/// Starts what the host of this session has halted, in that order. What does not start keeps no other from
/// it.
///
/// # Errors
/// The first that did not start.
pub fn start_halted_on(
    session: &mut dyn HostSession,
    halted: &[ComponentKind],
    progress: &dyn Progress,
) -> Result<(), SessionError> {
    let mut done = Ok(());
    for kinds in STARTED {
        let own = kinds.iter().copied().filter(|kind| halted.contains(kind));
        let own: Vec<ComponentKind> = own.collect();
        if !own.is_empty() {
            done = done.and(session.start(&own, progress));
        }
    }
    done
}

/// Starts what each of these hosts has halted: etcd on all of them, then API servers, then the rest.
/// What does not start on a host keeps no other from it. Answers what did not, in that order.
pub fn start_halted(
    sessions: &Sessions<'_>,
    halted: &[(String, Vec<ComponentKind>)],
    max_parallel: usize,
    progress: &dyn CampaignProgress,
) -> Vec<(String, SessionError)> {
    let mut failed = Vec::new();
    for kinds in STARTED {
        let turn: Vec<(&str, Vec<ComponentKind>)> = halted
            .iter()
            .map(|(host, halted)| {
                let own = kinds.iter().filter(|kind| halted.contains(kind));
                (host.as_str(), own.copied().collect::<Vec<_>>())
            })
            .filter(|(_, kinds)| !kinds.is_empty())
            .collect();
        as_they_come(
            &turn,
            Limits::at_most(max_parallel),
            |(host, kinds)| {
                let own = HostProgress {
                    campaign: progress,
                    host,
                };
                sessions.with(host, |session| session.start(kinds, &own))
            },
            |index, result| {
                if let (Err(error), Some((host, _))) = (result, turn.get(index)) {
                    failed.push(((*host).to_owned(), error));
                }
                ControlFlow::Continue(())
            },
        );
    }
    failed
}
