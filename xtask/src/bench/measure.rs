//! Running one program and seeing what it took, and several programs in turns.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

use super::others::{self, Since};

/// What one run of a program took.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// From before its start to after its end, in seconds.
    pub wall: f64,
    /// User and system time of it and of what it started, in seconds.
    pub processor: f64,
    /// The most memory it had at once, in KiB; 0 where that was not asked for.
    pub peak: u64,
}

/// A program that takes turns with others.
pub struct Contender<'a> {
    /// As the table calls it.
    pub name: String,
    program: PathBuf,
    arguments: Vec<String>,
    prepare: Option<Box<dyn Fn() -> Result<()> + 'a>>,
    sees_memory: bool,
}

impl<'a> Contender<'a> {
    /// Names it, and what is run.
    pub fn new(name: &str, program: impl Into<PathBuf>, arguments: &[&str]) -> Self {
        Contender {
            name: name.to_owned(),
            program: program.into(),
            arguments: arguments
                .iter()
                .map(|argument| (*argument).to_owned())
                .collect(),
            prepare: None,
            sees_memory: false,
        }
    }

    /// What is done before every turn, outside of the measured time.
    pub fn prepared_by(mut self, prepare: impl Fn() -> Result<()> + 'a) -> Self {
        self.prepare = Some(Box::new(prepare));
        self
    }

    /// Also looks at its memory.
    pub fn with_memory(mut self) -> Self {
        self.sees_memory = true;
        self
    }

    fn run(&self) -> Result<Run> {
        if let Some(prepare) = &self.prepare {
            prepare()?;
        }
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        measure(&mut command, self.sees_memory).with_context(|| {
            format!(
                "cannot measure `{} {}`",
                self.program.display(),
                self.arguments.join(" ")
            )
        })
    }
}

/// How programs take turns.
#[derive(Clone, Copy, Debug)]
pub struct Turns {
    /// How many each gets.
    pub rounds: u32,
    /// Whether a round counts only when no other program was busy meanwhile.
    pub undisturbed: bool,
}

/// What came of it.
pub struct Measured {
    /// The runs of each contender.
    pub runs: Vec<Vec<Run>>,
    /// How many cores other programs used meanwhile, on average of the rounds that count.
    pub others: f64,
    /// How many rounds were disturbed and do not count.
    pub discarded: u32,
}

/// Lets each contender run so many times, in turns, after one time each that is not counted.
pub fn in_turns(contenders: &[Contender<'_>], turns: Turns) -> Result<Measured> {
    for contender in contenders {
        contender.run()?;
    }
    let mut runs = vec![Vec::new(); contenders.len()];
    let (mut others, mut discarded) = (0.0, 0);
    let mut counted = 0;
    while counted < turns.rounds {
        if turns.undisturbed && !others::wait_for_quiet()? {
            bail!("other programs keep this machine busy");
        }
        let since = Since::now()?;
        let round = contenders
            .iter()
            .map(Contender::run)
            .collect::<Result<Vec<Run>>>()?;
        if turns.undisturbed && !since.was_quiet()? {
            discarded += 1;
            continue;
        }
        others += since.others()?;
        counted += 1;
        for (runs, run) in runs.iter_mut().zip(round) {
            runs.push(run);
        }
    }
    Ok(Measured {
        runs,
        others: others / f64::from(turns.rounds.max(1)),
        discarded,
    })
}

fn measure(command: &mut Command, sees_memory: bool) -> Result<Run> {
    let before = processor_seconds()?;
    let begin = Instant::now();
    let child = command.spawn()?;
    let id = child.id();
    let has_ended = AtomicBool::new(false);
    let (output, wall, peak) = std::thread::scope(|scope| {
        let watch = sees_memory.then(|| scope.spawn(|| highest_memory(id, &has_ended)));
        let output = Child::wait_with_output(child);
        let wall = begin.elapsed();
        has_ended.store(true, Ordering::Relaxed);
        let peak = watch.and_then(|watch| watch.join().ok()).unwrap_or(0);
        (output, wall, peak)
    });
    let output = output?;
    if !output.status.success() {
        bail!(
            "{}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(Run {
        wall: wall.as_secs_f64(),
        processor: processor_seconds()? - before,
        peak,
    })
}

/// Looks at the high-water marks of the program and of those that it started until it has ended, and
/// adds them up. getrusage(2) knows them too, but only as the highest of all children ever waited
/// for, of which cargo is one.
fn highest_memory(id: u32, has_ended: &AtomicBool) -> u64 {
    let mut highest = BTreeMap::new();
    while !has_ended.load(Ordering::Relaxed) {
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
        let children = children.unwrap_or_default();
        let children = children.split_whitespace().filter_map(|id| id.parse().ok());
        for process in std::iter::once(id).chain(children) {
            if let Ok(text) = std::fs::read_to_string(format!("/proc/{process}/status")) {
                let peak: &mut u64 = highest.entry(process).or_default();
                *peak = (*peak).max(high_water_mark(&text).unwrap_or(0));
            }
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    highest.values().sum()
}

fn high_water_mark(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// User and system time of all children that were waited for, and of theirs.
pub fn processor_seconds() -> Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let seconds = |time: TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    Ok(seconds(usage.user_time()) + seconds(usage.system_time()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWICE: Turns = Turns {
        rounds: 2,
        undisturbed: false,
    };

    #[test]
    fn contenders_take_turns_after_one_uncounted_time() {
        let order = std::cell::RefCell::new(String::new());
        let contender = |name: &'static str| {
            let order = &order;
            Contender::new(name, "true", &[]).prepared_by(move || {
                order.borrow_mut().push_str(name);
                Ok(())
            })
        };
        let measured = in_turns(&[contender("a"), contender("b")], TWICE).unwrap();
        assert_eq!(*order.borrow(), "ababab");
        assert_eq!(
            measured.runs.iter().map(Vec::len).collect::<Vec<_>>(),
            [2, 2]
        );
    }

    #[test]
    fn a_program_that_fails_is_no_measurement() {
        let error = in_turns(
            &[Contender::new("a", "sh", &["-c", "echo why >&2; exit 3"])],
            TWICE,
        );
        let Err(error) = error else {
            panic!("a failure was measured");
        };
        assert!(format!("{error:#}").contains("why"), "{error:#}");
    }

    #[test]
    fn memory_is_read_from_the_status_of_a_process() {
        let status = "VmPeak:\t  9000 kB\nVmHWM:\t    5816 kB\nThreads:\t1\n";
        assert_eq!(high_water_mark(status), Some(5816));
    }
}
