//! A place of an object comes to hold other certificates: what lies there is held against what may be
//! replaced, and everything else of the object stays.
//!
//! Changed are PEM bundles in `data` of ConfigMaps and Secrets, the clusters of kubeconfigs there, and
//! `caBundle` of webhooks, APIServices and conversions. Written are CERTIFICATE blocks only.

use super::objects::{self, ChangeError, body, change, of, unreadable};
use crate::ports::{ClusterChange, ClusterRead};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kubepki_core::formats::kubeconfig::Kubeconfig;
use kubepki_core::model::ObjectReference;
use kubepki_sealed::{Sealed, danger};
use kubepki_x509::{Certificate, pem};
use serde_json::{Value, json};

/// What is to lie in a place, and what may lie there before.
pub(super) struct Wanted {
    pem: String,
    certificates: Vec<Certificate>,
    expected: Vec<Vec<Certificate>>,
}

/// What a place holds.
enum Holds {
    Wanted,
    Expected,
    Other(String),
}

/// Writes a bundle; whether there was something to change.
pub(super) fn write(
    cluster: &dyn ClusterChange,
    object: &ObjectReference,
    pem: &str,
    expected: &[String],
) -> Result<bool, ChangeError> {
    let wanted = Wanted::read(object, pem, expected)?;
    let field = object.field.clone().unwrap_or_default();
    match Place::of(object, &field)? {
        Place::Value {
            key,
            cluster: named,
        } => change(cluster, object, || {
            in_value(cluster, object, &key, named.as_deref(), &wanted)
        }),
        Place::CaBundle(at) => change(cluster, object, || {
            in_ca_bundle(cluster, object, &at, &wanted)
        }),
    }
}

/// Where a field lies.
enum Place {
    /// `data[KEY]`, or one cluster of the kubeconfig there.
    Value {
        key: String,
        cluster: Option<String>,
    },
    /// A `caBundle`.
    CaBundle(CaBundle),
}

/// The ways to a `caBundle`.
enum CaBundle {
    Webhook(String),
    ApiService,
    Conversion,
}

impl Place {
    fn of(object: &ObjectReference, field: &str) -> Result<Self, ChangeError> {
        let between = |prefix: &str, suffix: &str| {
            let inside = field.strip_prefix(prefix)?.strip_suffix(suffix)?;
            (!inside.is_empty()).then(|| inside.to_owned())
        };
        let found = match object.kind.as_str() {
            "ConfigMap" | "Secret" => {
                between("data[", "]").map(|inside| match inside.split_once("].clusters[") {
                    Some((key, cluster)) => Self::Value {
                        key: key.to_owned(),
                        cluster: Some(cluster.to_owned()),
                    },
                    None => Self::Value {
                        key: inside,
                        cluster: None,
                    },
                })
            }
            "ValidatingWebhookConfiguration" | "MutatingWebhookConfiguration" => {
                between("webhooks[", "].clientConfig.caBundle")
                    .map(|name| Self::CaBundle(CaBundle::Webhook(name)))
            }
            "APIService" if field == "spec.caBundle" => Some(Self::CaBundle(CaBundle::ApiService)),
            "CustomResourceDefinition"
                if field == "spec.conversion.webhook.clientConfig.caBundle" =>
            {
                Some(Self::CaBundle(CaBundle::Conversion))
            }
            _ => None,
        };
        // A bracket left over is a place inside something that is not understood (a key store).
        let found = found.filter(|place| match place {
            Self::Value { key, .. } => !key.contains([']', '[']),
            Self::CaBundle(_) => true,
        });
        found.ok_or_else(|| ChangeError::NotOurs {
            object: object.to_string(),
            detail: "this is no place of certificates that a rotation changes".to_owned(),
        })
    }
}

impl Wanted {
    fn read(object: &ObjectReference, pem: &str, expected: &[String]) -> Result<Self, ChangeError> {
        let certificates = |text: &str| {
            let read = pem::certificates(text.as_bytes()).map_err(|error| error.to_string());
            read.and_then(|found| match found.is_empty() {
                true => Err("it holds no certificate".to_owned()),
                false => Ok(found),
            })
            .map_err(|detail| ChangeError::NotOurs {
                object: object.to_string(),
                detail: format!("what is to be written, or expected, is no bundle: {detail}"),
            })
        };
        let wanted = certificates(pem)?;
        Ok(Self {
            // As read, so that nothing but certificates is ever written.
            pem: wanted.iter().map(Certificate::to_pem).collect(),
            certificates: wanted,
            expected: expected
                .iter()
                .map(|text| certificates(text))
                .collect::<Result<_, _>>()?,
        })
    }

    /// Exactly these certificates in this order are wanted; of what may be replaced the order is free.
    fn judge(&self, text: &[u8]) -> Holds {
        let found = match pem::certificates(text) {
            Ok(found) => found,
            Err(error) => return Holds::Other(format!("what is no bundle: {error}")),
        };
        let is_same = |other: &Vec<Certificate>| {
            other.iter().all(|it| found.contains(it)) && found.iter().all(|it| other.contains(it))
        };
        if found == self.certificates {
            Holds::Wanted
        } else if is_same(&self.certificates) || self.expected.iter().any(is_same) {
            Holds::Expected
        } else {
            Holds::Other(named(&found))
        }
    }

    fn refuse(&self, object: &ObjectReference, found: String) -> ChangeError {
        let expected: Vec<String> = self.expected.iter().map(|it| named(it)).collect();
        ChangeError::OtherContents {
            object: object.to_string(),
            found,
            expected: match expected.is_empty() {
                true => named(&self.certificates),
                false => expected.join(", or "),
            },
        }
    }
}

/// Certificates as evidence.
fn named(certificates: &[Certificate]) -> String {
    if certificates.is_empty() {
        return "no certificate".to_owned();
    }
    let each = certificates.iter().map(|it| {
        let fingerprint = hex::encode(it.fingerprint_sha256());
        let short = fingerprint.get(..16).unwrap_or_default();
        format!("{} ({short})", it.subject())
    });
    each.collect::<Vec<_>>().join(" and ")
}

fn in_value(
    cluster: &dyn ClusterRead,
    object: &ObjectReference,
    key: &str,
    of_cluster: Option<&str>,
    wanted: &Wanted,
) -> Result<Option<Sealed>, ChangeError> {
    let found = objects::value(cluster, object, key)?;
    let is_secret = object.kind == "Secret";
    let Some(text) = found.value else {
        return Err(wanted.refuse(object, "nothing".to_owned()));
    };
    let text = match is_secret {
        false => text,
        true => STANDARD
            .decode(danger::open(&text))
            .map(Sealed::new)
            .map_err(|_| wanted.refuse(object, "what is no base64".to_owned()))?,
    };
    // A kubeconfig may hold a PEM block in a comment; a bundle is never YAML with clusters.
    let changed = match Kubeconfig::parse(&text) {
        Ok(kubeconfig) => in_kubeconfig(object, &text, &kubeconfig, of_cluster, wanted)?,
        Err(_) => match wanted.judge(danger::open(&text)) {
            Holds::Wanted => None,
            Holds::Expected => Some(Sealed::new(wanted.pem.clone().into_bytes())),
            Holds::Other(found) => return Err(wanted.refuse(object, found)),
        },
    };
    Ok(changed.map(|text| value_patch(&found.metadata.resource_version, key, &text, is_secret)))
}

/// The kubeconfig with the wanted CA data; `None` when it has it.
fn in_kubeconfig(
    object: &ObjectReference,
    text: &Sealed,
    kubeconfig: &Kubeconfig,
    only: Option<&str>,
    wanted: &Wanted,
) -> Result<Option<Sealed>, ChangeError> {
    let clusters = kubeconfig.clusters.iter();
    let meant: Vec<_> = clusters
        .filter(|it| only.is_none_or(|name| name == it.name))
        .collect();
    let mut changed: Option<Sealed> = None;
    let mut fits = false;
    let mut other = None;
    for cluster in &meant {
        let authority = cluster.certificate_authority.as_ref();
        let held = match authority.and_then(|authority| authority.embedded()) {
            Some(data) => wanted.judge(data),
            None => Holds::Other("no CA data".to_owned()),
        };
        match held {
            Holds::Wanted => fits = true,
            Holds::Expected => {
                fits = true;
                let edited = Kubeconfig::set_certificate_authority_of_cluster(
                    changed.as_ref().unwrap_or(text),
                    &cluster.name,
                    wanted.pem.as_bytes(),
                );
                changed = Some(edited.map_err(|error| ChangeError::Unreadable {
                    object: object.to_string(),
                    detail: error.to_string(),
                })?);
            }
            Holds::Other(found) => other = Some(format!("{found} for cluster {:?}", cluster.name)),
        }
    }
    // In `cluster-info` every cluster is this one; a kubeconfig of somebody may name others too.
    let is_cluster_info =
        object.name == "cluster-info" && object.namespace.as_deref() == Some("kube-public");
    match other {
        Some(found) if is_cluster_info || !fits => Err(wanted.refuse(object, found)),
        None if meant.is_empty() => Err(wanted.refuse(object, "no such cluster".to_owned())),
        _ => Ok(changed),
    }
}

/// A merge patch of one value of `data`. Built without copies that nobody overwrites.
fn value_patch(version: &str, key: &str, text: &Sealed, is_secret: bool) -> Sealed {
    let text = danger::open(text);
    let mut json = String::with_capacity(text.len() * 2 + 1024);
    let head = json!({ "metadata": { "resourceVersion": version } }).to_string();
    json.push_str(head.trim_end_matches('}'));
    json.push_str("},\"data\":{");
    json.push_str(&json!(key).to_string());
    json.push_str(":\"");
    if is_secret {
        STANDARD.encode_string(text, &mut json);
    } else {
        for character in String::from_utf8_lossy(text).chars() {
            match character {
                '"' => json.push_str("\\\""),
                '\\' => json.push_str("\\\\"),
                '\n' => json.push_str("\\n"),
                control if control.is_control() => {
                    json.push_str(&format!("\\u{:04x}", u32::from(control)));
                }
                other => json.push(other),
            }
        }
    }
    json.push_str("\"}}");
    Sealed::new(json.into_bytes())
}

fn in_ca_bundle(
    cluster: &dyn ClusterRead,
    object: &ObjectReference,
    at: &CaBundle,
    wanted: &Wanted,
) -> Result<Option<Sealed>, ChangeError> {
    let found = cluster
        .object(&objects::path(object)?)
        .map_err(of(object))?;
    let mut whole: Value =
        serde_json::from_slice(danger::open(&found)).map_err(|error| unreadable(object, &error))?;
    let version = whole.pointer("/metadata/resourceVersion").cloned();
    let config = match at {
        CaBundle::ApiService => whole.get_mut("spec"),
        CaBundle::Conversion => whole.pointer_mut("/spec/conversion/webhook/clientConfig"),
        CaBundle::Webhook(name) => whole
            .get_mut("webhooks")
            .and_then(Value::as_array_mut)
            .and_then(|all| {
                all.iter_mut()
                    .find(|it| it.get("name").and_then(Value::as_str) == Some(name))
            })
            .and_then(|webhook| webhook.get_mut("clientConfig")),
    };
    let Some(bundle) = config.and_then(|config| config.get_mut("caBundle")) else {
        return Err(wanted.refuse(object, "nothing".to_owned()));
    };
    let text = STANDARD
        .decode(bundle.as_str().unwrap_or_default())
        .map_err(|_| wanted.refuse(object, "what is no base64".to_owned()))?;
    match wanted.judge(&text) {
        Holds::Wanted => return Ok(None),
        Holds::Expected => {}
        Holds::Other(found) => return Err(wanted.refuse(object, found)),
    }
    *bundle = Value::from(STANDARD.encode(&wanted.pem));
    let encoded = bundle.clone();
    // A list is replaced as a whole, so all of it is sent as it was read.
    let mut patch = match at {
        CaBundle::Webhook(_) => json!({ "webhooks": whole.get("webhooks") }),
        CaBundle::ApiService => json!({ "spec": { "caBundle": encoded } }),
        CaBundle::Conversion => json!({
            "spec": { "conversion": { "webhook": { "clientConfig": { "caBundle": encoded } } } }
        }),
    };
    patch["metadata"] = json!({ "resourceVersion": version });
    Ok(Some(body(&patch)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_of_a_value_is_json_whatever_the_value_is() {
        let text = Sealed::new("a \"b\"\\\n\té\u{1}".as_bytes().to_vec());
        let patch = value_patch("7", "key.crt", &text, false);
        let read: Value = serde_json::from_slice(danger::open(&patch)).unwrap();
        let expected = json!({
            "metadata": { "resourceVersion": "7" },
            "data": { "key.crt": "a \"b\"\\\n\té\u{1}" }
        });
        assert_eq!(read, expected);
        let patch = value_patch("7", "k", &text, true);
        let read: Value = serde_json::from_slice(danger::open(&patch)).unwrap();
        assert_eq!(read["data"]["k"], STANDARD.encode(danger::open(&text)));
    }

    #[test]
    fn only_places_of_certificates_are_ever_changed() {
        let at = |kind: &str, field: &str| {
            let object = ObjectReference::cluster_wide(kind, "x").at(field);
            Place::of(&object, field).is_ok()
        };
        assert!(at("ConfigMap", "data[ca.crt]"));
        assert!(at("Secret", "data[config].clusters[a.b]"));
        assert!(at("APIService", "spec.caBundle"));
        assert!(at(
            "MutatingWebhookConfiguration",
            "webhooks[a.b.c].clientConfig.caBundle"
        ));
        for (kind, field) in [
            ("ConfigMap", ""),
            ("ConfigMap", "binaryData[x]"),
            ("Secret", "data[]"),
            ("Secret", "data[store.jks][alias]"),
            ("Secret", "type"),
            ("APIService", "spec.insecureSkipTLSVerify"),
            ("Pod", "data[ca.crt]"),
        ] {
            assert!(!at(kind, field), "{kind} {field}");
        }
    }
}
