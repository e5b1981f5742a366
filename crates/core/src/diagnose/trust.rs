//! "Signed by unknown authority": the certificate or the bundle?
//!
//! Both are held against the CA that the rest of the cluster agrees on ([`super::suspects`]). A file
//! that is right where another flag names it is not the mistake: then it is this flag.

use super::blame::{Case, flag_of, home};
use super::copies;
use super::draft::Draft;
use super::remedy::{self, restarts};
use super::scene::{Scene, named};
use super::suspects::{Signer, SignerId, authority_of};
use crate::connections::{Place, Slot, Use};
use crate::findings::{self, code};
use crate::model::cluster::BackendKind;
use crate::model::{AuthorityName, Severity, UsedBy};
use kubepki_x509::Certificate;
use kubepki_x509::path::{IssuerRejection, PathError};

/// Who is wrong where no path leads from a certificate to what is trusted.
pub(super) fn unknown_authority(
    case: &Case<'_>,
    error: &PathError,
    certificate: &Certificate,
    rejected: &[(Certificate, IssuerRejection)],
) -> Vec<Draft> {
    let (presented, trusted_by) = (case.presented(), case.trusted_by());
    if let Some(draft) = rejected_for_itself(case, certificate, rejected) {
        return vec![draft];
    }
    let authority = authority_of(case.scene, case.failure.presented, case.failure.trusted_by);
    let reference = authority.and_then(|name| case.signers.reference(name, case.failure.side));
    let Some(reference) = reference else {
        return undecided(case, error);
    };
    let ancestors = case
        .leaf()
        .map(|leaf| case.signers.ancestors(case.scene, leaf))
        .unwrap_or_default();
    let leaf_is_right = ancestors.contains(&reference.id);
    let bundle = case
        .failure
        .trusted_by
        .map(|id| super::scene::trusted(case.material.held(id)))
        .unwrap_or_default();
    let bundle_is_right = bundle.iter().any(|ca| SignerId::of(ca) == reference.id);
    let mut drafts = Vec::new();
    if let (false, Some(slot)) = (bundle_is_right, trusted_by) {
        drafts.push(wrong_bundle(case, slot, bundle, reference));
    }
    if let (false, Some(slot), Some(leaf)) = (leaf_is_right, presented, case.leaf()) {
        drafts.push(wrong_leaf(case, slot, leaf, reference, error));
    }
    if drafts.is_empty() {
        return undecided(case, error);
    }
    drafts
}

/// The right name is there and something else about one of the two keeps them apart.
fn rejected_for_itself(
    case: &Case<'_>,
    certificate: &Certificate,
    rejected: &[(Certificate, IssuerRejection)],
) -> Option<Draft> {
    let fails = |draft: Draft| draft.fact(case.refusal()).fails(&case.connection.id);
    rejected.iter().find_map(|(ca, reason)| match reason {
        IssuerRejection::WeakSignature(algorithm) => {
            let slot = case.presented()?;
            let message = format!("signed with {algorithm}, which is refused");
            let draft = Draft::new(code::WEAK_SIGNATURE, Severity::Critical, &slot.place, message);
            Some(fails(draft.mend(remedy::renew_slot(case.scene, slot))))
        }
        IssuerRejection::NotCertificateAuthority | IssuerRejection::MayNotSignCertificates(_) => {
            // It may be a leaf of the same name that does not matter.
            certificate.verify_issued_by(ca).ok()?;
            let trusted = case.trusted_by().map(|slot| &slot.place);
            let place = home(case.scene, ca, trusted).or_else(|| trusted.cloned())?;
            let code = match reason {
                IssuerRejection::NotCertificateAuthority => code::NOT_A_CA,
                _ => code::CA_CANNOT_SIGN,
            };
            let message = format!("{} {reason}", named(ca));
            let draft = Draft::new(code, Severity::Critical, &place, message);
            let remedy = format!("put a CA certificate with the same name and key, and the right usages, into {place}");
            Some(fails(draft.mend(remedy)))
        }
        IssuerRejection::OtherSpelling(_) => {
            // With another key the name is not what keeps them apart.
            let algorithm = certificate.signature_algorithm();
            ca.public_key()
                .verify(algorithm, certificate.tbs_der(), certificate.signature())
                .ok()?;
            let slot = case.presented()?;
            let message = format!("its issuer is not written as the CA writes its name: {reason}");
            let draft = Draft::new(code::UNTRUSTED_ISSUER, Severity::Critical, &slot.place, message);
            Some(fails(draft.mend(remedy::renew_slot(case.scene, slot))))
        }
        _ => None,
    })
}

/// Nothing else speaks for one side: what lives in the API is a copy of something, and so is a
/// kubeconfig's CA; elsewhere the certificate is named.
fn undecided(case: &Case<'_>, error: &PathError) -> Vec<Draft> {
    let (presented, trusted_by) = (case.presented(), case.trusted_by());
    let copy = trusted_by
        .filter(|slot| matches!(slot.place, Place::Api(_) | Place::KubeconfigCluster { .. }));
    let draft = match (copy, presented) {
        (Some(slot), _) => {
            let code = bundle_code(case, slot);
            let message = format!(
                "does not hold the CA of what {} presents",
                case.connection.server
            );
            Draft::new(code, severity_of(&slot.place, code), &slot.place, message)
                .mend(put_right(case, slot))
        }
        (None, Some(slot)) => Draft::new(
            code::UNTRUSTED_ISSUER,
            Severity::Critical,
            &slot.place,
            match trusted_by {
                Some(trusted_by) => format!(
                    "not signed by a CA in {}",
                    case.scene.on_host(&trusted_by.place)
                ),
                None => error.to_string(),
            },
        )
        .mend(remedy::renew_slot(case.scene, slot)),
        (None, None) => return Vec::new(),
    };
    vec![
        draft
            .fact(error.to_string())
            .fact(case.refusal())
            .fails(&case.connection.id),
    ]
}

fn wrong_leaf(
    case: &Case<'_>,
    slot: &Slot,
    leaf: &Certificate,
    reference: &Signer,
    error: &PathError,
) -> Draft {
    let scene = case.scene;
    let fails = |draft: Draft| {
        draft
            .fact(error.to_string())
            .fact(reference.told())
            .fact(case.refusal())
            .fails(&case.connection.id)
    };
    if let Some(original) = copies::original(scene, slot, leaf) {
        if let Some(draft) = wrong_flag(case, slot, &format!("the certificate of {original}")) {
            return fails(draft);
        }
        let draft = copies::draft(scene, slot, &original);
        return fails(draft.mend(remedy::renew_slot(scene, slot)));
    }
    if let Some(draft) = wrong_flag(case, slot, &format!("a certificate by {}", leaf.issuer())) {
        return fails(draft);
    }
    let signer = case.signers.ancestors(scene, leaf).into_iter().next();
    let of_another = signer.as_ref().and_then(|id| {
        AuthorityName::ALL.into_iter().find(|name| {
            case.signers
                .reference(*name, case.failure.side)
                .is_some_and(|other| other.id == *id)
        })
    });
    let expected = reference.id.name();
    let self_made = case.credential().is_some_and(|credential| {
        credential.chain.last().is_some_and(|root| {
            root.is_self_signed() && (root == leaf || leaf.verify_issued_by(root).is_ok())
        })
    });
    let (code, message) = if self_made {
        (
            code::UNTRUSTED_ISSUER,
            format!("signed by itself, expected {expected}"),
        )
    } else if let Some(name) = of_another {
        (
            code::SIGNED_BY_OTHER_CA,
            format!("signed by {name} ({}), expected {expected}", leaf.issuer()),
        )
    } else if leaf.issuer() == expected {
        (
            code::NOT_SIGNED_BY_CA,
            format!("its issuer is named like the CA ({expected}) but another key signed it"),
        )
    } else {
        (
            code::NOT_SIGNED_BY_CA,
            format!("signed by {}, expected {expected}", leaf.issuer()),
        )
    };
    fails(
        Draft::new(code, Severity::Critical, &slot.place, message)
            .mend(remedy::renew_slot(scene, slot)),
    )
}

fn wrong_bundle(case: &Case<'_>, slot: &Slot, bundle: &[Certificate], reference: &Signer) -> Draft {
    let scene = case.scene;
    let fails = |draft: Draft| {
        draft
            .fact(reference.told())
            .fact(case.refusal())
            .fails(&case.connection.id)
    };
    let held: Vec<String> = bundle.iter().map(named).collect();
    let held = held.join(" and ");
    if let Some(draft) = wrong_flag(case, slot, &held) {
        return fails(draft);
    }
    let expected = match case.signers.certificate(&reference.id) {
        Some(ca) => named(ca),
        None => reference.id.name().to_string(),
    };
    if matches!(slot.place, Place::File { .. })
        && let Some(original) = copies::original_bundle(scene, slot, bundle)
    {
        let swapped = scene.slots().any(|(id, other)| {
            other.place == original
                && scene
                    .trusted(id)
                    .iter()
                    .any(|ca| SignerId::of(ca) == reference.id)
        });
        let (code, message) = if swapped {
            (
                code::SWAPPED_FILES,
                format!("holds the CA of {original}, which holds this one's"),
            )
        } else {
            (
                code::COPY_OF_OTHER_FILE,
                format!("is a copy of {original}, expected {expected}"),
            )
        };
        return fails(
            Draft::new(code, Severity::Critical, &slot.place, message).mend(put_right_with(
                case,
                slot,
                Some(reference),
            )),
        );
    }
    let code = bundle_code(case, slot);
    fails(
        Draft::new(
            code,
            severity_of(&slot.place, code),
            &slot.place,
            format!("holds {held}, expected {expected}"),
        )
        .mend(put_right_with(case, slot, Some(reference))),
    )
}

/// The flag, when its file is right for somebody else: another flag names it for another purpose, and
/// everything that depends on it there holds.
fn wrong_flag(case: &Case<'_>, slot: &Slot, held: &str) -> Option<Draft> {
    let scene = case.scene;
    let flag = flag_of(slot)?;
    let rightful = scene.slots().find(|(_, other)| {
        other.place == slot.place
            && other.purpose == slot.purpose
            && other.flag != slot.flag
            && other.authority != slot.authority
            && scene.is_sound(&other.place, other.flag.as_deref())
    })?;
    let other =
        flag_of(rightful.1).map_or_else(|| rightful.1.party.to_string(), |flag| flag.to_string());
    let code = match slot.purpose {
        Use::Trust => code::WRONG_AUTHORITY_FILE,
        Use::Present => code::COPY_OF_OTHER_FILE,
    };
    Some(
        Draft::new(
            code,
            Severity::Critical,
            &flag,
            format!(
                "names {}, which is right for {other} and holds {held}",
                slot.place
            ),
        )
        .mend(format!("let {flag} name the file that belongs there")),
    )
}

/// The code for a bundle that does not hold what it should.
pub(super) fn bundle_code(case: &Case<'_>, slot: &Slot) -> &'static str {
    bundle_code_of(case.scene, &slot.place)
}

pub(super) fn bundle_code_of(scene: &Scene<'_>, place: &Place) -> &'static str {
    use crate::model::cluster::BundlePurpose as Purpose;
    let Place::Api(object) = place else {
        return match place {
            Place::KubeconfigCluster { .. } => code::WRONG_CA_DATA,
            _ => code::WRONG_AUTHORITY_FILE,
        };
    };
    let Some(cluster) = scene.evidence.cluster else {
        return code::WRONG_AUTHORITY_FILE;
    };
    let backend = cluster
        .backends
        .iter()
        .find(|backend| backend.object == *object);
    if let Some(backend) = backend {
        return backend_code(backend.kind);
    }
    let bundle = cluster
        .bundles
        .iter()
        .find(|bundle| bundle.object == *object);
    match bundle.map(|bundle| bundle.purpose) {
        Some(Purpose::KubeRootCa) => code::ROOT_CA_STALE,
        Some(Purpose::TokenSecretCa) => code::TOKEN_SECRET_STALE,
        Some(Purpose::ClusterInfo) => code::CLUSTER_INFO_STALE,
        Some(Purpose::ExtensionClientCa | Purpose::ExtensionRequestheaderCa) => {
            code::AUTHENTICATION_CONFIG_STALE
        }
        Some(Purpose::EtcdClient) => code::ETCD_CLIENT_STALE,
        _ => match object.kind.as_str() {
            "APIService" => code::API_SERVICE_BUNDLE_STALE,
            "CustomResourceDefinition" => code::CONVERSION_BUNDLE_STALE,
            "ValidatingWebhookConfiguration" | "MutatingWebhookConfiguration" => {
                code::WEBHOOK_BUNDLE_STALE
            }
            _ => code::WRONG_AUTHORITY_FILE,
        },
    }
}

/// What lives in the API is as grave as the catalogue says: a join that fails is not an outage.
fn severity_of(place: &Place, code: &str) -> Severity {
    match place {
        Place::Api(_) => findings::find(code).map_or(Severity::Critical, |kind| kind.severity),
        _ => Severity::Critical,
    }
}

/// The code for a backend's bundle.
pub(super) fn backend_code(kind: BackendKind) -> &'static str {
    match kind {
        BackendKind::ValidatingWebhook | BackendKind::MutatingWebhook => code::WEBHOOK_BUNDLE_STALE,
        BackendKind::ConversionWebhook => code::CONVERSION_BUNDLE_STALE,
        BackendKind::ApiService => code::API_SERVICE_BUNDLE_STALE,
    }
}

/// How a bundle comes to hold what it should.
pub(super) fn put_right(case: &Case<'_>, slot: &Slot) -> String {
    let authority = slot.authority;
    let reference = authority.and_then(|name| case.signers.reference(name, case.failure.side));
    put_right_with(case, slot, reference)
}

fn put_right_with(case: &Case<'_>, slot: &Slot, reference: Option<&Signer>) -> String {
    let source = reference.and_then(|reference| reference.held_elsewhere(&slot.place));
    let from = match source {
        Some(source) => format!("copy the CA from {} into ", case.scene.on_host(source)),
        None => "put the right CA into ".to_owned(),
    };
    match &slot.place {
        Place::Api(object) => match (object.kind.as_str(), object.name.as_str()) {
            ("ConfigMap", "kube-root-ca.crt") => format!(
                "kubectl -n {} delete configmap kube-root-ca.crt: kube-controller-manager writes it anew from its --root-ca-file",
                object.namespace.as_deref().unwrap_or("default")
            ),
            ("ConfigMap", "extension-apiserver-authentication") => {
                "kubectl -n kube-system delete configmap extension-apiserver-authentication: kube-apiserver writes it anew from its flags".to_owned()
            }
            _ => format!("{from}{object}"),
        },
        Place::KubeconfigCluster { host, path, cluster } => {
            let ca = match source {
                Some(Place::File { path, .. }) => path.display().to_string(),
                _ => "CA-FILE".to_owned(),
            };
            let component = slot
                .party
                .component
                .map(|component| format!(", then {}", remedy::restart(component, remedy::ComponentWord::Read)))
                .unwrap_or_default();
            remedy::on(
                case.scene,
                host,
                format!(
                    "kubectl config set-cluster {cluster} --embed-certs --certificate-authority={ca} --kubeconfig {}{component}",
                    path.display()
                ),
            )
        }
        place => {
            let used: Vec<UsedBy> = case
                .scene
                .slots()
                .filter(|(_, other)| other.place == *place)
                .filter_map(|(_, other)| {
                    Some(UsedBy {
                        component: other.party.component?,
                        flag: other.flag.clone()?,
                    })
                })
                .collect();
            format!(
                "{from}{}{}, or {}",
                case.scene.on_host(place),
                restarts(&used),
                remedy::restore(case.scene, place)
            )
        }
    }
}
