//! `kubepki schema`: the JSON Schemas of `docs/schema`, carried in the binary.

use crate::args::SchemaArgs;
use crate::context::Context;
use crate::error::CliError;
use crate::exit_code::ExitCode;
use std::io::Write;

/// Every kind that this program writes or reads, and its schema.
const SCHEMAS: &[(&str, &str)] = &[
    (
        "AcceptedRisks",
        include_str!("../../../../docs/schema/accepted-risks.json"),
    ),
    (
        "Backup",
        include_str!("../../../../docs/schema/backup.json"),
    ),
    (
        "BackupDiff",
        include_str!("../../../../docs/schema/backup-diff.json"),
    ),
    (
        "BackupList",
        include_str!("../../../../docs/schema/backup-list.json"),
    ),
    (
        "BackupPrune",
        include_str!("../../../../docs/schema/backup-prune.json"),
    ),
    (
        "CaHashes",
        include_str!("../../../../docs/schema/ca-hashes.json"),
    ),
    (
        "Cluster",
        include_str!("../../../../docs/schema/cluster.json"),
    ),
    (
        "ClusterPlan",
        include_str!("../../../../docs/schema/cluster-plan.json"),
    ),
    (
        "ClusterRunResult",
        include_str!("../../../../docs/schema/cluster-run-result.json"),
    ),
    (
        "ClusterStatus",
        include_str!("../../../../docs/schema/cluster-status.json"),
    ),
    (
        "Diagnosis",
        include_str!("../../../../docs/schema/diagnosis.json"),
    ),
    ("Error", include_str!("../../../../docs/schema/error.json")),
    (
        "FindingCatalogue",
        include_str!("../../../../docs/schema/finding-catalogue.json"),
    ),
    (
        "FoundingResult",
        include_str!("../../../../docs/schema/founding-result.json"),
    ),
    (
        "HostResults",
        include_str!("../../../../docs/schema/host-results.json"),
    ),
    (
        "HostList",
        include_str!("../../../../docs/schema/host-list.json"),
    ),
    (
        "Inspection",
        include_str!("../../../../docs/schema/inspection.json"),
    ),
    (
        "JoinConfig",
        include_str!("../../../../docs/schema/join-config.json"),
    ),
    (
        "KubeconfigList",
        include_str!("../../../../docs/schema/kubeconfig-list.json"),
    ),
    (
        "KubeconfigResult",
        include_str!("../../../../docs/schema/kubeconfig-result.json"),
    ),
    (
        "KubeconfigUpdate",
        include_str!("../../../../docs/schema/kubeconfig-update.json"),
    ),
    (
        "NodeCredentials",
        include_str!("../../../../docs/schema/node-credentials.json"),
    ),
    (
        "Layout",
        include_str!("../../../../docs/schema/layout.json"),
    ),
    ("Plan", include_str!("../../../../docs/schema/plan.json")),
    (
        "RescueResult",
        include_str!("../../../../docs/schema/rescue-result.json"),
    ),
    (
        "Rotation",
        include_str!("../../../../docs/schema/rotation.json"),
    ),
    (
        "RotationResult",
        include_str!("../../../../docs/schema/rotation-result.json"),
    ),
    (
        "Profiles",
        include_str!("../../../../docs/schema/profiles.json"),
    ),
    (
        "RunResult",
        include_str!("../../../../docs/schema/run-result.json"),
    ),
    (
        "Status",
        include_str!("../../../../docs/schema/status.json"),
    ),
];

/// Prints a schema, or the kinds that have one.
pub fn run(context: &Context, args: &SchemaArgs) -> Result<ExitCode, CliError> {
    let mut stdout = context.stdout();
    match &args.kind {
        None => {
            for (kind, _) in SCHEMAS {
                writeln!(stdout, "{kind}")?;
            }
        }
        Some(wanted) => {
            let (_, schema) = SCHEMAS
                .iter()
                .find(|(kind, _)| kind.eq_ignore_ascii_case(wanted))
                .ok_or_else(|| {
                    CliError::usage(format!("there is no output of kind {wanted}"))
                        .hint("`kubepki schema` lists the kinds")
                })?;
            stdout.write_all(schema.as_bytes())?;
        }
    }
    stdout.flush()?;
    Ok(ExitCode::Fine)
}
