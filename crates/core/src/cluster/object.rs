//! The parts that all objects of the API have, read without copying where the JSON allows it.
//!
//! What is not named in one of these structures is passed over unread.
//! <https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-uris>

use crate::model::ObjectReference;
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, de::DeserializeOwned};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

/// A text that is borrowed from the JSON unless it has escapes.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Text<'a>(pub(super) Cow<'a, str>);

impl std::ops::Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Borrowed;
        impl<'de> Visitor<'de> for Borrowed {
            type Value = Text<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a text")
            }

            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Borrowed)
    }
}

/// A map of texts, as `data` of Secrets and ConfigMaps.
pub(super) type Texts<'a> = BTreeMap<Text<'a>, Text<'a>>;

/// Annotations that say whose an object is. The large ones are passed over.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Annotations<'a> {
    #[serde(borrow, rename = "kubernetes.io/service-account.name")]
    pub(super) service_account: Option<Text<'a>>,
    #[serde(borrow, rename = "cert-manager.io/certificate-name")]
    pub(super) certificate_name: Option<Text<'a>>,
}

/// An owner.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Owner<'a> {
    #[serde(borrow)]
    pub(super) kind: Text<'a>,
    #[serde(borrow)]
    pub(super) name: Text<'a>,
}

/// `metadata`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Metadata<'a> {
    #[serde(borrow)]
    pub(super) name: Text<'a>,
    #[serde(borrow)]
    pub(super) namespace: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) annotations: Option<Annotations<'a>>,
    #[serde(borrow)]
    pub(super) owner_references: Option<Vec<Owner<'a>>>,
    #[serde(borrow)]
    pub(super) creation_timestamp: Option<Text<'a>>,
}

impl Metadata<'_> {
    pub(super) fn reference(&self, kind: &str) -> ObjectReference {
        match &self.namespace {
            Some(namespace) => ObjectReference::namespaced(kind, namespace, &self.name),
            None => ObjectReference::cluster_wide(kind, &self.name),
        }
    }
}

/// An address that a load balancer or a Gateway publishes.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Published {
    pub(super) ip: Option<String>,
    pub(super) hostname: Option<String>,
    pub(super) value: Option<String>,
}

impl Published {
    pub(super) fn address(self) -> Option<String> {
        self.ip
            .or(self.hostname)
            .or(self.value)
            .filter(|address| !address.is_empty())
    }
}

/// A condition of a status.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Condition {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) status: String,
    pub(super) message: String,
}

/// Reads an object whose JSON holds nothing secret. The reason never quotes the JSON.
pub(super) fn read<T: DeserializeOwned>(json: &[u8]) -> Result<T, String> {
    serde_json::from_slice(json).map_err(|error| unreadable(&error))
}

/// What is wrong with an object's JSON: where, and not what stands there, which may be secret.
pub(super) fn unreadable(error: &serde_json::Error) -> String {
    let kind = match error.classify() {
        serde_json::error::Category::Data => "is not as Kubernetes describes it",
        _ => "is no JSON",
    };
    format!("an object {kind} at its column {}", error.column())
}
