//! An API in memory: lists by path, paged, with refusals where a test wants them.

use std::collections::BTreeMap;
use std::sync::Mutex;

use kubepki_core::model::cluster::{ClusterObservation, KnownKeys};
use kubepki_engine::cluster::{ScanOptions, scan};
use kubepki_engine::ports::{
    ClusterError, ClusterErrorKind, ClusterRead, Page, PageRequest, Progress, ServerVersion,
};
use kubepki_sealed::Sealed;
use serde_json::{Value, json};

/// What the API serves; a path that is not in it is not found.
#[derive(Default)]
pub struct Api {
    lists: BTreeMap<String, Vec<Value>>,
    objects: BTreeMap<String, Value>,
    refused: BTreeMap<String, ClusterErrorKind>,
    /// Lists that become too old after the first page.
    pub expiring: Vec<&'static str>,
    /// Whether a place to go on is given then.
    pub goes_on: bool,
    /// What was asked for.
    pub asked: Mutex<Vec<String>>,
}

struct Silent;

impl Progress for Silent {
    fn say(&self, _: &str) {}
}

impl Api {
    /// One that serves what Kubernetes 1.20 does, and has nothing.
    pub fn new() -> Self {
        let mut api = Self::default();
        for path in [
            "/api/v1/namespaces",
            "/api/v1/nodes",
            "/api/v1/configmaps",
            "/api/v1/secrets",
            "/api/v1/services",
            "/apis/certificates.k8s.io/v1/certificatesigningrequests",
            "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations",
            "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
            "/apis/apiregistration.k8s.io/v1/apiservices",
            "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
            "/apis/networking.k8s.io/v1/ingresses",
        ] {
            api.lists.insert(path.to_owned(), Vec::new());
        }
        api
    }

    /// Adds to a list.
    #[must_use]
    pub fn with(mut self, path: &str, items: impl IntoIterator<Item = Value>) -> Self {
        self.lists.entry(path.to_owned()).or_default().extend(items);
        self
    }

    /// Adds an object that is asked for by name.
    #[must_use]
    pub fn with_object(mut self, path: &str, object: Value) -> Self {
        self.objects.insert(path.to_owned(), object);
        self
    }

    /// Takes a list away.
    #[must_use]
    pub fn without(mut self, path: &str) -> Self {
        self.lists.remove(path);
        self
    }

    /// Refuses a path.
    #[must_use]
    pub fn refusing(mut self, path: &str, kind: ClusterErrorKind) -> Self {
        self.refused.insert(path.to_owned(), kind);
        self
    }

    /// A scan by somebody who knows nothing of the cluster.
    pub fn scanned(&self) -> ClusterObservation {
        self.scanned_with(&KnownKeys::default(), &ScanOptions::default())
            .unwrap()
    }

    pub fn scanned_with(
        &self,
        known: &KnownKeys,
        options: &ScanOptions,
    ) -> Result<ClusterObservation, ClusterError> {
        scan(self, known, options, super::support::now(), &Silent)
    }

    fn check(&self, path: &str) -> Result<(), ClusterError> {
        self.asked.lock().unwrap().push(path.to_owned());
        match self.refused.get(path) {
            None => Ok(()),
            Some(kind) => Err(error(kind.clone(), "HTTP 403: no")),
        }
    }
}

fn error(kind: ClusterErrorKind, detail: &str) -> ClusterError {
    ClusterError {
        server: "https://api".to_owned(),
        kind,
        detail: detail.to_owned(),
    }
}

impl ClusterRead for Api {
    fn server(&self) -> &str {
        "https://api"
    }

    fn version(&self) -> Result<ServerVersion, ClusterError> {
        self.check("/version")?;
        Ok(ServerVersion {
            version: Some("v1.20.2".to_owned()),
            time: None,
        })
    }

    fn page(
        &self,
        request: &PageRequest<'_>,
        each: &mut dyn FnMut(&[u8]),
    ) -> Result<Page, ClusterError> {
        self.check(request.path)?;
        let Some(all) = self.lists.get(request.path) else {
            return Err(error(ClusterErrorKind::NotFound, "HTTP 404"));
        };
        let place = request.continue_from.unwrap_or("0");
        let is_renewed = place.ends_with('+');
        let begin: usize = place.trim_end_matches('+').parse().unwrap();
        if begin > 0 && !is_renewed && self.expiring.contains(&request.path) {
            let next = self.goes_on.then(|| format!("{begin}+"));
            return Err(error(
                ClusterErrorKind::Expired { next },
                "HTTP 410: too old",
            ));
        }
        let end = (begin + request.limit as usize).min(all.len());
        for item in &all[begin..end] {
            each(item.to_string().as_bytes());
        }
        Ok(Page {
            next: (end < all.len()).then(|| end.to_string()),
            passed_over: 0,
        })
    }

    fn object(&self, path: &str) -> Result<Sealed, ClusterError> {
        self.check(path)?;
        match self.objects.get(path) {
            Some(object) => Ok(object.to_string().into_bytes().into()),
            None => Err(error(ClusterErrorKind::NotFound, "HTTP 404")),
        }
    }
}

/// A Secret with values that are yet to be encoded.
pub fn secret(namespace: &str, name: &str, kind: &str, values: &[(&str, &[u8])]) -> Value {
    use base64::Engine as _;
    let encode = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
    let data: serde_json::Map<String, Value> = values
        .iter()
        .map(|(key, value)| ((*key).to_owned(), encode(value).into()))
        .collect();
    json!({
        "metadata": {"namespace": namespace, "name": name, "managedFields": [{"x": {}}]},
        "type": kind, "data": data,
    })
}

pub fn config_map(namespace: &str, name: &str, values: &[(&str, &str)]) -> Value {
    let data: serde_json::Map<String, Value> = values
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).into()))
        .collect();
    json!({"metadata": {"namespace": namespace, "name": name}, "data": data})
}
