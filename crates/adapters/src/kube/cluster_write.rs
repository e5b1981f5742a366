//! What is written into a cluster's API: Secrets of bootstrap tokens, and what a rotation changes.
//!
//! <https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/>,
//! <https://kubernetes.io/docs/reference/using-api/api-concepts/#patch-and-apply>

use super::cluster::ClusterClient;
use http::Method;
use kubepki_core::joining::BootstrapToken;
use kubepki_engine::ports::{ClusterChange, ClusterError, ClusterWrite};
use kubepki_sealed::Sealed;

const SECRETS: &str = "/api/v1/namespaces/kube-system/secrets";
const JSON: &str = "application/json";
/// RFC 7386.
const MERGE_PATCH: &str = "application/merge-patch+json";

impl ClusterWrite for ClusterClient {
    fn create_bootstrap_token(&self, token: &BootstrapToken) -> Result<(), ClusterError> {
        self.change(Method::POST, SECRETS, JSON, &token.to_secret_json())
            .map(drop)
    }
}

impl ClusterChange for ClusterClient {
    fn create(&self, collection: &str, object: &Sealed) -> Result<Sealed, ClusterError> {
        self.change(Method::POST, collection, JSON, object)
    }

    fn merge(&self, path: &str, patch: &Sealed) -> Result<Sealed, ClusterError> {
        self.change(Method::PATCH, path, MERGE_PATCH, patch)
    }

    fn delete(&self, path: &str, uid: &str) -> Result<(), ClusterError> {
        let options = serde_json::json!({
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"uid": uid},
        });
        let options = Sealed::new(options.to_string().into_bytes());
        self.change(Method::DELETE, path, JSON, &options).map(drop)
    }
}
