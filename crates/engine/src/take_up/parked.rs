//! One component takes up new files while others are stopped: etcd, which restarts with a new trust,
//! under an API server that knows only this member.
//!
//! What is stopped is written down before ([`super::halted`]), so that a host on which this was cut short
//! tells so, and the run that carries on starts it again. A component that was stopped has read the new
//! files when it is back, and needs no restart of its own.

use super::component::take_up;
use super::error::TakeUpError;
use super::halt::{Scene, halt, start};
use super::halted::halted;
use super::setting::{Setting, TakenUp};
use super::sure::{self, NewProcess, Restart};
use crate::ports::{HostError, Ports};
use jiff::Timestamp;
use kubepki_core::model::{Component, ComponentKind};
use kubepki_core::plan::ComponentAction;
use std::time::Duration;

/// Has `component` take up the files that changed while those that the action parks are stopped; waits
/// until they are healthy again, which `look` finds, since a stopped one is no longer seen.
///
/// # Errors
/// Also then what was stopped is started again, as far as that works.
pub fn take_up_around(
    ports: &Ports<'_>,
    component: &Component,
    action: &ComponentAction,
    setting: &Setting<'_>,
    look: impl FnOnce() -> Result<Vec<Component>, HostError>,
) -> Result<TakenUp, TakeUpError> {
    if action.parks.is_empty() || !ports.host.is_live() {
        return take_up(ports, component, action, setting);
    }
    let began = ports.clock.now();
    let scene = scene(setting);
    let taken_up = halt(ports, &action.parks, &scene)
        .and_then(|()| take_up(ports, component, action, setting));
    let started = start(ports, &action.parks, &scene);
    let mut taken_up = taken_up?;
    started?;
    let components = look().map_err(|source| TakeUpError::Host {
        component: component.kind,
        source,
    })?;
    let setting = Setting {
        components: &components,
        plan_id: setting.plan_id,
        files_changed_at: setting.files_changed_at,
        admin_kubeconfig: setting.admin_kubeconfig.clone(),
        static_pod_folders: setting.static_pod_folders,
        written: setting.written,
        leaves_no_mark: setting.leaves_no_mark,
        as_before: setting.as_before,
        progress: setting.progress,
    };
    // One that waits for other members makes nothing above it healthy.
    if taken_up.notes.is_empty() {
        for kind in &action.parks {
            if let Some(parked) = components.iter().find(|it| it.kind == *kind) {
                wait_until_healthy(ports, parked, &setting)?;
            }
        }
    }
    // What was stopped was missed from its end until it answered again.
    let took = Duration::try_from(ports.clock.now().duration_since(began)).unwrap_or_default();
    taken_up.seconds = took.as_secs_f64();
    Ok(taken_up)
}

/// Starts those of `kinds` that are stopped: what a run that was cut short owes the host.
pub fn start_parked(
    ports: &Ports<'_>,
    kinds: &[ComponentKind],
    setting: &Setting<'_>,
) -> Result<(), TakeUpError> {
    let Ok(stopped) = halted(ports.host) else {
        return Ok(());
    };
    let kinds: Vec<ComponentKind> = kinds
        .iter()
        .copied()
        .filter(|kind| stopped.iter().any(|it| it.component == *kind))
        .collect();
    start(ports, &kinds, &scene(setting))
}

fn scene<'a>(setting: &'a Setting<'_>) -> Scene<'a> {
    Scene {
        components: setting.components,
        static_pod_folders: setting.static_pod_folders,
        leaves_no_mark: setting.leaves_no_mark,
        as_before: setting.as_before,
        progress: setting.progress,
    }
}

fn wait_until_healthy(
    ports: &Ports<'_>,
    component: &Component,
    setting: &Setting<'_>,
) -> Result<(), TakeUpError> {
    let restart = Restart {
        component,
        cause: "it was started again".to_owned(),
        bound: sure::bound(component.kind) + sure::back_off(setting.is_as_earlier()),
    };
    let mut new = NewProcess {
        old: &[],
        words: &[],
        unit: None,
        since: Timestamp::MIN,
    };
    sure::make_sure(ports, setting, &restart, |ports| {
        new.find(ports, component.kind)
    })
    .map(drop)
}
