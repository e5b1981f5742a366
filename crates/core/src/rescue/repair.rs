//! What becomes of each certificate of each host: left alone, renewed as it is, or made again with
//! other content because its own is lost or wrong.
//!
//! What is broken is taken from the doctor's findings and the status' checks; only what an ended
//! validity hides from them is looked at here: certificates of another node or another file, and
//! signers that nobody else knows.

use super::Scene;
use super::authorities::{Fate, expected};
use super::names::Naming;
use super::templates::{Template, profile, sibling};
use crate::assess::renewable::is_self_made;
use crate::findings::code;
use crate::layouts::kubeadm::{CommonNameRule, KUBEADM};
use crate::model::{ComponentKind, Entry, Holder, KeyState, Role};
use kubepki_x509::{Certificate, GeneralName, ValidityState};

/// Why something is done, as a finding's code and in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// A code of the catalogue.
    pub code: String,
    /// What is wrong: lower-case, without a period.
    pub message: String,
}

/// Where the content of a new certificate comes from.
#[derive(Clone, Debug)]
pub enum Content {
    /// The certificate that is there; other names where given.
    Own {
        /// Names that replace the old ones.
        names: Option<Vec<GeneralName>>,
    },
    /// Another certificate's, with this node's name and names.
    Template {
        /// The other.
        template: Template,
        /// Subject CN that replaces the template's.
        common_name: Option<String>,
        /// Names that replace the template's.
        names: Option<Vec<GeneralName>>,
    },
    /// A client certificate of this subject.
    Client {
        /// CN.
        common_name: String,
        /// O.
        organizations: Vec<String>,
    },
}

/// What becomes of a certificate.
#[derive(Clone, Debug)]
pub enum Decision {
    /// Nothing is wrong with it.
    Fine,
    /// A new one is made.
    Renew {
        /// Why.
        reasons: Vec<Reason>,
        /// What it will say.
        content: Content,
    },
    /// Something is wrong, and no new one can be made by this program.
    Left {
        /// What is wrong.
        reasons: Vec<Reason>,
        /// Why not, and what helps.
        because: String,
    },
}

/// Codes of findings about a certificate or its key that a new one mends.
const MENDED: &[&str] = &[
    code::EXPIRED,
    code::NOT_YET_VALID,
    code::NEVER_VALID,
    code::MISSING,
    code::UNREADABLE,
    code::BROKEN_LINK,
    code::SWAPPED_FILES,
    code::COPY_OF_OTHER_FILE,
    code::COPIED_FROM_ANOTHER_NODE,
    code::KEY_MISMATCH,
    code::KEY_MISSING,
    code::KEY_UNUSABLE,
    code::NAME_MISSING,
    code::USAGE_MISSING,
    code::IDENTITY_REFUSED,
    code::UNTRUSTED_ISSUER,
    code::NOT_SIGNED_BY_CA,
    code::SIGNED_BY_OTHER_CA,
    code::PATH_INVALID,
];

/// Codes that speak of wrong content: what is there must not be issued again.
const WRONG_CONTENT: &[&str] = &[
    code::SWAPPED_FILES,
    code::COPY_OF_OTHER_FILE,
    code::IDENTITY_REFUSED,
    code::USAGE_MISSING,
];

/// Decides about an entry.
pub(crate) fn decide(scene: &Scene<'_>, host: usize, entry: &Entry) -> Decision {
    if entry.is_bootstrap_token() || is_nobodys(scene, entry) {
        return Decision::Fine;
    }
    let naming = Naming {
        hosts: scene.evidence.hosts,
        host,
    };
    let mut reasons = told(scene, host, entry);
    seen(scene, &naming, entry, &mut reasons);
    if reasons.is_empty() {
        return Decision::Fine;
    }
    match content(scene, &naming, entry, &reasons) {
        Ok(content) => Decision::Renew { reasons, content },
        Err(because) => Decision::Left { reasons, because },
    }
}

/// What is nobody's concern here: not demanded and not there, or by a CA of somebody else who sees to
/// it.
fn is_nobodys(scene: &Scene<'_>, entry: &Entry) -> bool {
    let Some(certificate) = entry.certificate() else {
        // A kubelet makes its serving certificate by itself, or asks for it.
        return entry.role == Role::KubeletServing
            || !(entry.required || entry.problem.is_some())
            || (entry.used_by.is_empty() && entry.problem.is_none());
    };
    let is_known = expected(entry).is_some() || scene.consensus.issuer_of(certificate).is_some();
    let by_itself = is_self_made(entry) && entry.role == Role::KubeletServing;
    !(is_known || by_itself)
}

/// What the doctor says of it.
fn told(scene: &Scene<'_>, host: usize, entry: &Entry) -> Vec<Reason> {
    let paths = [Some(entry.holder.path()), entry.holder.key_path()];
    let paths: Vec<String> = paths
        .into_iter()
        .flatten()
        .map(|path| path.display().to_string())
        .collect();
    let mut reasons: Vec<Reason> = Vec::new();
    for finding in &scene.diagnosis.findings {
        let is_its = finding.host.as_deref() == Some(scene.name(host))
            && paths.contains(&finding.object)
            && finding.severity >= crate::model::Severity::Warning
            && MENDED.contains(&finding.code.as_str());
        if is_its && !reasons.iter().any(|reason| reason.code == finding.code) {
            reasons.push(Reason {
                code: finding.code.clone(),
                message: finding.message.clone(),
            });
        }
    }
    reasons
}

/// What can be seen of it without the doctor.
fn seen(scene: &Scene<'_>, naming: &Naming<'_>, entry: &Entry, reasons: &mut Vec<Reason>) {
    let mut add = |code: &str, message: String| {
        if !reasons.iter().any(|reason| reason.code == code) {
            reasons.push(Reason {
                code: code.to_owned(),
                message,
            });
        }
    };
    let Some(certificate) = entry.certificate() else {
        match &entry.problem {
            Some(problem) => add(code::UNREADABLE, problem.clone()),
            None => add(code::MISSING, format!("{} does not exist", entry.holder)),
        }
        return;
    };
    let validity = certificate.validity();
    match validity.state(scene.now) {
        ValidityState::Expired => add(code::EXPIRED, format!("expired at {}", validity.not_after)),
        ValidityState::NotYetValid => add(
            code::NOT_YET_VALID,
            format!("not valid before {}", validity.not_before),
        ),
        ValidityState::Valid if scene.ends_soon(certificate) => add(
            code::EXPIRES_SOON,
            format!("expires at {}", validity.not_after),
        ),
        ValidityState::Valid => {}
    }
    match &entry.key {
        KeyState::Present { public_key, .. } if public_key != certificate.public_key() => add(
            code::KEY_MISMATCH,
            "the key beside it belongs to another certificate".to_owned(),
        ),
        KeyState::Absent => add(code::KEY_MISSING, "its key does not exist".to_owned()),
        KeyState::Unusable(reason) => add(code::KEY_UNUSABLE, reason.clone()),
        _ => {}
    }
    if let Some(other) = other_files(entry, certificate) {
        add(
            code::COPY_OF_OTHER_FILE,
            format!("is {}, which belongs into {other}", certificate.subject()),
        );
    } else if is_for_another_node(scene, naming, entry, certificate) {
        add(
            code::COPIED_FROM_ANOTHER_NODE,
            format!(
                "is {} for another node, and this one is {}",
                certificate.subject(),
                naming.own().node()
            ),
        );
    }
    if let Some(copy) = expired_copy(scene, naming, entry) {
        add(code::EMBEDDED_KUBELET_CERTIFICATE, copy);
    }
    signer(scene, entry, certificate, &mut add);
    if scene.request.all && entry.role != Role::Other {
        add("asked-for", "asked for by --all".to_owned());
    }
}

/// A signer that may not sign here, or that is replaced.
fn signer(
    scene: &Scene<'_>,
    entry: &Entry,
    certificate: &Certificate,
    add: &mut impl FnMut(&str, String),
) {
    let Some(name) = expected(entry) else { return };
    let Some((_, leader)) = scene.consensus.leader(name) else {
        return;
    };
    match scene.consensus.issuer_of(certificate) {
        Some(index) if matches!(scene.consensus.fate(index), Fate::Replaced { .. }) => add(
            code::NOT_SIGNED_BY_CA,
            format!("signed by the {name} whose key is lost and which is replaced"),
        ),
        Some(index) if !scene.consensus.is_accepted(name, index) => add(
            code::SIGNED_BY_OTHER_CA,
            format!(
                "signed by {}, which the other hosts do not know as {name}",
                certificate.issuer()
            ),
        ),
        Some(_) => {}
        None if is_self_made(entry) && entry.role == Role::KubeletServing => {}
        // By the name of the cluster's CA and another key: nobody can believe it.
        None if certificate.issuer() == leader.certificate.subject() => add(
            code::NOT_SIGNED_BY_CA,
            format!("its issuer is named like {name}, but another key signed it"),
        ),
        None => {}
    }
}

/// The name of another file of kubeadm's table whose certificate this is.
fn other_files(entry: &Entry, certificate: &Certificate) -> Option<&'static str> {
    let row = KUBEADM.certificate(&entry.name)?;
    let common_name = certificate.subject().common_name()?;
    let is_own = match row.subject.common_name {
        CommonNameRule::Fixed(own) => own == common_name,
        CommonNameRule::NodeName | CommonNameRule::SystemNode => false,
    };
    if is_own {
        return None;
    }
    KUBEADM
        .certificates
        .iter()
        .find(|other| other.name != row.name && fixed(other.subject.common_name) == common_name)
        .map(|other| other.name)
}

fn fixed(rule: CommonNameRule) -> &'static str {
    match rule {
        CommonNameRule::Fixed(name) => name,
        CommonNameRule::NodeName | CommonNameRule::SystemNode => "",
    }
}

fn is_for_another_node(
    scene: &Scene<'_>,
    naming: &Naming<'_>,
    entry: &Entry,
    certificate: &Certificate,
) -> bool {
    match entry.role {
        Role::ApiserverServing | Role::EtcdServer | Role::EtcdPeer => {
            naming.is_foreign(certificate)
        }
        Role::KubeletServing => !is_self_made(entry) && naming.is_foreign(certificate),
        Role::KubeletClient => {
            let node = certificate
                .subject()
                .common_name()
                .and_then(|name| name.strip_prefix("system:node:").map(str::to_owned));
            let own = naming.own();
            let hosts = scene.evidence.hosts.iter().enumerate();
            node.is_some_and(|node| {
                !own.names.contains(&node)
                    && hosts
                        .filter(|(index, _)| *index != naming.host)
                        .any(|(_, other)| other.inventory.host == node)
            })
        }
        _ => false,
    }
}

/// A kubeconfig that embeds an older copy of the kubelet's certificate, which has ended: the kubelet
/// looks at that one first when it starts, and gives up.
fn expired_copy(scene: &Scene<'_>, naming: &Naming<'_>, entry: &Entry) -> Option<String> {
    let copy = entry.embedded_copy.as_ref()?;
    let inventory = &scene.evidence.hosts.get(naming.host)?.inventory;
    let kubeconfig = inventory
        .kubeconfigs
        .iter()
        .find(|kubeconfig| kubeconfig.path == copy.path)?;
    let certificate = kubeconfig.credential.as_ref()?.certificate()?;
    let ended = certificate.validity().state(scene.now) == ValidityState::Expired;
    ended.then(|| {
        format!(
            "{} embeds an older copy that expired at {}, and the kubelet starts with that one",
            copy.path.display(),
            certificate.validity().not_after
        )
    })
}

fn content(
    scene: &Scene<'_>,
    naming: &Naming<'_>,
    entry: &Entry,
    reasons: &[Reason],
) -> Result<Content, String> {
    let says = |codes: &[&str]| {
        reasons
            .iter()
            .any(|reason| codes.contains(&reason.code.as_str()))
    };
    let own = naming.own();
    if let Holder::Files { key: None, .. } = &entry.holder
        && entry.certificate().is_some()
    {
        return Err(format!(
            "it is not known where the key of {} is kept",
            entry.holder
        ));
    }
    if entry.role == Role::KubeletClient {
        if let Holder::Kubeconfig { user, .. } = &entry.holder
            && user.is_empty()
        {
            return Err(format!(
                "{} cannot be read: `kubepki join-config` writes another",
                entry.holder.path().display()
            ));
        }
        let is_lost = entry.certificate().is_none()
            || says(WRONG_CONTENT)
            || says(&[code::COPIED_FROM_ANOTHER_NODE]);
        let has_kubelet = scene
            .evidence
            .hosts
            .get(naming.host)
            .is_some_and(|host| host.inventory.component(ComponentKind::Kubelet).is_some());
        if is_lost && has_kubelet && !own.node().is_empty() {
            return Ok(Content::Client {
                common_name: format!("system:node:{}", own.node()),
                organizations: vec!["system:nodes".to_owned()],
            });
        }
    }
    if let Holder::Kubeconfig { path, user } = &entry.holder
        && (entry.problem.is_some() || user.is_empty() || entry.certificate().is_none())
    {
        return Err(format!(
            "there is no user to give a certificate to: `kubepki restore {}` brings it back from a backup, `kubepki init --only {}` makes another",
            path.display(),
            entry.name
        ));
    }
    let wrong = says(WRONG_CONTENT) || entry.certificate().is_none();
    let foreign = says(&[code::COPIED_FROM_ANOTHER_NODE]);
    let row = KUBEADM.certificate(&entry.name);
    let by_node = row.is_some_and(|row| row.subject.common_name == CommonNameRule::NodeName);
    let node = || (by_node && !own.node().is_empty()).then(|| own.node().to_owned());
    if let Some(certificate) = entry.certificate()
        && !wrong
    {
        if foreign && by_node {
            return Ok(Content::Template {
                template: Template {
                    certificate: certificate.clone(),
                    source: format!("{}, with this node's names", entry.holder),
                },
                common_name: node(),
                names: naming.corrected(&entry.name, certificate),
            });
        }
        let held = certificate.subject_alt_names();
        let lacks = naming
            .indispensable(entry.role)
            .iter()
            .any(|name| !held.contains(name));
        let names = (foreign || lacks || says(&[code::NAME_MISSING]))
            .then(|| naming.corrected(&entry.name, certificate))
            .flatten();
        return Ok(Content::Own { names });
    }
    let issuer = expected(entry).and_then(|name| scene.consensus.leader(name));
    let is_sound = |host: usize, other: &Entry, certificate: &Certificate| {
        let naming = Naming {
            hosts: scene.evidence.hosts,
            host,
        };
        let signed = scene.consensus.issuer_of(certificate);
        let accepted = match (expected(other), signed) {
            (Some(name), Some(index)) => scene.consensus.is_accepted(name, index),
            _ => false,
        };
        accepted && other_files(other, certificate).is_none() && !naming.is_foreign(certificate)
    };
    let template = sibling(scene.evidence.hosts, naming.host, entry, is_sound)
        .or_else(|| profile(naming, entry, &issuer?.1.certificate))
        .ok_or_else(|| {
            "what it said is lost, and no other host has its like; a backup may: `kubepki restore`"
                .to_owned()
        })?;
    let names = naming.corrected(&entry.name, &template.certificate);
    Ok(Content::Template {
        common_name: node(),
        names,
        template,
    })
}
