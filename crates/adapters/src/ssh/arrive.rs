//! Putting this program on a host, once, and starting it there: one connection, one short talk.
//!
//! ```text
//! host  kubepki-host UID SYSTEM MACHINE
//! here  NAME SIZE SHA256                    the program for that machine
//! host  kubepki-ready                       it is there, sound: it runs from here on
//!    or kubepki-absent
//! here  (the program's bytes)
//! host  kubepki-ready                       checked, tried, in place
//!    or kubepki-failed WHAT WORDS           in either place
//! ```
//!
//! The program lies in a folder of root's below `/var/lib`, not in `/tmp`, which is often mounted
//! `noexec` and open to all. It is written under a name of its own and renamed when its hash was right
//! and it ran, so two that bring it at once do not meet and a cut connection leaves nothing in use.

use super::child::{self, Streams};
use super::failure::{NO_ROOT, ReachError, ReachErrorKind, plain};
use super::programs::{Program, Programs};
use super::route::{BecomeRoot, Route};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::time::Duration;

/// Where the program lies on hosts.
pub const AGENT_FOLDER: &str = "/var/lib/kubepki/agent";

/// For the first word of a host: ssh gives up on its own after [`super::route`]'s time to connect, but
/// waits for ever for a login that hangs.
const FIRST_WORD: Duration = Duration::from_secs(60);

/// For bringing the program: some 20 MB over a slow line.
const BRINGING: Duration = Duration::from_secs(15 * 60);

/// What a login may write before the first word (a `.bashrc` that talks).
const NOISE: u64 = 64 << 10;

/// Runs as root with the folder and the program's arguments. `$$` is another number in every process
/// of the host. What was begun an hour ago and not finished is removed, and so are old programs but the
/// last two, since somebody else's may be another.
pub(super) const SCRIPT: &str = "d=$1; shift; umask 077; set -f; \
    echo kubepki-host $(id -u) $(uname -s) $(uname -m); \
    read -r n z h || exit 0; f=$d/$n; t=$d/.$n.$$; \
    fail() { rm -f \"$t\"; echo kubepki-failed \"$@\"; exit 0; }; \
    same() { s=$h; if command -v sha256sum >/dev/null 2>&1; then s=$(sha256sum <\"$1\"); s=${s%% *}; fi; \
    [ \"$s\" = \"$h\" ] && [ $(wc -c <\"$1\") -eq $z ]; }; \
    if [ -x \"$f\" ] && same \"$f\"; then touch \"$f\" 2>/dev/null; \
    else e=$(mkdir -p \"$d\" 2>&1) || fail folder $e; \
    e=$(touch \"$t\" 2>&1) || fail folder $e; \
    echo kubepki-absent; \
    head -c $z >\"$t\" || fail space $(df -k \"$d\" 2>/dev/null | tail -n 1); \
    same \"$t\" || fail hash $(wc -c <\"$t\") bytes, $s; \
    e=$(chmod 0755 \"$t\" 2>&1) || fail folder $e; \
    e=$(\"$t\" --version 2>&1) || fail run $e; \
    sync \"$t\" 2>/dev/null || sync; \
    e=$(mv -f \"$t\" \"$f\" 2>&1) || fail folder $e; \
    find \"$d\" -name .kubepki-* -mmin +60 -exec rm -f {} + 2>/dev/null; \
    k=0; for o in $(ls -t \"$d\"); do case $o in kubepki-*) k=$((k+1)); \
    if [ $k -gt 2 ]; then rm -f \"$d/$o\"; fi;; esac; done; \
    fi; echo kubepki-ready; exec \"$f\" \"$@\"";

/// A program that runs on a host and waits to be talked to.
pub struct Arrival {
    /// What it is talked to with.
    pub streams: Streams,
    /// The host's architecture, as it says it.
    pub machine: String,
    /// How many bytes were brought; 0 when it was there.
    pub brought: u64,
}

/// Puts the program for a host there where it is not, and starts it as root with these arguments.
pub fn arrive<'a>(
    route: &Route,
    becomes: BecomeRoot,
    programs: &Programs,
    arguments: impl IntoIterator<Item = &'a str>,
) -> Result<Arrival, ReachError> {
    let place = Place {
        folder: AGENT_FOLDER,
        root_only: true,
    };
    arrive_at(&place, route, becomes, programs, arguments)
}

/// Where the program is put; tests have another folder and another user.
struct Place<'a> {
    folder: &'a str,
    root_only: bool,
}

fn arrive_at<'a>(
    place: &Place<'a>,
    route: &Route,
    becomes: BecomeRoot,
    programs: &Programs,
    arguments: impl IntoIterator<Item = &'a str>,
) -> Result<Arrival, ReachError> {
    let words = ["sh", "-c", SCRIPT, "kubepki", place.folder]
        .into_iter()
        .chain(arguments);
    let mut streams = child::start(route, route.command(becomes, words))?;
    let shown = route.shown();

    let (user, system, machine) = first_word(&mut streams, &shown)?;
    if place.root_only && user != "0" {
        let message = format!("the login on {shown} is user {user}'s, not root's");
        return Err(ReachError::new(ReachErrorKind::NoRoot, message).hint(NO_ROOT));
    }
    let program = programs.for_host(&system, &machine).map_err(|error| {
        let message = format!("{shown}: {}", error.message);
        ReachError { message, ..error }
    })?;
    let brought = bring(&mut streams, &shown, &program)?;
    Ok(Arrival {
        streams,
        machine,
        brought,
    })
}

/// The user, system and machine that the host says it is.
fn first_word(streams: &mut Streams, shown: &str) -> Result<(String, String, String), ReachError> {
    let watch = streams.guard.watch(FIRST_WORD);
    let mut left = NOISE;
    let mut noise = Vec::new();
    loop {
        let line = line(&mut streams.output, left).unwrap_or_default();
        left = left.saturating_sub(line.len() as u64);
        if line.is_empty() || left == 0 {
            if watch.expired() {
                let message = format!("{shown} said nothing within {} s", FIRST_WORD.as_secs());
                return Err(ReachError::new(ReachErrorKind::HostUnreachable, message)
                    .said(&streams.guard.said()));
            }
            return Err(streams.guard.why_after(&noise));
        }
        let mut words = line.split_whitespace();
        if words.next() == Some("kubepki-host") {
            let mut word = || words.next().map(plain).unwrap_or_default();
            return Ok((word(), word(), word()));
        }
        noise.push(plain(&line));
    }
}

/// Has the program there and ready; answers how many bytes that took.
fn bring(streams: &mut Streams, shown: &str, program: &Program) -> Result<u64, ReachError> {
    let _watch = streams.guard.watch(BRINGING);
    let order = format!("{} {} {}\n", program.name(), program.size, program.sha256);
    // a host that has gone is told by what it answers
    let _ = streams.input.write_all(order.as_bytes());
    let _ = streams.input.flush();
    let mut brought = 0;
    loop {
        let line = line(&mut streams.output, NOISE).unwrap_or_default();
        let line = plain(&line);
        let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
        match word {
            "kubepki-ready" => return Ok(brought),
            "kubepki-absent" if brought == 0 => {
                brought = program.size;
                let sent = File::open(&program.path)
                    .and_then(|file| io::copy(&mut file.take(program.size), &mut streams.input))
                    .and_then(|_| streams.input.flush());
                if let Err(error) = sent
                    && error.kind() != io::ErrorKind::BrokenPipe
                {
                    let message = format!("cannot send the program to {shown}: {error}");
                    return Err(ReachError::new(ReachErrorKind::NotPut, message));
                }
            }
            "kubepki-failed" => return Err(failed(shown, program, rest, streams.guard.said())),
            "" => return Err(streams.guard.why()),
            _ => {
                let message = format!("{shown} answered {line:?} while it was given the program");
                return Err(
                    ReachError::new(ReachErrorKind::NotPut, message).said(&streams.guard.said())
                );
            }
        }
    }
}

/// What the script says went wrong, and the host's own words.
fn failed(shown: &str, program: &Program, told: &str, said: Vec<String>) -> ReachError {
    let (what, words) = told.split_once(' ').unwrap_or((told, ""));
    let not_put = |message: String| ReachError::new(ReachErrorKind::NotPut, message);
    let error = match what {
        "folder" => not_put(format!("cannot write to {AGENT_FOLDER} on {shown}: {words}")),
        "space" => not_put(format!(
            "cannot write {} bytes to {AGENT_FOLDER} on {shown}: {words}",
            program.size
        )),
        "hash" => not_put(format!(
            "the program arrived damaged on {shown}: expected {} bytes with SHA-256 {}, found {words}",
            program.size, program.sha256
        ))
        .hint("try again; nothing was put there"),
        "run" if program.dynamic => ReachError::new(
            ReachErrorKind::NotRunnable,
            format!("this program does not run on {shown}: {words}"),
        )
        .hint(
            "it is linked with libraries of this machine: use the static program of a release \
             (`cargo xtask dist` builds it), or put that one into the folder that KUBEPKI_AGENTS names",
        ),
        "run" => ReachError::new(
            ReachErrorKind::NotRunnable,
            format!("this program does not run on {shown}: {words}"),
        )
        .hint(format!("is the file system of {AGENT_FOLDER} mounted noexec?")),
        _ => not_put(format!("cannot put the program on {shown}: {told}")),
    };
    error.said(&said)
}

/// One line, at most this long; nothing at the end of the stream.
fn line(output: &mut BufReader<impl Read>, limit: u64) -> io::Result<String> {
    let mut bytes = Vec::new();
    output.take(limit).read_until(b'\n', &mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests;
