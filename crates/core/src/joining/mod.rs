//! What a host needs to join a cluster: the hashes that pin the cluster's CA, a bootstrap token, and
//! the words or the document that kubeadm takes. Values in, values out; a token's secret is sealed.
//!
//! <https://kubernetes.io/docs/reference/setup-tools/kubeadm/kubeadm-join/>

mod cluster_info;
mod node;
mod request;
mod token;

pub use cluster_info::{ClusterInfo, ClusterInfoError};
pub use node::{NodeNameError, check_node_name, instructions};
pub use request::{ConfigurationVersion, JoinRequest};
pub use token::{BootstrapToken, TOKEN_GROUP, TokenError, Usable};
