//! A lab for one test: there until dropped, and only one at a time on a machine.

use std::ops::Deref;

use anyhow::Result;

use crate::cache::{Cache, Lock};
use crate::cluster::{Cluster, Shape};
use crate::host::Host;

/// Every test's lab has this name; a lock keeps them apart.
const NAME: &str = "test";

/// The kubelet's errors, since the rest would be the stacks of all its goroutines, and what each
/// static pod said last.
const LAST_WORDS: &str = "journalctl --unit=kubelet --no-pager | grep -E ': [EF][0-9]{4} ' \
    | tail --lines=15; for name in etcd kube-apiserver kube-controller-manager kube-scheduler; do \
    log=$(ls -t /var/log/containers/$name-*.log 2>/dev/null | head --lines=1); \
    [ -z \"$log\" ] || { echo \"$name:\"; tail --lines=5 $log; }; done";

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

    fn last_words(&self) -> Result<()> {
        for host in self.cluster.hosts()? {
            crate::say(&format!("{} said:\n{}", host.name(), host.last_words()?));
        }
        Ok(())
    }

    /// The host of this name.
    pub fn host(&self, name: &str) -> Result<Host> {
        self.cluster.host(name)
    }
}

impl Host {
    /// The end of the logs of what runs on it, for a test that failed.
    pub fn last_words(&self) -> Result<String> {
        Ok(self.exec(["sh", "-c", LAST_WORDS])?.stdout)
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
            crate::say(&format!("no last words: {error:#}"));
        }
        if std::env::var_os("KUBEPKI_LAB_KEEP").is_some() {
            crate::say("kept: see `cargo xtask lab --name test hosts`");
        } else if let Err(error) = self.cluster.down() {
            crate::say(&format!("cannot take the lab down: {error:#}"));
        }
    }
}
