//! What is done in a world: a component takes up files, with the setting of a run.

use crate::world::{ADMIN, MANIFESTS, World};
use jiff::{SignedDuration, Timestamp};
use kubepki_core::model::{Component, ComponentKind};
use kubepki_core::plan::{ComponentAction, TakeUp};
use kubepki_engine::ports::Ports;
use kubepki_engine::take_up::{Setting, TakeUpError, TakenUp, take_up};
use std::path::PathBuf;

impl World {
    pub fn action(&self, kind: ComponentKind, take_up: TakeUp) -> ComponentAction {
        ComponentAction {
            component: kind,
            runs_as: self.component(kind).runs_as,
            take_up,
            reasons: Vec::new(),
            parks: Vec::new(),
        }
    }

    /// Has a component take up files that changed a second ago.
    pub fn take_up(&self, action: &ComponentAction) -> Result<TakenUp, TakeUpError> {
        let changed = self.state().now;
        self.pass(SignedDuration::from_secs(1));
        self.take_up_since(action, changed)
    }

    pub fn take_up_since(
        &self,
        action: &ComponentAction,
        changed: Timestamp,
    ) -> Result<TakenUp, TakeUpError> {
        let component = Component {
            runs_as: action.runs_as.clone(),
            ..self.component(action.component)
        };
        self.with_setting(changed, |ports, setting| {
            take_up(ports, &component, action, setting)
        })
    }

    pub fn with_setting<T>(
        &self,
        changed: Timestamp,
        ask: impl FnOnce(&Ports<'_>, &Setting<'_>) -> T,
    ) -> T {
        let components = self.components();
        let folders = [PathBuf::from(MANIFESTS)];
        let setting = Setting {
            plan_id: "0123456789abcdef",
            files_changed_at: changed,
            admin_kubeconfig: Some(ADMIN.into()),
            static_pod_folders: &folders,
            components: &components,
            written: &[],
            leaves_no_mark: false,
            as_before: None,
            progress: self,
        };
        ask(&self.ports(), &setting)
    }
}
