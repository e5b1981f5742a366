//! What a run stopped (`--offline`) and never started, since it was cut short: started before anything is
//! judged. A halted static pod lies where discovery does not look, and its host would pass for one that
//! never had it.

use crate::commands::fleet::{Looked, Voices};
use crate::commands::unfinished::halted_in_words;
use crate::context::Context;
use crate::error::CliError;
use crate::output::NAME;
use kubepki_core::model::ComponentKind;
use kubepki_fleet::campaign::{Sessions, start_halted};

/// Whether something was started; nobody is asked where nothing is halted.
///
/// # Errors
/// When the answer is no.
pub fn start(
    context: &Context,
    sessions: &Sessions<'_>,
    max_parallel: usize,
    looked: &[Looked],
) -> Result<bool, CliError> {
    let halted: Vec<(String, Vec<ComponentKind>)> = looked
        .iter()
        .filter_map(|looked| {
            let halted = &looked.seen.as_ref().ok()?.look.halted;
            (!halted.is_empty()).then(|| (looked.host.clone(), halted.clone()))
        })
        .collect();
    if halted.is_empty() {
        return Ok(false);
    }
    for (host, components) in &halted {
        if let Some(words) = halted_in_words(components) {
            context.note(format_args!("{NAME}{host}{NAME:#}: {words}"));
        }
    }
    if !context.confirm("Start them first?")? {
        return Err(CliError::new(
            "halted",
            "what was stopped must be started before anything else is changed",
        ));
    }
    let voices = Voices::new(context, halted.iter().map(|(host, _)| host.as_str()));
    for (host, error) in start_halted(sessions, &halted, max_parallel, &voices) {
        // What keeps it from running is what is looked for next.
        context.note(format_args!(
            "{NAME}{host}{NAME:#}: not started yet: {error}"
        ));
    }
    Ok(true)
}
