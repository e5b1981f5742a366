//! A cluster plan carried out on all hosts: stage by stage, so many hosts at once as the pace allows,
//! with every gate asked until it stands open.
//!
//! What is done on a host is one plan, atomic and journaled there. Where the CA's key is on another
//! host, the key pair is made on the first, its request goes to the second, and the certificate comes
//! back; no private key travels in the open, and only those that several hosts must have travel at all,
//! sealed. At the first failure what goes on is finished and nothing new
//! begins; a rerun settles what was interrupted and plans anew.

mod batches;
mod certificates;
mod gates;
mod keys;
mod outcome;
mod reconnect;
mod run;
mod sessions;
mod settle;
mod step;

pub use certificates::KnownCertificates;
pub use outcome::{CampaignOutcome, HostOutcome, HostState, RunDone, Stopped};
pub use run::{Campaign, CampaignOptions, HostFacts, PAUSED, Patience, SealsKeys};
pub use sessions::Sessions;
pub use settle::{Settlement, settle, start_halted, start_halted_on};

use crate::session::{HostSession, SessionError};
use kubepki_core::plan::{Gate, Stage};
use kubepki_engine::ports::Progress;

/// Makes sessions with hosts.
pub trait Connect: Sync {
    /// A session with the host of this name in the cluster document.
    fn connect(&self, host: &str) -> Result<Box<dyn HostSession>, SessionError>;
}

/// Who is told what happens in a campaign; called from many threads.
pub trait CampaignProgress: Sync + Send {
    /// A stage begins, counted from 1.
    fn stage(&self, number: usize, of: usize, stage: &Stage);

    /// What a host does.
    fn host(&self, host: &str, text: &str);

    /// What a gate waits for; `open` once it stands open.
    fn gate(&self, gate: &Gate, open: bool, found: &str);

    /// Asked between two stages: whether the next one may begin.
    fn goes_on(&self) -> bool {
        true
    }
}

/// The progress of one host, as the engine speaks it.
pub struct HostProgress<'a> {
    /// Who is told.
    pub campaign: &'a dyn CampaignProgress,
    /// Of which host.
    pub host: &'a str,
}

impl Progress for HostProgress<'_> {
    fn say(&self, text: &str) {
        self.campaign.host(self.host, text);
    }
}

/// Whether an error means that the host can no longer be talked to, as against: it refused.
pub fn is_lost(error: &SessionError) -> bool {
    matches!(error.code.as_str(), "agent-lost" | "host-unreachable")
}
