//! Stopping a `run` after its present round: by Ctrl-C where it runs (a second one ends the program at
//! once, which the next `run` settles), or by `kubepki rotate pause` from anywhere, which its Lease
//! tells it.

use super::look::World;
use crate::commands::fleet::session_error;
use crate::context::Context;
use crate::error::CliError;
use crate::exit_code::ExitCode;
use kubepki_core::model::ComponentKind;
use kubepki_core::rotation::ApiChange;
use kubepki_engine::ports::Progress;
use kubepki_fleet::campaign::Sessions;
use signal_hook::consts::SIGINT;
use signal_hook::flag;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Raised by Ctrl-C from now on.
pub fn flag_of_interrupts() -> Arc<AtomicBool> {
    let typed = Arc::new(AtomicBool::new(false));
    // Where they cannot be caught, Ctrl-C ends the program as it always does. The order matters: the
    // first interruption finds the flag down and raises it, the second finds it up.
    let _ = flag::register_conditional_default(SIGINT, Arc::clone(&typed));
    let _ = flag::register(SIGINT, Arc::clone(&typed));
    typed
}

/// Asks whoever carries a rotation out to pause.
pub fn ask(
    context: &Context,
    sessions: &Sessions<'_>,
    world: &World,
) -> Result<ExitCode, CliError> {
    struct Silent;
    impl Progress for Silent {
        fn say(&self, _text: &str) {}
    }
    let Some(host) = world.asked.as_deref() else {
        let servers = world.picture.hosts_with(ComponentKind::KubeApiserver);
        let names: Vec<&str> = servers.map(|host| host.name.as_str()).collect();
        return Err(CliError::new(
            "no-api-server",
            "no API server answers: whoever rotates cannot be asked",
        )
        .detail("asked", names.join(", "))
        .hint("where `kubepki rotate run` was typed, Ctrl-C does the same"));
    };
    let told = sessions
        .with(host, |session| {
            session.change_api(&[ApiChange::AskPause], &Silent)
        })
        .map_err(|error| session_error(host, &error))?;
    for line in told {
        context.note(line);
    }
    Ok(ExitCode::Fine)
}
