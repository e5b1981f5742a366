//! The command that runs a program on a host as root.
//!
//! `ssh` joins its words with spaces and hands them to the login's shell, whichever that is. So all
//! that is sent is quoted with single quotes, and the scripts have no newline, backslash, single quote
//! or exclamation mark: then sh, bash, zsh, fish and csh read them alike.

use super::destination::Destination;
use std::ffi::OsString;
use std::process::Command;

/// How a host is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// With `ssh`.
    Ssh {
        /// The command and its options, e.g. `ssh -F file`; the first word is the program.
        command: Vec<String>,
        /// The host.
        destination: Destination,
    },
    /// With a command that runs a command there, given as words.
    Prefix(Vec<String>),
    /// This machine.
    Here,
}

/// How a program becomes root there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BecomeRoot {
    /// With `sudo -n`, unless the login is root's.
    WhereNeeded,
    /// Always with `sudo -n`.
    Sudo,
    /// The login is root's.
    Already,
}

/// What no option and no configuration of the user may change. ssh takes the first value that it
/// comes to, so these stand before the user's own.
const FIRM: [&str; 10] = [
    // nobody is there to be asked
    "-o",
    "BatchMode=yes",
    // a key that is not known, or another than the known one, ends the connection
    "-o",
    "StrictHostKeyChecking=yes",
    // the reason must be said, and nothing but reasons
    "-o",
    "LogLevel=ERROR",
    // what the configuration opens for people at terminals would fail in the second session
    "-o",
    "ClearAllForwardings=yes",
    // no keys are lent to the host, no terminal is asked for
    "-a",
    "-T",
];

/// What the user's own options may change.
const USUAL: [&str; 6] = [
    "-o",
    "ConnectTimeout=10",
    // a host that says nothing for a minute is lost
    "-o",
    "ServerAliveInterval=15",
    "-o",
    "ServerAliveCountMax=4",
];

const WHERE_NEEDED: &str = "LC_ALL=C; export LC_ALL; \
    if [ $(id -u) = 0 ]; then exec \"$@\"; else exec sudo -n -- \"$@\"; fi";
const SUDO: &str = "LC_ALL=C; export LC_ALL; exec sudo -n -- \"$@\"";
const ALREADY: &str = "LC_ALL=C; export LC_ALL; exec \"$@\"";

impl Route {
    /// The command that runs `words` there as root.
    pub fn command<I>(&self, becomes: BecomeRoot, words: I) -> Command
    where
        I: IntoIterator,
        I::Item: Into<OsString>,
    {
        let script = match becomes {
            BecomeRoot::WhereNeeded => WHERE_NEEDED,
            BecomeRoot::Sudo => SUDO,
            BecomeRoot::Already => ALREADY,
        };
        let mut all: Vec<OsString> = ["sh", "-c", script, "kubepki"].map(Into::into).to_vec();
        all.extend(words.into_iter().map(Into::into));
        match self {
            Self::Ssh {
                command,
                destination,
            } => {
                let line: Vec<String> = all
                    .iter()
                    .map(|word| quoted(&word.to_string_lossy()))
                    .collect();
                let (program, own) = match command.split_first() {
                    Some((program, own)) => (program.as_str(), own),
                    None => ("ssh", [].as_slice()),
                };
                let mut made = Command::new(program);
                made.args(FIRM).args(own).args(USUAL);
                made.args(["--", destination.as_str(), &line.join(" ")]);
                made
            }
            Self::Prefix(prefix) => started(prefix.iter().map(OsString::from).chain(all)),
            Self::Here => started(all),
        }
    }

    /// What the user is shown of it.
    pub fn shown(&self) -> String {
        match self {
            Self::Ssh { destination, .. } => destination.as_str().to_owned(),
            Self::Prefix(prefix) => prefix.join(" "),
            Self::Here => "this machine".to_owned(),
        }
    }
}

fn started(words: impl IntoIterator<Item = OsString>) -> Command {
    let mut words = words.into_iter();
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words);
    command
}

/// One word, as every shell reads it back. A newline in it would be too much for csh alone.
fn quoted(word: &str) -> String {
    let is_plain =
        |character: char| character.is_ascii_alphanumeric() || "._-/=:,@%+".contains(character);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(command: &Command) -> Vec<String> {
        std::iter::once(command.get_program())
            .chain(command.get_args())
            .map(|word| word.to_str().unwrap().to_owned())
            .collect()
    }

    fn route(command: &[&str], destination: &str) -> Route {
        Route::Ssh {
            command: command.iter().map(|word| (*word).to_owned()).collect(),
            destination: Destination::parse(destination).unwrap(),
        }
    }

    #[test]
    fn ssh_is_called_so_that_it_neither_asks_nor_accepts() {
        let made = route(&["ssh"], "ops@cp1").command(BecomeRoot::Sudo, ["id", "it's"]);
        assert_eq!(
            words(&made),
            [
                "ssh",
                "-o",
                "BatchMode=yes",
                "-o",
                "StrictHostKeyChecking=yes",
                "-o",
                "LogLevel=ERROR",
                "-o",
                "ClearAllForwardings=yes",
                "-a",
                "-T",
                "-o",
                "ConnectTimeout=10",
                "-o",
                "ServerAliveInterval=15",
                "-o",
                "ServerAliveCountMax=4",
                "--",
                "ops@cp1",
                "sh -c 'LC_ALL=C; export LC_ALL; exec sudo -n -- \"$@\"' kubepki id 'it'\\''s'",
            ]
        );
    }

    #[test]
    fn the_users_options_come_after_what_is_firm_and_before_what_is_usual() {
        let mine = ["/opt/ssh", "-F", "file", "-o", "StrictHostKeyChecking=no"];
        let all = words(&route(&mine, "cp1").command(BecomeRoot::Already, ["id"]));
        let at = |word: &str| all.iter().position(|each| each == word).unwrap();
        assert_eq!(all[0], "/opt/ssh");
        assert!(at("StrictHostKeyChecking=yes") < at("-F"));
        assert!(at("StrictHostKeyChecking=no") < at("ConnectTimeout=10"));
        assert_eq!(all[all.len() - 3..all.len() - 1], ["--", "cp1"]);
    }

    #[test]
    fn a_prefix_gets_words_and_no_line() {
        let prefix = ["docker", "exec", "-i", "node1"].map(str::to_owned);
        let made =
            Route::Prefix(prefix.to_vec()).command(BecomeRoot::Already, ["echo", "a b", "it's"]);
        let script = "LC_ALL=C; export LC_ALL; exec \"$@\"";
        assert_eq!(
            words(&made),
            [
                "docker", "exec", "-i", "node1", "sh", "-c", script, "kubepki", "echo", "a b",
                "it's"
            ]
        );
    }

    #[test]
    fn what_a_login_shell_reads_is_what_was_meant() {
        for word in [
            "", "plain", "it's", "a b", "$HOME", "`id`", "\\n", "a\"b", "*", "ü",
        ] {
            let output = Command::new("sh")
                .args(["-c", &format!("printf %s {}", quoted(word))])
                .output()
                .unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), word);
        }
    }

    #[test]
    fn scripts_are_read_alike_by_every_shell() {
        for script in [WHERE_NEEDED, SUDO, ALREADY, crate::ssh::arrive::SCRIPT] {
            assert!(!script.contains(['\n', '\\', '\'', '!']), "{script}");
        }
    }

    #[test]
    fn here_a_command_runs_as_whoever_is_root_already() {
        let output = Route::Here
            .command(BecomeRoot::Already, ["echo", "a  b"])
            .output()
            .unwrap();
        assert_eq!(output.stdout, b"a  b\n");
    }
}
