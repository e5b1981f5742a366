//! A lab for one test: there until dropped. Tests that run at once have a lane each, with a lab of its
//! own; most of a test is waiting, so that two of them hardly need longer than one.
//!
//! With `KUBEPKI_LAB_SHARE`, as `cargo xtask test` runs them, a test that passes leaves its lab with the
//! files that it was given, and the next one that needs the same shape takes it: booting one and
//! forming a cluster takes longer than most tests.

use std::ops::Deref;
use std::path::PathBuf;

use anyhow::Result;

use crate::cache::{Cache, Lock};
use crate::cluster::{Cluster, Shape};
use crate::host::Host;
use crate::saved::Saved;
use crate::together::together;

/// The labs of tests, one for each lane; locks keep tests apart that would use the same.
const NAMES: [&str; 2] = ["test", "test2"];

/// Which of the tests that run at once this is, as nextest tells: from 0 on.
const LANE: &str = "NEXTEST_TEST_GLOBAL_SLOT";

/// The kubelet's errors, since the rest would be the stacks of all its goroutines, and what each
/// static pod said last.
const LAST_WORDS: &str = "journalctl --unit=kubelet --no-pager | grep -E ': [EF][0-9]{4} ' \
    | tail --lines=15; for name in etcd kube-apiserver kube-controller-manager kube-scheduler; do \
    log=$(ls -t /var/log/containers/$name-*.log 2>/dev/null | head --lines=1); \
    [ -z \"$log\" ] || { echo \"$name:\"; tail --lines=5 $log; }; done";

/// What a run leaves beside its files: the next test's kubelet has another log, too.
const LEFTOVERS: &str = "rm -rf /var/lib/kubepki /root/.kube; \
    journalctl --quiet --rotate --vacuum-time=1s 2>/dev/null || true";

/// A lab that a test holds. Dropping it takes it down, unless `KUBEPKI_LAB_KEEP` is set: then it
/// stays for a look with `cargo xtask lab --name test …` until the next test needs it.
pub struct Lab {
    cluster: Cluster,
    /// The files to leave to the next test, if there is one.
    saved: Vec<Saved>,
    _lock: Lock,
}

impl Lab {
    /// A cluster made by kubeadm with its defaults.
    pub fn up(control_planes: u8, workers: u8) -> Result<Self> {
        Self::up_as(&Shape::new(control_planes, workers))
    }

    /// A cluster made by kubeadm.
    pub fn up_as(shape: &Shape) -> Result<Self> {
        let mut lab = Self::reserve()?;
        // one that was kept may have this shape, and be aged
        if !lab.takes_over(shape)? {
            lab.cluster.down()?;
            lab.cluster.up(shape)?;
        }
        if std::env::var_os("KUBEPKI_LAB_SHARE").is_some() {
            lab.saved = lab
                .cluster
                .hosts()?
                .iter()
                .map(Saved::of)
                .collect::<Result<_>>()?;
        }
        Ok(lab)
    }

    /// Hosts that have booted, with no cluster on them. Names have up to four characters.
    pub fn boot(names: &[&str]) -> Result<Self> {
        let lab = Self::reserve()?;
        lab.cluster.boot(names)?;
        Ok(lab)
    }

    /// Takes down what tests left that were killed.
    pub fn clear() -> Result<()> {
        for name in NAMES {
            // dropping is taking down
            drop(Self::named(name)?);
        }
        Ok(())
    }

    /// Waits for another test's lab in this lane.
    fn reserve() -> Result<Self> {
        let lane = std::env::var(LANE).ok().and_then(|it| it.parse().ok());
        let lane: usize = lane.unwrap_or(0);
        let [first, ..] = NAMES;
        Self::named(NAMES.get(lane).copied().unwrap_or(first))
    }

    fn named(name: &str) -> Result<Self> {
        let cache = Cache::open()?;
        let lock = cache.lock(&format!("lab-{name}"))?;
        Ok(Lab {
            cluster: Cluster::named(&cache, name)?,
            saved: Vec::new(),
            _lock: lock,
        })
    }

    /// Whether a test left such a lab, and it is well.
    fn takes_over(&self, shape: &Shape) -> Result<bool> {
        if !(self.left_by_a_test().exists() && self.cluster.is_up_as(shape)?) {
            return Ok(false);
        }
        crate::say("taking the lab that another test left");
        fs_err::remove_file(self.left_by_a_test())?;
        Ok(self.cluster.wait_until_ready("cp1").is_ok())
    }

    fn left_by_a_test(&self) -> PathBuf {
        self.cluster.folder().join("left-by-a-test")
    }

    /// Puts the files back, and starts with them whatever runs.
    fn leave(&self) -> Result<()> {
        let hosts = self.cluster.hosts()?;
        together(&hosts, Host::cut_power)?;
        for saved in &self.saved {
            saved.restore()?;
        }
        together(&hosts, |host| {
            host.shell(LEFTOVERS)?;
            host.power_on()
        })?;
        Ok(fs_err::write(self.left_by_a_test(), "")?)
    }

    fn last_words(&self) -> Result<()> {
        for host in self.cluster.hosts()? {
            crate::say(&format!("{} said:\n{}", host.name(), host.last_words()?));
        }
        Ok(())
    }

    /// No other test gets this lab: what is done to it is not undone by putting its files back.
    pub fn is_spent(&mut self) {
        self.saved.clear();
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
            crate::say("kept: see `cargo xtask lab --name test hosts`, or test2");
        } else if !self.saved.is_empty() && !std::thread::panicking() {
            if let Err(error) = self.leave() {
                crate::say(&format!("cannot leave the lab to another test: {error:#}"));
            }
        } else if let Err(error) = self.cluster.down() {
            crate::say(&format!("cannot take the lab down: {error:#}"));
        }
    }
}
