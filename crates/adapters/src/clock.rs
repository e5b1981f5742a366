//! The machine's clock as the engine's [`Clock`]: the only place of this program's binaries where
//! the time of day is asked for.
//!
//! Not here: `--now`, which moves what is assessed and never what is waited for.

use std::thread;
use std::time::Duration;

use jiff::Timestamp;
use kubepki_engine::ports::Clock;

/// The system's wall clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn sleep(&self, duration: Duration) {
        thread::sleep(duration);
    }
}
