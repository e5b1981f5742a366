//! Old containers that the kubelet does not end.
//!
//! A kubelet ends no pod before it has heard from the API server since its own start (its "sources
//! ready"), lest it take pods that it has not been told of for deleted ones. After a kubelet's
//! restart under an API server that still serves its expired certificate that is up to a minute, and
//! for ever where the API server never answers. The runtime can end the container at once.

use super::setting::Setting;
use crate::ports::Ports;
use jiff::{SignedDuration, Timestamp};
use kubepki_core::model::ComponentKind;

/// Only the API server takes more than a second or two to end, and its listener goes first.
const PATIENCE: SignedDuration = SignedDuration::from_secs(10);

/// As the kubelet gives a pod.
pub const STOP_GRACE: u32 = 30;

/// A static pod's containers from before `since`, which are about to end.
pub struct Lingering<'a> {
    kind: ComponentKind,
    container: &'a str,
    since: Timestamp,
    is_stopped: bool,
}

impl<'a> Lingering<'a> {
    /// Called when the kubelet is told to end them.
    pub fn new(ports: &Ports<'_>, kind: ComponentKind, container: &'a str) -> Self {
        Self {
            kind,
            container,
            since: ports.clock.now(),
            is_stopped: false,
        }
    }

    /// Stops them if the kubelet has had its time. Called again and again while they are there and
    /// give no sign of ending; acts once. A runtime that cannot be asked leaves it to the kubelet.
    pub fn stop_when_due(&mut self, ports: &Ports<'_>, setting: &Setting<'_>) {
        if self.is_stopped || ports.clock.now().duration_since(self.since) < PATIENCE {
            return;
        }
        setting.progress.say(&format!(
            "{}: the kubelet has not ended the old process (it waits to hear from the API server), \
             so its container is stopped",
            self.kind
        ));
        self.stop_now(ports, setting);
    }

    /// Stops them at once: there is no kubelet to end them. Acts once.
    pub fn stop_now(&mut self, ports: &Ports<'_>, setting: &Setting<'_>) {
        if self.is_stopped {
            return;
        }
        self.is_stopped = true;
        if let Err(error) = self.stop(ports) {
            setting.progress.say(&format!("{}: {error}", self.kind));
        }
    }

    fn stop(&self, ports: &Ports<'_>) -> Result<(), crate::ports::ContainerError> {
        let containers = ports.containers.find(self.container)?;
        let old = containers
            .iter()
            .filter(|container| container.running && container.created < self.since);
        for container in old {
            ports.containers.stop(&container.id, STOP_GRACE)?;
        }
        Ok(())
    }

    /// Whether they were stopped behind the kubelet's back: it may hold that against the pod.
    pub fn is_stopped(&self) -> bool {
        self.is_stopped
    }
}
