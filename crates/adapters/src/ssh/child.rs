//! A program that was started and is talked to: its two streams, what it complains of, and its end.
//!
//! It is in a process group of its own, so that an interrupt from the terminal ends this program and
//! not the connections beneath it: what runs on the host is told by the end of its input.

use super::failure::{ReachError, ReachErrorKind, classify, plain};
use super::route::Route;
use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// What is kept of what it complains of, the last.
const LINES: usize = 2048;
const LINE_LENGTH: u64 = 4096;

/// How long it may take to end once nobody talks to it any more.
const GRACE: Duration = Duration::from_secs(10);

/// How long its last words are waited for. A master connection that stays behind (`ControlPersist`)
/// keeps the stream open, so its end may never come.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// What a started program is talked to with.
pub struct Streams {
    /// What it writes.
    pub output: BufReader<ChildStdout>,
    /// What it reads.
    pub input: ChildStdin,
    /// Its life: it is ended and reaped when this is dropped, so this is dropped last.
    pub guard: ChildGuard,
}

/// The life of a program that was started.
pub struct ChildGuard {
    child: Arc<Mutex<Child>>,
    said: Arc<Mutex<VecDeque<String>>>,
    drained: Receiver<()>,
    route: Route,
}

/// Ends the program when it is not dropped in time.
pub struct Watch {
    _over: Sender<()>,
    expired: Arc<Mutex<bool>>,
}

/// Starts it.
pub fn start(route: &Route, mut command: Command) -> Result<Streams, ReachError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let unusable = |detail: String| {
        ReachError::new(
            ReachErrorKind::SshUnusable,
            format!(
                "cannot start {program} to reach {}: {detail}",
                route.shown()
            ),
        )
    };
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => unusable("it is not installed".to_owned()),
            _ => unusable(error.to_string()),
        })?;
    let streams = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let said = Arc::new(Mutex::new(VecDeque::new()));
    let (send, drained) = mpsc::channel();
    let guard = ChildGuard {
        child: Arc::new(Mutex::new(child)),
        said: Arc::clone(&said),
        drained,
        route: route.clone(),
    };
    let (Some(input), Some(output), Some(errors)) = streams else {
        return Err(unusable("it has no streams".to_owned()));
    };
    thread::spawn(move || {
        listen(errors, &said);
        drop(send);
    });
    Ok(Streams {
        output: BufReader::new(output),
        input,
        guard,
    })
}

/// Keeps the last lines; reads on whatever comes, so that the program never waits.
fn listen(errors: impl Read, said: &Mutex<VecDeque<String>>) {
    let mut errors = BufReader::new(errors);
    let mut line = Vec::new();
    loop {
        line.clear();
        match errors
            .by_ref()
            .take(LINE_LENGTH)
            .read_until(b'\n', &mut line)
        {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let line = plain(&String::from_utf8_lossy(&line));
        if line.is_empty() {
            continue;
        }
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.len() == LINES {
            said.pop_front();
        }
        said.push_back(line);
    }
}

impl ChildGuard {
    /// What it complained of so far, the last lines.
    pub fn said(&self) -> Vec<String> {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.iter().cloned().collect()
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.lock().id()
    }

    /// Why it ended, after its streams did.
    pub fn why(&self) -> ReachError {
        self.why_after(&[])
    }

    /// Why it ended, after it had written these lines: a login shell that refuses does not complain.
    pub fn why_after(&self, written: &[String]) -> ReachError {
        let status = self.finish();
        let said = [written, &self.said()].concat();
        classify(&self.route, status, &said)
    }

    /// Waits for its end: closed streams come before it. `None` when it was killed for taking longer.
    pub fn finish(&self) -> Option<ExitStatus> {
        let status = self.ended_within(GRACE);
        let _ = self.drained.recv_timeout(LAST_WORDS);
        status
    }

    /// Ends it after this time, unless the watch is dropped before.
    pub fn watch(&self, limit: Duration) -> Watch {
        let (over, dropped) = mpsc::channel();
        let expired = Arc::new(Mutex::new(false));
        let (child, mark) = (Arc::clone(&self.child), Arc::clone(&expired));
        thread::spawn(move || {
            if dropped.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
                *mark.lock().unwrap_or_else(PoisonError::into_inner) = true;
                let _ = child.lock().unwrap_or_else(PoisonError::into_inner).kill();
            }
        });
        Watch {
            _over: over,
            expired,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its status; it is killed after the limit, and reaped in every case.
    fn ended_within(&self, limit: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + limit;
        let mut pause = Duration::from_millis(1);
        loop {
            let mut child = self.lock();
            match child.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) if Instant::now() < deadline => {}
                _ => {
                    let _ = child.kill();
                    let _ = child.wait();
                    return None;
                }
            }
            drop(child);
            thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(20));
        }
    }
}

impl Drop for ChildGuard {
    fn drop(&mut self) {
        self.ended_within(GRACE);
    }
}

impl Watch {
    /// Whether its time was over.
    pub fn expired(&self) -> bool {
        *self.expired.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn shell(script: &str) -> Streams {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        start(&Route::Here, command).unwrap()
    }

    #[test]
    fn it_ends_when_nobody_talks_to_it_and_is_reaped() {
        let Streams {
            mut output,
            mut input,
            guard,
        } = shell("cat; echo over");
        input.write_all(b"a\n").unwrap();
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        assert_eq!(line, "a\n");
        drop(input);
        assert!(guard.finish().unwrap().success());
        let id = guard.id();
        drop(guard);
        assert!(!std::path::Path::new(&format!("/proc/{id}")).exists());
    }

    #[test]
    fn its_last_words_are_kept_and_bounded() {
        let Streams { guard, .. } = shell("seq 1 10000 >&2; echo last >&2; exit 3");
        let error = guard.why();
        assert_eq!(guard.said().len(), LINES);
        assert_eq!(error.said.len(), 16);
        assert_eq!(error.said.last().unwrap(), "last");
        assert_eq!(error.message, "cannot reach this machine: last");
    }

    #[test]
    fn one_that_takes_too_long_is_killed() {
        let Streams {
            mut output, guard, ..
        } = shell("exec sleep 60");
        let watch = guard.watch(Duration::from_millis(50));
        let mut all = String::new();
        output.read_to_string(&mut all).unwrap();
        assert!(watch.expired());
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let command = Command::new("kubepki-no-such-ssh");
        let error = start(&Route::Here, command).err().unwrap();
        assert_eq!(error.code(), "ssh-unusable");
        assert!(error.message.contains("kubepki-no-such-ssh"), "{error}");
    }
}
