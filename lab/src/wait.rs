//! Waiting for a condition, never for a time.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Asks until the answer is yes. An error ends the waiting; so does `at_most`, with an error that
/// names what was waited for.
pub fn until(
    what: &str,
    at_most: Duration,
    mut condition: impl FnMut() -> Result<bool>,
) -> Result<()> {
    let start = Instant::now();
    loop {
        if condition()? {
            return Ok(());
        }
        if start.elapsed() > at_most {
            bail!("waited {} s in vain for {what}", at_most.as_secs());
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}
