//! Interrupted runs on many hosts, finished or taken back before anything is planned.

use super::{CampaignProgress, HostProgress, Sessions};
use crate::parallel::{Limits, as_they_come};
use crate::session::{CarryReport, InterruptedRun, SessionError};
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
