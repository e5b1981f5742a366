//! Everything that a diagnosis is made from.

use crate::model::cluster::ClusterObservation;
use crate::model::{Inventory, LiveObservation};

/// What was seen of a cluster.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// The hosts that were looked at.
    pub hosts: &'a [HostEvidence],
    /// The API, when it was asked.
    pub cluster: Option<&'a ClusterObservation>,
}

/// What was seen of one host.
#[derive(Clone, Debug)]
pub struct HostEvidence {
    /// Its files and processes.
    pub inventory: Inventory,
    /// What its processes answered; `None` when they were not asked (`--root`).
    pub live: Option<LiveObservation>,
}
