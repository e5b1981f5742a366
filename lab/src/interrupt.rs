//! Killing the program under test at a moment that its journal shows.
//!
//! The journal is watched from this machine, without starting anything: a change of files takes some
//! thirty milliseconds.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

use crate::host::Host;
use crate::tool::{Output, Tool};

const PROGRAM: &str = "kubepki";
const JOURNALS: &str = "/var/lib/kubepki/journal";

/// The longest that anything in a run takes.
const AT_MOST: Duration = Duration::from_secs(240);

impl Host {
    /// Runs kubepki and kills it with SIGKILL, `pause` after a line of its journal contains `wanted`.
    /// Answers what it had said; that it ended by itself before is an error.
    pub fn kubepki_killed(
        &self,
        arguments: &[&str],
        wanted: &str,
        pause: Duration,
    ) -> Result<String> {
        let lines_before = self.journal_lines(wanted);
        let command: Vec<String> = std::iter::once(PROGRAM)
            .chain(arguments.iter().copied())
            .map(str::to_owned)
            .collect();
        let there = self.clone();
        let work = std::thread::spawn(move || there.exec(command));
        let start = Instant::now();
        let mut process = None;
        while self.journal_lines(wanted) == lines_before {
            if work.is_finished() || start.elapsed() > AT_MOST {
                bail!("kubepki never came to {wanted}: {:?}", work.join());
            }
            if process.is_none() {
                process = self.process_seen_from_here()?;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        // a run that carries on comes to its first step sooner than a busy machine's processes are read
        if process.is_none() {
            process = self.process_seen_from_here()?;
        }
        std::thread::sleep(pause);
        let process = process
            .with_context(|| format!("no process of kubepki was seen before {wanted}"))?
            .to_string();
        Tool::new("kill").args(["-KILL", &process]).run()?;
        let output: Output = work.join().map_err(|_| anyhow!("the run panicked"))??;
        if output.status != 128 + 9 {
            bail!("kubepki ended with {} at {wanted}", output.status);
        }
        Ok(output.stdout + &output.stderr)
    }

    fn journal_lines(&self, wanted: &str) -> usize {
        let folder = std::fs::read_dir(self.path(JOURNALS));
        folder
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| std::fs::read_to_string(entry.path()).ok())
            .map(|journal| journal.matches(wanted).count())
            .sum()
    }

    /// The host's processes are this machine's too, under other numbers.
    fn process_seen_from_here(&self) -> Result<Option<u32>> {
        for entry in fs_err::read_dir("/proc")? {
            let entry = entry?.path();
            let read = |file: &str| std::fs::read_to_string(entry.join(file)).unwrap_or_default();
            if read("comm").trim() == PROGRAM && read("cgroup").contains(&self.id()) {
                let number = entry.file_name().and_then(|name| name.to_str());
                return Ok(number.and_then(|number| number.parse().ok()));
            }
        }
        Ok(None)
    }
}
