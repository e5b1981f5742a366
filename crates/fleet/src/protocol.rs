//! What the agent and its client say to each other, one request at a time.
//!
//! ```text
//! client                                   agent
//!   │   ◄─── kubepki-agent 1\n, Hello ───────│   at once
//!   │──── Request ──────────────────────────►│
//!   │   ◄─── Progress, Progress, … ──────────│   while it works
//!   │   ◄─── Outcome ────────────────────────│   exactly one
//! ```
//!
//! The messages are those of [`session`](crate::session). None of them has a place for a private key in
//! the open: keys are made where they are used, and requests and certificates travel. The few keys that
//! several hosts must have travel sealed for the session at the other end.

use crate::session::{
    ApiAnswer, ApiQuestion, CarryReport, CarryRequest, Hello, IssuedCertificate, KeyOrder, Look,
    LookRequest, PreparedRequest, SealedKey, SessionError, SigningOrder,
};
use kubepki_core::founding::DeclaredLayout;
use kubepki_core::model::ComponentKind;
use kubepki_core::plan::{EtcdAct, Plan};
use kubepki_core::rotation::{ApiChange, OldKey};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The version. Raised with every change that an older end would misunderstand; the client uploads
/// an agent of its own build, so two versions meet only where somebody names one by hand.
pub const PROTOCOL: u32 = 1;

/// What the agent is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "ask",
    rename_all = "kebab-case",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
pub enum Request {
    /// [`look`](crate::session::HostSession::look)
    Look {
        /// What at.
        request: LookRequest,
    },
    /// [`declare`](crate::session::HostSession::declare)
    Declare {
        /// What.
        layout: Box<DeclaredLayout>,
    },
    /// [`prepare`](crate::session::HostSession::prepare)
    Prepare {
        /// For which plan.
        plan: Box<Plan>,
    },
    /// [`sign`](crate::session::HostSession::sign)
    Sign {
        /// What.
        orders: Vec<SigningOrder>,
    },
    /// [`carry`](crate::session::HostSession::carry)
    Carry {
        /// What.
        request: Box<CarryRequest>,
    },
    /// [`settle`](crate::session::HostSession::settle)
    Settle {
        /// The folder with kubeadm's certificates.
        pki_folder: PathBuf,
    },
    /// [`halt`](crate::session::HostSession::halt)
    Halt {
        /// Which, in this order.
        components: Vec<ComponentKind>,
    },
    /// [`start`](crate::session::HostSession::start)
    Start {
        /// Which, in this order.
        components: Vec<ComponentKind>,
    },
    /// [`ask`](crate::session::HostSession::ask)
    Ask {
        /// What.
        question: ApiQuestion,
    },
    /// [`recipient`](crate::session::HostSession::recipient)
    Recipient,
    /// [`seal_keys`](crate::session::HostSession::seal_keys)
    SealKeys {
        /// Which, and for whom.
        orders: Vec<KeyOrder>,
    },
    /// [`change_api`](crate::session::HostSession::change_api)
    ChangeApi {
        /// In this order.
        changes: Vec<ApiChange>,
    },
    /// [`etcd`](crate::session::HostSession::etcd)
    Etcd {
        /// What.
        act: EtcdAct,
    },
    /// [`retire_keys`](crate::session::HostSession::retire_keys)
    RetireKeys {
        /// Where the roots' own keys lie.
        keys: Vec<PathBuf>,
        /// How.
        how: OldKey,
    },
    /// Several, one after another, in one round trip. Ends at the first that changes the host and
    /// fails: what was to come after it did not count on that. A batch holds no batch.
    Batch {
        /// In order.
        requests: Vec<Request>,
    },
}

impl Request {
    /// What is done on it, as it reads after "while".
    pub fn doing(&self) -> String {
        match self {
            Self::Look { .. } => "looking at the host".to_owned(),
            Self::Declare { .. } => "declaring the layout".to_owned(),
            Self::Prepare { .. } => "making keys and certification requests".to_owned(),
            Self::Sign { .. } => "signing certificates".to_owned(),
            Self::Carry { request } => format!("carrying out plan {}", request.plan.id),
            Self::Settle { .. } => "settling an interrupted run".to_owned(),
            Self::Halt { components } => format!("stopping {}", named(components)),
            Self::Start { components } => format!("starting {}", named(components)),
            Self::Ask { .. } => "asking the cluster's API".to_owned(),
            Self::Recipient => "asking for whom keys are sealed".to_owned(),
            Self::SealKeys { .. } => "sealing keys".to_owned(),
            Self::ChangeApi { .. } => "changing the cluster's API".to_owned(),
            Self::Etcd {
                act: EtcdAct::Snapshot,
            } => "saving a snapshot of etcd".to_owned(),
            Self::Etcd {
                act: EtcdAct::YieldLeadership,
            } => "giving etcd's leadership away".to_owned(),
            Self::RetireKeys { .. } => "retiring old private keys in backups".to_owned(),
            Self::Batch { requests } => {
                let mut words: Vec<String> = requests.iter().map(Self::doing).collect();
                words.dedup();
                words.join(", then ")
            }
        }
    }

    /// Whether it may change the host.
    pub fn changes(&self) -> bool {
        match self {
            Self::Carry { .. }
            | Self::Settle { .. }
            | Self::Halt { .. }
            | Self::Start { .. }
            | Self::ChangeApi { .. }
            | Self::RetireKeys { .. }
            | Self::Etcd { .. } => true,
            Self::Declare { .. }
            | Self::Look { .. }
            | Self::Prepare { .. }
            | Self::Sign { .. }
            | Self::Recipient
            | Self::SealKeys { .. }
            | Self::Ask { .. } => false,
            Self::Batch { requests } => requests.iter().any(Self::changes),
        }
    }
}

fn named(components: &[ComponentKind]) -> String {
    let names: Vec<&str> = components.iter().map(|kind| kind.executable()).collect();
    names.join(", ")
}

/// What came of a request.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(
    tag = "outcome",
    rename_all = "kebab-case",
    rename_all_fields = "camelCase"
)]
pub enum Response {
    /// Of a look.
    Looked {
        /// What was seen.
        look: Box<Look>,
    },
    /// Of a preparation.
    Prepared {
        /// The certification requests.
        requests: Vec<PreparedRequest>,
    },
    /// Of signing.
    Signed {
        /// What was signed.
        certificates: Vec<IssuedCertificate>,
    },
    /// Of asking for a recipient.
    Recipient {
        /// `age1…`
        recipient: String,
    },
    /// Of sealing.
    Sealed {
        /// The keys.
        keys: Vec<SealedKey>,
    },
    /// Of a plan.
    Carried {
        /// What came of it.
        report: Box<CarryReport>,
    },
    /// Of settling.
    Settled {
        /// What came of it; `null` when there was nothing to settle.
        report: Option<Box<CarryReport>>,
    },
    /// Of declaring, halting and starting.
    Done,
    /// Of a change of the API, of what etcd was asked, and of old keys: what was done.
    Worded {
        /// In words, one for each.
        words: Vec<String>,
    },
    /// Of a question.
    Answered {
        /// The answer.
        answer: ApiAnswer,
    },
    /// Of a batch: one for each request that was begun.
    Batch {
        /// In the order of the requests.
        responses: Vec<Response>,
    },
    /// It was not done, or not to its end.
    Failed {
        /// Why.
        error: SessionError,
    },
}

/// What the agent says.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(
    tag = "say",
    rename_all = "kebab-case",
    rename_all_fields = "camelCase"
)]
pub enum Message {
    /// Once, first.
    Hello {
        /// Who it is.
        hello: Hello,
    },
    /// While a request is being worked on.
    Progress {
        /// One sentence.
        text: String,
    },
    /// What came of the request.
    Outcome {
        /// This.
        response: Response,
    },
}
