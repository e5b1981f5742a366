//! This host's etcd member: reached as the API server reaches it, asked who leads, and made to give
//! leadership away before it is stopped (a member that leads and stops costs the cluster an election).
//!
//! <https://etcd.io/docs/v3.5/learning/design-learner/>,
//! <https://etcd.io/docs/v3.5/op-guide/maintenance/>

use crate::ports::{
    ClientIdentity, Clock, Endpoint, EtcdAccess, EtcdError, EtcdMember, EtcdPeer, EtcdTarget,
    Expectation, FILE_LIMIT, HostError, HostRead, HostWrite, Progress,
};
use crate::take_up::wait::until;
use kubepki_core::model::{Component, ComponentKind, Inventory};
use kubepki_core::plan::endpoints;
use kubepki_sealed::danger;
use kubepki_x509::path::CertificatePool;
use kubepki_x509::{Certificate, pem};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long another member may take to lead: an election takes a second.
const ELECTION: Duration = Duration::from_secs(30);

/// What is needed to work on this host's member.
#[derive(Clone, Copy)]
pub struct EtcdPorts<'a> {
    /// Files.
    pub host: &'a dyn HostWrite,
    /// etcd.
    pub etcd: &'a dyn EtcdAccess,
    /// Time.
    pub clock: &'a dyn Clock,
    /// Who listens.
    pub progress: &'a dyn Progress,
}

/// etcd was not asked, or did not do it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EtcdActError {
    /// There is none on this host.
    #[error("there is no etcd on this host")]
    NoMember,
    /// It does not run.
    #[error("etcd does not run on this host")]
    NotRunning,
    /// It answers nobody.
    #[error(transparent)]
    Etcd(#[from] EtcdError),
    /// A file.
    #[error(transparent)]
    Host(#[from] HostError),
    /// Nobody can take over.
    #[error("no other member can lead: {found}")]
    NobodyElse {
        /// What the others answer.
        found: String,
    },
    /// Nobody took over.
    #[error("leadership did not change within {seconds} s: {found}")]
    NoElection {
        /// How long.
        seconds: u64,
        /// Who leads.
        found: String,
    },
    /// The disk is too small for a snapshot and its proof.
    #[error(
        "{} has {free} bytes free, a snapshot of {database} bytes and its proof need {needed}",
        folder.display()
    )]
    NoSpace {
        /// Where.
        folder: PathBuf,
        /// Free.
        free: u64,
        /// Of the database.
        database: u64,
        /// Needed.
        needed: u64,
    },
    /// The snapshot is not what was sent.
    #[error(
        "the snapshot {} is damaged: its SHA-256 is not the one that etcd sent behind it",
        path.display()
    )]
    Damaged {
        /// Where.
        path: PathBuf,
    },
    /// The restored member holds something else.
    #[error(
        "the snapshot {} holds {found} keys at revision {revision}, the live member {expected}",
        path.display()
    )]
    OtherKeys {
        /// Where.
        path: PathBuf,
        /// Its revision.
        revision: i64,
        /// In the snapshot.
        found: u64,
        /// In the live member.
        expected: u64,
    },
}

impl EtcdActError {
    /// Stable name.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoMember => "no-etcd",
            Self::NotRunning => "etcd-not-running",
            Self::Etcd(error) => error.code(),
            Self::Host(_) => "etcd-file",
            Self::NobodyElse { .. } => "etcd-nobody-else",
            Self::NoElection { .. } => "etcd-no-election",
            Self::NoSpace { .. } => "etcd-no-space",
            Self::Damaged { .. } => "etcd-snapshot-damaged",
            Self::OtherKeys { .. } => "etcd-snapshot-incomplete",
        }
    }
}

/// The name of the member that leads, as etcd knows it; `None` when nobody does.
///
/// # Errors
/// When this host's member does not answer.
pub fn leader(
    ports: &EtcdPorts<'_>,
    inventory: &Inventory,
) -> Result<Option<String>, EtcdActError> {
    let member = connect(ports, inventory)?;
    let leader = member.status()?.leader;
    let members = member.members()?;
    Ok(members
        .into_iter()
        .find(|peer| peer.id == leader)
        .map(|peer| peer.name))
}

/// Gives leadership to another healthy member, when this host's has it; what came of it.
///
/// # Errors
/// When nobody else can lead, or nobody took over.
pub fn yield_leadership(
    ports: &EtcdPorts<'_>,
    inventory: &Inventory,
) -> Result<String, EtcdActError> {
    let member = connect(ports, inventory)?;
    let own = member.status()?;
    let members = member.members()?;
    let name_of = |id: u64| {
        let found = members.iter().find(|peer| peer.id == id);
        found.map_or_else(|| "nobody".to_owned(), |peer| peer.name.clone())
    };
    if own.leader != own.member {
        let leader = name_of(own.leader);
        return Ok(format!("etcd does not lead here: {leader} does"));
    }
    let others = members.iter().filter(|peer| peer.id != own.member);
    let mut refused = Vec::new();
    let mut next = None;
    for peer in others {
        match fit(ports, inventory, peer, own.member) {
            Ok(()) => {
                next = Some(peer);
                break;
            }
            Err(found) => refused.push(format!("{} {found}", peer.name)),
        }
    }
    let Some(next) = next else {
        return match members.len() {
            0 | 1 => Ok("etcd has one member only: nobody can take over".to_owned()),
            _ => Err(EtcdActError::NobodyElse {
                found: refused.join("; "),
            }),
        };
    };
    member.move_leader(next.id)?;
    let asked = |_| match member.status() {
        Ok(status) if status.leader != 0 && status.leader != own.member => Ok(status.leader),
        Ok(status) => Err(format!("{} leads", name_of(status.leader))),
        Err(error) => Err(error.to_string()),
    };
    let what = "etcd's election";
    let leader = until(ports.clock, ports.progress, what, ELECTION, asked);
    let leader = leader.map_err(|late| EtcdActError::NoElection {
        seconds: late.seconds,
        found: late.last,
    })?;
    Ok(format!("etcd's leadership given to {}", name_of(leader)))
}

/// Whether a member can lead; else why not, reads on after its name.
fn fit(
    ports: &EtcdPorts<'_>,
    inventory: &Inventory,
    peer: &EtcdPeer,
    leader: u64,
) -> Result<(), String> {
    if peer.learner {
        return Err("only listens".to_owned());
    }
    let etcd = component(inventory).map_err(|error| error.to_string())?;
    let mut found = "tells no address".to_owned();
    for url in &peer.client_urls {
        let Some((tls, host, port)) = endpoints::address(url) else {
            continue;
        };
        let answered = reach(ports, inventory, etcd, (tls, host, port)).and_then(|it| it.status());
        found = match answered {
            Ok(status) if !status.errors.is_empty() => {
                format!("complains: {}", status.errors.join(", "))
            }
            Ok(status) if status.leader != leader => "follows another leader".to_owned(),
            Ok(_) => return Ok(()),
            Err(error) => format!("does not answer: {error}"),
        };
    }
    Err(found)
}

/// This host's member.
pub(super) fn connect(
    ports: &EtcdPorts<'_>,
    inventory: &Inventory,
) -> Result<Box<dyn EtcdMember>, EtcdActError> {
    let etcd = component(inventory)?;
    if etcd.processes.is_empty() {
        return Err(EtcdActError::NotRunning);
    }
    let mut refused = None;
    for address in endpoints::etcd_client(etcd) {
        match reach(ports, inventory, etcd, address) {
            Ok(member) => return Ok(member),
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    Err(refused.map_or(EtcdActError::NotRunning, EtcdActError::Etcd))
}

pub(super) fn component(inventory: &Inventory) -> Result<&Component, EtcdActError> {
    let found = inventory.component(ComponentKind::Etcd);
    found.ok_or(EtcdActError::NoMember)
}

/// A client that the member accepts: the API server's, then etcd's own, which kubeadm gives client
/// usage. It is asked once, since a refusal comes only after the handshake.
fn reach(
    ports: &EtcdPorts<'_>,
    inventory: &Inventory,
    etcd: &Component,
    (tls, host, port): (bool, String, u16),
) -> Result<Box<dyn EtcdMember>, EtcdError> {
    let endpoint = Endpoint {
        host,
        port,
        server_name: None,
    };
    if !tls {
        return ports.etcd.connect(&EtcdTarget {
            endpoint: &endpoint,
            expectation: None,
            identity: None,
        });
    }
    let api_server = inventory.component(ComponentKind::KubeApiserver);
    let files = |of: Option<&Component>, certificate: &str, key: &str| {
        let of = of?;
        Some((of.host_path(certificate)?, of.host_path(key)?))
    };
    let clients = [
        files(api_server, "etcd-certfile", "etcd-keyfile"),
        files(Some(etcd), "cert-file", "key-file"),
        files(Some(etcd), "peer-cert-file", "peer-key-file"),
    ];
    let trusted = [
        etcd.host_path("trusted-ca-file"),
        api_server.and_then(|it| it.host_path("etcd-cafile")),
    ];
    let roots = trusted.iter().flatten();
    let roots = roots.flat_map(|path| certificates(ports.host, path).unwrap_or_default());
    let expectation = Expectation {
        roots: CertificatePool::new(roots),
        // Reached by the address that it listens on, which its certificate need not name.
        names: Vec::new(),
        now: ports.clock.now(),
    };
    let mut refused: Option<EtcdError> = None;
    for (certificate, key) in clients.into_iter().flatten() {
        let tried = identity(ports.host, &certificate, &key)
            .map_err(|detail| EtcdError::new(certificate.display().to_string(), detail))
            .and_then(|identity| {
                let member = ports.etcd.connect(&EtcdTarget {
                    endpoint: &endpoint,
                    expectation: Some(&expectation),
                    identity: Some(&identity),
                })?;
                member.status()?;
                Ok(member)
            });
        match tried {
            Ok(member) => return Ok(member),
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    Err(refused.unwrap_or_else(|| {
        EtcdError::new(
            format!("{}:{}", endpoint.host, endpoint.port),
            "no flag on this host names a client certificate for it",
        )
    }))
}

fn identity(host: &dyn HostRead, certificate: &Path, key: &Path) -> Result<ClientIdentity, String> {
    let key_pem = host
        .read(key, FILE_LIMIT)
        .map_err(|error| error.to_string())?;
    Ok(ClientIdentity {
        chain: certificates(host, certificate)?,
        key_pem,
    })
}

fn certificates(host: &dyn HostRead, path: &Path) -> Result<Vec<Certificate>, String> {
    let text = host
        .read(path, FILE_LIMIT)
        .map_err(|error| error.to_string())?;
    pem::certificates(danger::open(&text)).map_err(|error| error.to_string())
}
