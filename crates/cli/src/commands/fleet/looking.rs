//! Every host looked at, so many at once; what could not be reached is told beside what was seen.

use super::clocks::ahead;
use super::document::SelectedHosts;
use super::progress::{Voices, Whisper};
use crate::context::Context;
use crate::error::CliError;
use kubepki_adapters::clock::SystemClock;
use kubepki_engine::ports::Clock;
use kubepki_fleet::campaign::Sessions;
use kubepki_fleet::parallel::{Limits, in_order};
use kubepki_fleet::session::{Look, LookRequest, SessionError};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

/// What was seen of a host.
pub struct Looked {
    /// Its name in the cluster document.
    pub host: String,
    /// What it showed, or why it did not.
    pub seen: Result<Seen, SessionError>,
}

/// A look, and how far the host's clock is from this machine's.
pub struct Seen {
    /// What was seen.
    pub look: Look,
    /// Seconds that its clock is ahead, at least; negative when it is behind.
    pub clock_ahead: i64,
}

/// What is to be looked at, with `--ca-dir` and `--timeout` as they were typed.
pub fn request(pki_folder: &Path, examine: bool, timeout: Duration) -> LookRequest {
    LookRequest {
        pki_folder: pki_folder.to_owned(),
        examine,
        timeout_seconds: u32::try_from(timeout.as_secs().max(1)).unwrap_or(u32::MAX),
    }
}

/// Looks at every selected host and hands each over as its turn comes, in the order of the document;
/// nothing is kept. Hosts without a role that was asked for are passed over.
pub fn look_at_each(
    context: &Context,
    hosts: &SelectedHosts,
    sessions: &Sessions<'_>,
    request: &LookRequest,
    mut taken: impl FnMut(Looked) -> Result<(), CliError>,
) -> Result<(), CliError> {
    let names: Vec<&str> = hosts.hosts.iter().map(|host| host.name.as_str()).collect();
    let voices = Voices::new(context, names.iter().copied());
    let total = u64::try_from(names.len()).ok();
    let line = Mutex::new(context.progress("looking at hosts", total));
    let mut failed = Ok(());
    in_order(
        &names,
        Limits::at_most(hosts.max_parallel),
        |host| {
            let whisper = Whisper {
                voices: &voices,
                host,
            };
            let seen = sessions.with(host, |session| {
                let asked = SystemClock.now();
                let look = session.look(request, &whisper)?;
                let clock_ahead = ahead(asked, look.clock, SystemClock.now());
                Ok(Seen { look, clock_ahead })
            });
            if let Ok(mut line) = line.lock() {
                line.step(1);
            }
            seen
        },
        |index, seen| {
            let host = names.get(index).copied().unwrap_or_default().to_owned();
            let passes = seen
                .as_ref()
                .is_ok_and(|seen| !hosts.wants(&seen.look.inventory));
            if passes {
                return ControlFlow::Continue(());
            }
            if let Ok(mut line) = line.lock() {
                line.clear();
            }
            match taken(Looked { host, seen }) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    failed = Err(error);
                    ControlFlow::Break(())
                }
            }
        },
    );
    failed
}

/// Looks at every selected host and keeps what was seen: for what judges them together.
pub fn look_at_all(
    context: &Context,
    hosts: &SelectedHosts,
    sessions: &Sessions<'_>,
    request: &LookRequest,
) -> Result<Vec<Looked>, CliError> {
    let mut all = Vec::with_capacity(hosts.hosts.len());
    look_at_each(context, hosts, sessions, request, |looked| {
        all.push(looked);
        Ok(())
    })?;
    if all.is_empty() {
        return Err(no_such_role(hosts));
    }
    Ok(all)
}

/// Nobody has a role that was asked for.
pub fn no_such_role(hosts: &SelectedHosts) -> CliError {
    let roles: Vec<String> = hosts.roles.iter().map(ToString::to_string).collect();
    CliError::new(
        "no-such-role",
        format!(
            "none of the {} selected hosts is a {}",
            hosts.hosts.len(),
            roles.join(" or a ")
        ),
    )
    .location(hosts.document.display())
    .hint("roles are told by what runs on a host: `kubepki hosts` shows them")
}
