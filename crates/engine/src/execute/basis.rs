//! The basis of a plan: the files it was made from must still be what they were.

use super::error::ExecuteError;
use crate::ports::{FILE_LIMIT, HostErrorKind, HostRead};
use kubepki_core::plan::Plan;
use kubepki_sealed::danger;
use sha2::{Digest, Sha256};

/// Refuses when the plan is for another host or a file of its basis has changed.
pub fn check(host: &dyn HostRead, plan: &Plan) -> Result<(), ExecuteError> {
    let name = crate::discover::host_name(host)?;
    if name != plan.host {
        return Err(ExecuteError::OtherHost {
            expected: plan.host.clone(),
            found: name,
        });
    }
    for file in &plan.basis {
        let found = match host.read(&file.path, FILE_LIMIT) {
            Ok(contents) => Some(hex::encode(Sha256::digest(danger::open(&contents)))),
            Err(error) if error.kind == HostErrorKind::NotFound => None,
            Err(error) => return Err(error.into()),
        };
        if found != file.sha256 {
            let shown = |hash: &Option<String>| match hash {
                Some(hash) => format!("sha256:{}", hash.get(..16).unwrap_or(hash)),
                None => "no file".to_owned(),
            };
            return Err(ExecuteError::WorldChanged {
                path: file.path.clone(),
                expected: shown(&file.sha256),
                found: shown(&found),
            });
        }
    }
    Ok(())
}
