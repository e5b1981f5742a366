//! Runs cases on one cluster: break, prove it, rescue, and make sure that everything is back. Where a
//! rescue fails, the cluster is mended from saved files for the next case; etcd's data is never touched.

use std::collections::BTreeSet;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use kubepki_lab::{EtcdObjects, Host, Saved, together};

use crate::case::Case;
use crate::field::Field;
use crate::health;

/// Fewer would be too few to speak of.
const FEWEST: usize = 12;

/// A cluster with the files of its health, and what went wrong so far.
pub struct Suite<'field> {
    field: &'field Field<'field>,
    saved: Vec<Saved>,
    objects: EtcdObjects,
    names: BTreeSet<&'static str>,
    times: Vec<String>,
    wrong: Vec<&'static str>,
    only: Option<String>,
    all: bool,
    rescues: bool,
}

impl<'field> Suite<'field> {
    /// Keeps the files and counts the objects of a healthy cluster.
    pub fn new(field: &'field Field<'field>) -> Result<Self> {
        let only = std::env::var("KUBEPKI_BREAK").ok();
        Ok(Suite {
            field,
            saved: saved(field)?,
            objects: health::objects(field)?,
            names: BTreeSet::new(),
            times: Vec::new(),
            wrong: Vec::new(),
            all: only.is_some() || std::env::var_os("KUBEPKI_LAB_FULL").is_some(),
            only,
            rescues: std::env::var("KUBEPKI_RESCUE").as_deref() != Ok("no"),
        })
    }

    /// What the program under test gets wrong is kept for [`Suite::close`]; an error is a cluster that
    /// could not be broken or mended.
    pub fn run(&mut self, case: &Case) -> Result<()> {
        if !self.names.insert(case.name) {
            bail!("two cases are named {}", case.name);
        }
        let meant = match &self.only {
            Some(word) => case.name.contains(word.as_str()),
            None => self.all || case.by_default,
        };
        if !meant {
            return Ok(());
        }
        println!(
            "--- {}: {} objects, {}",
            case.name,
            self.objects.count(),
            self.objects.digest()
        );
        let start = Instant::now();
        (case.breaks)(self.field).with_context(|| format!("breaking {}", case.name))?;
        let shown =
            (case.shows)(self.field).with_context(|| format!("{} is not broken", case.name))?;
        let broken = start.elapsed().as_secs_f64();
        println!("    broken after {broken:.1} s:\n{shown}");
        if !self.rescues {
            self.mend(case)?;
            health::works(self.field)?;
            return health::nothing_is_lost(self.field, &self.objects, false).map(drop);
        }
        match self.rescued(case) {
            Ok((rescue, proof)) => {
                let line = format!(
                    "{}: broken {broken:.1} s, rescued {rescue:.1} s, proved {proof:.1} s",
                    case.name
                );
                println!("--- {line}");
                self.times.push(line);
                self.saved = saved(self.field)?;
            }
            Err(error) => {
                println!("--- {}: WRONG: {error:#}", case.name);
                self.times.push(format!("{}: WRONG", case.name));
                self.wrong.push(case.name);
                self.last_words()?;
                self.mend(case)?;
            }
        }
        Ok(())
    }

    /// Answers how long the rescue and the proof of it took.
    fn rescued(&mut self, case: &Case) -> Result<(f64, f64)> {
        let start = Instant::now();
        let arguments = [&["rescue", "--yes"], case.flags].concat();
        let output = self.field.access.kubepki(&arguments)?;
        let rescue = start.elapsed().as_secs_f64();
        println!(
            "    kubepki {} ended with {} after {rescue:.1} s\n{}{}",
            arguments.join(" "),
            output.status,
            output.stdout,
            output.stderr
        );
        if !output.success() {
            bail!("the rescue ended with {}", output.status);
        }
        health::works(self.field)?;
        health::timed("doctor", || health::the_doctor_is_silent(self.field))?;
        self.objects = health::timed("objects", || {
            health::nothing_is_lost(self.field, &self.objects, case.authorities_change)
        })?;
        (case.ends)(self.field)?;
        Ok((rescue, start.elapsed().as_secs_f64() - rescue))
    }

    /// Brings the cluster back as it was, by its files.
    fn mend(&self, case: &Case) -> Result<()> {
        let start = Instant::now();
        let mend = || {
            together(&self.field.hosts, Host::cut_power)?;
            for saved in &self.saved {
                saved.restore()?;
            }
            together(&self.field.hosts, |host| {
                // what a run left behind is not the next case's
                host.shell("rm -rf /var/lib/kubepki/journal; rm -f /etc/kubernetes/.*.yaml")?;
                host.power_on()
            })?;
            self.field.ready()
        };
        mend().with_context(|| format!("mending the cluster after {}", case.name))?;
        println!("    mended in {:.1} s", start.elapsed().as_secs_f64());
        Ok(())
    }

    fn last_words(&self) -> Result<()> {
        for host in &self.field.hosts {
            println!("    {}:\n{}", host.name(), host.last_words()?);
        }
        Ok(())
    }

    /// Fails if a rescue failed once.
    pub fn close(&self) -> Result<()> {
        for line in &self.times {
            println!("{line}");
        }
        println!(
            "{} of {} cases, {} wrong: {:?}",
            self.times.len(),
            self.names.len(),
            self.wrong.len(),
            self.wrong
        );
        if !self.wrong.is_empty() {
            bail!("not rescued: {:?}", self.wrong);
        }
        if self.names.len() < FEWEST {
            bail!("only {} cases are left", self.names.len());
        }
        Ok(())
    }
}

fn saved(field: &Field<'_>) -> Result<Vec<Saved>> {
    field.hosts.iter().map(Saved::of).collect()
}
