//! The Kubernetes API of a whole cluster, read object by object.
//!
//! Lists are asked for page by page, and of a page one object at a time is given, as the JSON that
//! the server sent: a cluster's Secrets must not lie in memory together. Reading only; what the
//! answers mean is said in `kubepki_core::cluster`. Writing is two ports of their own: bootstrap tokens,
//! and what a rotation changes.
//! <https://kubernetes.io/docs/reference/using-api/api-concepts/#retrieving-large-results-sets-in-chunks>

use jiff::Timestamp;
use kubepki_core::joining::BootstrapToken;
use kubepki_sealed::Sealed;

/// What an API server says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerVersion {
    /// e.g. `v1.20.2`; `None` when it is not told to this user.
    pub version: Option<String>,
    /// Its clock (the `Date` header, whole seconds).
    pub time: Option<Timestamp>,
}

/// One page of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageRequest<'a> {
    /// The collection, e.g. `/api/v1/secrets` or `/apis/networking.k8s.io/v1/ingresses`.
    pub path: &'a str,
    /// Which objects, by fields.
    pub field_selector: Option<&'a str>,
    /// At most so many objects.
    pub limit: u32,
    /// Where the page before ended.
    pub continue_from: Option<&'a str>,
}

/// What came after the objects of a page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Where the next page begins; `None` after the last.
    pub next: Option<String>,
    /// Objects larger than the reader accepts, which were passed over.
    pub passed_over: u64,
}

/// What kind of answer a refusal was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClusterErrorKind {
    /// Nothing answered, or not over TLS as the kubeconfig wants it.
    Unreachable,
    /// Credentials were refused (HTTP 401, a TLS alert about the certificate, anonymous).
    Unauthorized,
    /// The user may not (HTTP 403).
    Forbidden,
    /// No such object, or no such kind in this cluster (HTTP 404).
    NotFound,
    /// The list has become too old to go on with (HTTP 410), but for this place when one is given,
    /// from which on the list is as of now.
    Expired {
        /// Where to go on.
        next: Option<String>,
    },
    /// Somebody changed it meanwhile, it is there already, or is another one than was meant (HTTP
    /// 409).
    Conflict,
    /// Anything else.
    Other,
}

/// The API did not answer as asked.
#[derive(Debug, thiserror::Error)]
#[error("{server}: {detail}")]
pub struct ClusterError {
    /// The server's URL.
    pub server: String,
    /// The kind of refusal.
    pub kind: ClusterErrorKind,
    /// What happened.
    pub detail: String,
}

impl ClusterError {
    /// Stable name of the kind of refusal.
    pub fn code(&self) -> &'static str {
        match self.kind {
            ClusterErrorKind::Unreachable => "api-unreachable",
            ClusterErrorKind::Unauthorized => "api-unauthorized",
            ClusterErrorKind::Forbidden => "api-forbidden",
            ClusterErrorKind::NotFound => "api-not-found",
            ClusterErrorKind::Expired { .. } => "api-list-expired",
            ClusterErrorKind::Conflict => "api-conflict",
            ClusterErrorKind::Other => "api-failed",
        }
    }
}

/// Reads a cluster's API.
pub trait ClusterRead: Send + Sync {
    /// The server's URL.
    fn server(&self) -> &str;

    /// The server's version and clock. That this user is not told the version is no error.
    fn version(&self) -> Result<ServerVersion, ClusterError>;

    /// One page of a list: `each` is given every object's JSON, which may hold secrets and is
    /// overwritten afterwards. After an error some objects may have been given already.
    fn page(
        &self,
        request: &PageRequest<'_>,
        each: &mut dyn FnMut(&[u8]),
    ) -> Result<Page, ClusterError>;

    /// One object's JSON, by its path.
    fn object(&self, path: &str) -> Result<Sealed, ClusterError>;
}

/// Writes the one kind of object that this program makes in a cluster's API.
pub trait ClusterWrite: ClusterRead {
    /// Creates the Secret of a bootstrap token in `kube-system`. Refused where there is one of its id.
    fn create_bootstrap_token(&self, token: &BootstrapToken) -> Result<(), ClusterError>;
}

/// Changes objects of a cluster's API, one request each. What may be changed, and to what, is decided in
/// [`rotation`](crate::rotation); nobody else holds this port.
///
/// A request is made once: whoever does not hear the answer looks before asking again.
pub trait ClusterChange: ClusterRead {
    /// Creates an object in a collection; what the server made of it.
    fn create(&self, collection: &str, object: &Sealed) -> Result<Sealed, ClusterError>;

    /// Changes an object by a JSON merge patch (RFC 7386). One that names `metadata.resourceVersion`
    /// is refused with [`ClusterErrorKind::Conflict`] when somebody changed the object since.
    fn merge(&self, path: &str, patch: &Sealed) -> Result<Sealed, ClusterError>;

    /// Deletes the object of this UID; another one of its name is left alone
    /// ([`ClusterErrorKind::Conflict`]).
    fn delete(&self, path: &str, uid: &str) -> Result<(), ClusterError>;
}
