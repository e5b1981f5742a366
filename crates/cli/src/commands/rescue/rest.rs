//! Looking at a cluster that was just brought back, when it has come to rest: kube-controller-manager
//! takes some seconds to become leader, hands the CA to pods only then, and may until then take a node
//! for Ready that is not, or the other way round.

use super::api::ApiTrouble;
use super::look::{Looker, Sight};
use crate::error::CliError;
use kubepki_fleet::campaign::CampaignOutcome;
use std::time::{Duration, Instant};

/// The longest that a node may take to be Ready: its kubelet says so every 10 s, and one that had no
/// API is away from it for up to 40 s.
const FOR_NODES: Duration = Duration::from_secs(90);

/// A new leader is found after some 15 s and is through with every namespace soon after; what has not
/// changed for so long is not going to.
const WITHOUT_CHANGE: Duration = Duration::from_secs(30);

/// Between two looks.
const PAUSE: Duration = Duration::from_secs(3);

/// Looks until nothing is missing or nothing more comes of waiting. What was not done is not awaited.
pub fn look_when_at_rest(
    looker: &Looker<'_>,
    outcome: &CampaignOutcome,
    in_the_api: impl Fn(&Sight) -> Option<Vec<ApiTrouble>>,
) -> Result<(Sight, Option<Vec<ApiTrouble>>), CliError> {
    let start = Instant::now();
    let mut changed = start;
    let mut before = None;
    loop {
        let sight = looker.look()?;
        let troubles = in_the_api(&sight);
        let count = troubles.as_ref().map(Vec::len);
        if before != Some(count) {
            changed = Instant::now();
            before = Some(count);
        }
        let nodes = sight.nodes.iter().flatten();
        let not_ready = nodes.filter(|node| node.ready != Some(true)).count();
        let waits_for_nodes = not_ready > 0 && start.elapsed() < FOR_NODES;
        let waits_for_objects = count.is_some_and(|count| count > 0)
            && changed.elapsed() < WITHOUT_CHANGE
            && start.elapsed() < FOR_NODES;
        if !outcome.is_done() || !(waits_for_nodes || waits_for_objects) {
            return Ok((sight, troubles));
        }
        std::thread::sleep(PAUSE);
    }
}
