//! Containers of this host over the container runtime interface (CRI): gRPC on a Unix socket.
//!
//! [`CriContainers`] is the engine's `Containers`. The interface is spoken in version v1 and, where
//! a runtime does not know that, v1alpha2. The two differ in their name only, as far as this
//! program uses them.
//!
//! Not here: images, pod sandboxes, and docker's own API. A container's log is the file that the
//! runtime writes, read from this host's disk.

mod api;
mod containers;
mod log;

pub use containers::CriContainers;
