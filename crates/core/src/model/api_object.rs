//! An object of the Kubernetes API, or one field of it, as people name it.

use serde::{Deserialize, Serialize};
use std::fmt;

/// An object of the API, by kind and name; with `field`, one place in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectReference {
    /// e.g. `Secret`, `ValidatingWebhookConfiguration`.
    pub kind: String,
    /// `None` for what has no namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// `metadata.name`.
    pub name: String,
    /// The place inside, e.g. `data[ca.crt]` or `webhooks[policy.example.com].clientConfig.caBundle`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
}

impl ObjectReference {
    /// An object with a namespace.
    pub fn namespaced(kind: &str, namespace: &str, name: &str) -> Self {
        Self {
            kind: kind.to_owned(),
            namespace: Some(namespace.to_owned()),
            name: name.to_owned(),
            field: None,
        }
    }

    /// An object without a namespace.
    pub fn cluster_wide(kind: &str, name: &str) -> Self {
        Self {
            kind: kind.to_owned(),
            namespace: None,
            name: name.to_owned(),
            field: None,
        }
    }

    /// The same object, one place in it.
    #[must_use]
    pub fn at(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// The object without the place.
    #[must_use]
    pub fn whole(mut self) -> Self {
        self.field = None;
        self
    }
}

/// `Secret kube-system/x data[tls.crt]`.
impl fmt::Display for ObjectReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.kind)?;
        if let Some(namespace) = &self.namespace {
            write!(f, "{namespace}/")?;
        }
        write!(f, "{}", self.name)?;
        if let Some(field) = &self.field {
            write!(f, " {field}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_shown_as_people_write_it() {
        let secret = ObjectReference::namespaced("Secret", "kube-system", "x").at("data[tls.crt]");
        assert_eq!(secret.to_string(), "Secret kube-system/x data[tls.crt]");
        let webhook = ObjectReference::cluster_wide("APIService", "v1.example.com");
        assert_eq!(webhook.to_string(), "APIService v1.example.com");
    }
}
