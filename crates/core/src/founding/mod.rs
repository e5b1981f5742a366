//! Founding: the PKI of a cluster that has none yet, from a declared layout to a list of what to make.
//!
//! ```text
//! kubeadm's table + parameters ─┐
//!                               ├─► DeclaredLayout ─► Declarations ─┐
//! a user's YAML ────────────────┘   (text)            (checked)     ├─► Founding | Refusal
//!                                   what is there already: Ground ──┘   (what to make)
//! ```
//!
//! Pure: nothing is read, made or written here. Keys and signatures are the business of
//! `kubepki-engine`, which carries a [`Founding`] out and never decides.
//! <https://kubernetes.io/docs/setup/best-practices/certificates/>

mod document;
mod found;
mod ground;
mod kubeadm;
mod layout;
mod list;
mod names;
mod notices;
mod refusal;
mod result;
mod selection;

pub use document::{
    DeclaredAuthority, DeclaredCertificate, DeclaredKubeconfig, DeclaredLayout,
    DeclaredServiceAccountKey, DeclaredSubject,
};
pub use found::{FoundingRequest, found};
pub use ground::{AuthorityGround, Ground};
pub use kubeadm::{ClusterParameters, ControlPlaneEndpoint, declared_by_kubeadm, kubernetes_minor};
pub use layout::{
    Authority, Declarations, Destination, Folders, LayoutError, Leaf, ServiceAccountKey,
};
pub use list::{Certifies, ExistingAuthority, Founding, Making, ServiceAccountKeyMaking, Source};
pub use names::first_service_address;
pub use refusal::FoundingRefusal;
pub use result::{FoundingResult, MadeFile, MadeFileKind};
