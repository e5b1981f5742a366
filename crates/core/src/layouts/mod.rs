//! Layouts: what the field agrees on about files, flags and reloading, as tables.
//!
//! - [`kubeadm`]: which certificates, kubeconfigs and keys kubeadm makes, under which names.
//! - [`by_hand`]: what other ways of setting up a cluster have that no flag names.
//! - [`vendors`]: distributions that see to their certificates themselves.
//! - [`recognise`](mod@recognise): which layout a host follows.
//! - [`declared`]: what a user's layout says of a host's files.
//! - [`profiles`]: what a certificate of each role says where the old one is lost.
//! - [`component_files`]: which flag of which component names what.
//! - [`reload`](mod@reload): which inputs a running component takes up by itself.
//!
//! Flags come first in discovery; a layout says what no flag names. There are no branches here: a
//! new fact is a new row.

pub mod by_hand;
pub mod component_files;
pub mod declared;
pub mod kind;
pub mod kubeadm;
pub mod profiles;
pub mod recognise;
pub mod reload;
pub mod vendors;

pub use component_files::{
    AuthorityKeyPairFlags, KeyPairFlags, KubeconfigFlag, ServiceAccountKeyFlag,
    ServiceAccountKeyUse, TrustBundleFlag,
};
pub use declared::Declared;
pub use kind::LayoutKind;
pub use kubeadm::{
    CommonNameRule, KUBEADM, KubeletCertificate, Layout, OrganizationRule, RequiredAuthority,
    RequiredCertificate, RequiredKubeconfig, SubjectAltNameRule, SubjectRule,
};
pub use profiles::{Profiles, ProfilesError};
pub use recognise::{Recognised, recognise, vendor_of_entry};
pub use reload::{Reload, reload};
