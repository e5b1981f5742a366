//! `kubepki hosts list`: who is in the document.

use crate::args::HostsListArgs;
use crate::commands::fleet::document::{SelectedHosts, selected};
use crate::context::Context;
use crate::error::{API_VERSION, CliError};
use crate::exit_code::ExitCode;
use crate::output::{self, Cell, Column, DIM, NAME, Table};
use kubepki_core::cluster_document::ClusterHost;
use serde::Serialize;
use std::io::Write;

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
}

/// Shows the hosts.
pub fn run(context: &Context, _args: &HostsListArgs) -> Result<ExitCode, CliError> {
    let Some(hosts) = selected(context)? else {
        return Err(CliError::usage("there is no document that names hosts").hint(
            "name it with --cluster, or write one with `kubepki hosts discover --output-file kubepki.yaml`",
        ));
    };
    show(context, &hosts)?;
    Ok(ExitCode::Fine)
}

fn show(context: &Context, hosts: &SelectedHosts) -> Result<(), CliError> {
    if let Some(structured) = context.structured() {
        let items = hosts.hosts.iter().map(|host| Item {
            host,
            reached_by: host.to_string(),
        });
        return context.emit(
            structured,
            &HostList {
                api_version: API_VERSION,
                kind: "HostList",
                document: hosts.document.display().to_string(),
                cluster: hosts.cluster.as_deref(),
                items: items.collect(),
            },
        );
    }
    let columns = vec![
        Column::fixed("HOST"),
        Column::shrinking("REACHED BY", 20),
        Column::shrinking("LABELS", 12),
    ];
    let mut table = Table::new(columns, output::terminal_width());
    let rows: Vec<Vec<Cell>> = hosts
        .hosts
        .iter()
        .map(|host| {
            vec![
                Cell::styled(&host.name, NAME),
                Cell::new(host.to_string()),
                Cell::styled(labels(host), DIM),
            ]
        })
        .collect();
    let mut stdout = context.stdout();
    table.write(&mut stdout, &rows)?;
    stdout.flush()?;
    Ok(())
}

/// `env=prod,rack=7`
pub(super) fn labels(host: &ClusterHost) -> String {
    let labels = host.labels.iter();
    let labels: Vec<String> = labels
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    labels.join(",")
}
