//! The risks that the user accepts: those of the command line, and those of the file.

use crate::args::DoctorArgs;
use crate::context::{Context, host_error};
use crate::error::CliError;
use kubepki_adapters::host::LocalHost;
use kubepki_core::diagnose::AcceptedRisk;
use kubepki_core::findings::accepted_risks;
use kubepki_engine::ports::{HostErrorKind, HostRead};
use kubepki_sealed::danger;
use std::path::Path;

/// Where the file is looked for when none is named.
const DEFAULT: &str = "/etc/kubepki/accepted-risks.yaml";

/// More is no list of risks.
const LIMIT: u64 = 1 << 20;

/// All of them; those of the command line first.
pub fn accepted(context: &Context, args: &DoctorArgs) -> Result<Vec<AcceptedRisk>, CliError> {
    let mut risks: Vec<AcceptedRisk> = args
        .ignore
        .iter()
        .map(|ignored| AcceptedRisk {
            code: ignored.code.clone(),
            object: ignored.object.clone(),
            reason: None,
            until: None,
            source: "--ignore".to_owned(),
        })
        .collect();
    match &args.accepted_risks {
        Some(path) => {
            // a file of whoever calls, not of the host that is looked at
            let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
            risks.extend(read(&LocalHost::live(), &path)?.unwrap_or_default());
        }
        None => {
            let found = read(context.host(), Path::new(DEFAULT));
            risks.extend(absent_is_none(found)?.unwrap_or_default());
        }
    }
    Ok(risks)
}

fn absent_is_none(
    found: Result<Option<Vec<AcceptedRisk>>, CliError>,
) -> Result<Option<Vec<AcceptedRisk>>, CliError> {
    match found {
        Err(error) if error.code() == "not-found" => Ok(None),
        other => other,
    }
}

fn read(host: &LocalHost, path: &Path) -> Result<Option<Vec<AcceptedRisk>>, CliError> {
    let contents = host.read(path, LIMIT).map_err(|error| {
        let shown = host_error(&error);
        if error.kind == HostErrorKind::NotFound {
            return shown.hint("`kubepki schema AcceptedRisks` says what belongs into it");
        }
        shown
    })?;
    let text = std::str::from_utf8(danger::open(&contents)).map_err(|_| {
        CliError::new(
            "accepted-risks-malformed",
            "the list of accepted risks is not UTF-8",
        )
        .location(path.display())
    })?;
    let declared = accepted_risks::parse(text).map_err(|error| {
        CliError::new(error.code(), &error)
            .location(path.display())
            .hint("`kubepki schema AcceptedRisks` says what belongs into it, `kubepki explain` lists the codes")
    })?;
    let risks = declared.into_iter().map(|risk| AcceptedRisk {
        code: risk.code,
        object: risk.object,
        reason: Some(risk.reason),
        until: risk.until,
        source: path.display().to_string(),
    });
    Ok(Some(risks.collect()))
}
