//! `kubepki agent`: the other end of a session, on the host.
//!
//! Standard output belongs to the protocol; whatever else there is to say goes to standard error.

use super::wiring::Outside;
use crate::args::AgentArgs;
use crate::context::Context;
use crate::error::CliError;
use crate::exit_code::ExitCode;
use kubepki_engine::ports::HostWrite;
use kubepki_fleet::local::LocalSession;
use kubepki_fleet::serve::serve;
use signal_hook::consts::SIGHUP;
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Serves this host until standard input ends.
pub fn run(context: &Context, args: &AgentArgs) -> Result<ExitCode, CliError> {
    if !args.stdio {
        return Err(CliError::usage("an agent needs --stdio"));
    }
    let (uid, _) = context.host().identity();
    if context.host().root().is_none() && uid != 0 {
        return Err(CliError::new(
            "no-root",
            format_args!("the agent runs as user id {uid}, expected root (0)"),
        )
        .hint(
            "let it be started with sudo, or log in as root; a folder can be served with --root",
        ));
    }
    if io::stdin().is_terminal() {
        return Err(CliError::usage(
            "the agent speaks with programs, and a terminal is at its standard input",
        )
        .hint("name the hosts in a cluster document; kubepki starts its agents itself"));
    }
    outlive_the_connection();
    say_where_only();
    let mut session = LocalSession::open(Outside::new(context))?;
    match serve(&mut session, &mut io::stdin(), io::stdout()) {
        Ok(()) => Ok(ExitCode::Fine),
        Err(error) => Err(CliError::new("agent-protocol", error)),
    }
}

/// A connection that breaks must not end a run: its SIGHUP is taken note of by nobody.
fn outlive_the_connection() {
    // Refused only for signals that cannot be caught; then a run ends and the next one settles it.
    let _ = signal_hook::flag::register(SIGHUP, Arc::new(AtomicBool::new(false)));
}

/// A defect is told with its place and nothing else: its words may hold anything.
fn say_where_only() {
    std::panic::set_hook(Box::new(|defect| {
        let place = match defect.location() {
            Some(place) => format!("{}:{}", place.file(), place.line()),
            None => "an unknown place".to_owned(),
        };
        // Nothing is left to tell it to when standard error is gone.
        let _ = writeln!(
            io::stderr(),
            "error: a defect in the agent at {place}; what was begun is settled by the next run"
        );
    }));
}
