//! The CA files of one host: renewed with their own key, made anew where the key is lost, handed over
//! from the host that has the right one.

use super::Scene;
use super::authorities::{Fate, FileAt, authority_at, is_same};
use super::files::{HostFiles, authority_end, fingerprint, key_type, own};
use crate::model::{Authority, ComponentKind, Holder, Role};
use crate::plan::{Issuance, KeyChoice, Origin, Signer};
use kubepki_x509::Certificate;
use std::path::PathBuf;

impl HostFiles {
    pub(super) fn authority(&mut self, scene: &Scene<'_>, at: FileAt, authority: &Authority) {
        let Some(name) = authority.role.authority() else {
            return;
        };
        let hosts = scene.evidence.hosts;
        if scene.consensus.is_wrong(authority) {
            self.wrong_authority(scene, at, authority);
            return;
        }
        let mut mentions_key = false;
        for ca in &authority.certificates {
            let Some(index) = scene.consensus.position(ca) else {
                continue;
            };
            match scene.consensus.fate(index) {
                Fate::Renewed { at: from } | Fate::Replaced { at: from } if from == at => {
                    self.issue_authority(scene, at, authority, ca, index);
                }
                Fate::Renewed { at: from } | Fate::Replaced { at: from } => {
                    let covered = from.host == at.host
                        && authority_at(hosts, from)
                            .is_some_and(|source| source.certificates.contains(ca));
                    if covered {
                        self.changed
                            .push((authority.name.clone(), authority.used_by.clone()));
                    } else {
                        self.hand_over(scene, at, authority, ca, from, None);
                    }
                }
                Fate::Lost if !mentions_key => {
                    mentions_key = true;
                    self.leave(
                        &authority.name,
                        format!(
                            "{name} expired at {}, and its key is on none of the hosts: only a new CA helps (--new-ca)",
                            ca.validity().not_after
                        ),
                    );
                }
                Fate::Lost => {}
                Fate::Stays => self.catch_up(scene, at, authority, ca, index),
            }
        }
    }

    /// A CA that another host has renewed already, with the same key.
    fn catch_up(
        &mut self,
        scene: &Scene<'_>,
        at: FileAt,
        authority: &Authority,
        ca: &Certificate,
        index: usize,
    ) {
        let Some(known) = scene.consensus.known.get(index) else {
            return;
        };
        let newest = &known.certificate;
        if *newest == *ca || !scene.ends_soon(ca) || authority.certificates.contains(newest) {
            return;
        }
        let source = known.files.iter().find(|file| {
            authority_at(scene.evidence.hosts, **file)
                .is_some_and(|file| file.certificates.contains(newest))
        });
        if let Some(source) = source {
            self.hand_over(scene, at, authority, ca, *source, Some(newest));
        }
    }

    /// A certificate of a CA file takes the place of another: brought from the host that has it, or
    /// makes it (`certificate` is not known then).
    fn hand_over(
        &mut self,
        scene: &Scene<'_>,
        at: FileAt,
        authority: &Authority,
        old: &Certificate,
        from: FileAt,
        certificate: Option<&Certificate>,
    ) {
        let Some(source) = authority_at(scene.evidence.hosts, from) else {
            return;
        };
        let holder = Holder::Files {
            certificate: authority.certificate_path.clone(),
            key: None,
        };
        let end = certificate.map_or_else(
            || authority_end(scene),
            |certificate| certificate.validity().not_after,
        );
        let index = scene.consensus.position(old);
        let is_new =
            index.is_some_and(|index| matches!(scene.consensus.fate(index), Fate::Replaced { .. }));
        // What takes the place of a lost CA has another key, and nothing beside it is worth keeping.
        let origin = if is_new {
            self.replaces_authorities = true;
            Origin::Template {
                certificate_pem: old.to_pem(),
                source: format!("the one that {} replaces", scene.name(from.host)),
                common_name: None,
            }
        } else {
            own(&holder, old)
        };
        self.push_authority(
            authority,
            Issuance {
                name: authority.name.clone(),
                role: authority.role,
                origin,
                signer: Signer::Given {
                    host: scene.name(from.host).to_owned(),
                    name: source.name.clone(),
                    fingerprint_sha256: certificate.map(fingerprint),
                },
                not_before: scene.not_before,
                not_after: end,
                key: KeyChoice::Reuse,
                subject_alt_names: None,
                destination: holder,
                point_kubeconfig: None,
                copies: Vec::new(),
            },
        );
        self.notice(
            "ca-handed-over",
            &authority.name,
            format!(
                "the copy of {} on {}{}",
                source.certificate_path.display(),
                scene.name(from.host),
                if at.host == from.host {
                    ""
                } else {
                    ", as on every host"
                }
            ),
        );
    }

    /// A CA file that holds none of the cluster's: replaced by the others' copy.
    fn wrong_authority(&mut self, scene: &Scene<'_>, at: FileAt, authority: &Authority) {
        let Some(name) = authority.role.authority() else {
            return;
        };
        let hosts = scene.evidence.hosts;
        let found = match (&authority.problem, authority.certificates.first()) {
            (Some(problem), _) => problem.clone(),
            (None, Some(ca)) => format!("it holds {}", ca.subject()),
            (None, None) => "it does not exist".to_owned(),
        };
        if authority.certificates.is_empty()
            && authority.problem.is_none()
            && authority.used_by.is_empty()
        {
            return;
        }
        let reference = scene
            .consensus
            .reference(hosts, name, at.host)
            .and_then(|file| Some((file, authority_at(hosts, file)?)));
        let (Some((from, source)), Some((index, known))) =
            (reference, scene.consensus.leader(name))
        else {
            self.leave(
                &authority.name,
                format!(
                    "{found}, which signs nothing here, and no other host has the right one: `kubepki restore {}` brings it back from a backup",
                    authority.certificate_path.display()
                ),
            );
            return;
        };
        let right = source
            .certificates
            .iter()
            .find(|ca| is_same(ca, &known.certificate))
            .unwrap_or(&known.certificate);
        let (from, fingerprint_sha256, end) = match scene.consensus.fate(index) {
            Fate::Renewed { at } | Fate::Replaced { at } => (at, None, authority_end(scene)),
            Fate::Stays | Fate::Lost => {
                (from, Some(fingerprint(right)), right.validity().not_after)
            }
        };
        let given_by = authority_at(hosts, from).map_or("", |file| file.name.as_str());
        let holder = Holder::Files {
            certificate: authority.certificate_path.clone(),
            key: None,
        };
        let origin = Origin::Template {
            certificate_pem: right.to_pem(),
            source: format!(
                "{} on {}",
                source.certificate_path.display(),
                scene.name(from.host)
            ),
            common_name: None,
        };
        self.push_authority(
            authority,
            Issuance {
                name: authority.name.clone(),
                role: authority.role,
                origin,
                signer: Signer::Given {
                    host: scene.name(from.host).to_owned(),
                    name: given_by.to_owned(),
                    fingerprint_sha256,
                },
                not_before: scene.not_before,
                not_after: end,
                key: KeyChoice::Reuse,
                subject_alt_names: None,
                destination: holder,
                point_kubeconfig: None,
                copies: Vec::new(),
            },
        );
        self.replaces_authorities = true;
        self.notice(
            crate::findings::code::WRONG_AUTHORITY_FILE,
            &authority.name,
            format!(
                "{found}; the other hosts agree on {} ({}), which is put there",
                known.certificate.subject(),
                scene.name(from.host)
            ),
        );
        let key_fits = authority
            .key
            .public_key()
            .is_some_and(|key| key == known.certificate.public_key());
        if authority.key.public_key().is_some() && !key_fits {
            self.leave(
                &authority.name,
                format!(
                    "the key beside it is another CA's as well: copy the right one from {} by a way you trust; keys do not travel with this program",
                    scene.name(from.host)
                ),
            );
        }
    }

    fn issue_authority(
        &mut self,
        scene: &Scene<'_>,
        at: FileAt,
        authority: &Authority,
        ca: &Certificate,
        index: usize,
    ) {
        let Some(key) = authority.key_path.clone() else {
            return;
        };
        let is_new = matches!(scene.consensus.fate(index), Fate::Replaced { .. });
        let holder = Holder::Files {
            certificate: authority.certificate_path.clone(),
            key: Some(key.clone()),
        };
        let hosts = scene.evidence.hosts;
        let inventory = hosts.get(at.host).map(|host| &host.inventory);
        let others = inventory
            .map(|it| it.authorities.as_slice())
            .unwrap_or_default();
        let copies: Vec<PathBuf> = others
            .iter()
            .filter(|other| {
                other.certificate_path != authority.certificate_path
                    && other.certificates.contains(ca)
                    && !scene.consensus.is_wrong(other)
            })
            .map(|other| other.certificate_path.clone())
            .collect();
        self.basis.extend(copies.iter().cloned());
        self.basis.push(key);
        self.push_authority(
            authority,
            Issuance {
                name: authority.name.clone(),
                role: authority.role,
                origin: own(&holder, ca),
                signer: Signer::ItsOwnKey,
                not_before: scene.not_before,
                not_after: authority_end(scene),
                key: if is_new {
                    KeyChoice::Generate {
                        key_type: key_type(ca),
                    }
                } else {
                    KeyChoice::Reuse
                },
                subject_alt_names: None,
                destination: holder,
                point_kubeconfig: None,
                copies,
            },
        );
        self.issues_authorities = true;
        self.replaces_authorities |= is_new;
        let (code, message) = if is_new {
            (
                "ca-replaced",
                format!(
                    "its key is lost on every host: a new CA of the same name is made on {host}, and everything that it signs is issued anew. Keys never travel with this program, so only {host} can sign then{}",
                    carrying(scene, at.host, authority),
                    host = scene.name(at.host)
                ),
            )
        } else {
            (
                "ca-renewed-with-same-key",
                "same name and key, so every certificate that it signed stays valid; every host gets a copy".to_owned(),
            )
        };
        self.notice(code, &authority.name, message);
    }

    fn push_authority(&mut self, authority: &Authority, issuance: Issuance) {
        self.basis.push(authority.certificate_path.clone());
        self.changed
            .push((authority.name.clone(), authority.used_by.clone()));
        self.issuances.push(issuance);
    }
}

/// What the user does about a new CA's key, which lies on one host only.
fn carrying(scene: &Scene<'_>, host: usize, authority: &Authority) -> String {
    let hosts = scene.evidence.hosts.iter().enumerate();
    let others: Vec<&str> = hosts
        .filter(|(index, other)| {
            let managers = other
                .inventory
                .component(ComponentKind::KubeControllerManager);
            *index != host && managers.is_some()
        })
        .map(|(index, _)| scene.name(index))
        .collect();
    let (Some(key), Some(other)) = (&authority.key_path, others.first()) else {
        return String::new();
    };
    let key = key.display();
    let until = match authority.role {
        Role::ClusterCa => format!(
            "; kube-controller-manager on {} ends whenever it comes to lead, until you carry the key over",
            others.join(" and ")
        ),
        _ => "; carry the key over where others are to sign as well".to_owned(),
    };
    format!(
        "{until}, by a way that you trust: ssh {} sudo cat {key} | ssh {other} 'sudo install -m 0600 /dev/stdin {key}'",
        scene.name(host)
    )
}
