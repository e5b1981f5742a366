//! Crashes at chosen points, for tests: every change to a host is counted, and at one of them the
//! program ends, before, after or in the middle of it. Compiled only with the feature of this name.
//!
//! Two ways to end: [`Faults::from_environment`] aborts the process as `kill -9` would, for tests
//! that run the real program; [`Faults::in_process`] makes the host dead to everything that follows,
//! for tests of thousands of points. Points are not listed anywhere: a first run without a fault
//! counts them.

mod host;
mod services;

pub use host::FaultingHost;
pub use services::{FaultingContainers, FaultingServices};

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The number of the effect that fails, counted from 1.
pub const FAULT_AT: &str = "KUBEPKI_FAULT_AT";

/// `before`, `after`, `torn` or `refuse`.
pub const FAULT_MODE: &str = "KUBEPKI_FAULT_MODE";

/// A file that gets one line per effect, e.g. `3 rename /etc/kubernetes/pki/apiserver.crt`; the last
/// line's number is the count.
pub const FAULT_COUNT: &str = "KUBEPKI_FAULT_COUNT";

/// Where in an effect the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Before it.
    Before,
    /// After it, before anyone knows.
    After,
    /// Half-way, where an effect has a half (a file or journal line half written); elsewhere before.
    Torn,
    /// Not at all: the effect is refused once, and the program lives on.
    Refuse,
}

/// Text that names no [`Mode`].
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is none of before, after, torn, refuse")]
pub struct UnknownMode(String);

impl FromStr for Mode {
    type Err = UnknownMode;

    fn from_str(text: &str) -> Result<Self, UnknownMode> {
        match text {
            "before" => Ok(Self::Before),
            "after" => Ok(Self::After),
            "torn" => Ok(Self::Torn),
            "refuse" => Ok(Self::Refuse),
            _ => Err(UnknownMode(text.to_owned())),
        }
    }
}

/// One effect that was about to happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    /// e.g. `rename`.
    pub operation: &'static str,
    /// The path or the service.
    pub on: String,
    /// Whether it has a half.
    pub is_tearable: bool,
}

/// Counts effects and ends the program at one of them. Shared by the decorators of one run.
pub struct Faults {
    at: Option<(usize, Mode)>,
    aborts: bool,
    count_file: Option<PathBuf>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    effects: Vec<Effect>,
    is_dead: bool,
}

impl Faults {
    /// Counts only.
    pub fn counting() -> Arc<Self> {
        Self::new(None, false, None)
    }

    /// Leaves the host dead from effect number `at` on (or refuses that one).
    pub fn in_process(at: usize, mode: Mode) -> Arc<Self> {
        Self::new(Some((at, mode)), false, None)
    }

    /// As the environment says: see [`FAULT_AT`], [`FAULT_MODE`], [`FAULT_COUNT`]. Aborts.
    pub fn from_environment() -> Result<Arc<Self>, UnknownMode> {
        let text = |name| std::env::var(name).ok();
        let mode = text(FAULT_MODE).map_or(Ok(Mode::Before), |mode| mode.parse())?;
        let at = match text(FAULT_AT) {
            Some(at) => Some((at.parse().map_err(|_| UnknownMode(at))?, mode)),
            None => None,
        };
        Ok(Self::new(at, true, text(FAULT_COUNT).map(PathBuf::from)))
    }

    fn new(at: Option<(usize, Mode)>, aborts: bool, count_file: Option<PathBuf>) -> Arc<Self> {
        Arc::new(Self {
            at,
            aborts,
            count_file,
            state: Mutex::default(),
        })
    }

    /// Every effect so far.
    pub fn effects(&self) -> Vec<Effect> {
        self.state().effects.clone()
    }

    /// Whether the fault has struck.
    pub fn is_dead(&self) -> bool {
        self.state().is_dead
    }

    /// Does an effect, or what is left of it. `torn` does half of it; `refusal` is what the caller
    /// sees when the host is dead or refuses.
    fn effect<T, E>(
        &self,
        operation: &'static str,
        on: &dyn std::fmt::Display,
        torn: Option<&dyn Fn() -> Result<T, E>>,
        whole: &dyn Fn() -> Result<T, E>,
        refusal: &dyn Fn() -> E,
    ) -> Result<T, E> {
        let effect = Effect {
            operation,
            on: on.to_string(),
            is_tearable: torn.is_some(),
        };
        let Some(number) = self.count(effect) else {
            return Err(refusal());
        };
        let mode = match self.at {
            Some((at, mode)) if at == number => mode,
            _ => return whole(),
        };
        match (mode, torn) {
            (Mode::Refuse, _) => return Err(refusal()),
            (Mode::After, _) => drop(whole()),
            (Mode::Torn, Some(torn)) => drop(torn()),
            (Mode::Before, _) | (Mode::Torn, None) => {}
        }
        if self.aborts {
            std::process::abort();
        }
        self.state().is_dead = true;
        Err(refusal())
    }

    /// The effect's number, or `None` when the host is dead.
    fn count(&self, effect: Effect) -> Option<usize> {
        let mut state = self.state();
        if state.is_dead {
            return None;
        }
        let number = state.effects.len() + 1;
        if let Some(file) = &self.count_file {
            record(file, number, &effect);
        }
        state.effects.push(effect);
        Some(number)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Written effect by effect: a process that aborts has no later.
fn record(file: &PathBuf, number: usize, effect: &Effect) {
    use std::io::Write;
    let line = format!("{number} {} {}\n", effect.operation, effect.on);
    let opened = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(file);
    // A test that asked for the file sees that it is missing.
    let _ = opened.and_then(|mut opened| opened.write_all(line.as_bytes()));
}
