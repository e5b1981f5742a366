//! The planner: what remains to be done, as a script. Pure, and level-driven: it asks of every place what
//! it should hold when a phase is over, and scripts what does not; so what was interrupted anywhere is
//! gone on with, and what is done is not done again.
//!
//! What it relies on in a [`super::Picture`]:
//! * The root's own file (`ca.crt`, `etcd/ca.crt`, `sa.pub`) is a `Trust` place of each host, with all its
//!   readers. Where kube-controller-manager has `--cluster-signing-cert-file`, the file that it names is
//!   a `Sign` place with that flag as its reader (the same file as the `Trust` place until it is split
//!   off). `ca.key` and `sa.key` are `Sign` places of the hosts in `signing_keys`.
//! * Every cluster of a kubeconfig is a `Trust` place, every user's certificate a `Present` place.
//! * What only workloads hold in memory is a place too: see [`super::picture::Keeper::Workload`].
//!   For the Kubernetes CA its purpose is `Trust`, for the service-account key `Present`.
//! * For the service-account key every ServiceAccount with token Secrets is a `Present` place of kind
//!   `ServiceAccount`, kept by the controller manager: `Old` while only the old key signed them, `NewOld`
//!   when a second one is there, `New` when only that is.

mod request;

pub use request::{GivenAuthority, OldKey, RestartWorkloads, RotationRequest};
