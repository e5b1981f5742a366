//! One operator at a time: the Lease `kube-system/kubepki-rotation` is held, and renewed, while a phase
//! is carried out. Asked of one control plane after the other, so that one whose API server is just
//! being restarted does not lose it. What has no API (a folder, a cluster that is down) has no Lease;
//! the locks of the hosts remain.

use crate::commands::fleet::session_error;
use crate::context::Context;
use crate::error::CliError;
use kubepki_core::rotation::ApiChange;
use kubepki_engine::ports::Progress;
use kubepki_fleet::campaign::Sessions;
use kubepki_fleet::session::SessionError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{Scope, sleep};
use std::time::{Duration, Instant};

/// How long it is held without being renewed: longer than an API server's restart, short enough for
/// somebody who takes over from a laptop that died.
const SECONDS: u32 = 45;

/// Between two renewals.
const EVERY: Duration = Duration::from_secs(10);

/// Between two tries to take one that is another's.
const AGAIN: Duration = Duration::from_secs(2);

/// One that died loses it after this time, and some.
pub const OUTLIVED: Duration = Duration::from_secs(SECONDS as u64 + 15);

/// Code of a Lease that is another's.
const HELD: &str = "rotation-held";

/// Code of a renewal that tells of a pause somebody asked for.
const PAUSE_ASKED: &str = "rotation-pause-asked";

/// Who holds it, and through whom.
pub struct Lease<'a> {
    /// How control planes are reached.
    pub sessions: &'a Sessions<'a>,
    /// The control planes, best first.
    pub servers: Vec<String>,
    /// Who holds it.
    pub holder: String,
    /// How long one that is another's is waited for.
    pub patience: Duration,
}

/// A Lease that is held; dropped, it is given back.
pub struct Held {
    _ends: Sender<()>,
}

struct Silent;

impl Progress for Silent {
    fn say(&self, _text: &str) {}
}

/// Who rotates: told to whoever is refused meanwhile.
pub fn holder(host: &str) -> String {
    format!("kubepki on {host}, process {}", std::process::id())
}

impl<'a> Lease<'a> {
    /// Takes it, and keeps it until what is returned is dropped. `paused` is raised when somebody asks
    /// for a pause through it.
    pub fn hold<'scope, 'env>(
        &'scope self,
        context: &Context,
        scope: &'scope Scope<'scope, 'env>,
        paused: &'scope AtomicBool,
    ) -> Result<Option<Held>, CliError> {
        match self.patiently(context) {
            Ok(()) => {}
            Err(None) => return Ok(None),
            Err(Some((host, error))) if error.code == HELD => {
                return Err(session_error(&host, &error).hint(
                    "wait until it has ended, or ask it to pause: `kubepki rotate pause`; one that died loses it by itself, within a minute",
                ));
            }
            Err(Some((_, error))) if error.code == PAUSE_ASKED => {}
            Err(Some((host, error))) => {
                context.note(format_args!(
                    "nobody is kept from rotating at the same time: {host}: {error}"
                ));
                return Ok(None);
            }
        }
        let (ends, ended) = channel();
        scope.spawn(move || self.keep(&ended, paused));
        Ok(Some(Held { _ends: ends }))
    }

    /// Where a run was cut short whose halted components were found, its Lease is all that is left of it.
    fn patiently(&self, context: &Context) -> Result<(), Option<(String, SessionError)>> {
        let began = Instant::now();
        let mut is_said = false;
        loop {
            match self.renew() {
                Err(Some((_, error))) if error.code == HELD && began.elapsed() < self.patience => {
                    if !is_said {
                        context.note(format_args!("waiting until it runs out: {error}"));
                        is_said = true;
                    }
                    sleep(AGAIN);
                }
                ended => return ended,
            }
        }
    }

    fn keep(&self, ended: &Receiver<()>, paused: &AtomicBool) {
        while ended.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
            if let Err(Some((_, error))) = self.renew()
                && (error.code == PAUSE_ASKED || error.code == HELD)
            {
                // Lost to another, it is as good as asked to stop.
                paused.store(true, Ordering::Relaxed);
            }
        }
        let change = ApiChange::ReleaseLease {
            holder: self.holder.clone(),
        };
        let _ = self.first_that_answers(&change);
    }

    fn renew(&self) -> Result<(), Option<(String, SessionError)>> {
        self.first_that_answers(&ApiChange::HoldLease {
            holder: self.holder.clone(),
            duration_seconds: SECONDS,
        })
    }

    /// `Err(None)` when there is nobody to ask.
    fn first_that_answers(&self, change: &ApiChange) -> Result<(), Option<(String, SessionError)>> {
        let mut last = None;
        for host in &self.servers {
            let done = self.sessions.with(host, |session| {
                session.change_api(std::slice::from_ref(change), &Silent)
            });
            match done {
                Ok(_) => return Ok(()),
                Err(error) => {
                    let decides = error.code == HELD || error.code == PAUSE_ASKED;
                    last = Some((host.clone(), error));
                    if decides {
                        break;
                    }
                }
            }
        }
        Err(last)
    }
}
