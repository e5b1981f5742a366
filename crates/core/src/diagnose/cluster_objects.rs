//! What lives in the API: copies of CAs, certificates in Secrets, requests, bootstrap tokens. What
//! fails in a connection was said where the connection fails; this is about the rest.

use super::draft::{Draft, Ledger};
use super::scene::{Scene, named};
use super::suspects::{Signer, SignerId, Signers};
use crate::assess::cluster_checks;
use crate::connections::{Place, Side};
use crate::findings;
use crate::findings::code;
use crate::model::cluster::{
    ApiBundle, ApiCertificate, BundlePurpose, ClusterObservation, RequestState, SigningRequest,
};
use crate::model::{AuthorityName, ObjectReference, Severity};
use std::collections::{BTreeMap, BTreeSet};

/// Findings about objects of the API.
pub(super) fn check(scene: &Scene<'_>, signers: &Signers, ledger: &mut Ledger) {
    let Some(cluster) = scene.evidence.cluster else {
        return;
    };
    for bundle in &cluster.bundles {
        bundle_findings(scene, signers, bundle, ledger);
    }
    published(scene, cluster, ledger);
    root_ca_everywhere(cluster, ledger);
    for certificate in &cluster.certificates {
        certificate_findings(scene, certificate, ledger);
    }
    requests(scene, cluster, ledger);
    bootstrap(scene, cluster, ledger);
}

fn bundle_findings(scene: &Scene<'_>, signers: &Signers, bundle: &ApiBundle, ledger: &mut Ledger) {
    let place = Place::Api(bundle.object.clone());
    let thresholds = &scene.options.thresholds;
    for finding in cluster_checks::bundle_findings(bundle, scene.now(), thresholds) {
        let said = ledger.blames(&place, Severity::Critical);
        // A copy of a CA of this host ends with it, which is said of the CA.
        let of_host = bundle
            .certificates
            .iter()
            .any(|ca| super::blame::home(scene, ca, None).is_some());
        if (finding.code == code::BUNDLE_EXPIRES && of_host)
            || (finding.code == code::BUNDLE_UNREADABLE && said)
        {
            continue;
        }
        ledger.add(
            Draft::new(&finding.code, finding.severity, &place, finding.message).mend(format!(
                "put the present CA of whoever it is for into {place}"
            )),
        );
    }
    let Some((authority, side)) = meant(bundle.purpose) else {
        return;
    };
    let Some(reference) = signers
        .reference(authority, side)
        .filter(|signer| signer.is_used())
    else {
        return;
    };
    if bundle.certificates.is_empty() || ledger.blames(&place, Severity::Warning) {
        return;
    }
    if holds(bundle, reference) {
        former(bundle, reference, &place, ledger);
    } else if let Some(code) = stale_code(bundle, reference) {
        let severity = findings::find(code).map_or(Severity::Warning, |kind| kind.severity);
        let held: Vec<String> = bundle.certificates.iter().map(named).collect();
        let expected = signers
            .certificate(&reference.id)
            .map_or_else(|| reference.id.name().to_string(), named);
        ledger.add(
            Draft::new(
                code,
                severity,
                &place,
                format!("holds {}, expected {expected}", held.join(" and ")),
            )
            .fact(reference.told())
            .mend(mend(&bundle.object)),
        );
    }
}

fn holds(bundle: &ApiBundle, reference: &Signer) -> bool {
    bundle
        .certificates
        .iter()
        .any(|ca| SignerId::of(ca) == reference.id)
}

/// Which of the cluster's authorities a bundle is a copy of.
fn meant(purpose: BundlePurpose) -> Option<(AuthorityName, Side)> {
    match purpose {
        BundlePurpose::KubeRootCa | BundlePurpose::TokenSecretCa | BundlePurpose::ClusterInfo => {
            Some((AuthorityName::Cluster, Side::Server))
        }
        BundlePurpose::ExtensionClientCa => Some((AuthorityName::Cluster, Side::Client)),
        BundlePurpose::ExtensionRequestheaderCa => Some((AuthorityName::FrontProxy, Side::Client)),
        BundlePurpose::EtcdClient => Some((AuthorityName::Etcd, Side::Server)),
        BundlePurpose::Other => Some((AuthorityName::Cluster, Side::Server)),
        BundlePurpose::Backend => None,
    }
}

fn stale_code(bundle: &ApiBundle, reference: &Signer) -> Option<&'static str> {
    let same_name = bundle
        .certificates
        .iter()
        .any(|ca| ca.subject() == reference.id.name());
    Some(match bundle.purpose {
        BundlePurpose::KubeRootCa => code::ROOT_CA_STALE,
        BundlePurpose::TokenSecretCa => code::TOKEN_SECRET_STALE,
        BundlePurpose::ClusterInfo => code::CLUSTER_INFO_STALE,
        BundlePurpose::ExtensionClientCa | BundlePurpose::ExtensionRequestheaderCa => {
            code::AUTHENTICATION_CONFIG_STALE
        }
        // An etcd outside of the cluster has a CA of its own.
        BundlePurpose::EtcdClient if same_name => code::ETCD_CLIENT_STALE,
        // Every cluster's CA is called kubernetes: it may be another cluster's.
        BundlePurpose::Other if same_name => code::FORMER_CA_COPY,
        _ => return None,
    })
}

/// A CA of the same name beside the present one.
fn former(bundle: &ApiBundle, reference: &Signer, place: &Place, ledger: &mut Ledger) {
    let old = bundle
        .certificates
        .iter()
        .find(|ca| ca.subject() == reference.id.name() && SignerId::of(ca) != reference.id);
    let Some(old) = old else { return };
    ledger.add(
        Draft::new(
            code::FORMER_CA_COPY,
            Severity::Info,
            place,
            format!(
                "also holds {}, which signs nothing in use any more",
                named(old)
            ),
        )
        .mend(mend(&bundle.object)),
    );
}

fn mend(object: &ObjectReference) -> String {
    match object.name.as_str() {
        "kube-root-ca.crt" => format!(
            "kubectl -n {} delete configmap kube-root-ca.crt: kube-controller-manager writes it anew",
            object.namespace.as_deref().unwrap_or("default")
        ),
        "extension-apiserver-authentication" => "kubectl -n kube-system delete configmap extension-apiserver-authentication: kube-apiserver writes it anew from its flags".to_owned(),
        "cluster-info" => "put the present CA into the kubeconfig in ConfigMap kube-public/cluster-info: joining nodes believe the API server by it".to_owned(),
        _ => format!("put the present CA into {object}"),
    }
}

/// What the controller manager has published of a wrong file is no fault of the namespaces.
fn published(scene: &Scene<'_>, cluster: &ClusterObservation, ledger: &mut Ledger) {
    const STALE: [&str; 2] = [code::ROOT_CA_STALE, code::TOKEN_SECRET_STALE];
    for (id, slot) in scene.slots() {
        if slot.flag.as_deref() != Some("root-ca-file") {
            continue;
        }
        let flag = super::blame::flag_of(slot);
        let culprit = flag
            .into_iter()
            .chain([slot.place.clone()])
            .find(|place| ledger.blames(place, Severity::Critical));
        let Some(culprit) = culprit else { continue };
        let mut copies = 0_usize;
        for bundle in &cluster.bundles {
            let of_pods = matches!(
                bundle.purpose,
                BundlePurpose::KubeRootCa | BundlePurpose::TokenSecretCa
            );
            let place = Place::Api(bundle.object.clone());
            if !of_pods || bundle.certificates != scene.trusted(id) || !ledger.says(&place, &STALE)
            {
                continue;
            }
            copies += 1;
            for connection in ledger.take(&place, &STALE) {
                let fact = "pods trust what kube-controller-manager has published of it";
                ledger.append(&culprit, fact, Some(&connection));
            }
        }
        if copies > 0 {
            let fact = format!("kube-controller-manager has published it in {copies} places");
            ledger.append(&culprit, &fact, None);
        }
    }
}

/// Every namespace has its copy, where any has.
fn root_ca_everywhere(cluster: &ClusterObservation, ledger: &mut Ledger) {
    let with: BTreeSet<&str> = cluster
        .bundles
        .iter()
        .filter(|bundle| bundle.purpose == BundlePurpose::KubeRootCa)
        .filter_map(|bundle| bundle.object.namespace.as_deref())
        .collect();
    if with.is_empty() {
        return;
    }
    for namespace in &cluster.namespaces {
        if with.contains(namespace.as_str()) {
            continue;
        }
        let object = ObjectReference::namespaced("ConfigMap", namespace, "kube-root-ca.crt");
        ledger.add(
            Draft::new(
                code::ROOT_CA_STALE,
                Severity::Critical,
                &Place::Api(object),
                "is not there, and pods of this namespace wait for it",
            )
            .fact(format!("{} other namespaces have it", with.len()))
            .mend("look whether kube-controller-manager runs: it writes it"),
        );
    }
}

fn certificate_findings(scene: &Scene<'_>, certificate: &ApiCertificate, ledger: &mut Ledger) {
    let place = Place::Api(certificate.object.clone());
    if certificate.object.name == "kubeadm-certs" {
        kubeadm_certs(&place, ledger);
        return;
    }
    let thresholds = &scene.options.thresholds;
    for finding in cluster_checks::certificate_findings(certificate, scene.now(), thresholds) {
        if ledger.blames(&place, Severity::Critical) {
            ledger.append(&place, &finding.message, None);
            continue;
        }
        let remedy = match &certificate.managed_by {
            Some(manager) => format!("look why {manager} does not renew it"),
            None => format!("put a new certificate into {}", certificate.object),
        };
        ledger
            .add(Draft::new(&finding.code, finding.severity, &place, finding.message).mend(remedy));
    }
}

fn kubeadm_certs(place: &Place, ledger: &mut Ledger) {
    ledger.add(
        Draft::new(
            code::KUBEADM_CERTS_LEFT,
            Severity::Info,
            place,
            "holds the keys of the cluster's CAs, encrypted, for joining control planes",
        )
        .mend(
            "kubectl -n kube-system delete secret kubeadm-certs, when no control plane is joining",
        ),
    );
}

/// One finding for each who waits, however often it asked.
fn requests(scene: &Scene<'_>, cluster: &ClusterObservation, ledger: &mut Ledger) {
    let mut waiting: BTreeMap<(&str, &str, &str), Vec<&SigningRequest>> = BTreeMap::new();
    for request in &cluster.requests {
        for finding in cluster_checks::request_findings(request, scene.now()) {
            let code = match finding.code.as_str() {
                code::REQUEST_PENDING => code::REQUEST_PENDING,
                _ => code::REQUEST_NOT_ISSUED,
            };
            waiting
                .entry((code, &request.signer_name, &request.username))
                .or_default()
                .push(request);
        }
    }
    for ((code, signer, username), mut requests) in waiting {
        requests.sort_by_key(|request| request.created);
        let Some(newest) = requests.last() else {
            continue;
        };
        let since_then = cluster.requests.iter().any(|other| {
            other.state == RequestState::Issued
                && other.signer_name == signer
                && other.username == username
                && other.created > newest.created
        });
        if since_then {
            continue;
        }
        let place = Place::Api(newest.object.clone());
        let found = cluster_checks::request_findings(newest, scene.now());
        let Some(finding) = found.into_iter().next() else {
            continue;
        };
        // A signer that takes one certificate and finds two issues nothing.
        let bundle = scene.evidence.hosts.iter().find_map(|host| {
            host.inventory.authorities.iter().find_map(|authority| {
                let place = super::scene::file(&host.inventory.host, &authority.certificate_path);
                ledger
                    .says(&place, &[code::SIGNING_FILE_BUNDLE])
                    .then_some(place)
            })
        });
        if let (Some(bundle), code::REQUEST_NOT_ISSUED) = (&bundle, code) {
            ledger.append(bundle, &format!("{place} {}", finding.message), None);
            continue;
        }
        // Signers of others have their own approvers, and their own patience.
        let severity = if signer.starts_with("kubernetes.io/") {
            finding.severity
        } else {
            Severity::Info
        };
        let remedy = match code {
            code::REQUEST_PENDING => format!("kubectl certificate approve {}, once it is clear who asks", newest.object.name),
            _ => "look whether kube-controller-manager runs with --cluster-signing-cert-file and --cluster-signing-key-file that fit each other".to_owned(),
        };
        let count = requests.len();
        ledger.add(
            Draft::new(code, severity, &place, finding.message)
                .facts((count > 1).then(|| format!("{count} requests of the same kind wait")))
                .mend(remedy),
        );
    }
}

fn bootstrap(scene: &Scene<'_>, cluster: &ClusterObservation, ledger: &mut Ledger) {
    for token in &cluster.bootstrap_tokens {
        let place = Place::Api(token.object.clone());
        for finding in cluster_checks::bootstrap_token_findings(token, scene.now()) {
            ledger.add(
                Draft::new(&finding.code, finding.severity, &place, finding.message)
                    .mend(format!("kubeadm token delete {}", token.id)),
            );
        }
    }
    let info = cluster
        .bundles
        .iter()
        .find(|bundle| bundle.purpose == BundlePurpose::ClusterInfo);
    let Some(info) = info else { return };
    let unsigned = cluster.bootstrap_tokens.iter().find(|token| {
        let alive = token.expiration.is_none_or(|end| end > scene.now());
        token.signs && alive && !cluster.cluster_info_tokens.contains(&token.id)
    });
    if let Some(token) = unsigned {
        let place = Place::Api(info.object.clone().whole());
        ledger.add(
            Draft::new(
                code::CLUSTER_INFO_UNSIGNED,
                Severity::Warning,
                &place,
                format!("not signed for bootstrap token {}", token.id),
            )
            .mend("look whether kube-controller-manager runs with --controllers=*,bootstrapsigner,tokencleaner"),
        );
    }
}
