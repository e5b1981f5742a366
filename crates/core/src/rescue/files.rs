//! One host's files: its CA copies set right, its certificates renewed, its kubeconfigs' CA data brought
//! up to date; and who names what changes, for what runs to take it up later.

use super::Scene;
use super::authorities::{Fate, FileAt, authority_at, expected, is_same};
use super::repair::{Content, Decision, decide};
use super::trust;
use crate::assess::renewable::is_self_made;
use crate::model::{
    Authority, ComponentKind, Entry, Holder, Inventory, KubeconfigUser, Role, UsedBy,
};
use crate::plan::document::{API_VERSION, BasisFile};
use crate::plan::names::spelled;
use crate::plan::{Issuance, KeyChoice, Notice, Origin, Plan, Signer, TrustUpdate};
use jiff::{SignedDuration, Timestamp};
use kubepki_x509::{Certificate, KeyAlgorithm};
use std::path::{Path, PathBuf};

/// kubeadm's ten years.
const AUTHORITY_LIFETIME: SignedDuration = SignedDuration::from_hours(87_600);

/// What is done to one host's files.
#[derive(Debug, Default)]
pub(crate) struct HostFiles {
    issuances: Vec<Issuance>,
    trust_updates: Vec<TrustUpdate>,
    basis: Vec<PathBuf>,
    notices: Vec<Notice>,
    /// What changes, and who names it by which flag.
    pub(crate) changed: Vec<(String, Vec<UsedBy>)>,
    /// What is wrong and stays so.
    pub(crate) left: Vec<Notice>,
    /// Whether a CA is issued here that others wait for.
    pub(crate) issues_authorities: bool,
    /// Whether a trusted CA changes here, other than by its dates.
    pub(crate) replaces_authorities: bool,
}

/// Decides everything about a host's files.
pub(crate) fn mend(scene: &Scene<'_>, host: usize) -> HostFiles {
    let mut files = HostFiles::default();
    let Some(evidence) = scene.evidence.hosts.get(host) else {
        return files;
    };
    let inventory = &evidence.inventory;
    for (index, authority) in inventory.authorities.iter().enumerate() {
        files.authority(
            scene,
            FileAt {
                host,
                authority: index,
            },
            authority,
        );
    }
    for entry in &inventory.entries {
        match decide(scene, host, entry) {
            Decision::Fine => {}
            Decision::Renew { reasons, content } => {
                for reason in &reasons {
                    files.notice(&reason.code, &entry.name, reason.message.clone());
                }
                if let Err(because) = files.entry(scene, host, entry, content) {
                    files.notices.retain(|notice| notice.object != entry.name);
                    files.leave(&entry.name, because);
                }
            }
            Decision::Left { reasons, because } => {
                let what: Vec<String> = reasons.into_iter().map(|it| it.message).collect();
                files.leave(&entry.name, format!("{}; {because}", what.join(", ")));
            }
        }
    }
    trust::update(scene, host, &mut files);
    files
}

impl HostFiles {
    /// Whether nothing is done here.
    pub(crate) fn is_empty(&self) -> bool {
        self.issuances.is_empty() && self.trust_updates.is_empty()
    }

    /// How many certificates are made or handed over here.
    pub(crate) fn count(&self) -> usize {
        self.issuances.len()
    }

    /// What is wrong here, mended or not.
    pub(crate) fn notices_and_left(&self) -> impl Iterator<Item = &Notice> {
        self.notices.iter().chain(&self.left)
    }

    pub(super) fn notice(&mut self, code: &str, object: &str, message: String) {
        self.notices.push(Notice {
            code: code.to_owned(),
            object: object.to_owned(),
            message,
        });
    }

    pub(super) fn leave(&mut self, object: &str, message: String) {
        self.left.push(Notice {
            code: "not-mended".to_owned(),
            object: object.to_owned(),
            message,
        });
    }

    pub(super) fn trust(&mut self, update: TrustUpdate, used_by: &[UsedBy]) {
        let name = update.kubeconfig.display().to_string();
        self.basis.push(update.kubeconfig.clone());
        self.basis.push(update.bundle.clone());
        self.changed.push((name, used_by.to_vec()));
        self.trust_updates.push(update);
    }

    /// Whether a CA file of this host becomes another one.
    pub(super) fn changes_authority(&self, path: &Path) -> bool {
        self.issuances.iter().any(|issuance| {
            issuance.role.authority().is_some()
                && (issuance.destination.path() == path
                    || issuance.copies.iter().any(|copy| copy == path))
        })
    }

    /// The plan of the host: its files alone, nothing is restarted.
    pub(crate) fn plan(&self, scene: &Scene<'_>, host: usize) -> Option<Plan> {
        let inventory = &scene.evidence.hosts.get(host)?.inventory;
        let mut basis = self.basis.clone();
        basis.sort();
        basis.dedup();
        let basis = basis.into_iter().filter_map(|path| {
            let sha256 = inventory.files.get(&path)?.clone();
            Some(BasisFile { path, sha256 })
        });
        let plan = Plan {
            api_version: API_VERSION.to_owned(),
            kind: "Plan".to_owned(),
            id: String::new(),
            verb: "rescue".to_owned(),
            host: inventory.host.clone(),
            created_at: scene.now,
            basis: basis.collect(),
            issuances: self.issuances.clone(),
            restoration: None,
            trust_updates: self.trust_updates.clone(),
            components: Vec::new(),
            static_pod_folders: inventory.static_pod_folders.clone(),
            notices: self.notices.clone(),
        };
        Some(plan.with_id())
    }

    fn authority(&mut self, scene: &Scene<'_>, at: FileAt, authority: &Authority) {
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
                    "its key is lost on every host: a new CA of the same name is made on {}, everything that it signs is issued anew, and its key has to be copied to the other control planes by a way you trust",
                    scene.name(at.host)
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

    fn entry(
        &mut self,
        scene: &Scene<'_>,
        host: usize,
        entry: &Entry,
        content: Content,
    ) -> Result<(), String> {
        let inventory = match scene.evidence.hosts.get(host) {
            Some(host) => &host.inventory,
            None => return Ok(()),
        };
        let (signer, end) = signer(scene, host, entry, &content)?;
        let not_after = end.map_or(scene.not_after, |end| end.min(scene.not_after));
        if not_after <= scene.now || not_after <= scene.not_before {
            return Err(format!("its CA ends at {not_after}, and so would it"));
        }
        let (destination, point_kubeconfig) = destination(inventory, entry, scene.now);
        let (origin, names, key_type) = match content {
            Content::Own { names } => {
                let Some(certificate) = entry.certificate() else {
                    return Err("there is no certificate to renew".to_owned());
                };
                (
                    own(&entry.holder, certificate),
                    names,
                    key_type(certificate),
                )
            }
            Content::Template {
                template,
                common_name,
                names,
            } => (
                Origin::Template {
                    certificate_pem: template.certificate.to_pem(),
                    source: template.source,
                    common_name,
                },
                names,
                key_type(&template.certificate),
            ),
            Content::Client {
                common_name,
                organizations,
            } => (
                Origin::Client {
                    common_name,
                    organizations,
                },
                None,
                "ecdsa:p256".to_owned(),
            ),
        };
        self.basis.push(entry.holder.path().to_owned());
        self.basis
            .extend(entry.holder.key_path().map(Path::to_owned));
        self.basis.push(destination.path().to_owned());
        self.basis
            .extend(point_kubeconfig.as_ref().map(|user| user.path.clone()));
        if let Signer::Authority {
            certificate, key, ..
        } = &signer
        {
            self.basis.push(certificate.clone());
            self.basis.push(key.clone());
        }
        self.changed
            .push((entry.name.clone(), entry.used_by.clone()));
        self.issuances.push(Issuance {
            name: entry.name.clone(),
            role: entry.role,
            origin,
            signer,
            not_before: scene.not_before,
            not_after,
            key: KeyChoice::Generate { key_type },
            subject_alt_names: names.map(|names| names.iter().map(spelled).collect()),
            destination,
            point_kubeconfig,
            copies: Vec::new(),
        });
        Ok(())
    }
}

/// Who signs, and when the signer itself ends.
fn signer(
    scene: &Scene<'_>,
    host: usize,
    entry: &Entry,
    content: &Content,
) -> Result<(Signer, Option<Timestamp>), String> {
    let consensus = &scene.consensus;
    let hosts = scene.evidence.hosts;
    let name = expected(entry);
    let by_itself = entry.role == Role::KubeletServing && is_self_made(entry);
    if by_itself && matches!(content, Content::Own { .. }) {
        return Ok((Signer::OneTimeAuthority, None));
    }
    let current = entry
        .certificate()
        .and_then(|certificate| consensus.issuer_of(certificate))
        .filter(|index| name.is_none_or(|name| consensus.is_accepted(name, *index)));
    let leader = || {
        name.and_then(|name| consensus.leader(name))
            .map(|(index, _)| index)
    };
    let Some(index) = current.or_else(leader) else {
        return Err("it is not known which CA signs it".to_owned());
    };
    // A rotation's other CA may have lost its key already: then the leader signs.
    let usable = |index: usize| match consensus.fate(index) {
        Fate::Replaced { at } => Some((at, Some(authority_end(scene)))),
        Fate::Renewed { at } => {
            let at = consensus.signer(hosts, index, host).unwrap_or(at);
            Some((at, Some(authority_end(scene))))
        }
        Fate::Stays => {
            let at = consensus.signer(hosts, index, host)?;
            let end = consensus.known.get(index)?.certificate.validity().not_after;
            Some((at, Some(end)))
        }
        Fate::Lost => None,
    };
    let found = usable(index)
        .map(|found| (index, found))
        .or_else(|| leader().and_then(|leader| Some((leader, usable(leader)?))));
    let Some((index, (at, end))) = found else {
        return Err(
            "the key of its CA is on none of the hosts: bring the key back, or make a new CA with --new-ca"
                .to_owned(),
        );
    };
    let (Some(authority), Some(known)) = (authority_at(hosts, at), consensus.known.get(index))
    else {
        return Err("its CA cannot be found again".to_owned());
    };
    let (Some(key), Some(certificate)) = (
        authority.key_path.clone(),
        authority
            .certificates
            .iter()
            .find(|ca| is_same(ca, &known.certificate)),
    ) else {
        return Err("its CA cannot be found again".to_owned());
    };
    let (name, path) = (authority.name.clone(), authority.certificate_path.clone());
    let is_new = matches!(consensus.fate(index), Fate::Replaced { .. });
    let fingerprint_sha256 = match is_new && at.host != host {
        true => String::new(),
        false => fingerprint(certificate),
    };
    let signer = if at.host == host {
        Signer::Authority {
            name,
            certificate: path,
            key,
            fingerprint_sha256,
        }
    } else {
        Signer::Elsewhere {
            host: scene.name(at.host).to_owned(),
            name,
            certificate: path,
            key,
            fingerprint_sha256,
        }
    };
    Ok((signer, end))
}

/// Where the new certificate goes, and the kubeconfig that must be pointed there.
fn destination(
    inventory: &Inventory,
    entry: &Entry,
    now: Timestamp,
) -> (Holder, Option<KubeconfigUser>) {
    let stamp = now.strftime("%Y-%m-%d-%H-%M-%S").to_string();
    match &entry.holder {
        Holder::CertificateStore { link, .. } => {
            (rotating(link, &stamp), entry.embedded_copy.clone())
        }
        Holder::Kubeconfig { path, user } if entry.role == Role::KubeletClient => {
            let store = inventory
                .component(ComponentKind::Kubelet)
                .and_then(|kubelet| kubelet.host_path("cert-dir"))
                .unwrap_or_else(|| PathBuf::from(crate::layouts::KUBEADM.kubelet_pki_folder));
            let copy = KubeconfigUser {
                path: path.clone(),
                user: user.clone(),
            };
            let link = store.join("kubelet-client-current.pem");
            (rotating(&link, &stamp), Some(copy))
        }
        other => (other.clone(), None),
    }
}

/// The next file of a kubelet certificate store, as the kubelet names it.
fn rotating(link: &Path, stamp: &str) -> Holder {
    let name = link.file_name().map(|name| name.to_string_lossy());
    let name = name.unwrap_or_default();
    let prefix = name.trim_end_matches("current.pem");
    Holder::CertificateStore {
        target: Some(link.with_file_name(format!("{prefix}{stamp}.pem"))),
        link: link.to_owned(),
    }
}

/// The same type of key, or the nearest that can be made.
fn key_type(certificate: &Certificate) -> String {
    match certificate.public_key().algorithm() {
        KeyAlgorithm::Rsa { bits: 3072 } => "rsa:3072",
        KeyAlgorithm::Rsa { bits } if bits <= 2048 => "rsa:2048",
        KeyAlgorithm::Rsa { .. } => "rsa:4096",
        KeyAlgorithm::EcdsaP256 => "ecdsa:p256",
        KeyAlgorithm::Ed25519 => "ed25519",
        _ => "ecdsa:p384",
    }
    .to_owned()
}

fn own(holder: &Holder, certificate: &Certificate) -> Origin {
    Origin::Certificate {
        holder: holder.clone(),
        fingerprint_sha256: fingerprint(certificate),
        subject: certificate.subject().to_string(),
        not_after: certificate.validity().not_after,
    }
}

fn fingerprint(certificate: &Certificate) -> String {
    hex::encode(certificate.fingerprint_sha256())
}

/// The end of a CA that is renewed or made now.
fn authority_end(scene: &Scene<'_>) -> Timestamp {
    let end = scene.now.checked_add(AUTHORITY_LIFETIME);
    let end = end.unwrap_or(scene.now).as_second();
    Timestamp::from_second(end).unwrap_or(scene.now)
}
