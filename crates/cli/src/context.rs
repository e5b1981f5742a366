//! What every verb is given: the global flags, resolved once.
//!
//! Nothing below this room reads the environment, the clock or the terminal on its own account.

use crate::args::{ColorWhen, FleetArgs, GlobalArgs, OutputFormat};
use crate::commands::layout;
use crate::error::CliError;
use crate::output::{self, Progress, Structured};
use anstream::AutoStream;
use jiff::Timestamp;
use kubepki_adapters::host::LocalHost;
use kubepki_core::founding::DeclaredLayout;
use kubepki_engine::ports::HostError;
use kubepki_fleet::session::SessionError;
use serde::Serialize;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// The resolved global flags.
pub struct Context {
    host: LocalHost,
    now: Timestamp,
    now_is_given: bool,
    format: Option<OutputFormat>,
    color: anstream::ColorChoice,
    error_color: anstream::ColorChoice,
    verbose: u8,
    quiet: bool,
    yes: bool,
    fleet: FleetArgs,
    layout: Option<DeclaredLayout>,
}

impl Context {
    /// Resolves the global flags; the clock is read here, once. Fails when `--root` is no folder.
    pub fn new(global: &GlobalArgs) -> Result<Self, CliError> {
        let choice = |when, automatic: fn() -> anstream::ColorChoice| match when {
            ColorWhen::Auto => automatic(),
            ColorWhen::Always => anstream::ColorChoice::Always,
            ColorWhen::Never => anstream::ColorChoice::Never,
        };
        let host = match &global.root {
            Some(root) => LocalHost::at_root(root).map_err(|error| host_error(&error))?,
            None => LocalHost::live(),
        };
        Ok(Self {
            host,
            now: global.now.unwrap_or_else(now),
            now_is_given: global.now.is_some(),
            format: global.output,
            color: choice(global.color, || AutoStream::choice(&io::stdout())),
            error_color: choice(global.color, || AutoStream::choice(&io::stderr())),
            verbose: global.verbose,
            quiet: global.quiet,
            yes: global.yes,
            fleet: global.fleet.clone(),
            layout: global.layout.as_deref().map(layout::read).transpose()?,
        })
    }

    /// The host: this machine, or with `--root` the folder that stands for one.
    pub fn host(&self) -> &LocalHost {
        &self.host
    }

    /// The time to evaluate as of.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Whether that time came from `--now`.
    pub fn now_is_given(&self) -> bool {
        self.now_is_given
    }

    /// What was typed about many hosts.
    pub fn fleet(&self) -> &FleetArgs {
        &self.fleet
    }

    /// The layout that was declared with `--layout`.
    pub fn layout(&self) -> Option<&DeclaredLayout> {
        self.layout.as_ref()
    }

    /// Whether standard output is coloured, as `--color` spells it.
    pub fn color(&self) -> &'static str {
        match self.color {
            anstream::ColorChoice::Never => "never",
            anstream::ColorChoice::Auto => "auto",
            anstream::ColorChoice::Always | anstream::ColorChoice::AlwaysAnsi => "always",
        }
    }

    /// The output asked for, when one was.
    pub fn format(&self) -> Option<OutputFormat> {
        self.format
    }

    /// The form for programs, when one was asked for.
    pub fn structured(&self) -> Option<Structured> {
        match self.format {
            Some(OutputFormat::Json) => Some(Structured::Json),
            Some(OutputFormat::Yaml) => Some(Structured::Yaml),
            Some(OutputFormat::Table | OutputFormat::Wide) | None => None,
        }
    }

    /// Whether everything is to be shown (`-o wide`).
    pub fn is_wide(&self) -> bool {
        self.format == Some(OutputFormat::Wide)
    }

    /// Standard output: buffered, and plain where colour is not wanted. Flush it at the end, so
    /// that a full disk is noticed.
    pub fn stdout(&self) -> impl Write {
        BufWriter::with_capacity(64 * 1024, AutoStream::new(io::stdout(), self.color))
    }

    /// Standard error, plain where colour is not wanted.
    pub fn stderr(&self) -> impl Write {
        AutoStream::new(io::stderr(), self.error_color)
    }

    /// Writes a result for programs to standard output.
    pub fn emit(&self, structured: Structured, object: &impl Serialize) -> Result<(), CliError> {
        let mut stdout = self.stdout();
        output::write_object(&mut stdout, structured, object)?;
        stdout.flush()?;
        Ok(())
    }

    /// Writes an error to standard error, in the form that goes with the output.
    pub fn report(&self, error: &CliError) {
        // nothing is left to tell an error to when standard error is gone
        let _ = output::write_error(&mut self.stderr(), error, self.structured());
    }

    /// A remark for people, unless `--quiet`.
    pub fn note(&self, text: impl std::fmt::Display) {
        if !self.quiet {
            let _ = writeln!(self.stderr(), "{text}");
        }
    }

    /// A remark that only `-v` shows (level 1) or `-vv` (level 2).
    pub fn detail(&self, level: u8, text: impl std::fmt::Display) {
        if self.verbose >= level {
            let _ = writeln!(self.stderr(), "{text}");
        }
    }

    /// Progress of something that may take over a second.
    pub fn progress(&self, doing: impl Into<String>, total: Option<u64>) -> Progress {
        Progress::new(doing, total, self.quiet)
    }

    /// Asks a yes-or-no question; `--yes` answers it, and without a terminal it is an error.
    pub fn confirm(&self, question: &str) -> Result<bool, CliError> {
        if self.yes {
            Ok(true)
        } else {
            output::confirm(question)
        }
    }

    /// A path of the host, made absolute: relative ones start in the current folder, or with
    /// `--root` in that root.
    pub fn host_path(&self, path: &Path) -> Result<PathBuf, CliError> {
        if path.is_absolute() {
            return Ok(path.to_path_buf());
        }
        if self.host.root().is_some() {
            return Ok(Path::new("/").join(path));
        }
        std::path::absolute(path).map_err(|error| {
            CliError::new(
                "no-current-folder",
                format!("cannot resolve a relative path: {error}"),
            )
            .location(path.display())
        })
    }
}

/// The clock, to the second: nothing in a certificate is finer.
fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}

/// Shows an error of the host with a hint where one is known. Not a `From`: most verbs know more.
pub fn host_error(error: &HostError) -> CliError {
    SessionError::from(error).into()
}
