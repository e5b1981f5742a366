//! Progress of anything that takes over a second: one line on standard error, gone when done.
//!
//! Shown only on a terminal, only after the first second, and never with `--quiet`; what is faster
//! leaves no flicker. There is no thread: whoever works calls [`Progress::step`] or
//! [`Progress::tick`] now and then.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

const QUIET_TIME: Duration = Duration::from_secs(1);
const REDRAW: Duration = Duration::from_millis(100);

/// A line of progress.
pub struct Progress {
    doing: String,
    total: Option<u64>,
    done: u64,
    started: Instant,
    drawn: Option<Instant>,
    enabled: bool,
}

impl Progress {
    /// Progress of `doing` ("reading files"), of `total` steps when that is known.
    pub fn new(doing: impl Into<String>, total: Option<u64>, quiet: bool) -> Self {
        Self {
            doing: doing.into(),
            total,
            done: 0,
            started: Instant::now(),
            drawn: None,
            enabled: !quiet && std::io::stderr().is_terminal(),
        }
    }

    /// Says what is being done now.
    pub fn doing(&mut self, doing: impl Into<String>) {
        self.doing = doing.into();
        self.tick();
    }

    /// Counts finished steps.
    pub fn step(&mut self, steps: u64) {
        self.done += steps;
        self.tick();
    }

    /// Redraws when it is time to.
    pub fn tick(&mut self) {
        let now = Instant::now();
        let waits = now.duration_since(self.started) < QUIET_TIME
            || self
                .drawn
                .is_some_and(|drawn| now.duration_since(drawn) < REDRAW);
        if !self.enabled || waits {
            return;
        }
        self.drawn = Some(now);
        // a terminal that cannot be written to is no reason to stop working
        let _ = write!(std::io::stderr(), "\r\x1b[2K{}", self.line(now));
        let _ = std::io::stderr().flush();
    }

    /// Takes the line away, before something else is written to the terminal.
    pub fn clear(&mut self) {
        if self.drawn.take().is_some() {
            let _ = write!(std::io::stderr(), "\r\x1b[2K");
            let _ = std::io::stderr().flush();
        }
    }

    fn line(&self, now: Instant) -> String {
        let seconds = now.duration_since(self.started).as_secs();
        match self.total {
            Some(total) => format!("{} {}/{total} ({seconds}s)", self.doing, self.done),
            None if self.done > 0 => format!("{} {} ({seconds}s)", self.doing, self.done),
            None => format!("{} ({seconds}s)", self.doing),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_how_much_of_how_much() {
        let mut progress = Progress::new("reading files", Some(9), true);
        progress.step(4);
        let later = progress.started + Duration::from_secs(3);
        assert_eq!(progress.line(later), "reading files 4/9 (3s)");
        assert!(progress.drawn.is_none(), "quiet draws nothing");
    }
}
