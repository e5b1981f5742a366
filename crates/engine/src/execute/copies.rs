//! Copies of kubeconfigs brought up to date: the user of each gets the certificate and key of the
//! original's, and every other byte stays.
//!
//! A run like any other, with a lock, a journal and a backup, so that it can be carried on and undone.
//! Nothing is issued and nothing restarted.

use super::basis;
use super::error::ExecuteError;
use super::run::{Execution, runner};
use crate::apply::{Change, RunId, Start, Transaction, backup};
use crate::ports::{FILE_LIMIT, HostRead};
use kubepki_core::formats::kubeconfig::Kubeconfig;
use kubepki_core::model::Inventory;
use kubepki_core::people::StaleCopy;
use kubepki_core::plan::document::API_VERSION;
use kubepki_core::plan::{BasisFile, Plan};
use std::path::{Path, PathBuf};

/// What came of it.
#[derive(Debug)]
pub struct CopiesUpdated {
    /// The run.
    pub id: RunId,
    /// The archive with the old files.
    pub backup: Option<PathBuf>,
    /// The copies that were written.
    pub written: Vec<PathBuf>,
}

/// Brings copies up to date, all of them or none.
///
/// # Errors
/// Nothing has changed then, but after an interruption, which the next run settles.
pub fn update_copies(
    execution: &Execution<'_>,
    before: &Inventory,
    copies: &[StaleCopy],
) -> Result<CopiesUpdated, ExecuteError> {
    let ports = &execution.ports;
    let host = ports.host;
    let now = ports.clock.now();
    let plan = plan(before, copies, now);
    let value = serde_json::to_value(&plan).map_err(|error| ExecuteError::Plan {
        name: plan.id.clone(),
        reason: error.to_string(),
    })?;
    let mut transaction = Transaction::begin(
        host,
        Start {
            id: RunId::new(now, execution.chance),
            verb: plan.verb.clone(),
            plan: value,
            runner: runner(execution, &plan, now),
        },
    )?;
    basis::check(host, &plan)?;
    let mut changes: Vec<Change> = Vec::new();
    for copy in copies {
        changes.push(updated(host, copy)?);
    }
    let written: Vec<PathBuf> = changes.iter().map(|it| it.path().to_owned()).collect();
    if let Some(protection) = &execution.backup {
        execution.progress.say("saving the files as they are");
        let id = transaction.record().id.clone();
        let request = backup::Request {
            id: &id,
            verb: &plan.verb,
            time: now,
            paths: &written,
            protection,
        };
        let archive = backup::create(host, &request, &backup::default_path(&id, protection))?;
        transaction.record_backup(&archive.path)?;
    }
    execution.progress.say("putting the new files in place");
    transaction.apply(changes)?;
    let id = transaction.record().id.clone();
    let archive = transaction.record().backup.clone();
    transaction.finish("ok", ports.clock.now())?;
    Ok(CopiesUpdated {
        id,
        backup: archive,
        written,
    })
}

/// A plan without anything to issue: it names the files that it was made from, and that is what an
/// interrupted run needs to be carried on.
fn plan(before: &Inventory, copies: &[StaleCopy], now: jiff::Timestamp) -> Plan {
    let mut basis: Vec<BasisFile> = Vec::new();
    for user in copies.iter().flat_map(|copy| [&copy.original, &copy.copy]) {
        if let Some(sha256) = before.files.get(&user.path)
            && !basis.iter().any(|file| file.path == user.path)
        {
            basis.push(BasisFile {
                path: user.path.clone(),
                sha256: sha256.clone(),
            });
        }
    }
    Plan {
        api_version: API_VERSION.to_owned(),
        kind: "Plan".to_owned(),
        id: String::new(),
        verb: "kubeconfig-update".to_owned(),
        host: before.host.clone(),
        created_at: now,
        basis,
        issuances: Vec::new(),
        restoration: None,
        trust_updates: Vec::new(),
        file_edits: Vec::new(),
        rotation: None,
        components: Vec::new(),
        static_pod_folders: before.static_pod_folders.clone(),
        notices: Vec::new(),
    }
    .with_id()
}

fn updated(host: &dyn HostRead, copy: &StaleCopy) -> Result<Change, ExecuteError> {
    let wrong = |path: &Path| {
        let path = path.to_owned();
        move |error: kubepki_core::formats::kubeconfig::KubeconfigError| ExecuteError::Format {
            path: path.clone(),
            reason: error.to_string(),
        }
    };
    let original = host.read(&copy.original.path, FILE_LIMIT)?;
    let parsed = Kubeconfig::parse(&original).map_err(wrong(&copy.original.path))?;
    let user = &copy.original.user;
    let certificate = parsed
        .client_certificate_data(user)
        .map_err(wrong(&copy.original.path))?;
    let key = parsed
        .client_key_data(user)
        .map_err(wrong(&copy.original.path))?;
    let old = host.read(&copy.copy.path, FILE_LIMIT)?;
    let contents = Kubeconfig::set_client_certificate(&old, &copy.copy.user, certificate, &key)
        .map_err(wrong(&copy.copy.path))?;
    Ok(Change::Write {
        path: copy.copy.path.clone(),
        contents,
        attributes: host.metadata(&copy.copy.path)?.attributes,
    })
}
