//! A lab for one test: there until dropped, and only one at a time on a machine.

use std::ops::Deref;

use anyhow::Result;

use crate::cache::{Cache, Lock};
use crate::cluster::{Cluster, Shape};
use crate::host::Host;

/// Every test's lab has this name; a lock keeps them apart.
const NAME: &str = "test";

/// Errors and last words; the rest would be the stacks of all its goroutines.
const KUBELET_ERRORS: &str =
    "journalctl --unit=kubelet --no-pager | grep -E ': [EF][0-9]{4} ' | tail --lines=15";

/// A lab that a test holds. Dropping it takes it down, unless `KUBEPKI_LAB_KEEP` is set: then it
/// stays for a look with `cargo xtask lab --name test …` until the next test needs it.
pub struct Lab {
    cluster: Cluster,
    _lock: Lock,
}

impl Lab {
    /// A cluster made by kubeadm with its defaults.
    pub fn up(control_planes: u8, workers: u8) -> Result<Self> {
        Self::up_as(&Shape::new(control_planes, workers))
    }

    /// A cluster made by kubeadm.
    pub fn up_as(shape: &Shape) -> Result<Self> {
        let lab = Self::reserve()?;
        // one that was kept may have this shape, and be aged
        lab.cluster.down()?;
        lab.cluster.up(shape)?;
        Ok(lab)
    }

    /// Hosts that have booted, with no cluster on them. Names have up to four characters.
    pub fn boot(names: &[&str]) -> Result<Self> {
        let lab = Self::reserve()?;
        lab.cluster.boot(names)?;
        Ok(lab)
    }

    /// Takes down what a test left that was killed.
    pub fn clear() -> Result<()> {
        // dropping is taking down
        Self::reserve().map(drop)
    }

    /// Waits for the other tests' labs.
    fn reserve() -> Result<Self> {
        let cache = Cache::open()?;
        let lock = cache.lock("lab-test")?;
        Ok(Lab {
            cluster: Cluster::named(&cache, NAME)?,
            _lock: lock,
        })
    }

    /// The end of each host's kubelet log, for a test that failed.
    fn last_words(&self) -> Result<()> {
        for host in self.cluster.hosts()? {
            let log = host.exec(["sh", "-c", KUBELET_ERRORS])?;
            crate::say(&format!("kubelet on {}:\n{}", host.name(), log.stdout));
        }
        Ok(())
    }

    /// The host of this name.
    pub fn host(&self, name: &str) -> Result<Host> {
        self.cluster.host(name)
    }
}

impl Deref for Lab {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        &self.cluster
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Err(error) = self.last_words()
        {
            crate::say(&format!("no kubelet logs: {error:#}"));
        }
        if std::env::var_os("KUBEPKI_LAB_KEEP").is_some() {
            crate::say("kept: see `cargo xtask lab --name test hosts`");
        } else if let Err(error) = self.cluster.down() {
            crate::say(&format!("cannot take the lab down: {error:#}"));
        }
    }
}
