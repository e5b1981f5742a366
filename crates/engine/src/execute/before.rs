//! Static pods' manifests as they were before a rotation that is taken back.
//!
//! Every run's archive has all manifests of its host. No transaction puts these in place: kubelets would
//! start all the pods at once, and etcd's under an API server that runs. Restarts do, one at a time.

use super::run::Execution;
use crate::apply::backup;
use crate::take_up::Manifests;
use kubepki_core::plan::Plan;
use kubepki_core::rotation::back::VERB;
use kubepki_sealed::{Sealed, danger};
use std::path::Path;

/// The manifests in the archive of a plan that takes a rotation back; none for any other plan.
pub(super) fn manifests_before(execution: &Execution<'_>, plan: &Plan) -> Option<Manifests> {
    let restoration = plan.restoration.as_ref().filter(|_| plan.verb == VERB)?;
    let host = execution.ports.host;
    let archive = match backup::read(host, &restoration.archive, &execution.unlock) {
        Ok(archive) => archive,
        Err(error) => {
            // The restarts matter more than the annotations that they leave then.
            execution.progress.say(&error.to_string());
            return None;
        }
    };
    let folders = &plan.static_pod_folders;
    let is_manifest = |path: &Path| folders.iter().any(|it| path.parent() == Some(it));
    let paths = archive.manifest().entries.iter().map(|entry| &entry.path);
    let found = paths.filter(|path| is_manifest(path)).filter_map(|path| {
        let contents = danger::open(archive.contents(path)?).to_vec();
        Some((path.clone(), Sealed::new(contents)))
    });
    Some(found.collect())
}
