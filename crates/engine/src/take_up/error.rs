//! Why a component did not take up new files.

use crate::ports::{HostError, ServiceError};
use kubepki_core::model::ComponentKind;
use std::path::PathBuf;

/// A component did not take up new files. The sentence names the component, what was waited for and
/// for how long; [`TakeUpError::log`] has the component's last log lines.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TakeUpError {
    /// A certificate that the component should serve cannot be read.
    #[error("{component}: cannot compare what it serves with {}: {reason}", path.display())]
    Certificate {
        /// The component.
        component: ComponentKind,
        /// The certificate's file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The host refused to read or write.
    #[error("{component}: {source}")]
    Host {
        /// The component.
        component: ComponentKind,
        /// The refusal.
        source: HostError,
    },
    /// A static pod cannot be restarted while the kubelet is down.
    #[error(
        "{component} cannot be restarted: the kubelet, which alone starts static pods, \
         is not healthy after {seconds} s: {answer}"
    )]
    KubeletDown {
        /// The component.
        component: ComponentKind,
        /// How long was waited.
        seconds: u64,
        /// The last answer.
        answer: String,
        /// The kubelet's last log lines.
        log: Vec<String>,
    },
    /// The component's manifest cannot be used.
    #[error("{component}: cannot use its manifest {}: {reason}", path.display())]
    Manifest {
        /// The component.
        component: ComponentKind,
        /// The manifest.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// No new process.
    #[error("{component}: no new process within {seconds} s after {cause}: {found}")]
    NoNewProcess {
        /// The component.
        component: ComponentKind,
        /// What should have started one.
        cause: String,
        /// How long was waited.
        seconds: u64,
        /// What was there instead.
        found: String,
        /// Its last log lines.
        log: Vec<String>,
    },
    /// A new process that does not become healthy.
    #[error("{component}: process {pid} is not healthy {seconds} s after {cause}: {answer}")]
    NotHealthy {
        /// The component.
        component: ComponentKind,
        /// Its process.
        pid: u32,
        /// What started it.
        cause: String,
        /// How long was waited.
        seconds: u64,
        /// The last answer.
        answer: String,
        /// Its last log lines.
        log: Vec<String>,
    },
    /// A component that was told to stop goes on.
    #[error("{component}: process {pid} did not end within {seconds} s after {cause}")]
    NotStopped {
        /// The component.
        component: ComponentKind,
        /// Its process.
        pid: u32,
        /// What should have stopped it.
        cause: String,
        /// How long was waited.
        seconds: u64,
        /// Its last log lines.
        log: Vec<String>,
    },
    /// Neither way of restarting a static pod is open.
    #[error(
        "{component} cannot be restarted: its manifest cannot be changed ({manifest}), \
         and its container cannot be stopped ({runtime})"
    )]
    NoWayToRestart {
        /// The component.
        component: ComponentKind,
        /// Why the manifest cannot be changed.
        manifest: String,
        /// Why the container cannot be stopped.
        runtime: String,
    },
    /// The component was started by nothing that was recognised.
    #[error(
        "{component} must be restarted to use its new files, but its process {pid} was started by \
         nothing that is known here"
    )]
    RestartByHand {
        /// The component.
        component: ComponentKind,
        /// Its process.
        pid: u32,
    },
    /// The component is to be stopped and was started by nothing that was recognised.
    #[error(
        "{component} must be stopped, but its process {pid} was started by nothing that is known \
         here"
    )]
    StopByHand {
        /// The component.
        component: ComponentKind,
        /// Its process.
        pid: u32,
    },
    /// A unit or docker container could not be restarted.
    #[error("{component}: {source}")]
    Service {
        /// The component.
        component: ComponentKind,
        /// The refusal.
        source: ServiceError,
        /// The component's last log lines.
        log: Vec<String>,
    },
    /// The API server did not end before etcd's restart.
    #[error(
        "{component}: process {pid} did not end within {seconds} s after its manifest was taken \
         away, so etcd was not restarted"
    )]
    StillRunning {
        /// The component.
        component: ComponentKind,
        /// Its process.
        pid: u32,
        /// How long was waited.
        seconds: u64,
        /// Its last log lines.
        log: Vec<String>,
    },
    /// A parked manifest could not be put back.
    #[error(
        "{component} does not run: its manifest lies at {} and could not be put back to {}: {source}",
        parked.display(),
        manifest.display()
    )]
    Unpark {
        /// The component.
        component: ComponentKind,
        /// Where the manifest lies.
        parked: PathBuf,
        /// Where it belongs.
        manifest: PathBuf,
        /// Why it could not be put back.
        source: Box<HostError>,
    },
}

impl TakeUpError {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Certificate { .. } => "take-up-certificate-unreadable",
            Self::Host { .. } => "take-up-host",
            Self::KubeletDown { .. } => "kubelet-down",
            Self::Manifest { .. } => "manifest-unusable",
            Self::NoNewProcess { .. } => "no-new-process",
            Self::NotHealthy { .. } => "not-healthy",
            Self::NotStopped { .. } => "not-stopped",
            Self::StopByHand { .. } => "stop-by-hand",
            Self::NoWayToRestart { .. } => "no-way-to-restart",
            Self::RestartByHand { .. } => "restart-by-hand",
            Self::Service { .. } => "service",
            Self::StillRunning { .. } => "still-running",
            Self::Unpark { .. } => "manifest-parked",
        }
    }

    /// The component that it is about.
    pub fn component(&self) -> ComponentKind {
        match self {
            Self::Certificate { component, .. }
            | Self::Host { component, .. }
            | Self::KubeletDown { component, .. }
            | Self::Manifest { component, .. }
            | Self::NoNewProcess { component, .. }
            | Self::NotHealthy { component, .. }
            | Self::NotStopped { component, .. }
            | Self::StopByHand { component, .. }
            | Self::NoWayToRestart { component, .. }
            | Self::RestartByHand { component, .. }
            | Self::Service { component, .. }
            | Self::StillRunning { component, .. }
            | Self::Unpark { component, .. } => *component,
        }
    }

    /// The last log lines of the component that was waited for, oldest first; empty when there are
    /// none to be had.
    pub fn log(&self) -> &[String] {
        match self {
            Self::KubeletDown { log, .. }
            | Self::NoNewProcess { log, .. }
            | Self::NotHealthy { log, .. }
            | Self::NotStopped { log, .. }
            | Self::Service { log, .. }
            | Self::StillRunning { log, .. } => log,
            _ => &[],
        }
    }

    /// What the user can do about it, where that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::KubeletDown { .. } => Some("look at `journalctl -u kubelet`".to_owned()),
            Self::RestartByHand { component, .. } => Some(format!(
                "restart {component} the way it was started; the files on disk are already new"
            )),
            Self::StopByHand { component, .. } => Some(format!(
                "stop {component} the way it was started, then run it again"
            )),
            Self::Unpark {
                parked, manifest, ..
            } => Some(format!("mv {} {}", parked.display(), manifest.display())),
            _ => None,
        }
    }
}
