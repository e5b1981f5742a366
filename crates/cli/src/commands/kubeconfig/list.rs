//! `kubepki kubeconfig list`: every kubeconfig of the host, its owner, its certificate, whose copy it is.

use crate::args::KubeconfigListArgs;
use crate::commands::wiring::{self, Outside};
use crate::context::Context;
use crate::error::{API_VERSION, CliError};
use crate::exit_code::ExitCode;
use crate::output::{self, BAD, Cell, Column, DIM, NAME, Table, WARN};
use jiff::Timestamp;
use kubepki_core::model::{Inventory, KubeconfigUse};
use kubepki_core::people::{Standing, standing};
use kubepki_engine::ports::{FILE_LIMIT, HostRead};
use kubepki_sealed::danger;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct KubeconfigList {
    api_version: &'static str,
    kind: &'static str,
    host: String,
    items: Vec<Item>,
}

/// One kubeconfig, as it is shown.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Item {
    path: PathBuf,
    owner: String,
    role: String,
    standing: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    copy_of: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fingerprint_sha256: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiration_date: Option<Timestamp>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    other_credentials: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

/// Shows them.
pub fn run(context: &Context, args: &KubeconfigListArgs) -> Result<ExitCode, CliError> {
    let outside = Outside::new(context);
    let host = outside.host();
    let inventory = wiring::inventory(context, host, &args.ca_dir)?;
    let users = Users::of(host);
    let items: Vec<Item> = inventory
        .kubeconfigs
        .iter()
        .map(|kubeconfig| item(host, &inventory, &users, kubeconfig))
        .collect();
    if let Some(structured) = context.structured() {
        let list = KubeconfigList {
            api_version: API_VERSION,
            kind: "KubeconfigList",
            host: inventory.host.clone(),
            items,
        };
        context.emit(structured, &list)?;
        return Ok(ExitCode::Fine);
    }
    if items.is_empty() {
        context.note("no kubeconfig on this host");
        return Ok(ExitCode::Fine);
    }
    let stale = items.iter().any(|item| item.standing == "stale-copy");
    print(context, &items)?;
    if stale {
        context.note(
            "\n`kubepki kubeconfig update` gives copies the certificate that the original has now",
        );
    }
    Ok(ExitCode::Fine)
}

/// The table.
pub fn print(context: &Context, items: &[Item]) -> Result<(), CliError> {
    let columns = vec![
        Column::path("KUBECONFIG", 16),
        Column::fixed("OWNER"),
        Column::shrinking("USER", 16),
        Column::fixed("RESIDUAL TIME"),
        Column::shrinking("WHAT IT IS", 16),
    ];
    let mut table = Table::new(columns, output::terminal_width());
    let rows: Vec<Vec<Cell>> = items.iter().map(|item| row(context, item)).collect();
    let mut stdout = context.stdout();
    table.write(&mut stdout, &rows)?;
    stdout.flush()?;
    Ok(())
}

fn row(context: &Context, item: &Item) -> Vec<Cell> {
    let residual = match item.expiration_date {
        None => Cell::new(""),
        Some(end) => {
            let left = end.duration_since(context.now());
            match left.is_negative() {
                true => Cell::styled(output::left(left), BAD),
                false => Cell::new(output::left(left)),
            }
        }
    };
    let user = match (&item.subject, item.other_credentials.is_empty()) {
        (Some(subject), _) => subject.clone(),
        (None, false) => item.other_credentials.join(", "),
        (None, true) => "nobody".to_owned(),
    };
    let original = item.copy_of.as_ref().map(|path| path.display().to_string());
    let what = match (&item.problem, item.standing, original) {
        (Some(problem), ..) => Cell::styled(problem, BAD),
        (None, "stale-copy", Some(original)) => {
            Cell::styled(format!("copy of an earlier {original}"), WARN)
        }
        (None, "current-copy", Some(original)) => Cell::new(format!("copy of {original}")),
        (None, "own", _) => Cell::new("somebody's own"),
        _ => Cell::styled(&item.role, DIM),
    };
    vec![
        Cell::styled(item.path.display().to_string(), NAME),
        Cell::new(&item.owner),
        Cell::new(user),
        residual,
        what,
    ]
}

/// One kubeconfig of the inventory.
pub fn item(
    host: &dyn HostRead,
    inventory: &Inventory,
    users: &Users,
    kubeconfig: &KubeconfigUse,
) -> Item {
    let standing: Standing = standing(inventory, kubeconfig);
    let certificate = kubeconfig
        .credential
        .as_ref()
        .and_then(|entry| entry.certificate());
    let owner = match host.metadata(&kubeconfig.path) {
        Ok(metadata) => users.name(metadata.attributes.uid),
        Err(_) => "unknown".to_owned(),
    };
    let credential_problem = kubeconfig
        .credential
        .as_ref()
        .and_then(|entry| entry.problem.clone());
    Item {
        path: kubeconfig.path.clone(),
        owner,
        role: kubeconfig.role.to_string(),
        standing: standing.word(),
        copy_of: standing.original().map(Path::to_path_buf),
        server: kubeconfig
            .cluster
            .as_ref()
            .and_then(|cluster| cluster.server.clone()),
        subject: certificate.map(|it| it.subject().to_string()),
        fingerprint_sha256: certificate.map(|it| {
            let fingerprint = it.fingerprint_sha256();
            fingerprint
                .iter()
                .map(|octet| format!("{octet:02x}"))
                .collect()
        }),
        expiration_date: certificate.map(|it| it.validity().not_after),
        other_credentials: kubeconfig
            .other_credentials
            .iter()
            .map(ToString::to_string)
            .collect(),
        problem: kubeconfig.problem.clone().or(credential_problem),
    }
}

/// Names of users by their numbers: passwd(5).
pub struct Users(BTreeMap<u32, String>);

impl Users {
    /// As the host knows them; those of a directory service are numbers.
    pub fn of(host: &dyn HostRead) -> Self {
        let Ok(contents) = host.read(Path::new("/etc/passwd"), FILE_LIMIT) else {
            return Self(BTreeMap::new());
        };
        let text = String::from_utf8_lossy(danger::open(&contents)).into_owned();
        let users = text.lines().filter_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            Some((fields.nth(1)?.parse().ok()?, name.to_owned()))
        });
        Self(users.collect())
    }

    fn name(&self, uid: u32) -> String {
        self.0.get(&uid).cloned().unwrap_or_else(|| uid.to_string())
    }
}
