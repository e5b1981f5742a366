//! Ports: what the engine needs from the outside, as traits and their plain values.
//!
//! Nothing is implemented here. [`HostRead`] and [`HostWrite`] are separate on purpose: discovery,
//! assessment and planning hold only the reading one, which makes a dry run the plan itself.

mod clock;
mod containers;
mod host;
mod kube_api;
mod services;
mod tls;

pub use clock::Clock;
pub use containers::{Container, ContainerError, Containers};
pub use host::{
    FileAttributes, FileKind, FileMetadata, HostError, HostErrorKind, HostLock, HostRead,
    HostWrite, Process,
};
pub use kube_api::{KubeApi, KubeApiError, Reached};
pub use services::{ServiceControl, ServiceError, UnitState};
pub use tls::{ClientIdentity, Endpoint, HttpAnswer, ProbeError, ServedTls, TlsProbe, Trust};
