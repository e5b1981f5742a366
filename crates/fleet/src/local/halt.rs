//! Components stopped and started, under the lock that keeps runs apart.

use super::{LocalSession, Outside};
use crate::session::SessionError;
use kubepki_core::model::{ComponentKind, Inventory};
use kubepki_engine::apply;
use kubepki_engine::ports::{HostLock, Ports, Progress};
use kubepki_engine::take_up::{self, Scene, TakeUpError};

impl<O: Outside> LocalSession<O> {
    pub(super) fn halt_components(
        &mut self,
        components: &[ComponentKind],
        progress: &dyn Progress,
    ) -> Result<(), SessionError> {
        self.with_components("halt", components, progress, take_up::halt)
    }

    pub(super) fn start_components(
        &mut self,
        components: &[ComponentKind],
        progress: &dyn Progress,
    ) -> Result<(), SessionError> {
        self.with_components("start", components, progress, take_up::start)
    }

    fn with_components(
        &mut self,
        verb: &str,
        components: &[ComponentKind],
        progress: &dyn Progress,
        act: fn(&Ports<'_>, &[ComponentKind], &Scene<'_>) -> Result<(), TakeUpError>,
    ) -> Result<(), SessionError> {
        let inventory: Inventory = self.current()?;
        let ports = self.outside.ports();
        let holder = apply::holder_name(std::process::id(), verb, ports.clock.now());
        let _lock: Box<dyn HostLock> =
            apply::lock(ports.host, &holder).map_err(|error| SessionError::from(&error))?;
        let scene = Scene {
            components: &inventory.components,
            static_pod_folders: &inventory.static_pod_folders,
            leaves_no_mark: false,
            as_before: None,
            progress,
        };
        act(&ports, components, &scene).map_err(|error| {
            SessionError::from(&error)
                .hint("`start` brings back whatever was halted; the host tells what that is")
        })
    }
}
