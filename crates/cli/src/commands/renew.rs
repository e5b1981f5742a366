//! `kubepki renew` and `kubepki apply`: plan, show, confirm, carry out, tell.

use super::plan_view;
use super::run::{self, Carry};
use super::wiring::{self, Outside};
use crate::args::{ApplyArgs, KeyTypeChoice, KeyWhich, RenewArgs};
use crate::context::{Context, host_error};
use crate::error::CliError;
use crate::exit_code::ExitCode;
use kubepki_adapters::host::LocalHost;
use kubepki_core::layouts::Profiles;
use kubepki_core::plan::{
    ClusterPlan, NameEdits, Plan, Refusal, RenewRequest, Selection, plan_renewal,
};
use kubepki_engine::execute::basis;
use kubepki_engine::ports::{FileAttributes, HostRead, HostWrite};
use kubepki_sealed::{Sealed, danger};
use std::path::Path;

/// Renews certificates of the host.
pub fn run(context: &Context, args: &RenewArgs) -> Result<ExitCode, CliError> {
    let outside = Outside::new(context);
    let carry = Carry::new(&outside, &args.ca_dir, &args.backup);
    let inventory = if args.plan_out.is_some() {
        run::refuse_interrupted(&carry)?;
        wiring::inventory(context, outside.host(), &args.ca_dir)?
    } else {
        run::settled_inventory(context, &carry)?
    };
    if inventory.entries.is_empty() {
        return Err(wiring::nothing_found());
    }
    let request = request(context, args)?;
    let plan =
        plan_renewal(&inventory, &request, context.now()).map_err(|error| refused(&error))?;
    if let Some(file) = &args.plan_out {
        return write_plan(context, file, &plan);
    }
    if plan.is_empty() {
        plan_view::notices(context, &plan)?;
        context.note(match plan.left_out().next() {
            Some(_) => "nothing was renewed",
            None => "nothing to renew",
        });
        if let Some(structured) = context.structured() {
            context.emit(structured, &plan)?;
        }
        return Ok(in_full(&plan, ExitCode::Fine));
    }
    run::propose(context, &carry, &inventory, &plan).map(|code| in_full(&plan, code))
}

/// Not everything that was asked for could be done: that is told by the exit code as well.
fn in_full(plan: &Plan, code: ExitCode) -> ExitCode {
    match code {
        ExitCode::Fine if plan.left_out().next().is_some() => ExitCode::Failed,
        other => other,
    }
}

/// Carries out a plan file.
pub fn apply(context: &Context, args: &ApplyArgs) -> Result<ExitCode, CliError> {
    let text = LocalHost::live()
        .read(&args.plan, 64 << 20)
        .map_err(|error| host_error(&error))?;
    let text = String::from_utf8_lossy(danger::open(&text)).into_owned();
    let plan = Plan::from_json(&text).map_err(|error| {
        CliError::new("plan-file", error)
            .location(args.plan.display())
            .hint(match ClusterPlan::is_kind_of(&text) {
                true => "it is a plan for a cluster: name the document of its hosts with --cluster",
                false => "make a new plan with `kubepki renew ... --plan-out FILE`",
            })
    })?;
    let outside = Outside::new(context);
    let carry = Carry::new(&outside, &args.ca_dir, &args.backup);
    let inventory = run::settled_inventory(context, &carry)?;
    if plan.is_empty() {
        context.note("the plan is empty");
        return Ok(ExitCode::Fine);
    }
    // A plan that no longer fits is refused before anybody is asked to confirm it.
    basis::check(outside.host(), &plan).map_err(|error| run::failed(&error))?;
    run::propose(context, &carry, &inventory, &plan).map(|code| in_full(&plan, code))
}

/// What was asked for, as the planner takes it.
pub fn request(context: &Context, args: &RenewArgs) -> Result<RenewRequest, CliError> {
    let all = args.names.iter().any(|name| name == "all");
    if all && args.names.len() > 1 {
        return Err(CliError::usage("`all` stands alone, without further names"));
    }
    let selection = if all {
        Selection::All
    } else {
        Selection::Named(args.names.clone())
    };
    if args.key == KeyWhich::Reuse && args.key_type != KeyTypeChoice::Keep {
        return Err(CliError::usage(
            "`--key reuse` keeps the key, so `--key-type` cannot choose another",
        ));
    }
    let folder = |folder: &Option<std::path::PathBuf>| {
        folder
            .as_deref()
            .map(|folder| context.host_path(folder))
            .transpose()
    };
    Ok(RenewRequest {
        only_expiring: args.only_expiring,
        force: args.force,
        start: args.not_before,
        end: args.validity,
        reuse_key: args.key == KeyWhich::Reuse,
        key_type: match args.key_type {
            KeyTypeChoice::Keep => None,
            KeyTypeChoice::Type(key_type) => Some(key_type.to_string()),
        },
        names: NameEdits {
            add: args.add_san.clone(),
            remove: args.remove_san.clone(),
            set: args.set_san.clone(),
        },
        no_restart: args.no_restart,
        renew_expired_ca: args.renew_expired_ca,
        csr_dir: folder(&args.csr_dir)?,
        install: folder(&args.install)?,
        profiles: args.profiles.as_deref().map(profiles).transpose()?,
        after_layout: args.profiles.as_deref() == Some(Path::new("layout")),
        ..RenewRequest::new(selection)
    })
}

/// Profiles lie where the user's shell is, not below `--root`.
fn profiles(file: &Path) -> Result<Profiles, CliError> {
    if [Path::new("builtin"), Path::new("layout")].contains(&file) {
        return Ok(Profiles::default());
    }
    let path = std::path::absolute(file)?;
    let contents = LocalHost::live()
        .read(&path, 1 << 20)
        .map_err(|error| host_error(&error))?;
    let text = String::from_utf8_lossy(danger::open(&contents)).into_owned();
    Profiles::parse(&text)
        .map_err(|error| CliError::new(error.code(), error).location(path.display()))
}

/// Why there is no plan, with what to do about it.
pub fn refused(error: &Refusal) -> CliError {
    let shown = CliError::new(error.code(), error);
    match error.hint() {
        Some(hint) => shown.hint(hint),
        None => shown,
    }
}

/// The plan goes where the user's shell is, not below `--root`.
fn write_plan(context: &Context, file: &Path, plan: &Plan) -> Result<ExitCode, CliError> {
    save(file, plan)?;
    plan_view::show(context, plan)?;
    tell_saved(context, file, &plan.id)
}

/// Writes a plan into a new file of this machine.
pub fn save(file: &Path, plan: &impl serde::Serialize) -> Result<(), CliError> {
    let json =
        serde_json::to_string_pretty(plan).map_err(|error| CliError::new("plan-file", error))?;
    let here = LocalHost::live();
    let (uid, gid) = here.identity();
    let attributes = FileAttributes {
        mode: 0o644,
        uid,
        gid,
        xattrs: Vec::new(),
    };
    here.create(
        &std::path::absolute(file)?,
        &Sealed::new(format!("{json}\n").into_bytes()),
        &attributes,
    )
    .map_err(|error| host_error(&error))
}

/// Says where a plan was written, and how to go on.
pub fn tell_saved(context: &Context, file: &Path, id: &str) -> Result<ExitCode, CliError> {
    context.note(format_args!(
        "plan {id} written to {}; carry it out with `kubepki apply {}`",
        std::path::absolute(file)?.display(),
        file.display()
    ));
    Ok(ExitCode::Fine)
}
