//! One component takes up new files.

use super::error::TakeUpError;
use super::setting::{How, Setting, TakenUp};
use super::{reload, restart};
use crate::ports::Ports;
use kubepki_core::model::Component;
use kubepki_core::plan::{ComponentAction, TakeUp};
use std::time::Duration;

/// Has `component` take up the files that changed, and makes sure of it: a reload is waited for and
/// proved where the endpoint can be asked, anything else is restarted and waited for.
///
/// Running it again is harmless: a process that started after the files changed is not restarted.
pub fn take_up(
    ports: &Ports<'_>,
    component: &Component,
    action: &ComponentAction,
    setting: &Setting<'_>,
) -> Result<TakenUp, TakeUpError> {
    let began = ports.clock.now();
    let done = if ports.host.is_live() {
        match action.take_up {
            TakeUp::Reload { within_seconds } => {
                reload::reload(ports, component, action, within_seconds, setting)?
            }
            TakeUp::Restart => restart::restart(ports, component, setting)?,
        }
    } else {
        Done {
            how: How::NotRunning,
            notes: vec!["nothing runs on a mounted disk".to_owned()],
        }
    };
    let took = Duration::try_from(ports.clock.now().duration_since(began)).unwrap_or_default();
    Ok(TakenUp {
        component: component.kind,
        how: done.how,
        seconds: took.as_secs_f64(),
        notes: done.notes,
    })
}

/// What came of one way of taking up.
pub(super) struct Done {
    pub(super) how: How,
    pub(super) notes: Vec<String>,
}

impl Done {
    pub(super) fn new(how: How) -> Self {
        Self {
            how,
            notes: Vec::new(),
        }
    }
}
