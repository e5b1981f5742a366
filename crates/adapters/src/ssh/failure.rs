//! Why a host was not reached, in stable codes.
//!
//! `ssh` ends with 255 for every failure of its own and tells which one in words that have been the
//! same for many years (`ssh.c`, `sshconnect.c`, `clientloop.c` of OpenSSH); `sudo` does so with 1.
//! Words of the other side are shown without their control characters.

use super::route::Route;
use std::process::ExitStatus;
use thiserror::Error;

/// Kinds of failures, each with a stable code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReachErrorKind {
    /// No program for the host's architecture or operating system.
    ArchitectureUnsupported,
    /// The host shows another key than the one that is known.
    HostKeyChanged,
    /// The host's key is not known.
    HostKeyUnknown,
    /// No connection, or one that ended too early.
    HostUnreachable,
    /// The host lets this user not in.
    LoginRefused,
    /// The login is not root's and cannot become root.
    NoRoot,
    /// The program was not put there.
    NotPut,
    /// The program was put there and does not run.
    NotRunnable,
    /// The command that reaches hosts is not there, or its own configuration is wrong.
    SshUnusable,
}

/// Why a host was not reached.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct ReachError {
    /// What kind of failure.
    pub kind: ReachErrorKind,
    /// Lower-case, one sentence.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
    /// What was said meanwhile, line by line.
    pub said: Vec<String>,
}

impl ReachErrorKind {
    /// A stable word.
    pub fn code(self) -> &'static str {
        match self {
            Self::ArchitectureUnsupported => "architecture-unsupported",
            Self::HostKeyChanged => "host-key-changed",
            Self::HostKeyUnknown => "host-key-unknown",
            Self::HostUnreachable => "host-unreachable",
            Self::LoginRefused => "login-refused",
            Self::NoRoot => "no-root",
            Self::NotPut => "agent-not-put",
            Self::NotRunnable => "agent-not-runnable",
            Self::SshUnusable => "ssh-unusable",
        }
    }
}

impl ReachError {
    /// A failure without a hint and without words of others.
    pub fn new(kind: ReachErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            hint: None,
            said: Vec::new(),
        }
    }

    /// Adds what to do next.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds what was said meanwhile, its end.
    pub fn said(mut self, lines: &[String]) -> Self {
        let from = lines.len().saturating_sub(LAST_LINES);
        self.said = lines.get(from..).unwrap_or_default().to_vec();
        self
    }

    /// A stable word for its kind.
    pub fn code(&self) -> &'static str {
        self.kind.code()
    }
}

/// How much of what was said an error shows.
const LAST_LINES: usize = 16;

/// What a row of [`WORDS`] is looked for in.
struct Row {
    words: &'static str,
    kind: ReachErrorKind,
}

const fn row(words: &'static str, kind: ReachErrorKind) -> Row {
    Row { words, kind }
}

/// What OpenSSH and sudo say, the most telling first: with a changed key ssh ends with the same last
/// line as with an unknown one.
const WORDS: [Row; 40] = {
    use ReachErrorKind::{
        HostKeyChanged, HostKeyUnknown, HostUnreachable, LoginRefused, NoRoot, SshUnusable,
    };
    [
        row("has changed and you have requested strict", HostKeyChanged),
        row("REMOTE HOST IDENTIFICATION HAS CHANGED", HostKeyChanged),
        row("is revoked", HostKeyChanged),
        row("host key is known for", HostKeyUnknown),
        row("Host key verification failed", HostKeyUnknown),
        row("No matching host key fingerprint", HostKeyUnknown),
        row("Bad configuration option", SshUnusable),
        row("bad configuration options", SshUnusable),
        row("Bad owner or permissions on", SshUnusable),
        row("Can't open user config file", SshUnusable),
        row("Cannot execute command-line and remote", SshUnusable),
        row("unknown option", SshUnusable),
        row("illegal option", SshUnusable),
        row("Permission denied (", LoginRefused),
        row("Permission denied, please try again", LoginRefused),
        row("Too many authentication failures", LoginRefused),
        row("not permitted to log in", LoginRefused),
        row("This account is currently not available", LoginRefused),
        row("account has expired", LoginRefused),
        row("password has expired", LoginRefused),
        row("Could not resolve hostname", HostUnreachable),
        row("Connection refused", HostUnreachable),
        row("Connection timed out", HostUnreachable),
        row("Operation timed out", HostUnreachable),
        row("No route to host", HostUnreachable),
        row("Network is unreachable", HostUnreachable),
        row("Connection reset by", HostUnreachable),
        row("Connection closed by", HostUnreachable),
        row("kex_exchange_identification", HostUnreachable),
        row("Unable to negotiate with", HostUnreachable),
        row("Timeout, server", HostUnreachable),
        row("Broken pipe", HostUnreachable),
        row("sudo: a password is required", NoRoot),
        row("sudo: a terminal is required", NoRoot),
        row("sudo: sorry, you must have a tty", NoRoot),
        row("is not in the sudoers file", NoRoot),
        row("is not allowed to execute", NoRoot),
        row("may not run sudo", NoRoot),
        row("sudo: not found", NoRoot),
        row("sudo: ", NoRoot),
    ]
};

/// What ended a connection before the host had said its first word, or in the middle of a session.
pub fn classify(route: &Route, status: Option<ExitStatus>, said: &[String]) -> ReachError {
    let found = WORDS.iter().find_map(|row| {
        let line = said.iter().rev().find(|line| line.contains(row.words))?;
        Some((row.kind, line.as_str()))
    });
    let last = said.last().map(String::as_str);
    let (kind, line) = match found {
        Some(found) => found,
        None => match (status.and_then(|status| status.code()), last) {
            // what a shell answers for a program that it cannot run
            (Some(126 | 127), line) if !matches!(route, Route::Ssh { .. }) => (
                ReachErrorKind::SshUnusable,
                line.unwrap_or("the command is not there"),
            ),
            (_, Some(line)) => (ReachErrorKind::HostUnreachable, line),
            (_, None) => (ReachErrorKind::HostUnreachable, ""),
        },
    };
    let ended = match status {
        Some(status) => format!("the connection ended with {status}"),
        None => "the connection ended".to_owned(),
    };
    let evidence = if line.is_empty() { &ended } else { line };
    told(route, kind, evidence).said(said)
}

/// The sentence and the hint of each kind.
fn told(route: &Route, kind: ReachErrorKind, evidence: &str) -> ReachError {
    let shown = route.shown();
    let message = match kind {
        ReachErrorKind::HostKeyUnknown => {
            format!("the key of {shown} is not known: {evidence}")
        }
        ReachErrorKind::HostKeyChanged => {
            format!("{shown} shows another key than the one that is known: {evidence}")
        }
        ReachErrorKind::LoginRefused => format!("{shown} refused the login: {evidence}"),
        ReachErrorKind::NoRoot => format!("cannot become root on {shown}: {evidence}"),
        ReachErrorKind::SshUnusable => {
            format!("cannot run the command that reaches {shown}: {evidence}")
        }
        _ => format!("cannot reach {shown}: {evidence}"),
    };
    let error = ReachError::new(kind, message);
    match hint(route, kind, evidence) {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

fn hint(route: &Route, kind: ReachErrorKind, evidence: &str) -> Option<String> {
    let Route::Ssh { destination, .. } = route else {
        return (kind == ReachErrorKind::NoRoot).then(|| NO_ROOT.to_owned());
    };
    let name = destination.as_str();
    // an alias is known to ssh alone: what it looked for is in its words
    let (host, port) = looked_for(evidence).unwrap_or_else(|| destination.host_and_port());
    Some(match kind {
        ReachErrorKind::HostKeyUnknown => {
            let port = port.map(|port| format!("-p {port} ")).unwrap_or_default();
            format!(
                "look at it with `ssh-keyscan {port}{host} | ssh-keygen -lf -`, compare it with what \
                 the host itself shows (`ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub`), and accept \
                 it by connecting once by hand: `ssh {name}`"
            )
        }
        ReachErrorKind::HostKeyChanged => {
            let entry = match port {
                Some(port) => format!("[{host}]:{port}"),
                None => host.to_owned(),
            };
            format!(
                "the host was made anew, or somebody stands between: compare the key with what the \
                 host itself shows; if it is the host's, remove the old one with \
                 `ssh-keygen -R {entry}` and connect once by hand: `ssh {name}`"
            )
        }
        ReachErrorKind::LoginRefused => format!(
            "`ssh -o BatchMode=yes {name} true` must work without a question: is the key in the agent \
             (`ssh-add -l`) and on the host?"
        ),
        ReachErrorKind::NoRoot => NO_ROOT.to_owned(),
        ReachErrorKind::HostUnreachable => format!(
            "`ssh {name} true` must work; other options for ssh are given with --ssh-command"
        ),
        _ => return None,
    })
}

/// The name that ssh looked for among the known keys: `No ED25519 host key is known for [cp1]:2222 and …`,
/// `Host key for cp1 has changed …`.
fn looked_for(evidence: &str) -> Option<(&str, Option<&str>)> {
    let rest = ["is known for ", "Host key for "]
        .iter()
        .find_map(|words| Some(evidence.split_once(words)?.1))?;
    let name = rest.split_whitespace().next()?;
    Some(
        match name
            .strip_prefix('[')
            .and_then(|name| name.split_once("]:"))
        {
            Some((host, port)) => (host, Some(port)),
            None => (name, None),
        },
    )
}

pub(super) const NO_ROOT: &str = "allow it without a password (`USER ALL=(ALL) NOPASSWD: ALL` in /etc/sudoers.d), \
    or log in as root and say `become: root`";

/// Words of another machine, fit for a terminal.
pub fn plain(line: &str) -> String {
    line.chars()
        .filter(|character| !character.is_control())
        .collect::<String>()
        .trim_end()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::destination::Destination;
    use super::*;
    use std::os::unix::process::ExitStatusExt;

    fn route() -> Route {
        Route::Ssh {
            command: vec!["ssh".to_owned()],
            destination: Destination::parse("ssh://ops@cp1:2222").unwrap(),
        }
    }

    fn of(status: i32, said: &str) -> ReachError {
        let said: Vec<String> = said.lines().map(plain).collect();
        classify(&route(), Some(ExitStatus::from_raw(status << 8)), &said)
    }

    /// What OpenSSH 9.2 and sudo 1.9.13 wrote.
    #[test]
    fn every_failure_of_ssh_and_sudo_has_its_code() {
        let changed = "@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@\n\
            @    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\n\
            IT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!\n\
            Offending ED25519 key in /home/me/.ssh/known_hosts:3\n\
            Host key for [cp1]:2222 has changed and you have requested strict checking.\n\
            Host key verification failed.";
        let unknown = "No ED25519 host key is known for [cp1]:2222 and you have requested strict \
            checking.\nHost key verification failed.";
        for (status, said, code) in [
            (255, changed, "host-key-changed"),
            (255, unknown, "host-key-unknown"),
            (
                255,
                "ssh: connect to host cp1 port 2222: Connection refused",
                "host-unreachable",
            ),
            (
                255,
                "ssh: connect to host cp1 port 2222: No route to host",
                "host-unreachable",
            ),
            (
                255,
                "ssh: Could not resolve hostname cp1: Name or service not known",
                "host-unreachable",
            ),
            (
                255,
                "kex_exchange_identification: Connection closed by remote host\n\
                 Connection closed by UNKNOWN port 65535",
                "host-unreachable",
            ),
            (
                255,
                "ops@cp1: Permission denied (publickey,password).",
                "login-refused",
            ),
            (
                255,
                "Received disconnect from 10.0.0.1 port 22:2: Too many authentication failures",
                "login-refused",
            ),
            (
                1,
                "This account is currently not available.",
                "login-refused",
            ),
            (1, "sudo: a password is required", "no-root"),
            (
                1,
                "Sorry, user ops is not allowed to execute '/bin/sh' as root on cp1.",
                "no-root",
            ),
            (127, "sh: 1: exec: sudo: not found", "no-root"),
            (
                255,
                "/home/me/.ssh/config: line 3: Bad configuration option: hots\n\
                 /home/me/.ssh/config: terminating, 1 bad configuration options",
                "ssh-unusable",
            ),
            (255, "something new", "host-unreachable"),
            (255, "", "host-unreachable"),
        ] {
            assert_eq!(of(status, said).code(), code, "{said}");
        }
    }

    #[test]
    fn the_way_out_names_the_host_and_its_port() {
        let unknown = of(255, "Host key verification failed.");
        let hint = unknown.hint.unwrap();
        assert!(
            hint.contains("`ssh-keyscan -p 2222 cp1 | ssh-keygen -lf -`"),
            "{hint}"
        );
        assert!(hint.contains("`ssh ssh://ops@cp1:2222`"), "{hint}");
        let named = of(
            255,
            "No ED25519 host key is known for [10.0.0.1]:22 and you have requested strict checking.",
        );
        let hint = named.hint.unwrap();
        assert!(hint.contains("`ssh-keyscan -p 22 10.0.0.1 |"), "{hint}");
        let changed = of(
            255,
            "Host key for [10.0.0.1]:22 has changed and you have requested strict checking.",
        );
        let hint = changed.hint.unwrap();
        assert!(hint.contains("`ssh-keygen -R [10.0.0.1]:22`"), "{hint}");
        let refused = of(255, "ops@cp1: Permission denied (publickey).");
        assert_eq!(
            refused.message,
            "ssh://ops@cp1:2222 refused the login: ops@cp1: Permission denied (publickey)."
        );
    }

    #[test]
    fn a_prefix_that_is_not_there_is_told_so() {
        let prefix = Route::Prefix(vec!["docker".to_owned()]);
        let status = Some(ExitStatus::from_raw(127 << 8));
        assert_eq!(classify(&prefix, status, &[]).code(), "ssh-unusable");
    }

    #[test]
    fn words_of_another_machine_cannot_move_the_cursor() {
        assert_eq!(plain("\u{1b}[2Jred\u{7}\r"), "[2Jred");
    }
}
