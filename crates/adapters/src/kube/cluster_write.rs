//! What is written into a cluster's API: Secrets of bootstrap tokens, and nothing else.
//!
//! <https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/>

use super::cluster::ClusterClient;
use kubepki_core::joining::BootstrapToken;
use kubepki_engine::ports::{ClusterError, ClusterWrite};

const SECRETS: &str = "/api/v1/namespaces/kube-system/secrets";

impl ClusterWrite for ClusterClient {
    fn create_bootstrap_token(&self, token: &BootstrapToken) -> Result<(), ClusterError> {
        self.create(SECRETS, &token.to_secret_json())
    }
}
