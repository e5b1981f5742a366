//! Whether a connection can be made: both directions, from what lies in its slots at one moment.
//!
//! Pure, and made for being called thousands of times: nothing is copied that is not told, and
//! signatures go through the caller's [`SignatureCheck`], whose memory outlives one state. What cannot
//! be told is said to be unknown, but what is wrong whoever trusts it (expired, for other usages, the
//! key another's) is said even then.
//!
//! Not here: who is to blame. That takes more than one connection.

use super::graph::{AskedName, Connection, Graph, Identity, SlotId};
use super::material::{Credential, Held, KeyMatch, Material};
use super::verdict::{Failure, FailureReason, Judgement, Side, Verdict};
use jiff::Timestamp;
use kubepki_x509::path::{
    CertificatePool, PathError, PathQuery, Purpose, ServerName, SignatureCheck, validate,
};
use kubepki_x509::{Certificate, GeneralName};

/// Both directions of one connection at `now`.
pub fn verify(
    graph: &Graph,
    material: &Material,
    connection: &Connection,
    now: Timestamp,
    signatures: &dyn SignatureCheck,
) -> Verdict {
    let moment = Moment {
        graph,
        material,
        now,
        signatures,
    };
    Verdict {
        server: moment.server(connection),
        client: moment.client(connection),
    }
}

/// Every connection of the graph, in its order.
pub fn verify_all(
    graph: &Graph,
    material: &Material,
    now: Timestamp,
    signatures: &dyn SignatureCheck,
) -> Vec<Verdict> {
    let connections = graph.connections.iter();
    connections
        .map(|connection| verify(graph, material, connection, now, signatures))
        .collect()
}

struct Moment<'a> {
    graph: &'a Graph,
    material: &'a Material,
    now: Timestamp,
    signatures: &'a dyn SignatureCheck,
}

/// One direction: what is presented, and by what it should be believed.
#[derive(Clone, Copy)]
struct Direction {
    side: Side,
    purpose: Purpose,
    presented: SlotId,
    trusted_by: SlotId,
}

impl Moment<'_> {
    fn server(&self, connection: &Connection) -> Judgement {
        let Some(trusted_by) = connection.client_trusts else {
            return Judgement::NotApplicable;
        };
        let Some(presented) = connection.server_presents else {
            return Judgement::Unknown(format!(
                "what {} presents can only be seen by asking it",
                connection.server
            ));
        };
        let direction = Direction {
            side: Side::Server,
            purpose: Purpose::ServerAuth,
            presented,
            trusted_by,
        };
        self.judge(direction, &connection.names, |_| None)
    }

    fn client(&self, connection: &Connection) -> Judgement {
        let (Some(trusted_by), Some(presented)) =
            (connection.server_trusts, connection.client_presents)
        else {
            return Judgement::NotApplicable;
        };
        let direction = Direction {
            side: Side::Client,
            purpose: Purpose::ClientAuth,
            presented,
            trusted_by,
        };
        self.judge(direction, &[], |certificate| {
            let demanded = connection.identity.as_ref();
            demanded
                .and_then(|identity| not_demanded(identity, certificate))
                .or_else(|| comes_from_elsewhere(&connection.client_names, certificate))
        })
    }

    fn judge(
        &self,
        direction: Direction,
        names: &[AskedName],
        identified: impl Fn(&Certificate) -> Option<FailureReason>,
    ) -> Judgement {
        let failed = |reason| {
            Judgement::Failed(Box::new(Failure {
                side: direction.side,
                reason,
                presented: Some(direction.presented),
                trusted_by: Some(direction.trusted_by),
            }))
        };
        let credential = match self.material.held(direction.presented) {
            Held::Credential(credential) => credential.as_ref(),
            Held::Missing(reason) => return failed(FailureReason::Missing(reason.clone())),
            Held::Unusable(reason) => return failed(FailureReason::Unusable(reason.clone())),
            Held::Unknown(reason) => return self.unknown(direction.presented, reason),
            Held::Trust(_) => return self.unknown(direction.presented, "it holds no credential"),
        };
        let Some((certificate, intermediates)) = credential.chain.split_first() else {
            return failed(FailureReason::Unusable(
                "it holds no certificate".to_owned(),
            ));
        };
        match &credential.key {
            KeyMatch::Differs => return failed(FailureReason::KeyDiffers),
            KeyMatch::Unusable(reason) => {
                return failed(FailureReason::KeyUnusable(reason.clone()));
            }
            KeyMatch::Absent => {
                let reason = "its private key is not there".to_owned();
                return failed(FailureReason::Missing(reason));
            }
            KeyMatch::Matches | KeyMatch::Unknown(_) => {}
        }
        let ask = |roots: &CertificatePool| {
            let path = self.path(direction.purpose, certificate, intermediates, names, roots);
            match path {
                Err(error) => Some(FailureReason::Path(error)),
                Ok(()) => identified(certificate),
            }
        };
        match self.material.held(direction.trusted_by) {
            Held::Trust(bundle) if bundle.pool.is_empty() => failed(FailureReason::TrustUnusable(
                "it holds no certificate".to_owned(),
            )),
            Held::Trust(bundle) => match ask(&bundle.pool) {
                Some(reason) => failed(reason),
                None => self.verified(direction, credential),
            },
            Held::Missing(reason) => failed(FailureReason::TrustMissing(reason.clone())),
            Held::Unusable(reason) => failed(FailureReason::TrustUnusable(reason.clone())),
            Held::Unknown(reason) => {
                // Whoever trusts it asks at least this much.
                let itself = CertificatePool::new([certificate.clone()]);
                match ask(&itself) {
                    Some(reason) => failed(reason),
                    None => self.unknown(direction.trusted_by, reason),
                }
            }
            Held::Credential(_) => {
                self.unknown(direction.trusted_by, "it holds no CA certificates")
            }
        }
    }

    /// Several names may be asked for; the first that the certificate does not hold is told.
    fn path(
        &self,
        purpose: Purpose,
        certificate: &Certificate,
        intermediates: &[Certificate],
        names: &[AskedName],
        roots: &CertificatePool,
    ) -> Result<(), PathError> {
        let held = match names {
            [] | [_] => Vec::new(),
            _ => certificate.subject_alt_names(),
        };
        let lacking = names
            .iter()
            .map(|asked| &asked.name)
            .find(|name| names.len() > 1 && !name.matches(&held));
        let server_name = lacking.or_else(|| names.first().map(|asked| &asked.name));
        validate(&PathQuery {
            certificate,
            intermediates,
            roots,
            now: self.now,
            purpose,
            server_name,
            signatures: self.signatures,
        })
        .map(|_| ())
    }

    fn verified(&self, direction: Direction, credential: &Credential) -> Judgement {
        match &credential.key {
            KeyMatch::Unknown(reason) => self.unknown(direction.presented, reason),
            _ => Judgement::Verified,
        }
    }

    fn unknown(&self, slot: SlotId, reason: &str) -> Judgement {
        Judgement::Unknown(match self.graph.slot(slot) {
            Some(slot) => format!("{}: {reason}", slot.place),
            None => reason.to_owned(),
        })
    }
}

/// What a subject lacks of what is demanded.
fn not_demanded(identity: &Identity, certificate: &Certificate) -> Option<FailureReason> {
    let organizations = certificate.subject().organizations();
    let is_among = |organization: &String| organizations.contains(organization);
    if identity.privileged.iter().any(is_among) {
        return None;
    }
    let common_name = certificate.subject().common_name().unwrap_or_default();
    let fits = (identity.common_names.is_empty() || identity.common_names.contains(&common_name))
        && identity.organizations.iter().all(is_among);
    if !fits {
        return Some(FailureReason::Identity {
            expected: in_words(identity),
            found: certificate.subject().to_string(),
        });
    }
    if identity.host_names.is_empty() {
        return None;
    }
    let held = certificate.subject_alt_names();
    if identity.host_names.iter().any(|name| name.matches(&held)) {
        return None;
    }
    Some(FailureReason::Identity {
        expected: format!("the name {}", one_of(&identity.host_names)),
        found: names_in_words(&held),
    })
}

/// etcd's `checkCertSAN`: addresses are compared with where the client comes from; DNS names are
/// resolved, which nobody can do here, so that those that are not the client's own are left open.
fn comes_from_elsewhere(from: &[AskedName], certificate: &Certificate) -> Option<FailureReason> {
    if from.is_empty() {
        return None;
    }
    let held = certificate.subject_alt_names();
    let is_address = |name: &GeneralName| matches!(name, GeneralName::IpAddress(_));
    let is_dns = |name: &GeneralName| matches!(name, GeneralName::DnsName(_));
    let compared = held.iter().any(is_address) && !held.iter().any(is_dns);
    if !compared || from.iter().any(|asked| asked.name.matches(&held)) {
        return None;
    }
    let expected: Vec<&ServerName> = from.iter().map(|asked| &asked.name).collect();
    Some(FailureReason::Identity {
        expected: format!("the address that it comes from, {}", one_of(&expected)),
        found: names_in_words(&held),
    })
}

fn in_words(identity: &Identity) -> String {
    let mut demanded = Vec::new();
    if !identity.common_names.is_empty() {
        demanded.push(format!("CN={}", one_of(&identity.common_names)));
    }
    let organizations = identity.organizations.iter();
    demanded.extend(organizations.map(|organization| format!("O={organization}")));
    demanded.join(", ")
}

fn one_of<T: ToString>(names: &[T]) -> String {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    names.join(" or ")
}

fn names_in_words(names: &[GeneralName]) -> String {
    if names.is_empty() {
        return "no names".to_owned();
    }
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    names.join(", ")
}
