//! Layouts: what the field agrees on about files, flags and reloading, as tables.
//!
//! - [`kubeadm`]: which certificates, kubeconfigs and keys kubeadm makes, under which names.
//! - [`component_files`]: which flag of which component names what.
//! - [`reload`](mod@reload): which inputs a running component takes up by itself.
//!
//! Flags come first in discovery; a layout says what no flag names. There are no branches here: a
//! new fact is a new row.

pub mod component_files;
pub mod kubeadm;
pub mod reload;

pub use component_files::{
    AuthorityKeyPairFlags, KeyPairFlags, KubeconfigFlag, ServiceAccountKeyFlag,
    ServiceAccountKeyUse, TrustBundleFlag,
};
pub use kubeadm::{
    CommonNameRule, KUBEADM, KubeletCertificate, Layout, OrganizationRule, RequiredAuthority,
    RequiredCertificate, RequiredKubeconfig, SubjectAltNameRule, SubjectRule,
};
pub use reload::{Reload, reload};
