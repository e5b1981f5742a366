//! Waiting for a condition: asked again and again, for a bounded time, with a word now and then.

use crate::ports::{Clock, Progress};
use std::time::Duration;

/// Between two questions.
pub const PAUSE: Duration = Duration::from_millis(300);

/// How often a wait that lasts is mentioned.
const REMINDER: Duration = Duration::from_secs(15);

/// One question (a probe, a request) never counts for more: a clock that is set forward while
/// somebody repairs an expired host must not end the wait.
const LONGEST_QUESTION: Duration = Duration::from_secs(30);

/// A condition did not come true in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimedOut {
    /// How long was waited.
    pub seconds: u64,
    /// The last answer.
    pub last: String,
}

/// Asks until the answer is `Ok`; `Err` says how things stand. At least one question is asked.
/// `ask` is told how long has been waited.
pub fn until<T>(
    clock: &dyn Clock,
    progress: &dyn Progress,
    what: &str,
    bound: Duration,
    mut ask: impl FnMut(Duration) -> Result<T, String>,
) -> Result<T, TimedOut> {
    let mut waited = Duration::ZERO;
    let mut mentioned = Duration::ZERO;
    loop {
        let before = clock.now();
        let last = match ask(waited) {
            Ok(value) => return Ok(value),
            Err(last) => last,
        };
        if waited >= bound {
            return Err(TimedOut {
                seconds: waited.as_secs(),
                last,
            });
        }
        if waited.saturating_sub(mentioned) >= REMINDER {
            mentioned = waited;
            progress.say(&format!(
                "{what}: {last} ({} s of at most {} s)",
                waited.as_secs(),
                bound.as_secs()
            ));
        }
        clock.sleep(PAUSE);
        let passed = Duration::try_from(clock.now().duration_since(before)).unwrap_or_default();
        waited += passed.clamp(PAUSE, LONGEST_QUESTION);
    }
}
