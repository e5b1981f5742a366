//! systemd units and docker containers, controlled with `systemctl`, `journalctl` and `docker`.
//!
//! Commands get their arguments as a list (no shell ever sees them), the C locale, no terminal, and
//! a bounded time. Restarting a unit clears its failed state first: a unit that crashed often enough
//! (an API server whose certificate had expired) is otherwise refused by its start limit.
//!
//! Not here: static pods. Those are restarted through their manifest, by the engine.

use std::io::{self, Read};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use kubepki_engine::ports::{ServiceControl, ServiceError, UnitState};

/// Asking is quick unless systemd itself hangs.
const ASK: Duration = Duration::from_secs(15);

/// A restart waits for the old process to end: 90 s by systemd's default, then SIGKILL.
const RESTART: Duration = Duration::from_secs(150);

/// What a command may print before the rest is thrown away.
const OUTPUT_LIMIT: u64 = 1 << 20;

/// Services of the host that this program runs on.
#[derive(Clone, Debug)]
pub struct LocalServices {
    systemctl: String,
    journalctl: String,
    docker: String,
}

impl LocalServices {
    /// Uses the commands found on `PATH`.
    pub fn new() -> Self {
        Self::with_commands("systemctl", "journalctl", "docker")
    }

    /// Uses these commands instead, each a name or a path.
    pub fn with_commands(systemctl: &str, journalctl: &str, docker: &str) -> Self {
        Self {
            systemctl: systemctl.to_owned(),
            journalctl: journalctl.to_owned(),
            docker: docker.to_owned(),
        }
    }
}

impl Default for LocalServices {
    fn default() -> Self {
        Self::new()
    }
}

impl ServiceControl for LocalServices {
    fn unit_state(&self, unit: &str) -> Result<UnitState, ServiceError> {
        let operation = "ask the state of";
        let arguments = [
            "show",
            "--property=LoadState,ActiveState,MainPID",
            "--",
            unit,
        ];
        let text = run(&self.systemctl, &arguments, ASK)
            .map_err(|detail| failed(operation, unit, detail))?;
        let value = |key: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
                .map(str::trim)
        };
        // systemctl shows a unit that does not exist as inactive, which would read as stopped.
        match value("LoadState") {
            Some("loaded") => {}
            Some("not-found") => return Err(failed(operation, unit, "there is no such unit")),
            Some(state) => {
                return Err(failed(
                    operation,
                    unit,
                    format!("systemd shows it as {state}"),
                ));
            }
            None => {
                return Err(failed(
                    operation,
                    unit,
                    "systemctl did not tell its LoadState",
                ));
            }
        }
        let active = value("ActiveState")
            .ok_or_else(|| failed(operation, unit, "systemctl did not tell its ActiveState"))?;
        let main_pid = value("MainPID")
            .and_then(|pid| pid.parse().ok())
            .filter(|pid| *pid != 0);
        Ok(UnitState {
            active: active.to_owned(),
            main_pid,
        })
    }

    fn reload_units(&self) -> Result<(), ServiceError> {
        run(&self.systemctl, &["daemon-reload"], RESTART)
            .map(drop)
            .map_err(|detail| failed("reload", "the units", detail))
    }

    fn restart_unit(&self, unit: &str) -> Result<(), ServiceError> {
        // Refused for a unit that is not loaded, and then there is nothing to clear; whether the
        // unit exists is told by the restart.
        let _ = run(&self.systemctl, &["reset-failed", "--", unit], ASK);
        run(
            &self.systemctl,
            &["--no-ask-password", "restart", "--", unit],
            RESTART,
        )
        .map(drop)
        .map_err(|detail| failed("restart", unit, detail))
    }

    fn stop_unit(&self, unit: &str) -> Result<(), ServiceError> {
        run(
            &self.systemctl,
            &["--no-ask-password", "stop", "--", unit],
            RESTART,
        )
        .map(drop)
        .map_err(|detail| failed("stop", unit, detail))
    }

    fn start_unit(&self, unit: &str) -> Result<(), ServiceError> {
        // As for a restart.
        let _ = run(&self.systemctl, &["reset-failed", "--", unit], ASK);
        run(
            &self.systemctl,
            &["--no-ask-password", "start", "--", unit],
            RESTART,
        )
        .map(drop)
        .map_err(|detail| failed("start", unit, detail))
    }

    fn unit_log(&self, unit: &str, lines: usize) -> Result<Vec<String>, ServiceError> {
        let (unit_argument, lines_argument) =
            (format!("--unit={unit}"), format!("--lines={lines}"));
        let arguments = [
            "--no-pager",
            "--quiet",
            "--output=cat",
            &lines_argument,
            &unit_argument,
        ];
        let text = run(&self.journalctl, &arguments, ASK)
            .map_err(|detail| failed("read the log of", unit, detail))?;
        Ok(text.lines().map(str::to_owned).collect())
    }

    fn restart_docker(&self, container: &str) -> Result<(), ServiceError> {
        run(&self.docker, &["restart", "--", container], RESTART)
            .map(drop)
            .map_err(|detail| failed("restart docker container", container, detail))
    }

    fn stop_docker(&self, container: &str) -> Result<(), ServiceError> {
        run(&self.docker, &["stop", "--", container], RESTART)
            .map(drop)
            .map_err(|detail| failed("stop docker container", container, detail))
    }

    fn start_docker(&self, container: &str) -> Result<(), ServiceError> {
        run(&self.docker, &["start", "--", container], RESTART)
            .map(drop)
            .map_err(|detail| failed("start docker container", container, detail))
    }
}

fn failed(operation: &'static str, service: &str, detail: impl Into<String>) -> ServiceError {
    ServiceError {
        operation,
        service: service.to_owned(),
        detail: detail.into(),
    }
}

/// Runs a command to its end and returns what it printed. A failure is told in the command's own
/// words; a command over time is killed.
fn run(program: &str, arguments: &[&str], limit: Duration) -> Result<String, String> {
    let deadline = Instant::now() + limit;
    let mut child = Command::new(program)
        .args(arguments)
        .env("LC_ALL", "C")
        .env("SYSTEMD_COLORS", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => format!("the command {program} is not installed"),
            _ => format!("the command {program} cannot be started: {error}"),
        })?;
    // Both pipes are drained at once, so that neither can fill up and stop the command. The threads
    // are not joined: a grandchild that keeps a pipe open must not outlast the limit.
    let printed = child.stdout.take().map(drain);
    let complained = child.stderr.take().map(drain);

    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if Instant::now() >= deadline => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!(
                    "{program} did not end within {} s",
                    limit.as_secs()
                ));
            }
            Ok(None) => thread::sleep(Duration::from_millis(5)),
            Err(error) => return Err(format!("{program} cannot be waited for: {error}")),
        }
    };
    let grace = Duration::from_secs(1);
    let printed = printed
        .and_then(|text| text.recv_timeout(grace).ok())
        .unwrap_or_default();
    if status.success() {
        return Ok(printed);
    }
    let complained = complained
        .and_then(|text| text.recv_timeout(grace).ok())
        .unwrap_or_default();
    Err(complaint(program, status, &complained))
}

fn drain(pipe: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        let mut pipe = pipe;
        let mut bytes = Vec::new();
        // What was read before an error is still worth showing.
        let _ = pipe.by_ref().take(OUTPUT_LIMIT).read_to_end(&mut bytes);
        let _ = io::copy(&mut pipe, &mut io::sink());
        let _ = send.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    receive
}

/// The command's complaint on one line.
fn complaint(program: &str, status: ExitStatus, words: &str) -> String {
    let words = words
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>();
    if words.is_empty() {
        format!("{program} ended with {status}")
    } else {
        words.join("; ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_command_prints_is_returned_and_its_complaint_is_the_error() {
        let shell = |script: &str| run("sh", &["-c", script], Duration::from_secs(20));
        assert_eq!(shell("echo out; echo err >&2").as_deref(), Ok("out\n"));
        assert_eq!(
            shell("echo out; echo err >&2; exit 3"),
            Err("err".to_owned())
        );
        assert_eq!(
            shell("exit 3"),
            Err("sh ended with exit status: 3".to_owned())
        );
        assert_eq!(shell("echo $LC_ALL").as_deref(), Ok("C\n"));
    }

    #[test]
    fn more_output_than_a_pipe_holds_does_not_stop_the_command() {
        let script = "head -c 3000000 /dev/zero | tr '\\0' x; head -c 3000000 /dev/zero >&2";
        let text = run("sh", &["-c", script], Duration::from_secs(20)).unwrap();
        assert_eq!(text.len(), 1 << 20);
    }

    #[test]
    fn a_command_over_time_is_killed() {
        let begun = Instant::now();
        let error = run("sleep", &["30"], Duration::from_millis(200)).unwrap_err();
        assert!(error.contains("did not end"), "{error}");
        assert!(begun.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn a_missing_command_is_named() {
        let error = run("kubepki-no-such-command", &[], ASK).unwrap_err();
        assert_eq!(
            error,
            "the command kubepki-no-such-command is not installed"
        );
    }
}
