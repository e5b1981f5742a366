//! Places of a CA in the Kubernetes API: bundles that somebody trusts by, and certificates in Secrets.

use super::book::{Book, place};
use crate::connections::Place;
use crate::model::ObjectReference;
use crate::model::cluster::{ApiBundle, BundlePurpose, ClusterObservation};
use crate::rotation::generations::{Authorities, Side, holds};
use crate::rotation::picture::{Holds, Keeper, Purpose};
use crate::rotation::root::Root;

/// Everything in which this CA is trusted.
pub(super) fn bundles(book: &mut Book, cluster: &ClusterObservation, root: &Authorities) {
    for bundle in &cluster.bundles {
        let held = root.holds(&bundle.certificates);
        let is_published = root.root == Root::KubernetesCa && is_published(bundle.purpose);
        let holds = match (held, &bundle.problem) {
            (Some(holds), _) => holds,
            (None, Some(problem)) if is_published => Holds::Unknown {
                reason: problem.clone(),
            },
            (None, None) if is_published => Holds::Neither {
                found: subjects(bundle),
            },
            (None, _) => continue,
        };
        let api = Place::Api(bundle.object.clone());
        let mut found = place(api, Purpose::Trust, holds);
        found.kept_by = keeper(bundle);
        book.add(found);
    }
}

/// What holds nothing but this CA, whoever has changed it.
fn is_published(purpose: BundlePurpose) -> bool {
    matches!(
        purpose,
        BundlePurpose::KubeRootCa | BundlePurpose::TokenSecretCa
    )
}

fn subjects(bundle: &ApiBundle) -> String {
    let names = bundle.certificates.iter();
    let names: Vec<String> = names.map(|it| it.subject().to_string()).collect();
    match names.is_empty() {
        true => "no certificate".to_owned(),
        false => names.join("; "),
    }
}

fn keeper(bundle: &ApiBundle) -> Keeper {
    match bundle.purpose {
        BundlePurpose::KubeRootCa | BundlePurpose::TokenSecretCa => Keeper::ControllerManager,
        BundlePurpose::ExtensionClientCa | BundlePurpose::ExtensionRequestheaderCa => {
            Keeper::ApiServers
        }
        BundlePurpose::ClusterInfo | BundlePurpose::Backend => Keeper::Rotation,
        BundlePurpose::EtcdClient | BundlePurpose::Other => match is_pem(&bundle.object) {
            true => Keeper::Rotation,
            false => Keeper::Outside,
        },
    }
}

/// Whether a place holds plain PEM that can be written: a key of a ConfigMap or Secret that is called like
/// a certificate, and no keystore, kubeconfig or release.
fn is_pem(object: &ObjectReference) -> bool {
    let key = object
        .field
        .as_deref()
        .and_then(|field| field.strip_prefix("data["))
        .and_then(|field| field.strip_suffix(']'));
    let endings = [".crt", ".pem", ".cer", ".ca", "-ca", "_ca", "-bundle"];
    matches!(object.kind.as_str(), "ConfigMap" | "Secret")
        && key.is_some_and(|key| key == "ca" || endings.iter().any(|it| key.ends_with(it)))
}

/// Certificates that this CA signed and that lie in the API: nobody but their owner can renew them.
pub(super) fn certificates(book: &mut Book, cluster: &ClusterObservation, root: &Authorities) {
    for certificate in &cluster.certificates {
        if certificate.is_ca || certificate.key_matches.is_none() {
            continue;
        }
        let side = match certificate.chain.is_empty() {
            false => root.signer(&certificate.chain),
            true => by_name(root, &certificate.issuer),
        };
        let Some(holds) = side.and_then(|side| holds([side])) else {
            continue;
        };
        let api = Place::Api(certificate.object.clone());
        let mut found = place(api, Purpose::Present, holds);
        found.kept_by = Keeper::Outside;
        book.add(found);
    }
}

/// Of most certificates in the API only names are kept.
fn by_name(root: &Authorities, issuer: &str) -> Option<Side> {
    let is_called = |name: String| name == issuer;
    let mut new = root.new.iter().map(|it| it.subject().to_string());
    let mut old = root.old.iter().map(|it| it.subject().to_string());
    if old.any(is_called) {
        return Some(Side::Old);
    }
    new.any(is_called).then_some(Side::New)
}
