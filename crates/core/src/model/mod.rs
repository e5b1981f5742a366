//! The model: what there is on a host, in the field's words. Values only; nobody judges here.

pub mod api_object;
pub mod cluster;
pub mod component;
pub mod component_kind;
pub mod entry;
pub mod finding;
pub mod gap;
pub mod inventory;
pub mod kubeconfig_use;
pub mod live;
pub mod role;

pub use api_object::ObjectReference;
pub use component::{Component, RunningProcess, RunsAs};
pub use component_kind::ComponentKind;
pub use entry::{Entry, Holder, KeyState, KubeconfigUser, UsedBy};
pub use finding::{Finding, Severity};
pub use gap::Gap;
pub use inventory::{
    Authority, EmbeddedTrust, Inventory, NodeName, ServiceAccountKey, ServiceAccountKeyContents,
    StoredConfiguration, SuccessorRequest,
};
pub use kubeconfig_use::{
    EtcdClientFiles, KubeconfigTarget, KubeconfigTrust, KubeconfigUse, TrustFile,
};
pub use live::{FileTime, LiveObservation};
pub use role::{AuthorityName, Role};
