//! Objects by their references: where they lie in the API, what of them is read, and how a change of
//! one place is put.

use crate::ports::{ClusterChange, ClusterError, ClusterErrorKind, ClusterRead};
use kubepki_core::model::ObjectReference;
use kubepki_sealed::{Sealed, danger};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// A change that is not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeError {
    /// The API refuses, or does not answer.
    #[error("{object}: {source}")]
    Cluster {
        /// What was to be changed.
        object: String,
        /// Why not.
        source: ClusterError,
    },
    /// Nothing of this kind, or no such place in it, is ever changed.
    #[error("{object}: {detail}")]
    NotOurs {
        /// What was asked for.
        object: String,
        /// Why not.
        detail: String,
    },
    /// Something else lies there than what may be replaced.
    #[error("{object} holds {found}, expected {expected}: it was changed by somebody else")]
    OtherContents {
        /// The place.
        object: String,
        /// What lies there.
        found: String,
        /// What might have been there.
        expected: String,
    },
    /// An object cannot be read.
    #[error("{object} cannot be read: {detail}")]
    Unreadable {
        /// It.
        object: String,
        /// Where it broke off.
        detail: String,
    },
    /// It did not become so in time.
    #[error("{object}: {detail}, after {seconds} s")]
    TooLate {
        /// What was waited for.
        object: String,
        /// What is missing.
        detail: String,
        /// How long.
        seconds: u64,
    },
    /// Another operator rotates.
    #[error(
        "another rotation is under way: Lease kube-system/{lease} is held by {holder} until {until}"
    )]
    Held {
        /// The Lease.
        lease: &'static str,
        /// By whom.
        holder: String,
        /// When it runs out.
        until: String,
    },
    /// The Lease was renewed, and its holder is asked to pause.
    #[error("a pause of the rotation was asked for at {at}")]
    PauseAsked {
        /// When.
        at: String,
    },
    /// Nobody rotates who could pause.
    #[error("no rotation is being carried out: Lease kube-system/{lease} is held by nobody")]
    NobodyHolds {
        /// The Lease.
        lease: &'static str,
    },
    /// Old tokens that are still used are kept.
    #[error("{count} token Secrets are kept, since they are still used: {used}")]
    TokensInUse {
        /// How many.
        count: usize,
        /// Which, and by whom.
        used: String,
    },
}

impl ChangeError {
    /// Stable name.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Cluster { source, .. } => source.code(),
            Self::NotOurs { .. } => "api-object-not-ours",
            Self::OtherContents { .. } => "api-object-changed",
            Self::Unreadable { .. } => "api-object-unreadable",
            Self::TooLate { .. } => "api-too-late",
            Self::Held { .. } => "rotation-held",
            Self::PauseAsked { .. } => "rotation-pause-asked",
            Self::NobodyHolds { .. } => "no-rotation",
            Self::TokensInUse { .. } => "token-secrets-in-use",
        }
    }
}

/// An error about an object, from what the API answered.
pub(super) fn of(object: impl fmt::Display) -> impl FnOnce(ClusterError) -> ChangeError {
    let object = object.to_string();
    move |source| ChangeError::Cluster { object, source }
}

/// Kinds that are changed here: their collections, and whether they lie in namespaces.
const KINDS: [(&str, &str, &str, bool); 10] = [
    ("ConfigMap", "/api/v1", "configmaps", true),
    ("Secret", "/api/v1", "secrets", true),
    ("ServiceAccount", "/api/v1", "serviceaccounts", true),
    ("Deployment", "/apis/apps/v1", "deployments", true),
    ("DaemonSet", "/apis/apps/v1", "daemonsets", true),
    ("StatefulSet", "/apis/apps/v1", "statefulsets", true),
    (
        "ValidatingWebhookConfiguration",
        "/apis/admissionregistration.k8s.io/v1",
        "validatingwebhookconfigurations",
        false,
    ),
    (
        "MutatingWebhookConfiguration",
        "/apis/admissionregistration.k8s.io/v1",
        "mutatingwebhookconfigurations",
        false,
    ),
    (
        "APIService",
        "/apis/apiregistration.k8s.io/v1",
        "apiservices",
        false,
    ),
    (
        "CustomResourceDefinition",
        "/apis/apiextensions.k8s.io/v1",
        "customresourcedefinitions",
        false,
    ),
];

/// The object's path in the API.
pub(super) fn path(object: &ObjectReference) -> Result<String, ChangeError> {
    let refused = |detail: &str| ChangeError::NotOurs {
        object: object.to_string(),
        detail: detail.to_owned(),
    };
    let kind = KINDS.iter().find(|(kind, ..)| *kind == object.kind);
    let (_, group, plural, namespaced) =
        kind.ok_or_else(|| refused("objects of this kind are not changed by a rotation"))?;
    let is_name = |name: &str| {
        !name.is_empty()
            && !name.starts_with('.')
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
    };
    match (&object.namespace, namespaced) {
        _ if !is_name(&object.name) => Err(refused("this is no object's name")),
        (Some(namespace), true) if is_name(namespace) => Ok(format!(
            "{group}/namespaces/{namespace}/{plural}/{}",
            object.name
        )),
        (None, false) => Ok(format!("{group}/{plural}/{}", object.name)),
        _ => Err(refused("its namespace is not one of its kind")),
    }
}

/// `metadata` as far as it matters to a change.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Metadata {
    pub(super) resource_version: String,
    pub(super) uid: String,
}

/// Only the metadata of an object.
#[derive(Deserialize)]
pub(super) struct Headed {
    pub(super) metadata: Metadata,
}

/// The object's metadata; `None` when it is not there.
pub(super) fn head(
    cluster: &dyn ClusterRead,
    object: &ObjectReference,
) -> Result<Option<Metadata>, ChangeError> {
    match cluster.object(&path(object)?) {
        Ok(json) => {
            let headed: Headed = serde_json::from_slice(danger::open(&json))
                .map_err(|error| unreadable(object, &error))?;
            Ok(Some(headed.metadata))
        }
        Err(error) if error.kind == ClusterErrorKind::NotFound => Ok(None),
        Err(error) => Err(of(object)(error)),
    }
}

/// Without serde's words, which quote values.
pub(super) fn unreadable(object: impl fmt::Display, error: &serde_json::Error) -> ChangeError {
    ChangeError::Unreadable {
        object: object.to_string(),
        detail: format!("line {}, column {}", error.line(), error.column()),
    }
}

/// One value of `data` with the version that it was read at. The other values, which may be secrets of
/// others, are passed over unread.
pub(super) struct Value {
    pub(super) metadata: Metadata,
    pub(super) value: Option<Sealed>,
}

/// Reads one key of an object's `data`, as it stands there.
pub(super) fn value(
    cluster: &dyn ClusterRead,
    object: &ObjectReference,
    key: &str,
) -> Result<Value, ChangeError> {
    let json = cluster.object(&path(object)?).map_err(of(object))?;
    let mut reader = serde_json::Deserializer::from_slice(danger::open(&json));
    OneValue { key }
        .deserialize(&mut reader)
        .map_err(|error| unreadable(object, &error))
}

struct OneValue<'k> {
    key: &'k str,
}

impl<'de> DeserializeSeed<'de> for OneValue<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for OneValue<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of the API")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut found = Value {
            metadata: Metadata::default(),
            value: None,
        };
        while let Some(field) = map.next_key::<Cow<'_, str>>()? {
            match &*field {
                "metadata" => found.metadata = map.next_value()?,
                "data" => found.value = map.next_value_seed(OneKey { key: self.key })?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(found)
    }
}

struct OneKey<'k> {
    key: &'k str,
}

impl<'de> DeserializeSeed<'de> for OneKey<'_> {
    type Value = Option<Sealed>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for OneKey<'_> {
    type Value = Option<Sealed>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of texts")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(key) = map.next_key::<Cow<'_, str>>()? {
            if key == self.key {
                let text: Text = map.next_value()?;
                found = Some(text.0);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

/// A text that goes into its seal at once.
struct Text(Sealed);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Seals;
        impl Visitor<'_> for Seals {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_str<E>(self, text: &str) -> Result<Text, E> {
                Ok(Text(Sealed::new(text.as_bytes().to_vec())))
            }
        }
        deserializer.deserialize_str(Seals)
    }
}

/// How often a change is tried that others get in the way of.
const TRIES: u32 = 8;

/// Reads, decides and changes, again from the reading when somebody changed the object meanwhile.
/// `attempt` answers `None` when there is nothing to change, else the patch, which names the version
/// that it was made for.
pub(super) fn change(
    cluster: &dyn ClusterChange,
    object: &ObjectReference,
    mut attempt: impl FnMut() -> Result<Option<Sealed>, ChangeError>,
) -> Result<bool, ChangeError> {
    let path = path(object)?;
    let mut tries = TRIES;
    loop {
        let Some(patch) = attempt()? else {
            return Ok(false);
        };
        match cluster.merge(&path, &patch) {
            Ok(_) => return Ok(true),
            Err(error) if error.kind == ClusterErrorKind::Conflict && tries > 0 => tries -= 1,
            Err(error) => return Err(of(object)(error)),
        }
    }
}

/// JSON as a request's body.
pub(super) fn body(value: &serde_json::Value) -> Sealed {
    Sealed::new(value.to_string().into_bytes())
}
