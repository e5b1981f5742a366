//! Running other programs (`ip`, `runc`, `openssl`, …): what was run and its last words are in
//! every error. It is not a shell: arguments are passed as they are.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context, Result, bail};

/// How much of a failed program's output an error shows.
const LAST_LINES: usize = 20;

/// What a program that has ended wrote.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Output {
    /// The exit status, negative for a signal.
    pub status: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Output {
    /// Whether the exit status is 0.
    pub fn success(&self) -> bool {
        self.status == 0
    }
}

/// A program to run, with its arguments.
pub struct Tool {
    program: OsString,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    folder: Option<PathBuf>,
    input: Option<PathBuf>,
}

impl Tool {
    /// Names the program: a path, or a name that is looked for in `PATH`.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Tool {
            program: program.as_ref().to_owned(),
            arguments: Vec::new(),
            environment: Vec::new(),
            folder: None,
            input: None,
        }
    }

    /// Adds one argument.
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    pub fn args<I>(mut self, arguments: I) -> Self
    where
        I: IntoIterator,
        I::Item: AsRef<OsStr>,
    {
        self.arguments.extend(
            arguments
                .into_iter()
                .map(|argument| argument.as_ref().to_owned()),
        );
        self
    }

    /// Adds words separated by spaces, for fixed command lines.
    pub fn words(self, words: &str) -> Self {
        self.args(words.split_whitespace())
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.environment
            .push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Sets the working folder.
    pub fn folder(mut self, folder: impl AsRef<Path>) -> Self {
        self.folder = Some(folder.as_ref().to_owned());
        self
    }

    /// Reads standard input from a file; it is empty otherwise.
    pub fn input(mut self, file: impl AsRef<Path>) -> Self {
        self.input = Some(file.as_ref().to_owned());
        self
    }

    /// Runs it to its end, whatever its exit status.
    pub fn output(self) -> Result<Output> {
        let output = self
            .command()?
            .output()
            .with_context(|| format!("cannot run `{self}`"))?;
        Ok(Output {
            status: number(output.status),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Runs it to its end; an exit status other than 0 is an error with its last lines. Answers
    /// standard output.
    pub fn run(self) -> Result<String> {
        let shown = self.to_string();
        let output = self.output()?;
        if !output.success() {
            let said = format!("{}{}", output.stdout, output.stderr);
            bail!(
                "`{shown}` ended with status {}\n{}",
                output.status,
                last_lines(&said)
            );
        }
        Ok(output.stdout)
    }

    /// Runs it to its end with both outputs in `log`; an error shows the log's last lines.
    ///
    /// Daemons must be started so: they keep what they inherit, and a kept pipe would never end.
    pub fn run_logged(self, log: &Path) -> Result<()> {
        let file = fs_err::File::create(log)?.into_parts().0;
        let again = file.try_clone().context("cannot open the log twice")?;
        let status = self
            .command()?
            .stdout(Stdio::from(file))
            .stderr(Stdio::from(again))
            .status()
            .with_context(|| format!("cannot run `{self}`"))?;
        if !status.success() {
            let said = fs_err::read(log).unwrap_or_default();
            bail!(
                "`{self}` ended with status {}; the end of {}:\n{}",
                number(status),
                log.display(),
                last_lines(&String::from_utf8_lossy(&said)),
            );
        }
        Ok(())
    }

    /// Runs it on this terminal, and answers its exit status.
    pub fn run_here(self) -> Result<i32> {
        let mut command = self.command()?;
        let status = command
            .stdin(Stdio::inherit())
            .stdout(Stdio::inherit())
            .stderr(Stdio::inherit())
            .status()
            .with_context(|| format!("cannot run `{self}`"))?;
        Ok(number(status))
    }

    fn command(&self) -> Result<Command> {
        let mut command = Command::new(&self.program);
        // lookups go by this too
        command.env("PATH", search_path());
        command
            .args(&self.arguments)
            .envs(self.environment.iter().cloned());
        command.stdin(match &self.input {
            Some(file) => Stdio::from(fs_err::File::open(file)?.into_parts().0),
            None => Stdio::null(),
        });
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        Ok(command)
    }
}

impl fmt::Display for Tool {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.program.to_string_lossy())?;
        for argument in &self.arguments {
            write!(formatter, " {}", argument.to_string_lossy())?;
        }
        Ok(())
    }
}

/// The exit status as a shell would number it, but negative for a signal.
fn number(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status
        .code()
        .unwrap_or_else(|| -status.signal().unwrap_or(1))
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let shown = lines
        .get(lines.len().saturating_sub(LAST_LINES)..)
        .unwrap_or_default();
    shown
        .iter()
        .map(|line| format!("    {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// `PATH`, and after it the folders of the administrator's programs, which `PATH` often lacks.
pub fn search_path() -> OsString {
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin");
    path
}

/// Whether a program of this name is in [`search_path`], and where.
pub fn find_in_path(program: &str) -> Option<PathBuf> {
    std::env::split_paths(&search_path())
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_shows_the_command_and_its_last_words() {
        let error = Tool::new("sh")
            .args(["-c", "echo said; exit 3"])
            .run()
            .unwrap_err();
        let text = format!("{error:#}");
        assert!(
            text.contains("`sh -c echo said; exit 3` ended with status 3"),
            "{text}"
        );
        assert!(text.contains("said"), "{text}");
    }

    #[test]
    fn a_signal_is_a_negative_status() {
        let output = Tool::new("sh").args(["-c", "kill -9 $$"]).output().unwrap();
        assert_eq!(output.status, -9);
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = Tool::new("/no/such/program").output().unwrap_err();
        assert!(format!("{error:#}").contains("/no/such/program"));
    }
}
