//! Time as a port, so that waits can be tested and `--now` can move it.

use jiff::Timestamp;
use std::time::Duration;

/// The wall clock and the only way to wait.
pub trait Clock: Send + Sync {
    /// The current time.
    fn now(&self) -> Timestamp;

    /// Waits for `duration` before a condition is asked again.
    fn sleep(&self, duration: Duration);
}
