//! What a rotation asks and changes beyond files, from this host: proofs on the wire, the API with this
//! host's own administrator's kubeconfig and API server, this host's etcd member.
//!
//! A pair that signs a throwaway client is held against what the host's own discovery found, as the
//! files of a plan are.

use super::ask::administrators;
use super::{LocalSession, Outside};
use crate::session::{ApiAnswer, NOT_LIVE, SessionError};
use kubepki_core::model::{ComponentKind, Inventory};
use kubepki_core::plan::EtcdAct;
use kubepki_core::rotation::{ApiChange, FreshTrust, Leaders, Proof};
use kubepki_engine::cluster::{ScanOptions, known_keys, scan};
use kubepki_engine::ports::{ClusterChange, ClusterError, FILE_LIMIT, Progress};
use kubepki_engine::rotation::etcd::{self, EtcdActError, EtcdPorts};
use kubepki_engine::rotation::prove::{self, Found, ProbeAuthority, ProveError};
use kubepki_engine::rotation::{
    ChangeError, ChangePorts, change, leaders, published, rollout, snapshot, workloads,
};
use kubepki_engine::take_up::own_api_server;
use kubepki_x509::pem;
use std::path::Path;
use std::time::Duration;

/// For one server. One that restarts answers again within seconds; the gate asks again.
const ONE_SERVER: Duration = Duration::from_secs(10);

/// Read by whoever may do anything in `kube-system`: tells whether a kubeconfig still works.
const KNOWN_TO_ALL: &str = "/api/v1/namespaces/kube-system";

impl<O: Outside> LocalSession<O> {
    pub(super) fn prove(
        &self,
        inventory: &Inventory,
        proof: &Proof,
    ) -> Result<ApiAnswer, SessionError> {
        let ports = self.outside.ports();
        let now = ports.clock.now();
        let found = match proof {
            Proof::Client {
                certificate,
                key,
                fingerprint_sha256,
                accepted,
                targets,
            } => {
                self.bounds.check_authority(certificate, key)?;
                let authority = ProbeAuthority {
                    certificate,
                    key,
                    fingerprint_sha256,
                };
                let names = front_proxies(inventory);
                prove::clients(
                    ports.host, ports.tls, &authority, targets, *accepted, &names, ONE_SERVER, now,
                )?
            }
            Proof::Served {
                issuer_pem,
                targets,
            } => {
                let issuer = pem::certificates(issuer_pem.as_bytes()).ok();
                let issuer = issuer.and_then(|found| found.into_iter().next());
                let issuer = issuer.ok_or_else(|| {
                    SessionError::new("usage", "the issuer of a proof is no certificate")
                })?;
                prove::served(ports.tls, &issuer, targets, ONE_SERVER, now)
            }
            Proof::Published { holds, lacks } => {
                let cluster = self.administer(inventory)?;
                published::published(&*cluster, holds, lacks).map_err(of_cluster)?
            }
            Proof::WorkloadsRolledOut => {
                let cluster = self.administer(inventory)?;
                rollout::rolled_out(&*cluster).map_err(of_cluster)?
            }
        };
        let Found { ok, found } = found;
        Ok(ApiAnswer::Health { ok, found })
    }

    pub(super) fn scan_cluster(&self, inventory: &Inventory) -> Result<ApiAnswer, SessionError> {
        let cluster = self.administer(inventory)?;
        let known = known_keys(inventory);
        let now = self.outside.ports().clock.now();
        let options = ScanOptions::default();
        let observation = scan(&*cluster, &known, &options, now, &Silent).map_err(of_cluster)?;
        Ok(ApiAnswer::Scanned {
            observation: Box::new(observation),
        })
    }

    /// Each of them is told where it can be told.
    pub(super) fn leaders(&self, inventory: &Inventory) -> Result<ApiAnswer, SessionError> {
        let now = self.outside.ports().clock.now();
        let mut found = Leaders::default();
        let mut refused = None;
        match self.administer(inventory) {
            Ok(cluster) => {
                let mut holder = |lease| match leaders::holder(&*cluster, lease, now) {
                    Ok(holder) => holder,
                    Err(error) => {
                        refused = Some(of_cluster(error));
                        None
                    }
                };
                found.controller_manager = holder("kube-controller-manager");
                found.scheduler = holder("kube-scheduler");
            }
            Err(error) => refused = Some(error),
        }
        let etcd = etcd::leader(&self.etcd_ports(&Silent), inventory);
        match (etcd, refused) {
            // Nothing at all was told.
            (Err(_), Some(error)) => Err(error),
            (etcd, _) => {
                found.etcd = etcd.ok().flatten();
                Ok(ApiAnswer::Leaders { leaders: found })
            }
        }
    }

    pub(super) fn stale_workloads(
        &self,
        inventory: &Inventory,
        wanted: &FreshTrust,
    ) -> Result<ApiAnswer, SessionError> {
        let cluster = self.administer(inventory)?;
        let workloads = workloads::stale(&*cluster, wanted).map_err(of_cluster)?;
        Ok(ApiAnswer::StaleWorkloads { workloads })
    }

    pub(super) fn change_objects(
        &mut self,
        changes: &[ApiChange],
        progress: &dyn Progress,
    ) -> Result<Vec<String>, SessionError> {
        let inventory = self.live()?;
        let cluster = self.administer(&inventory)?;
        let ports = ChangePorts {
            cluster: &*cluster,
            clock: self.outside.ports().clock,
            progress,
        };
        let mut words = Vec::with_capacity(changes.len());
        for one in changes {
            let done = change(&ports, one).map_err(|error| {
                let mut told = SessionError::from(error);
                if !words.is_empty() {
                    told = told.detail("done before", words.join("; "));
                }
                told
            })?;
            progress.say(&done);
            words.push(done);
        }
        Ok(words)
    }

    pub(super) fn act_on_etcd(
        &mut self,
        act: &EtcdAct,
        progress: &dyn Progress,
    ) -> Result<String, SessionError> {
        let inventory = self.live()?;
        let chance = self.outside.chance();
        let ports = self.etcd_ports(progress);
        Ok(match act {
            EtcdAct::Snapshot => snapshot::take(&ports, &inventory, chance)?,
            EtcdAct::YieldLeadership => etcd::yield_leadership(&ports, &inventory)?,
        })
    }

    fn live(&mut self) -> Result<Inventory, SessionError> {
        if !self.outside.ports().host.is_live() {
            return Err(SessionError::new(
                NOT_LIVE,
                "nothing runs below another root, so nothing can be changed there",
            ));
        }
        self.current()
    }

    fn etcd_ports<'a>(&'a self, progress: &'a dyn Progress) -> EtcdPorts<'a> {
        let ports = self.outside.ports();
        EtcdPorts {
            host: ports.host,
            etcd: self.outside.etcd(),
            clock: ports.clock,
            progress,
        }
    }

    /// A client with the first of this host's administrators' kubeconfigs that its API server accepts.
    fn administer(&self, inventory: &Inventory) -> Result<Box<dyn ClusterChange>, SessionError> {
        let ports = self.outside.ports();
        let own = own_api_server(&inventory.components);
        let mut refused: Option<SessionError> = None;
        for path in administrators(inventory) {
            let folder = path.parent().unwrap_or(Path::new("/"));
            let client = ports
                .host
                .read(&path, FILE_LIMIT)
                .map_err(|error| SessionError::from(&error))
                .and_then(|kubeconfig| {
                    let client = self
                        .outside
                        .changing_cluster(&kubeconfig, folder, own.as_deref());
                    let client = client.and_then(|client| {
                        client.object(KNOWN_TO_ALL)?;
                        Ok(client)
                    });
                    client.map_err(|error| of_cluster(error).detail("kubeconfig", path.display()))
                });
            match client {
                Ok(client) => return Ok(client),
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        Err(refused.unwrap_or_else(super::ask::no_administrator))
    }
}

/// Whom the API server of this host takes for a front proxy.
fn front_proxies(inventory: &Inventory) -> Vec<String> {
    let api_server = inventory.component(ComponentKind::KubeApiserver);
    let names = api_server.and_then(|it| it.flags.one("requestheader-allowed-names"));
    let names = names.unwrap_or_default().split(',');
    names
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .collect()
}

fn of_cluster(error: ClusterError) -> SessionError {
    SessionError::new(error.code(), &error)
}

impl From<ProveError> for SessionError {
    fn from(error: ProveError) -> Self {
        Self::new(error.code(), &error)
    }
}

impl From<ChangeError> for SessionError {
    fn from(error: ChangeError) -> Self {
        let hint = match &error {
            ChangeError::OtherContents { .. } => {
                Some("look again: what was changed meanwhile becomes part of the next plan")
            }
            ChangeError::Held { .. } => {
                Some("wait until the other rotation ends, or until its Lease runs out")
            }
            ChangeError::TokensInUse { .. } => {
                Some("restart or delete the pods that are named, and run it again")
            }
            _ => None,
        };
        let told = Self::new(error.code(), &error);
        match hint {
            Some(hint) => told.hint(hint),
            None => told,
        }
    }
}

impl From<EtcdActError> for SessionError {
    fn from(error: EtcdActError) -> Self {
        Self::new(error.code(), &error)
    }
}

/// One question is not worth a word.
struct Silent;

impl Progress for Silent {
    fn say(&self, _: &str) {}
}
