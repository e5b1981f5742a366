//! Runs breakages on one cluster: break, ask the doctor, undo, and make sure that all is well again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use kubepki_lab::{Cluster, Host, Saved, until};

use crate::breakage::Breakage;
use crate::diagnosis::Diagnosis;

/// The issue that this answers asks for forty.
const FEWEST: usize = 45;

/// A cluster with the files of its health, and what went wrong so far.
pub struct Suite<'cluster> {
    cluster: &'cluster Cluster,
    saved: BTreeMap<&'static str, Saved>,
    names: BTreeSet<&'static str>,
    wrong: Vec<&'static str>,
    only: Option<String>,
}

impl<'cluster> Suite<'cluster> {
    /// Keeps the files of a healthy cluster.
    pub fn new(cluster: &'cluster Cluster) -> Result<Self> {
        let mut saved = BTreeMap::new();
        for name in ["cp1", "w1"] {
            saved.insert(name, Saved::of(&cluster.host(name)?)?);
        }
        Ok(Suite {
            cluster,
            saved,
            names: BTreeSet::new(),
            wrong: Vec::new(),
            only: std::env::var("KUBEPKI_BREAK").ok(),
        })
    }

    /// Nobody may be accused on any host.
    pub fn is_healthy(&self, moment: &str) -> Result<()> {
        for name in self.saved.keys() {
            let diagnosis = Diagnosis::of(&self.cluster.host(name)?, *name == "cp1")?;
            println!("--- {name}, healthy, {moment}\n{diagnosis}");
            if !diagnosis.alarms().is_empty() || diagnosis.status != 0 {
                bail!("a false alarm on {name}, healthy, {moment}:\n{diagnosis}");
            }
        }
        Ok(())
    }

    /// Breaks, asks, undoes. What the doctor gets wrong is kept for [`Suite::close`]; an error is a
    /// cluster that could not be broken or mended.
    pub fn run(&mut self, breakage: &Breakage) -> Result<()> {
        if let Some(only) = &self.only
            && !breakage.name.contains(only.as_str())
        {
            return Ok(());
        }
        if !self.names.insert(breakage.name) {
            bail!("two breakages are named {}", breakage.name);
        }
        let start = Instant::now();
        let host = self.cluster.host(breakage.host)?;
        let broken = self.broken(&host, breakage);
        let saved = self.saved.get(breakage.host).context("an unknown host")?;
        saved.restore()?;
        if let Some(script) = breakage.mends {
            host.shell(&with_words(script))
                .with_context(|| format!("mending {}", breakage.name))?;
        }
        let diagnosis = broken.with_context(|| format!("breaking {}", breakage.name))?;

        let right = diagnosis.blames(breakage);
        if !right {
            self.wrong.push(breakage.name);
        }
        println!(
            "--- {}: {} ({:.1} s)",
            breakage.name,
            if right { "right" } else { "WRONG" },
            start.elapsed().as_secs_f64()
        );
        if !right {
            println!("    expected {:?}\n{diagnosis}", breakage.guilty);
        }
        self.healthy_again(&host, breakage)?;
        if breakage.takes_hold.is_some() {
            // what was started anew has another manifest
            self.saved.insert(breakage.host, Saved::of(&host)?);
        }
        Ok(())
    }

    fn broken(&self, host: &Host, breakage: &Breakage) -> Result<Diagnosis> {
        host.shell(&with_words(&format!(
            "away_from_polls\n{}",
            breakage.breaks
        )))?;
        if let Some(condition) = breakage.takes_hold {
            let condition = with_words(condition);
            until("it to take hold", Duration::from_secs(90), || {
                Ok(host.exec(["sh", "-euc", &condition])?.success())
            })?;
        }
        if let (true, Some((code, _))) = (breakage.later, breakage.guilty.first()) {
            return Diagnosis::later(host, breakage.api, code);
        }
        Diagnosis::of(host, breakage.api)
    }

    /// At once, or when processes have read their files again.
    fn healthy_again(&self, host: &Host, breakage: &Breakage) -> Result<()> {
        let mut last = String::new();
        let mut polls = 0;
        let start = Instant::now();
        until(
            &format!("health after {}", breakage.name),
            Duration::from_secs(120),
            || {
                polls += 1;
                let healthy = match Diagnosis::of(host, breakage.host == "cp1") {
                    Ok(diagnosis) => {
                        last = diagnosis.to_string();
                        diagnosis.alarms().is_empty()
                    }
                    Err(error) => {
                        last = format!("{error:#}");
                        false
                    }
                };
                Ok(healthy)
            },
        )
        .with_context(|| last.clone())?;
        if polls > 1 {
            println!(
                "    healthy again after {:.1} s",
                start.elapsed().as_secs_f64()
            );
        }
        Ok(())
    }

    /// Fails if the doctor was wrong once.
    pub fn close(&self) -> Result<()> {
        println!(
            "{} breakages, {} wrong: {:?}",
            self.names.len(),
            self.wrong.len(),
            self.wrong
        );
        if !self.wrong.is_empty() {
            bail!("the doctor was wrong about {:?}", self.wrong);
        }
        if self.only.is_none() && self.names.len() < FEWEST {
            bail!("only {} breakages are left", self.names.len());
        }
        Ok(())
    }
}

fn with_words(script: &str) -> String {
    format!(". /root/break.sh\n{script}")
}
