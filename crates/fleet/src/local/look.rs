//! One look: files, what runs, what an earlier run left.

use super::{LocalSession, Outside};
use crate::session::{InterruptedRun, Look, LookRequest, RotationRun, SessionError, TakenBackRun};
use jiff::Timestamp;
use kubepki_core::connections::derive;
use kubepki_core::diagnose::{Evidence, HostEvidence};
use kubepki_core::model::{Gap, Inventory, LiveObservation};
use kubepki_core::plan::Plan;
use kubepki_core::rotation::ArchivedKeys;
use kubepki_engine::apply::backup;
use kubepki_engine::apply::{self, BatchState, Stage};
use kubepki_engine::examine::{ExamineOptions, ExaminePorts, examine};
use kubepki_engine::ports::{HostRead, Ports, Progress};
use kubepki_engine::take_up;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a gap calls the state that runs leave behind: with it nothing can be changed on the host.
pub const RUNS: &str = "runs of kubepki";

impl<O: Outside> LocalSession<O> {
    pub(super) fn look_at(
        &mut self,
        request: &LookRequest,
        progress: &dyn Progress,
    ) -> Result<Look, SessionError> {
        let mut inventory = self.discover(&request.pki_folder)?;
        let ports = self.outside.ports();
        let interrupted = interrupted(ports.host, &mut inventory);
        let halted = match take_up::halted(ports.host) {
            Ok(halted) => halted.into_iter().map(|it| it.component).collect(),
            Err(error) => {
                inventory.gaps.push(Gap::new(RUNS, error.to_string()));
                Vec::new()
            }
        };
        let (inventory, live) = if request.examine && inventory.live {
            let timeout = Duration::from_secs(u64::from(request.timeout_seconds.max(1)));
            examined(&ports, inventory, timeout, progress)
        } else {
            (inventory, None)
        };
        let (rotation_runs, taken_back) = rotation_runs(ports.host);
        Ok(Look {
            inventory,
            live,
            interrupted,
            halted,
            clock: ports.clock.now(),
            rotation_runs,
            taken_back,
        })
    }
}

/// What an earlier run left. A journal that cannot be read is a gap: looking goes on beside it, and
/// changing anything is refused by the engine.
fn interrupted(host: &dyn HostRead, inventory: &mut Inventory) -> Option<InterruptedRun> {
    let mut gap = |reason: String| inventory.gaps.push(Gap::new(RUNS, reason));
    if let Ok(Some(holder)) = apply::running(host) {
        gap(format!("another run is going on: {holder}"));
        return None;
    }
    match apply::interrupted(host) {
        Ok(found) => found.map(|run| InterruptedRun {
            id: run.record.id.to_string(),
            verb: run.record.verb,
            started_at: run.record.started_at,
            stage: run.stage.words().to_owned(),
            goes_forward: run.stage != Stage::Staging,
        }),
        Err(error) => {
            gap(error.to_string());
            None
        }
    }
}

/// Finished runs of rotations, the newest first: those that no later run took back, and those that one
/// did. A journal that cannot be read is told elsewhere.
fn rotation_runs(host: &dyn HostRead) -> (Vec<RotationRun>, Vec<TakenBackRun>) {
    let runs = apply::history(host).unwrap_or_default();
    let mut undone: BTreeMap<String, Timestamp> = BTreeMap::new();
    let mut found = Vec::new();
    let mut taken_back = Vec::new();
    for record in runs.iter().rev() {
        let id = record.id.to_string();
        let Some((finished, _)) = &record.finished else {
            continue;
        };
        let Ok(plan) = serde_json::from_value::<Plan>(record.plan.clone()) else {
            continue;
        };
        if let Some(at) = undone.get(&id) {
            let run = plan.rotation.map(|mark| TakenBackRun { mark, at: *at });
            taken_back.extend(run);
            continue;
        }
        if let Some(other) = plan.restoration.as_ref().and_then(|it| it.undoes.clone()) {
            undone.insert(other, *finished);
        }
        let Some(mark) = plan.rotation else {
            continue;
        };
        let committed = record
            .batches
            .iter()
            .filter(|(batch, state)| *state == BatchState::Committed && batch.reverts.is_none());
        let written = committed.flat_map(|(batch, _)| &batch.steps);
        let written: Vec<PathBuf> = written.map(|step| step.path.clone()).collect();
        let archive = record.backup.as_ref();
        let archive = archive.map(|path| backup::whereabouts(host, path));
        found.push(RotationRun {
            id,
            started_at: record.started_at,
            mark,
            keys: archived_keys(host, archive.as_deref(), &written),
            archive,
            written,
            components: plan.components.iter().map(|it| it.component).collect(),
        });
    }
    (found, taken_back)
}

/// What became of the private keys in an archive. Only where the run replaced one is it looked into.
fn archived_keys(host: &dyn HostRead, archive: Option<&Path>, written: &[PathBuf]) -> ArchivedKeys {
    let Some(archive) = archive else {
        return ArchivedKeys::Kept;
    };
    if archive.extension().is_some_and(|it| it == "age") {
        return ArchivedKeys::Sealed;
    }
    let is_a_keys = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.contains("key")
    };
    if !written.iter().any(is_a_keys) {
        return ArchivedKeys::Kept;
    }
    match backup::manifest(host, archive) {
        Ok(Some(manifest)) if backup::destroyed_among(&manifest, written).is_some() => {
            ArchivedKeys::Destroyed
        }
        _ => ArchivedKeys::Kept,
    }
}

fn examined(
    ports: &Ports<'_>,
    inventory: Inventory,
    timeout: Duration,
    progress: &dyn Progress,
) -> (Inventory, Option<LiveObservation>) {
    let [mut host] = [HostEvidence {
        inventory,
        live: None,
    }];
    let (graph, material) = derive(&Evidence {
        hosts: std::slice::from_ref(&host),
        cluster: None,
    });
    let options = ExamineOptions {
        timeout,
        material: Some(material),
        ..ExamineOptions::default()
    };
    let ports = ExaminePorts {
        host: ports.host,
        tls: ports.tls,
        clock: ports.clock,
    };
    host.live = Some(examine(&ports, &host.inventory, &graph, &options, progress));
    (host.inventory, host.live)
}
