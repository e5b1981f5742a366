//! Ports: what the engine needs from the outside, as traits and their plain values.
//!
//! Nothing is implemented here. [`HostRead`] and [`HostWrite`] are separate on purpose: discovery,
//! assessment and planning hold only the reading one, which makes a dry run the plan itself.

mod attempt;
mod clock;
mod cluster;
mod containers;
mod etcd;
mod host;
mod kube_api;
mod progress;
mod services;
mod tls;

pub use attempt::{Attempt, Attempted, Expectation, Question, Reply, ServerRefusal};
pub use clock::Clock;
pub use cluster::{
    ClusterChange, ClusterError, ClusterErrorKind, ClusterRead, ClusterWrite, Page, PageRequest,
    ServerVersion,
};
pub use containers::{Container, ContainerError, Containers};
pub use etcd::{
    EtcdAccess, EtcdError, EtcdErrorKind, EtcdMember, EtcdPeer, EtcdPrograms, EtcdStatus,
    EtcdTarget, SavedSnapshot, ScratchMember,
};
pub use host::{
    FILE_LIMIT, FileAttributes, FileKind, FileMetadata, HostError, HostErrorKind, HostLock,
    HostRead, HostWrite, Process,
};
pub use kube_api::{KubeApi, KubeApiError, Reached};
pub use progress::Progress;
pub use services::{ServiceControl, ServiceError, UnitState};
pub use tls::{ClientIdentity, Endpoint, HttpAnswer, ProbeError, ServedTls, TlsProbe, Trust};

/// Everything that carrying out and verifying a plan needs of one host.
#[derive(Clone, Copy)]
pub struct Ports<'a> {
    /// Files and processes.
    pub host: &'a dyn HostWrite,
    /// Units and docker containers.
    pub services: &'a dyn ServiceControl,
    /// The container runtime.
    pub containers: &'a dyn Containers,
    /// TLS and HTTP endpoints.
    pub tls: &'a dyn TlsProbe,
    /// The Kubernetes API.
    pub kube: &'a dyn KubeApi,
    /// Time.
    pub clock: &'a dyn Clock,
}
