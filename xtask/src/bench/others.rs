//! What other programs do meanwhile: on a shared machine the largest error of a measurement.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::measure::processor_seconds;

/// A point in time, and how busy the machine and this program's children had been until then.
pub struct Since {
    begin: Instant,
    busy: f64,
    own: f64,
}

/// What share of the machine may go to others in a round that counts.
const TOLERATED: f64 = 0.15;
/// The kernel counts in hundredths of a second, on every core.
const GRAIN: f64 = 0.02;
/// How long a quiet moment is looked for before each round.
const SAMPLE: Duration = Duration::from_millis(200);
/// A machine that is never quiet is told to be so.
const PATIENCE: Duration = Duration::from_secs(900);

impl Since {
    /// From now on.
    pub fn now() -> Result<Self> {
        Ok(Since {
            begin: Instant::now(),
            busy: busy(&fs_err::read_to_string("/proc/stat")?).context("/proc/stat")?,
            own: processor_seconds()?,
        })
    }

    /// How many cores others have used since, on average.
    pub fn others(&self) -> Result<f64> {
        let now = Self::now()?;
        let others = (now.busy - self.busy) - (now.own - self.own);
        Ok(others.max(0.0) / self.begin.elapsed().as_secs_f64().max(GRAIN))
    }

    /// Whether others used so little since that what was measured counts.
    pub fn was_quiet(&self) -> Result<bool> {
        let elapsed = self.begin.elapsed().as_secs_f64();
        Ok(self.others()? * elapsed <= TOLERATED * cores() * elapsed + GRAIN)
    }
}

/// Waits until others leave the machine alone; false when they do not.
pub fn wait_for_quiet() -> Result<bool> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        let since = Since::now()?;
        std::thread::sleep(SAMPLE);
        if since.was_quiet()? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// How many cores there are.
pub fn cores() -> f64 {
    std::thread::available_parallelism().map_or(1.0, |cores| cores.get() as f64)
}

/// Seconds that all cores together have been busy: user, nice, system, interrupts and what the host
/// of a virtual machine took (proc_stat(5)), in the hundredths that USER_HZ always is on Linux.
fn busy(stat: &str) -> Option<f64> {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let times: Vec<f64> = line
        .split_whitespace()
        .map(|word| word.parse().ok())
        .collect::<Option<_>>()?;
    let [user, nice, system, _idle, _wait, irq, soft_irq, steal, ..] = times.as_slice() else {
        return None;
    };
    Some((user + nice + system + irq + soft_irq + steal) / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_and_waiting_are_not_busy() {
        let stat = "cpu  100 20 30 9000 800 7 8 35 0 0\ncpu0 1 2 3 4 5 6 7 8 0 0\n";
        assert_eq!(busy(stat), Some(2.0));
        assert_eq!(busy("cpu  100 20\n"), None);
    }
}
