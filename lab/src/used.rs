//! The lab that a long test works on: one of its own, or one that is up already.

use std::ops::Deref;

use anyhow::Result;

use crate::cache::Cache;
use crate::cluster::Cluster;
use crate::fixture::Lab;

/// Names a lab that is up, for work on one case: `cargo xtask lab --name NAME up 3 2`.
const VARIABLE: &str = "KUBEPKI_LAB_USE";

/// A lab that is up, or one that a test made and takes down.
pub enum UsedLab {
    /// It stays.
    Kept(Cluster),
    /// It goes.
    Made(Lab),
}

impl UsedLab {
    /// The one that `KUBEPKI_LAB_USE` names, else a new cluster made by kubeadm.
    pub fn up(control_planes: u8, workers: u8) -> Result<Self> {
        Self::given_or(|| Lab::up(control_planes, workers))
    }

    /// The one that `KUBEPKI_LAB_USE` names, else this one.
    pub fn given_or(make: impl FnOnce() -> Result<Lab>) -> Result<Self> {
        match std::env::var(VARIABLE) {
            Ok(name) => Ok(Self::Kept(Cluster::named(&Cache::open()?, &name)?)),
            Err(_) => Ok(Self::Made(make()?)),
        }
    }
}

impl UsedLab {
    /// Whoever made it takes it down: what is done to it is not undone by putting its files back.
    pub fn is_spent(&mut self) {
        if let Self::Made(lab) = self {
            lab.is_spent();
        }
    }
}

impl Deref for UsedLab {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        match self {
            Self::Kept(cluster) => cluster,
            Self::Made(lab) => lab,
        }
    }
}
