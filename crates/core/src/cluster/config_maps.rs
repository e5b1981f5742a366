//! ConfigMaps: `kube-root-ca.crt`, `cluster-info`, `extension-apiserver-authentication`, and
//! whatever else holds certificates.

use super::collector::Collector;
use super::contents::{decode, kubeconfig};
use super::object::{Metadata, Texts, unreadable};
use super::placing::Value;
use crate::model::ObjectReference;
use crate::model::cluster::{BundlePurpose, Encoding};
use kubepki_sealed::Sealed;
use serde::Deserialize;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ConfigMap<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
    #[serde(borrow)]
    data: Option<Texts<'a>>,
    #[serde(borrow)]
    binary_data: Option<Texts<'a>>,
}

/// Fields of `extension-apiserver-authentication` that are bundles.
/// <https://kubernetes.io/docs/tasks/extend-kubernetes/configure-aggregation-layer/>
const EXTENSION_BUNDLES: [(&str, BundlePurpose); 2] = [
    ("client-ca-file", BundlePurpose::ExtensionClientCa),
    (
        "requestheader-client-ca-file",
        BundlePurpose::ExtensionRequestheaderCa,
    ),
];

impl Collector<'_> {
    /// A ConfigMap.
    pub fn config_map(&mut self, json: &[u8]) {
        self.counted("ConfigMap");
        let map: ConfigMap<'_> = match serde_json::from_slice(json) {
            Ok(map) => map,
            Err(error) => return self.unreadable("ConfigMap", unreadable(&error)),
        };
        let object = map.metadata.reference("ConfigMap");
        let namespace = object.namespace.as_deref().unwrap_or_default();
        match (namespace, object.name.as_str()) {
            (_, "kube-root-ca.crt") => self.root_ca(object, &map),
            ("kube-public", "cluster-info") => self.cluster_info(object, &map),
            ("kube-system", "extension-apiserver-authentication") => self.extension(object, &map),
            _ => self.other_map(&object, &map),
        }
    }

    fn root_ca(&mut self, object: ObjectReference, map: &ConfigMap<'_>) {
        let pem = map.value("ca.crt").unwrap_or_default();
        let place = object.at("data[ca.crt]");
        self.pem_bundle(place, BundlePurpose::KubeRootCa, pem.as_bytes());
    }

    /// A kubeconfig without a user, and a signature for each token that may see it.
    /// <https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/#configmap-signing>
    fn cluster_info(&mut self, object: ObjectReference, map: &ConfigMap<'_>) {
        let tokens = map.data.iter().flatten();
        self.observation.cluster_info_tokens = tokens
            .filter_map(|(key, _)| key.strip_prefix("jws-kubeconfig-"))
            .map(str::to_owned)
            .collect();
        let text = map.value("kubeconfig").unwrap_or_default();
        let text = Sealed::new(text.as_bytes().to_vec());
        let place = object.at("data[kubeconfig]");
        let mut found = kubeconfig(&text, self.opener).into_iter().peekable();
        if found.peek().is_none() {
            let problem = Some("it names no CA certificate".to_owned());
            self.bundle(place, BundlePurpose::ClusterInfo, Vec::new(), problem);
            return;
        }
        for found in found {
            let (certificates, problem) = (found.certificates, found.problem);
            self.bundle(
                place.clone(),
                BundlePurpose::ClusterInfo,
                certificates,
                problem,
            );
        }
    }

    fn extension(&mut self, object: ObjectReference, map: &ConfigMap<'_>) {
        for (key, purpose) in EXTENSION_BUNDLES {
            if let Some(pem) = map.value(key) {
                let place = object.clone().at(format!("data[{key}]"));
                self.pem_bundle(place, purpose, pem.as_bytes());
            }
        }
        let names = map.value("requestheader-allowed-names");
        self.observation.requestheader_allowed_names =
            names.and_then(|names| serde_json::from_str(names).ok());
    }

    fn other_map(&mut self, object: &ObjectReference, map: &ConfigMap<'_>) {
        let mut values = Vec::new();
        for (key, text) in map.data.iter().flatten() {
            if !text.contains("-----BEGIN") && !text.contains("-data") {
                continue;
            }
            let mut found = self.read_value(&Sealed::new(text.as_bytes().to_vec()), Vec::new);
            // scripts and templates quote pieces of PEM
            if !text.trim_start().starts_with("-----BEGIN") {
                found.retain(|found| !found.certificates.is_empty());
            }
            values.push(Value {
                key: key.to_string(),
                found,
            });
        }
        for (key, encoded) in map.binary_data.iter().flatten() {
            if let Some(contents) = decode(encoded) {
                let mut found = self.read_value(&contents, usual_passwords);
                found.retain(|found| {
                    !found.certificates.is_empty() || found.encoding == Encoding::Pkcs12
                });
                values.push(Value {
                    key: key.to_string(),
                    found,
                });
            }
        }
        values.retain(|value| !value.found.is_empty());
        if !values.is_empty() {
            self.place(object, values, None);
        }
    }
}

/// A ConfigMap with a keystore has no password that is worth the name.
fn usual_passwords() -> Vec<Sealed> {
    [&b""[..], b"changeit"]
        .map(|password| Sealed::new(password.to_vec()))
        .into()
}

impl ConfigMap<'_> {
    fn value(&self, key: &str) -> Option<&str> {
        let mut data = self.data.iter().flatten();
        data.find(|(found, _)| &***found == key)
            .map(|(_, value)| &**value)
    }
}
