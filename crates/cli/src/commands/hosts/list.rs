//! `kubepki hosts list`: who is in the document, and with `--check` what each answers.

use crate::args::HostsListArgs;
use crate::commands::fleet::document::{SelectedHosts, selected};
use crate::commands::fleet::{Looked, Reach, look_at_each, look_request};
use crate::context::Context;
use crate::error::{API_VERSION, CliError};
use crate::exit_code::ExitCode;
use crate::output::{self, BAD, Cell, Column, DIM, GOOD, NAME, Table, WARN};
use kubepki_core::cluster_document::{ClusterHost, HostRole, roles_of};
use kubepki_core::layouts::KUBEADM;
use serde::Serialize;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

/// kubeadm dates certificates back by so many seconds: clocks that are off by less do no harm.
const TOLERATED: i64 = 300;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct HostList<'a> {
    api_version: &'static str,
    kind: &'static str,
    document: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster: Option<&'a str>,
    items: Vec<Item<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Item<'a> {
    #[serde(flatten)]
    host: &'a ClusterHost,
    reached_by: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    check: Option<Check>,
}

/// What a host answered.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Check {
    reachable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    hostname: Option<String>,
    roles: Vec<HostRole>,
    #[serde(skip_serializing_if = "Option::is_none")]
    clock_ahead_seconds: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

/// Shows the hosts.
pub fn run(context: &Context, args: &HostsListArgs) -> Result<ExitCode, CliError> {
    let Some(hosts) = selected(context)? else {
        return Err(CliError::usage("there is no document that names hosts").hint(
            "name it with --cluster, or write one with `kubepki hosts discover --output-file kubepki.yaml`",
        ));
    };
    // roles are told by looking alone
    let items = match args.check || !hosts.roles.is_empty() {
        true => checked(context, &hosts)?,
        false => hosts.hosts.iter().map(|host| item(host, None)).collect(),
    };
    let all_reached = items
        .iter()
        .all(|item| item.check.as_ref().is_none_or(|check| check.reachable));
    let code = match all_reached {
        true => ExitCode::Fine,
        false => ExitCode::Failed,
    };
    if let Some(structured) = context.structured() {
        context.emit(
            structured,
            &HostList {
                api_version: API_VERSION,
                kind: "HostList",
                document: hosts.document.display().to_string(),
                cluster: hosts.cluster.as_deref(),
                items,
            },
        )?;
        return Ok(code);
    }
    print(context, &items)?;
    Ok(code)
}

fn item(host: &ClusterHost, check: Option<Check>) -> Item<'_> {
    Item {
        host,
        reached_by: host.to_string(),
        check,
    }
}

/// Connects to every host and looks at its files; nothing that runs is asked.
fn checked<'a>(context: &Context, hosts: &'a SelectedHosts) -> Result<Vec<Item<'a>>, CliError> {
    let reach = Reach::new(hosts);
    let sessions = reach.once();
    let request = look_request(Path::new(KUBEADM.pki_folder), false, Duration::from_secs(5));
    let mut items = Vec::new();
    look_at_each(context, hosts, &sessions, &request, |looked| {
        let Looked { host, seen } = looked;
        let Some(known) = hosts.hosts.iter().find(|known| known.name == host) else {
            return Ok(());
        };
        let check = match seen {
            Ok(seen) => Check {
                reachable: true,
                hostname: Some(seen.look.inventory.host.clone()),
                roles: roles_of(&seen.look.inventory),
                clock_ahead_seconds: Some(seen.clock_ahead),
                code: None,
                problem: None,
            },
            Err(error) => Check {
                reachable: false,
                hostname: None,
                roles: Vec::new(),
                clock_ahead_seconds: None,
                problem: Some(match &error.hint {
                    Some(hint) => format!("{}; {hint}", error.message),
                    None => error.message.clone(),
                }),
                code: Some(error.code),
            },
        };
        items.push(item(known, Some(check)));
        Ok(())
    })?;
    Ok(items)
}

fn print(context: &Context, items: &[Item<'_>]) -> Result<(), CliError> {
    let is_checked = items.iter().any(|item| item.check.is_some());
    let mut columns = vec![
        Column::fixed("HOST"),
        Column::shrinking("REACHED BY", 20),
        Column::shrinking("LABELS", 12),
    ];
    if is_checked {
        columns.insert(2, Column::shrinking("ROLES", 13));
        columns.insert(3, Column::fixed("CLOCK"));
        columns.push(Column::shrinking("STATE", 20));
    }
    let rows: Vec<Vec<Cell>> = items.iter().map(row).collect();
    let mut table = Table::new(columns, output::terminal_width());
    let mut stdout = context.stdout();
    table.write(&mut stdout, &rows)?;
    stdout.flush()?;
    Ok(())
}

fn row(item: &Item<'_>) -> Vec<Cell> {
    let name = Cell::styled(&item.host.name, NAME);
    let reached_by = Cell::new(&item.reached_by);
    let labels = Cell::styled(labels(item.host), DIM);
    let Some(check) = &item.check else {
        return vec![name, reached_by, labels];
    };
    let roles: Vec<&str> = check.roles.iter().map(|role| role.as_str()).collect();
    let clock = match check.clock_ahead_seconds {
        None => Cell::new(""),
        Some(0) => Cell::new("ok"),
        Some(ahead) if ahead.abs() > TOLERATED => Cell::styled(format!("{ahead:+}s"), WARN),
        Some(ahead) => Cell::new(format!("{ahead:+}s")),
    };
    let state = match (&check.problem, &check.hostname) {
        (Some(problem), _) => Cell::styled(problem, BAD),
        (None, Some(hostname)) if *hostname != item.host.name => {
            Cell::styled(format!("reached; calls itself {hostname}"), GOOD)
        }
        (None, _) => Cell::styled("reached", GOOD),
    };
    vec![
        name,
        reached_by,
        Cell::new(roles.join(", ")),
        clock,
        labels,
        state,
    ]
}

/// `env=prod,rack=7`
fn labels(host: &ClusterHost) -> String {
    let labels = host.labels.iter();
    let labels: Vec<String> = labels
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    labels.join(",")
}
