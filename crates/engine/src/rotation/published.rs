//! Whether the trust that pods are given is published: `kube-root-ca.crt` in every namespace, and
//! `ca.crt` of every ServiceAccount token Secret. kube-controller-manager writes both, from its
//! `--root-ca-file`, some time after it has become the leader.
//!
//! <https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/>

use super::prove::Found;
use crate::cluster::pages::{List, list};
use crate::ports::{ClusterError, ClusterRead};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kubepki_x509::pem;
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::BTreeSet;

/// The ConfigMap in every namespace, since Kubernetes 1.20.
pub(super) const ROOT_CA: &str = "kube-root-ca.crt";

/// What kube-controller-manager fills with tokens.
pub(super) const TOKEN_SECRETS: &str = "type=kubernetes.io/service-account-token";

/// Objects of a page: a Secret with a bundle and a token is some 5 KiB.
pub(super) const PAGE_SIZE: u32 = 500;

/// The first version that publishes [`ROOT_CA`].
const SINCE: (u32, u32) = (1, 20);

/// Whether every copy holds all of `holds` and none of `lacks` (SHA-256 of the certificates,
/// hexadecimal).
///
/// # Errors
/// When one of the lists is refused or breaks off: what is not seen is not proved.
pub fn published(
    cluster: &dyn ClusterRead,
    holds: &[String],
    lacks: &[String],
) -> Result<Found, ClusterError> {
    let wanted = Wanted { holds, lacks };
    let mut namespaces = namespaces(cluster)?;
    let all = namespaces.len();
    let mut against = Vec::new();
    let mut copies = 0;
    each(
        cluster,
        "/api/v1/configmaps",
        Some("metadata.name=kube-root-ca.crt"),
        &mut |json| {
            let map: Published<'_> = serde_json::from_slice(json).map_err(unreadable)?;
            copies += 1;
            let namespace = map.metadata.namespace.as_deref().unwrap_or_default();
            namespaces.remove(namespace);
            let text = map.bundle().unwrap_or_default();
            if let Err(found) = wanted.judge(text.as_bytes()) {
                against.push(format!("ConfigMap {namespace}/{ROOT_CA} {found}"));
            }
            Ok(())
        },
    )?;
    if copies > 0 || version_of(cluster)?.is_none_or(|version| version >= SINCE) {
        let missing = namespaces.iter();
        against.extend(missing.map(|name| format!("namespace {name} has no ConfigMap {ROOT_CA}")));
    }
    let mut secrets = 0;
    each(
        cluster,
        "/api/v1/secrets",
        Some(TOKEN_SECRETS),
        &mut |json| {
            let secret: Published<'_> = serde_json::from_slice(json).map_err(unreadable)?;
            secrets += 1;
            let pem = secret.bundle().map(|text| STANDARD.decode(text.as_bytes()));
            let found = match pem {
                // Not filled yet: it will be with what is published by then.
                None => return Ok(()),
                Some(Err(_)) => Err("holds no base64".to_owned()),
                Some(Ok(pem)) => wanted.judge(&pem),
            };
            if let Err(found) = found {
                against.push(format!(
                    "Secret {}/{} {found}",
                    secret.metadata.namespace.as_deref().unwrap_or_default(),
                    secret.metadata.name
                ));
            }
            Ok(())
        },
    )?;
    let yes =
        format!("{copies} ConfigMaps in {all} namespaces and {secrets} token Secrets hold it");
    Ok(Found::unless(against, yes))
}

/// What a copy must hold.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    holds: &'a [String],
    lacks: &'a [String],
}

impl Wanted<'_> {
    /// Reads on after the object's name.
    fn judge(self, text: &[u8]) -> Result<(), String> {
        let found = fingerprints(text)?;
        let missing = self.holds.iter().find(|it| !holds(&found, it));
        if let Some(missing) = missing {
            return Err(format!("lacks {}", short(missing)));
        }
        match self.lacks.iter().find(|it| holds(&found, it)) {
            Some(left) => Err(format!("still holds {}", short(left))),
            None => Ok(()),
        }
    }
}

/// SHA-256 of every certificate, hexadecimal.
pub(super) fn fingerprints(text: &[u8]) -> Result<Vec<String>, String> {
    let certificates = pem::certificates(text).map_err(|error| error.to_string())?;
    Ok(certificates
        .iter()
        .map(|it| hex::encode(it.fingerprint_sha256()))
        .collect())
}

pub(super) fn holds(found: &[String], wanted: &str) -> bool {
    found.iter().any(|it| it.eq_ignore_ascii_case(wanted))
}

fn short(fingerprint: &str) -> &str {
    fingerprint.get(..16).unwrap_or(fingerprint)
}

/// A ConfigMap or Secret with `ca.crt`; everything else of it is passed over.
#[derive(Deserialize)]
struct Published<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
    #[serde(borrow, default)]
    data: Option<Bundle<'a>>,
}

#[derive(Deserialize)]
struct Metadata<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    namespace: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Bundle<'a> {
    #[serde(borrow, default, rename = "ca.crt")]
    bundle: Option<Cow<'a, str>>,
}

impl Published<'_> {
    fn bundle(&self) -> Option<&str> {
        self.data.as_ref()?.bundle.as_deref()
    }
}

/// Namespaces that live: in one that is going nothing is made any more.
fn namespaces(cluster: &dyn ClusterRead) -> Result<BTreeSet<String>, ClusterError> {
    #[derive(Deserialize)]
    struct Namespace {
        metadata: Named,
        #[serde(default)]
        status: Status,
    }
    #[derive(Deserialize)]
    struct Named {
        name: String,
    }
    #[derive(Default, Deserialize)]
    struct Status {
        #[serde(default)]
        phase: String,
    }
    let mut namespaces = BTreeSet::new();
    each(cluster, "/api/v1/namespaces", None, &mut |json| {
        let namespace: Namespace = serde_json::from_slice(json).map_err(unreadable)?;
        if namespace.status.phase != "Terminating" {
            namespaces.insert(namespace.metadata.name);
        }
        Ok(())
    })?;
    Ok(namespaces)
}

/// Every object of a list; one that cannot be read ends it with an error, as a refusal does.
pub(super) fn each(
    cluster: &dyn ClusterRead,
    path: &str,
    field_selector: Option<&str>,
    take: &mut dyn FnMut(&[u8]) -> Result<(), String>,
) -> Result<(), ClusterError> {
    let request = List {
        path,
        field_selector,
        page_size: PAGE_SIZE,
    };
    let mut broken = None;
    let listed = list(cluster, &request, &mut |json| {
        if broken.is_none() {
            broken = take(json).err();
        }
    });
    let broken = broken.or_else(|| {
        let many = listed.passed_over;
        (many > 0).then(|| format!("{many} objects are too large to be read"))
    });
    match (listed.refusal, broken) {
        (Some(error), _) => Err(error),
        (None, Some(detail)) => Err(ClusterError {
            server: cluster.server().to_owned(),
            kind: crate::ports::ClusterErrorKind::Other,
            detail: format!("{path}: {detail}"),
        }),
        (None, None) => Ok(()),
    }
}

/// Without its words, which quote values.
pub(super) fn unreadable(error: serde_json::Error) -> String {
    format!(
        "an object cannot be read (line {}, column {})",
        error.line(),
        error.column()
    )
}

/// Major and minor, of `v1.20.2`.
fn version_of(cluster: &dyn ClusterRead) -> Result<Option<(u32, u32)>, ClusterError> {
    let version = cluster.version()?.version;
    Ok(version.and_then(|text| {
        let mut parts = text.trim_start_matches('v').split('.');
        let major = parts.next()?.parse().ok()?;
        Some((major, parts.next()?.parse().ok()?))
    }))
}
