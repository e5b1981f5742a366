//! Whether a rotation may begin: clocks, API servers, etcd. Each refusal names what was found.
//!
//! Asked elsewhere, where it is known: that every Node is among the hosts (the planner), that no other run
//! goes on (a host's lock shows in the look), that there is room on the disk (the engine, before it takes
//! the snapshot of etcd: twice the database and some), the lease in the API.

use super::look::World;
use crate::commands::fleet::carry::Undertaking;
use crate::commands::fleet::clocks::TOLERATED;
use crate::context::Context;
use crate::error::CliError;
use kubepki_core::model::ComponentKind::{self, Etcd, KubeApiserver};
use kubepki_fleet::session::{ApiAnswer, ApiQuestion};

/// A clock that is off by this much is worth a word, though nothing comes of it.
const WORTH_A_WORD: i64 = 5;

/// Before anything is made: clocks, API servers, etcd.
pub fn to_begin(
    context: &Context,
    undertaking: &Undertaking<'_>,
    world: &World,
) -> Result<(), CliError> {
    let mut clocks = Vec::new();
    for looked in &world.looked {
        let Ok(seen) = &looked.seen else { continue };
        if seen.look.inventory.live {
            clocks.push((looked.host.as_str(), seen.clock_ahead));
        }
    }
    for (host, words) in slightly_off(&clocks) {
        context.note(format_args!("{host}: {words}"));
    }
    agree(&clocks)?;
    well(undertaking, world, KubeApiserver, &ApiQuestion::Ready)?;
    well(undertaking, world, Etcd, &ApiQuestion::EtcdHealth)
}

fn words(ahead: i64) -> String {
    let side = if ahead < 0 { "behind" } else { "ahead of" };
    format!("its clock is {} s {side} this machine's", ahead.abs())
}

fn slightly_off<'h>(clocks: &[(&'h str, i64)]) -> Vec<(&'h str, String)> {
    let off = clocks
        .iter()
        .filter(|(_, ahead)| (WORTH_A_WORD..=TOLERATED).contains(&ahead.abs()));
    off.map(|(host, ahead)| (*host, words(*ahead))).collect()
}

/// New certificates are dated back by five minutes: where a clock is further behind, they are not valid
/// yet. This machine's counts too, since it dates what is planned.
fn agree(clocks: &[(&str, i64)]) -> Result<(), CliError> {
    let off: Vec<String> = clocks
        .iter()
        .filter(|(_, ahead)| ahead.abs() > TOLERATED)
        .map(|(host, ahead)| format!("{host}: {}", words(*ahead)))
        .collect();
    if off.is_empty() {
        return Ok(());
    }
    Err(CliError::new(
        "clocks-differ",
        format!(
            "the clocks of {} of {} hosts are off by more than the {TOLERATED} s by which new certificates are dated back",
            off.len(),
            clocks.len()
        ),
    )
    .detail("clocks", off.join("\n"))
    .hint(match off.len() == clocks.len() {
        true => "nothing was changed; all of them differ from this machine's clock: set that right first",
        false => "nothing was changed; set their clocks right (chrony, systemd-timesyncd), then type it again",
    }))
}

/// Every host with this component says that it is well.
fn well(
    undertaking: &Undertaking<'_>,
    world: &World,
    component: ComponentKind,
    question: &ApiQuestion,
) -> Result<(), CliError> {
    let mut ill = Vec::new();
    for host in world.picture.hosts_with(component) {
        let name = host.name.as_str();
        let is_live = world.looked.iter().any(|looked| {
            let seen = looked.seen.as_ref();
            looked.host == name && seen.is_ok_and(|seen| seen.look.inventory.live)
        });
        if !is_live {
            continue;
        }
        let answered = undertaking
            .sessions
            .with(name, |session| session.ask(question));
        match answered {
            Ok(ApiAnswer::Health { ok: true, .. }) => {}
            Ok(ApiAnswer::Health { found, .. }) => ill.push(format!("{name}: {found}")),
            Ok(_) => ill.push(format!("{name}: an answer to another question")),
            Err(error) => ill.push(format!("{name}: {error}")),
        }
    }
    if ill.is_empty() {
        return Ok(());
    }
    Err(CliError::new(
        "not-well",
        format!("{component} is not well on {} of the hosts", ill.len()),
    )
    .detail("found", ill.join("\n"))
    .hint("nothing was changed; a rotation restarts each of them in its turn and needs the others: `kubepki doctor` says what is wrong"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_certificates_do_not_forgive_is_refused() {
        assert!(agree(&[("cp1", 0), ("w1", -300)]).is_ok());
        let error = agree(&[("cp1", 0), ("w1", -301)]).unwrap_err();
        assert_eq!(error.code(), "clocks-differ");
        let told = format!("{error:?}");
        assert!(told.contains("w1: its clock is 301 s behind"), "{told}");
        assert!(agree(&[("cp1", 4000)]).is_err());
    }

    #[test]
    fn a_little_skew_is_worth_a_word() {
        let off = slightly_off(&[("cp1", 4), ("cp2", 7), ("w1", -301)]);
        assert_eq!(
            off,
            [("cp2", "its clock is 7 s ahead of this machine's".to_owned())]
        );
    }
}
