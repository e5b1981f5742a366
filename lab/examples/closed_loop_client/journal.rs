//! What the client writes down: one line for each request, `SECONDS JOB ok|again|failed [WHY]`.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;

pub struct Journal {
    file: File,
    job: String,
}

impl Journal {
    pub fn open(path: &Path, job: &str) -> Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Journal {
            file,
            job: job.to_owned(),
        })
    }

    /// `again` when a connection that had died while it was idle was replaced.
    pub fn good(&mut self, again: bool) -> Result<()> {
        self.line(if again { "again" } else { "ok" })
    }

    pub fn failed(&mut self, why: &str) -> Result<()> {
        let why: String = why.replace('\n', " ").chars().take(300).collect();
        self.line(&format!("failed {why}"))
    }

    fn line(&mut self, words: &str) -> Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64();
        let line = format!("{now:.3} {} {words}\n", self.job);
        Ok(self.file.write_all(line.as_bytes())?)
    }
}
