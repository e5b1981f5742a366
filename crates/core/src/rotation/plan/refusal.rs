//! Why no script is made: with evidence, and with what to do.

use crate::plan::lifetime::LifetimeSyntaxError;
use crate::rotation::{Phase, Root};
use jiff::Timestamp;

/// Why no script is made.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The cluster has parts that are none of the hosts.
    #[error(
        "{root} cannot be rotated on {} alone: the cluster also has {}, which would go on with the old one alone and be lost when it goes",
        count_of(*.hosts, "host"),
        .others.join(", ")
    )]
    HostsMissing {
        /// Which root.
        root: Root,
        /// How many hosts were looked at.
        hosts: usize,
        /// The others, as they are acknowledged.
        others: Vec<String>,
    },
    /// Nothing is to be rotated.
    #[error("no root is named; the cluster has: {known}")]
    NoRoot {
        /// What there is.
        known: String,
    },
    /// The cluster has no such root, or it was not found.
    #[error("there is no {root} on the hosts that were looked at; there are: {known}")]
    RootNotFound {
        /// As asked.
        root: Root,
        /// What there is.
        known: String,
    },
    /// A CA was given for a root that is not rotated, or for one that has none.
    #[error(
        "the new CA is given for {root}, which is not rotated by a CA here; rotated are: {roots}"
    )]
    GivenForAnother {
        /// As given.
        root: Root,
        /// As asked.
        roots: String,
    },
    /// What was given is no CA certificate that can be used.
    #[error("the given certificate cannot become {root}: {reason}")]
    GivenUnusable {
        /// Whose successor it should be.
        root: Root,
        /// Why not.
        reason: String,
    },
    /// A key of this type would be of no use.
    #[error("a key of type {key_type} cannot become that of {root}: {reason}")]
    KeyTypeUnusable {
        /// Of which root.
        root: Root,
        /// As asked.
        key_type: String,
        /// Who does not take it.
        reason: &'static str,
    },
    /// The host that has the given CA's key is none of the cluster's.
    #[error("the key of the given CA lies on {host}, which is no host of the cluster")]
    KeyHostUnknown {
        /// As given.
        host: String,
    },
    /// The host that has the given CA's key does not sign with the old one, so it has no place for it.
    #[error(
        "the key of the given CA lies on {host}, which does not sign for {root}; those that do: {signers}"
    )]
    KeyHostSignsNot {
        /// Which.
        root: Root,
        /// As given.
        host: String,
        /// Who signs.
        signers: String,
    },
    /// A request was made and its certificate has not come yet.
    #[error(
        "{root} waits for the certificate of {subject}, whose key and request lie on {host}: somebody else has to sign it"
    )]
    AwaitsCertificate {
        /// Which.
        root: Root,
        /// Where.
        host: String,
        /// The subject that was asked for.
        subject: String,
    },
    /// No host has the root's key, hence none could sign with a new one.
    #[error(
        "no host that was looked at holds the key of {root} ({name}): somebody else signs for it"
    )]
    ExternalAuthority {
        /// Which.
        root: Root,
        /// Its subject.
        name: String,
    },
    /// A kube-controller-manager is told to sign, and has nothing to sign with.
    #[error(
        "kube-controller-manager is to sign with {root} on {}, where its key does not lie", .hosts.join(", ")
    )]
    SignerWithoutKey {
        /// Which.
        root: Root,
        /// Where.
        hosts: Vec<String>,
    },
    /// The successor's certificate is there and its key is nowhere.
    #[error(
        "the successor of {root} ({name}) is there, but no host that was looked at holds its key"
    )]
    SuccessorKeyLost {
        /// Which.
        root: Root,
        /// The successor.
        name: String,
    },
    /// Another rotation is under way.
    #[error("a rotation of {root} is under way, to {found}, and not to {expected}")]
    OtherRotation {
        /// Which.
        root: Root,
        /// The successor that is there.
        found: String,
        /// The one asked for.
        expected: String,
    },
    /// Nothing is trusted any more, so there is nothing to trust both with.
    #[error(
        "{root} ({name}) has expired on {not_after}: there is nobody left who trusts what it signed"
    )]
    AuthorityExpired {
        /// Which.
        root: Root,
        /// Its subject.
        name: String,
        /// Its end.
        not_after: Timestamp,
    },
    /// The successor has expired before it was used.
    #[error("the successor of {root} ({name}) has expired on {not_after}")]
    SuccessorExpired {
        /// Which.
        root: Root,
        /// Its subject.
        name: String,
        /// Its end.
        not_after: Timestamp,
    },
    /// The new CA would be of no use.
    #[error("the new CA would end ({not_after}) before it begins or before now ({now})")]
    EmptyValidity {
        /// The end asked for.
        not_after: Timestamp,
        /// Now.
        now: Timestamp,
    },
    /// A length of time that leads outside the calendar.
    #[error(transparent)]
    Lifetime(#[from] LifetimeSyntaxError),
    /// Places that have to change and cannot be told.
    #[error("{} of {root} cannot be told and would have to change: {}", count(.places.len()), .places.join("; "))]
    PlacesUnknown {
        /// Which.
        root: Root,
        /// Each with why.
        places: Vec<String>,
    },
    /// Copies that the rotation cannot change and nobody answers for.
    #[error("{} of {root} cannot be changed from here and would be left behind: {}", count(.copies.len()), .copies.join("; "))]
    NotAcknowledged {
        /// Which.
        root: Root,
        /// As they are acknowledged.
        copies: Vec<String>,
    },
    /// API servers verify tokens by the file that holds the private key.
    #[error(
        "API servers verify tokens by {place}, which holds the private key and cannot hold two"
    )]
    KeyFileShared {
        /// Where.
        place: String,
    },
    /// No API server is known from which the API could be changed.
    #[error(
        "none of the hosts that were looked at runs kube-apiserver: nothing can be changed or proved in the API"
    )]
    NoApiServer,
    /// An earlier phase is not finished.
    #[error("{phase} cannot begin: {unfinished} is not finished ({first})")]
    EarlierPhase {
        /// The phase asked for.
        phase: Phase,
        /// The one that is not finished.
        unfinished: Phase,
        /// Its first round.
        first: String,
    },
    /// Workloads that the user wanted to restart were not.
    #[error("{} were started before they could trust both, and would lose the API server: {}", count_of(.workloads.len(), "workload"), .workloads.join("; "))]
    WorkloadsNotRestarted {
        /// Which.
        workloads: Vec<String>,
    },
    /// Something could not be seen.
    #[error("the old generation cannot be retired while {} could not be seen: {}", count_of(.gaps.len(), "thing"), .gaps.join("; "))]
    GapsLeft {
        /// Each with why.
        gaps: Vec<String>,
    },
}

fn count(number: usize) -> String {
    count_of(number, "place")
}

fn count_of(number: usize, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        number => format!("{number} {what}s"),
    }
}

impl Refusal {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::HostsMissing { .. } => "hosts-missing",
            Self::NoRoot { .. } => "no-root",
            Self::RootNotFound { .. } => "root-not-found",
            Self::GivenForAnother { .. } => "given-for-another",
            Self::GivenUnusable { .. } => "given-unusable",
            Self::KeyTypeUnusable { .. } => "key-type-unusable",
            Self::KeyHostUnknown { .. } => "key-host-unknown",
            Self::KeyHostSignsNot { .. } => "key-host-signs-not",
            Self::AwaitsCertificate { .. } => "awaits-certificate",
            Self::ExternalAuthority { .. } => "external-ca",
            Self::SignerWithoutKey { .. } => "signer-without-key",
            Self::SuccessorKeyLost { .. } => "successor-key-lost",
            Self::OtherRotation { .. } => "other-rotation",
            Self::AuthorityExpired { .. } => "ca-expired",
            Self::SuccessorExpired { .. } => "successor-expired",
            Self::EmptyValidity { .. } => "empty-validity",
            Self::Lifetime(_) => "lifetime",
            Self::PlacesUnknown { .. } => "places-unknown",
            Self::NotAcknowledged { .. } => "not-acknowledged",
            Self::KeyFileShared { .. } => "key-file-shared",
            Self::NoApiServer => "no-api-server",
            Self::EarlierPhase { .. } => "earlier-phase-unfinished",
            Self::WorkloadsNotRestarted { .. } => "workloads-not-restarted",
            Self::GapsLeft { .. } => "gaps-left",
        }
    }

    /// What to do next.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::HostsMissing { .. } => {
                "name every host in a cluster document and rotate over ssh (`--cluster FILE` instead of `--local`; this host can be `local: true` in it); delete Nodes that are gone for good"
            }
            Self::ExternalAuthority { .. } => {
                "a rotation exchanges the key where it signs, so it needs a host that holds it: look at that one, too; of a CA whose key is kept elsewhere, certificates are renewed by requests (`kubepki renew --csr-dir`)"
            }
            Self::KeyHostSignsNot { .. } => {
                "name one of them as HOST:PATH, or a file of this machine as PATH: it is sealed for the host"
            }
            Self::KeyTypeUnusable { .. } => {
                "`--key-type ecdsa:p256` is as short, and everybody takes it; so are ecdsa:p384, rsa:2048, rsa:3072 and rsa:4096"
            }
            Self::AwaitsCertificate { .. } => {
                "`kubepki rotate next --new-ca FILE` goes on with the signed certificate, `kubepki rotate start ROOT --new-ca-csr FILE` writes the request again, `kubepki rotate back` takes it back"
            }
            Self::SignerWithoutKey { .. } => {
                "copy the key there from a control plane that has it (after a rescue with a new CA only one has), or take --cluster-signing-cert-file and --cluster-signing-key-file away there; then start again"
            }
            Self::SuccessorKeyLost { .. } => {
                "`kubepki rotate back` takes back what was begun; then start again"
            }
            Self::OtherRotation { .. } => {
                "go on with it by `kubepki rotate next`, or take it back by `kubepki rotate back`"
            }
            Self::AuthorityExpired { .. } => {
                "`kubepki rescue` brings the cluster up first; a new CA can be swapped in by `--offline`"
            }
            Self::SuccessorExpired { .. } | Self::EmptyValidity { .. } => {
                "`--validity` says how long the new CA is to last; check the clocks of this machine and of the hosts"
            }
            Self::PlacesUnknown { .. } => {
                "make them readable, or mend them (`kubepki doctor` tells how); `--acknowledge PLACE` leaves one as it is"
            }
            Self::NotAcknowledged { .. } => {
                "change them by hand while both are trusted (with a downtime: when it is over), and say so by `--acknowledge PLACE`"
            }
            Self::KeyFileShared { .. } => {
                "let --service-account-key-file name a file with the public key alone, then start again"
            }
            Self::EarlierPhase { .. } => "`kubepki rotate next` does what comes first",
            Self::WorkloadsNotRestarted { .. } => {
                "restart them, or choose `--restart-workloads auto` or `none`"
            }
            Self::GapsLeft { .. } => {
                "until then everything works with both; make the rest visible and go on by `kubepki rotate next`"
            }
            _ => return None,
        })
    }
}
