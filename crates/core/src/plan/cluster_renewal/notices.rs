//! What the plans of all hosts say, said once: the same words about the same thing on many hosts are
//! one notice.

use super::notice;
use crate::plan::document::{Notice, Plan};

/// How many hosts are named.
const NAMED: usize = 4;

/// The notices of these plans, by host.
pub(super) fn merged<'p>(plans: impl Iterator<Item = (&'p str, &'p Plan)>) -> Vec<Notice> {
    let mut merged: Vec<(&Notice, Vec<&str>)> = Vec::new();
    for (host, plan) in plans {
        for found in &plan.notices {
            // That a certificate is fresh is the same on all hosts, whenever it ends.
            let is_same = |it: &Notice| {
                it.code == found.code
                    && it.object == found.object
                    && (it.message == found.message || it.code == "fresh")
            };
            match merged.iter_mut().find(|(it, _)| is_same(it)) {
                Some((_, hosts)) if hosts.contains(&host) => {}
                Some((_, hosts)) => hosts.push(host),
                None => merged.push((found, vec![host])),
            }
        }
    }
    merged
        .into_iter()
        .map(|(found, hosts)| {
            let named = hosts
                .iter()
                .take(NAMED)
                .copied()
                .collect::<Vec<_>>()
                .join(", ");
            let hosts = match hosts.len().saturating_sub(NAMED) {
                0 => named,
                more => format!("{named} and {more} more"),
            };
            let object = format!("{} on {hosts}", found.object);
            notice(&found.code, object, &found.message)
        })
        .collect()
}
