//! `kubepki demo`: an expired kubeadm host in a folder of its own comes back, before the user's eyes.
//!
//! Every step is the real command line, run in this process; the proof is in TLS handshakes, and in a
//! real etcd and kube-apiserver where they are at hand. Nothing outside the folder is touched.

mod components;
mod handshake;
mod host;
mod manifests;

use self::components::{ControlPlane, Programs};
use self::handshake::{Handshake, Verdict};
use self::host::DemoHost;
use crate::args::{self, DemoArgs};
use crate::context::{Context, host_error};
use crate::error::CliError;
use crate::exit_code::ExitCode;
use crate::output::{BAD, Cell, Column, DIM, GOOD, HEADING, NAME, Table, terminal_width};
use kubepki_adapters::host::LocalHost;
use kubepki_engine::ports::{HostErrorKind, HostRead, HostWrite};
use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Shows the whole story.
pub fn run(context: &Context, args: &DemoArgs) -> Result<ExitCode, CliError> {
    check_surroundings(context)?;
    let programs = match args.no_components {
        true => None,
        false => Programs::find(),
    };
    let folder = folder(args, context)?;
    let host = DemoHost::make(&folder, context, programs.is_some())?;
    let story = Story {
        context,
        host: &host,
        color: context.color(),
    };
    story.say(format_args!(
        "{HEADING}A host as kubeadm makes it, in {}{HEADING:#}\n\
         {DIM}Its CAs are good for years; everything that they signed ended yesterday.{DIM:#}",
        folder.display()
    ))?;
    story.verb(&["status"], ExitCode::Critical)?;
    let before = story.handshakes(Expected::Refused)?;
    let plane = programs.map(|programs| ControlPlane::new(programs, &host));
    if let Some(plane) = &plane {
        story.locked_out(plane)?;
    }
    story.verb(&["renew", "all", "--yes"], ExitCode::Fine)?;
    story.verb(&["status"], ExitCode::Fine)?;
    let after = story.handshakes(Expected::Accepted)?;
    if let Some(plane) = &plane {
        story.lets_in(plane)?;
    }
    story.end(before && after, &folder)
}

/// The demonstration makes its own host, and its handshakes take place now.
fn check_surroundings(context: &Context) -> Result<(), CliError> {
    if context.structured().is_some() {
        return Err(CliError::usage("the demonstration is for people")
            .hint("`kubepki status -o json --root DIR` on its folder is for programs"));
    }
    if context.host().root().is_some() {
        return Err(CliError::usage("the demonstration makes a host of its own")
            .hint("choose its folder with --dir"));
    }
    if context.now_is_given() {
        return Err(CliError::usage(
            "the demonstration's handshakes take place now, whatever --now says",
        ));
    }
    Ok(())
}

/// A new folder, or an empty one that was named.
fn folder(args: &DemoArgs, context: &Context) -> Result<PathBuf, CliError> {
    let here = LocalHost::live();
    let create = |path: &Path| {
        here.create_directory(path, 0o700)
            .map_err(|error| host_error(&error))
    };
    if let Some(folder) = &args.dir {
        let folder = std::path::absolute(folder)?;
        return match here.list(&folder) {
            Ok(names) if names.is_empty() => Ok(folder),
            Ok(_) => Err(CliError::new("not-empty", "the folder is not empty")
                .location(folder.display())
                .hint("name a new folder")),
            Err(error) if error.kind == HostErrorKind::NotFound => create(&folder).map(|()| folder),
            Err(error) => Err(host_error(&error)),
        };
    }
    let name = format!(
        "kubepki-demo-{}-{}",
        context.now().strftime("%H%M%S"),
        std::process::id()
    );
    let folder = std::env::temp_dir().join(name);
    create(&folder)?;
    Ok(folder)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Expected {
    Refused,
    Accepted,
}

struct Story<'a> {
    context: &'a Context,
    host: &'a DemoHost,
    color: &'static str,
}

impl Story<'_> {
    fn say(&self, text: impl std::fmt::Display) -> Result<(), CliError> {
        let mut stdout = self.context.stdout();
        writeln!(stdout, "{text}")?;
        stdout.flush()?;
        Ok(())
    }

    /// Runs one of this program's own verbs on the demonstration's host, and expects how it ends.
    fn verb(&self, words: &[&str], expected: ExitCode) -> Result<(), CliError> {
        let root = self.host.root().display().to_string();
        let shown: Vec<&str> = words
            .iter()
            .copied()
            .filter(|word| *word != "--yes")
            .collect();
        self.say(format_args!(
            "\n{DIM}${DIM:#} {HEADING}kubepki {} --root {root}{HEADING:#}",
            shown.join(" ")
        ))?;
        let line = ["kubepki"].iter().chain(words).copied();
        let line = line.chain(["--root", &root, "--color", self.color]);
        let failed = |error: &dyn std::fmt::Display| CliError::new("demo-failed", error);
        let cli = args::parse(line.map(OsString::from).collect()).map_err(|it| failed(&it))?;
        let context = Context::new(&cli.global)?;
        let ended = super::run(&context, &cli.command)?;
        if ended == expected {
            return Ok(());
        }
        Err(CliError::new(
            "demo-failed",
            format!(
                "`kubepki {}` ended with {}, expected {}",
                shown.join(" "),
                ended.number(),
                expected.number()
            ),
        ))
    }

    /// Whether every handshake came out as expected; all of them are shown.
    fn handshakes(&self, expected: Expected) -> Result<bool, CliError> {
        self.say(format_args!(
            "\n{HEADING}Mutual TLS with these files{HEADING:#}{DIM}, client and server verifying each \
             other{DIM:#}"
        ))?;
        let handshakes = self.host.handshakes()?;
        let rows: Vec<Vec<Cell>> = handshakes.iter().map(row).collect();
        let columns = vec![
            Column::fixed("CLIENT"),
            Column::fixed("SERVER"),
            Column::shrinking("CLIENT SAYS OF SERVER", 24),
            Column::shrinking("SERVER SAYS OF CLIENT", 24),
        ];
        let mut stdout = self.context.stdout();
        Table::new(columns, terminal_width()).write(&mut stdout, &rows)?;
        stdout.flush()?;
        Ok(handshakes.iter().all(|handshake| {
            let verdicts = [&handshake.of_server, &handshake.of_client];
            verdicts.into_iter().all(|verdict| match expected {
                Expected::Accepted => verdict.is_accepted(),
                Expected::Refused => matches!(verdict, Verdict::Expired(_)),
            })
        }))
    }

    fn locked_out(&self, plane: &ControlPlane<'_>) -> Result<(), CliError> {
        self.say(format_args!(
            "\n{HEADING}A real etcd and kube-apiserver on these files{HEADING:#}{DIM}, at {}{DIM:#}",
            plane.endpoint()
        ))?;
        let words = plane.refusal()?;
        self.say(format_args!("{BAD}refused{BAD:#} {words}"))
    }

    fn lets_in(&self, plane: &ControlPlane<'_>) -> Result<(), CliError> {
        self.say(format_args!(
            "\n{HEADING}The real etcd and kube-apiserver, started again{HEADING:#}{DIM}, \
             at {}{DIM:#}",
            plane.endpoint()
        ))?;
        let words = plane.welcome()?;
        self.say(format_args!("{GOOD}200{GOOD:#} {words}"))
    }

    fn end(&self, as_expected: bool, folder: &Path) -> Result<ExitCode, CliError> {
        if !as_expected {
            return Err(CliError::new(
                "demo-failed",
                "a handshake did not come out as it should have",
            )
            .location(folder.display()));
        }
        let folder = folder.display();
        self.say(format_args!(
            "\n{HEADING}The host stays in {folder}{HEADING:#}{DIM}; go on with{DIM:#}\n\
             \x20 {NAME}kubepki status --root {folder} -o wide{NAME:#}\n\
             \x20 {NAME}kubepki renew apiserver --add-san DNS:api.example.com --root {folder}{NAME:#}\n\
             \x20 {NAME}kubepki undo --root {folder}{NAME:#}"
        ))?;
        Ok(ExitCode::Fine)
    }
}

fn row(handshake: &Handshake) -> Vec<Cell> {
    let verdict = |verdict: &Verdict| {
        let style = if verdict.is_accepted() { GOOD } else { BAD };
        Cell::styled(verdict.to_string(), style)
    };
    vec![
        Cell::styled(handshake.client, NAME),
        Cell::styled(handshake.server, NAME),
        verdict(&handshake.of_server),
        verdict(&handshake.of_client),
    ]
}
