//! `kubepki kubeconfig update`: copies of admin.conf get the certificate and key that it has now.

use super::list::{Users, item, print};
use crate::args::KubeconfigUpdateArgs;
use crate::commands::run::{self, Carry};
use crate::commands::wiring::{Outside, Talk};
use crate::context::Context;
use crate::error::{API_VERSION, CliError};
use crate::exit_code::ExitCode;
use kubepki_core::model::Inventory;
use kubepki_core::people::{StaleCopy, stale_copies};
use kubepki_engine::execute::{CopiesUpdated, update_copies};
use serde::Serialize;
use std::path::PathBuf;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct KubeconfigUpdate {
    api_version: &'static str,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backup: Option<PathBuf>,
    items: Vec<Updated>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Updated {
    path: PathBuf,
    copy_of: PathBuf,
}

/// Shows the copies, asks, and brings them up to date.
pub fn run(context: &Context, args: &KubeconfigUpdateArgs) -> Result<ExitCode, CliError> {
    let outside = Outside::new(context);
    let carry = Carry::new(&outside, &args.ca_dir, &args.backup);
    let inventory = run::settled_inventory(context, &carry)?;
    let copies = selected(context, args, &inventory)?;
    if copies.is_empty() {
        context.note("no copy of admin.conf is out of date");
        return emitted(context, None, &copies);
    }
    if context.structured().is_none() {
        let users = Users::of(outside.host());
        let items: Vec<_> = inventory
            .kubeconfigs
            .iter()
            .filter(|kubeconfig| copies.iter().any(|copy| copy.copy.path == kubeconfig.path))
            .map(|kubeconfig| item(outside.host(), &inventory, &users, kubeconfig))
            .collect();
        print(context, &items)?;
    }
    if !context.confirm("Give their owners the certificate and key of the original?")? {
        context.note("nothing was changed");
        return Ok(ExitCode::Fine);
    }
    let talk = Talk(context);
    let execution = run::execution(context, &carry, &talk)?;
    let done =
        update_copies(&execution, &inventory, &copies).map_err(|error| run::failed(&error))?;
    context.note(format_args!(
        "{} brought up to date; `kubepki undo` takes it back",
        match done.written.len() {
            1 => "1 kubeconfig".to_owned(),
            count => format!("{count} kubeconfigs"),
        }
    ));
    emitted(context, Some(&done), &copies)
}

fn emitted(
    context: &Context,
    done: Option<&CopiesUpdated>,
    copies: &[StaleCopy],
) -> Result<ExitCode, CliError> {
    if let Some(structured) = context.structured() {
        let items = copies.iter().map(|copy| Updated {
            path: copy.copy.path.clone(),
            copy_of: copy.original.path.clone(),
        });
        context.emit(
            structured,
            &KubeconfigUpdate {
                api_version: API_VERSION,
                kind: "KubeconfigUpdate",
                run: done.map(|done| done.id.to_string()),
                backup: done.and_then(|done| done.backup.clone()),
                items: items.collect(),
            },
        )?;
    }
    Ok(ExitCode::Fine)
}

fn selected(
    context: &Context,
    args: &KubeconfigUpdateArgs,
    inventory: &Inventory,
) -> Result<Vec<StaleCopy>, CliError> {
    let stale = stale_copies(inventory);
    if args.paths.is_empty() {
        return Ok(stale);
    }
    let mut chosen = Vec::new();
    for path in &args.paths {
        let path = context.host_path(path)?;
        let Some(copy) = stale.iter().find(|copy| copy.copy.path == path) else {
            let known = stale
                .iter()
                .map(|copy| copy.copy.path.display().to_string());
            let known: Vec<String> = known.collect();
            return Err(CliError::usage(format!(
                "{} is no copy of admin.conf that is out of date",
                path.display()
            ))
            .detail(
                "there are",
                match known.is_empty() {
                    true => "none".to_owned(),
                    false => known.join(", "),
                },
            )
            .hint("`kubepki kubeconfig list` shows what each kubeconfig is"));
        };
        if !chosen.contains(copy) {
            chosen.push(copy.clone());
        }
    }
    Ok(chosen)
}
