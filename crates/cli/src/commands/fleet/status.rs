//! `kubepki status` over many hosts: one table, told while it grows, and what it comes to.

use super::document::SelectedHosts;
use super::looking::{Looked, Seen, look_at_each, no_such_role, request};
use super::reach::Reach;
use super::status_rows::{self as rows, Authorities, Remarks, Summary};
use super::worst;
use crate::args::StatusArgs;
use crate::commands::cluster::{self, look};
use crate::commands::status::cluster::show as show_api;
use crate::commands::status::exit_code;
use crate::context::Context;
use crate::error::{API_VERSION, CliError};
use crate::exit_code::ExitCode;
use crate::output::{self, Column, ListWriter, Structured, Table};
use jiff::Timestamp;
use kubepki_core::assess::{ClusterStatus, Status, Thresholds, assess, assess_cluster};
use kubepki_core::model::{ComponentKind, Gap, Inventory};
use kubepki_fleet::session::{InterruptedRun, SessionError};
use serde::Serialize;
use std::io::Write;
use std::time::Duration;

/// For one question where nothing that runs is asked.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Shows the status of every selected host; a host that was not seen is told, and makes the exit code
/// that of work not done in full.
pub fn run(
    context: &Context,
    hosts: &SelectedHosts,
    args: &StatusArgs,
) -> Result<ExitCode, CliError> {
    let thresholds = Thresholds {
        warn: args.warn,
        critical: args.critical,
    };
    let mut table: Box<dyn Form> = match context.structured() {
        Some(structured) => Box::new(ForPrograms::begin(context, hosts, structured)?),
        None => Box::new(ForPeople::begin(context, hosts)?),
    };
    let mut codes = Vec::new();
    let mut speaks_for_the_cluster: Option<Inventory> = None;
    let reach = Reach::new(hosts);
    let request = request(&args.ca_dir, false, TIMEOUT);
    look_at_each(context, hosts, &reach.once(), &request, |looked| {
        let Looked { host, seen } = looked;
        match seen {
            Ok(seen) => {
                let mut status = assess(&seen.look.inventory, context.now(), &thresholds);
                status.host.clone_from(&host);
                codes.push(exit_code(status.worst()));
                table.seen(&host, &status, &seen)?;
                let inventory = seen.look.inventory;
                if args.api.api && speaks_for_the_cluster.is_none() && is_control_plane(&inventory)
                {
                    speaks_for_the_cluster = Some(inventory);
                }
            }
            Err(error) => {
                codes.push(ExitCode::Failed);
                table.not_seen(&host, &error)?;
            }
        }
        Ok(())
    })?;
    if codes.is_empty() {
        return Err(no_such_role(hosts));
    }
    let asked = match speaks_for_the_cluster {
        // The API is asked from here, not from that host.
        Some(mut inventory) => {
            inventory.live = false;
            Some(look(context, &args.api, &inventory, false)?)
        }
        None if args.api.api => Some(cluster::Seen::Nothing(Gap::new(
            cluster::API,
            "no control plane was seen, so it is not known which certificates are the cluster's",
        ))),
        None => None,
    };
    let observed = asked.as_ref().and_then(cluster::Seen::cluster);
    let of_cluster = observed.map(|cluster| assess_cluster(cluster, context.now(), thresholds));
    let gap = match &asked {
        Some(cluster::Seen::Nothing(gap)) => Some(gap),
        _ => None,
    };
    table.end(gap, of_cluster)?;
    codes.extend(of_cluster.map(|of_cluster| exit_code(of_cluster.worst())));
    let code = worst(codes);
    Ok(match &asked {
        Some(asked) => asked.exit_code(code),
        None => code,
    })
}

fn is_control_plane(inventory: &Inventory) -> bool {
    inventory.component(ComponentKind::KubeApiserver).is_some()
}

/// How the hosts are told.
trait Form {
    fn seen(&mut self, host: &str, status: &Status, seen: &Seen) -> Result<(), CliError>;
    fn not_seen(&mut self, host: &str, error: &SessionError) -> Result<(), CliError>;
    fn end(
        self: Box<Self>,
        gap: Option<&Gap>,
        api: Option<ClusterStatus<'_>>,
    ) -> Result<(), CliError>;
}

struct ForPeople<'a, W> {
    context: &'a Context,
    out: W,
    table: Table,
    authorities: Authorities,
    remarks: Remarks,
    summary: Summary,
}

impl<'a> ForPeople<'a, Box<dyn Write + 'a>> {
    fn begin(context: &'a Context, hosts: &SelectedHosts) -> Result<Self, CliError> {
        let mut out: Box<dyn Write + 'a> = Box::new(context.stdout());
        rows::heading(&mut out, hosts, context.now())?;
        let widest = hosts
            .hosts
            .iter()
            .map(|host| output::display_width(&host.name))
            .max();
        let mut columns = vec![
            Column::fixed("HOST").at_least(widest.unwrap_or(0)),
            Column::shrinking("CERTIFICATE", 20).at_least(rows::NAMES),
            Column::fixed("EXPIRES").at_least(rows::MINUTE),
            Column::fixed("LEFT").at_least(rows::LEFT),
            Column::shrinking("CA", 8).at_least(rows::AUTHORITY_NAMES),
            Column::fixed("STATE"),
        ];
        if context.is_wide() {
            columns.extend([
                Column::fixed("KEY"),
                Column::shrinking("SUBJECT", 16),
                Column::path("PATH", 24),
            ]);
        }
        Ok(Self {
            context,
            out,
            table: Table::new(columns, output::terminal_width()),
            authorities: Authorities::default(),
            remarks: Remarks::default(),
            summary: Summary::default(),
        })
    }
}

impl<W: Write> Form for ForPeople<'_, W> {
    fn seen(&mut self, host: &str, status: &Status, seen: &Seen) -> Result<(), CliError> {
        let rows = rows::certificates(host, status, self.context.is_wide());
        self.table.write(&mut self.out, &rows)?;
        // Whoever watches sees each host when it has answered.
        self.out.flush()?;
        self.authorities.add(host, status);
        self.remarks.of_status(host, status);
        self.remarks.of_look(host, seen);
        self.remarks.of_halted(host, seen);
        self.summary.seen(host, status, seen);
        Ok(())
    }

    fn not_seen(&mut self, host: &str, error: &SessionError) -> Result<(), CliError> {
        self.table
            .write(&mut self.out, &[rows::not_reached(host)])?;
        self.out.flush()?;
        self.remarks.not_seen(host, error);
        self.summary.not_seen(host);
        Ok(())
    }

    fn end(
        mut self: Box<Self>,
        gap: Option<&Gap>,
        api: Option<ClusterStatus<'_>>,
    ) -> Result<(), CliError> {
        let width = output::terminal_width();
        self.authorities
            .write(&mut self.out, width, self.context.now())?;
        self.summary
            .write(&mut self.out, width, self.context.now())?;
        self.remarks.write(&mut self.out, gap)?;
        if let Some(api) = api {
            show_api(&mut self.out, api, self.context.is_wide(), width)?;
        }
        self.out.flush()?;
        self.summary.advise(self.context);
        Ok(())
    }
}

struct ForPrograms<W: Write> {
    list: ListWriter<W>,
    seen: usize,
    not_seen: usize,
}

/// The first fields of the object.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Head<'a> {
    api_version: &'static str,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster_name: Option<&'a str>,
    evaluated_at: Timestamp,
}

/// One host.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Item<'a> {
    host: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'a Status>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interrupted_run: Option<&'a InterruptedRun>,
    #[serde(skip_serializing_if = "Option::is_none")]
    clock_ahead_seconds: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a SessionError>,
}

/// The last fields.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Tail<'a> {
    seen: usize,
    not_seen: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    gap: Option<&'a Gap>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api: Option<ClusterStatus<'a>>,
}

impl<'a> ForPrograms<Box<dyn Write + 'a>> {
    fn begin(
        context: &'a Context,
        hosts: &SelectedHosts,
        structured: Structured,
    ) -> Result<Self, CliError> {
        let head = Head {
            api_version: API_VERSION,
            kind: "ClusterStatus",
            cluster_name: hosts.cluster.as_deref(),
            evaluated_at: context.now(),
        };
        let out: Box<dyn Write + 'a> = Box::new(context.stdout());
        Ok(Self {
            list: ListWriter::begin(out, structured, &head, "hosts")?,
            seen: 0,
            not_seen: 0,
        })
    }
}

impl<W: Write> Form for ForPrograms<W> {
    fn seen(&mut self, host: &str, status: &Status, seen: &Seen) -> Result<(), CliError> {
        self.seen += 1;
        self.list.item(&Item {
            host,
            status: Some(status),
            interrupted_run: seen.look.interrupted.as_ref(),
            clock_ahead_seconds: seen.look.inventory.live.then_some(seen.clock_ahead),
            error: None,
        })
    }

    fn not_seen(&mut self, host: &str, error: &SessionError) -> Result<(), CliError> {
        self.not_seen += 1;
        self.list.item(&Item {
            host,
            status: None,
            interrupted_run: None,
            clock_ahead_seconds: None,
            error: Some(error),
        })
    }

    fn end(
        self: Box<Self>,
        gap: Option<&Gap>,
        api: Option<ClusterStatus<'_>>,
    ) -> Result<(), CliError> {
        self.list.end(&Tail {
            seen: self.seen,
            not_seen: self.not_seen,
            gap,
            api,
        })
    }
}
