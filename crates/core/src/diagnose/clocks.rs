//! Clocks that differ: certificates and tokens are judged by each host's own.

use super::draft::{Draft, Ledger};
use super::scene::Scene;
use crate::findings::code;
use crate::model::Severity;

/// kubeadm dates certificates back by five minutes, for clocks that are off by less.
const TOLERATED: i64 = 300;

/// Findings about clocks: one for each host, however many servers show it.
pub(super) fn check(scene: &Scene<'_>, ledger: &mut Ledger) {
    for host in scene.evidence.hosts {
        let Some(live) = &host.live else { continue };
        let off: Vec<(&str, i64)> = live
            .clocks
            .iter()
            .filter(|clock| clock.ahead_seconds.abs() > TOLERATED)
            .map(|clock| (clock.server.as_str(), clock.ahead_seconds))
            .collect();
        told(scene, &host.inventory.host, &off, ledger);
    }
    if let Some(cluster) = scene.evidence.cluster
        && let Some(server_time) = cluster.server_time
    {
        let ahead = server_time.duration_since(cluster.observed_at).as_secs();
        let known = scene.evidence.hosts.iter().any(|host| {
            host.live.as_ref().is_some_and(|live| {
                live.clocks
                    .iter()
                    .any(|clock| clock.ahead_seconds.abs() > TOLERATED)
            })
        });
        if ahead.abs() > TOLERATED && !known {
            let host = match scene.evidence.hosts {
                [only] => only.inventory.host.as_str(),
                _ => "this machine",
            };
            told(scene, host, &[(cluster.server.as_str(), ahead)], ledger);
        }
    }
}

fn told(scene: &Scene<'_>, host: &str, off: &[(&str, i64)], ledger: &mut Ledger) {
    let Some((server, ahead)) = off.iter().max_by_key(|(_, ahead)| ahead.abs()) else {
        return;
    };
    let words = |ahead: i64| {
        let side = if ahead < 0 { "behind" } else { "ahead of" };
        format!("{} s {side}", ahead.abs())
    };
    let known = scene.host(host).is_some();
    let draft = Draft::about(
        code::CLOCK_SKEW,
        Severity::Warning,
        (*server).to_owned(),
        known.then(|| host.to_owned()),
        format!("its clock is {} this host's", words(*ahead)),
    )
    .facts(
        off.iter()
            .map(|(server, ahead)| format!("{server} is {} {host}", words(*ahead))),
    )
    .mend("set the clock right on the host that is wrong (timedatectl), before anything is renewed there");
    ledger.add(draft);
}
