//! Which hosts a verb works on: this one, or those that a cluster document names.
//!
//! `--cluster FILE`, `$KUBEPKI_CLUSTER`, or a `kubepki.yaml` in the current folder, in the user's
//! configuration folder (XDG Base Directory Specification) or in `/etc/kubepki`. `--root` and
//! `--local` mean one host and nothing else. Whoever runs this program on a host of the document
//! passes `--local` there: the host may have a document of its own.

use crate::commands::layout::Layouts;
use crate::context::{Context, host_error};
use crate::error::CliError;
use kubepki_adapters::host::LocalHost;
use kubepki_core::cluster_document::{
    BatchSize, ClusterDocument, ClusterHost, HostRole, roles_of, select,
};
use kubepki_core::formats::shell_words;
use kubepki_core::model::Inventory;
use kubepki_engine::ports::{HostErrorKind, HostRead, HostWrite};
use kubepki_sealed::danger;
use std::path::{Path, PathBuf};

/// The name of the document in each of the folders where it is looked for.
pub const FILE_NAME: &str = "kubepki.yaml";
const VARIABLE: &str = "KUBEPKI_CLUSTER";
const SYSTEM_FOLDER: &str = "/etc/kubepki";
/// Five thousand hosts have half a megabyte.
const LIMIT: u64 = 16 << 20;

/// The hosts that a verb works on.
#[derive(Clone, Debug)]
pub struct SelectedHosts {
    /// The document.
    pub document: PathBuf,
    /// The cluster's name, when the document gives one.
    pub cluster: Option<String>,
    /// The hosts, in the order of the document; folders that stand for one are absolute.
    pub hosts: Vec<ClusterHost>,
    /// Only those of these roles, told by [`SelectedHosts::wants`] after looking; all when empty.
    pub roles: Vec<HostRole>,
    /// How many connections at once.
    pub max_parallel: usize,
    /// How many hosts are changed at once, when the user says so.
    pub batch: Option<BatchSize>,
    /// The layouts of hosts that have one.
    pub layouts: Layouts,
    /// The command that `ssh` stands for, with its own arguments.
    pub ssh_command: Vec<String>,
}

impl SelectedHosts {
    /// Whether a host that was looked at has a role that was asked for.
    pub fn wants(&self, inventory: &Inventory) -> bool {
        self.roles.is_empty()
            || roles_of(inventory)
                .iter()
                .any(|role| self.roles.contains(role))
    }
}

/// The hosts, or `None` when the verb is about this host alone (or the one at `--root`).
///
/// # Errors
/// When the command line contradicts itself, when the document is wrong, or when a pattern selects
/// nobody.
pub fn selected(context: &Context) -> Result<Option<SelectedHosts>, CliError> {
    let flags = context.fleet();
    let about_many = [
        ("--cluster", flags.cluster.is_some()),
        ("--hosts", !flags.hosts.is_empty()),
        ("--role", !flags.role.is_empty()),
    ];
    let typed = about_many
        .iter()
        .find_map(|(flag, is_typed)| is_typed.then_some(*flag));
    let alone = match (flags.local, context.host().root()) {
        (true, _) => Some("--local"),
        (false, Some(_)) => Some("--root"),
        (false, None) => None,
    };
    if let Some(alone) = alone {
        return match typed {
            Some(typed) => Err(CliError::usage(format!(
                "{alone} is about one host, {typed} about many: only one of them can be obeyed"
            ))),
            None => Ok(None),
        };
    }
    let Some(path) = find(context)? else {
        return match typed {
            Some(typed) => Err(CliError::usage(format!(
                "{typed} needs a document that names the hosts, and there is none"
            ))
            .detail("looked for", looked_for())
            .hint("name it with --cluster, or write one with `kubepki hosts discover`")),
            None => Ok(None),
        };
    };
    let document = read(&path)?;
    let folder = path.parent().unwrap_or(Path::new("/"));
    let selected = select(&document.hosts, &flags.hosts).map_err(|error| {
        CliError::new(error.code(), &error)
            .location(path.display())
            .exits_with(crate::exit_code::ExitCode::Usage)
    })?;
    let hosts: Vec<ClusterHost> = selected
        .into_iter()
        .map(|host| beginning_in(folder, host.clone(), &document))
        .collect();
    Ok(Some(SelectedHosts {
        cluster: document.name.clone(),
        layouts: Layouts::of(context, &hosts)?,
        hosts,
        roles: flags.role.clone(),
        max_parallel: usize::from(flags.max_parallel.get()),
        batch: flags.batch,
        ssh_command: ssh_command(flags.ssh_command.as_deref())?,
        document: path,
    }))
}

/// The host with the document's layout if it has none, and every path of this machine absolute.
pub fn beginning_in(folder: &Path, host: ClusterHost, document: &ClusterDocument) -> ClusterHost {
    let mut host = host;
    host.reach.root = host.reach.root.map(|root| folder.join(root));
    let layout = host.layout.or_else(|| document.layout.clone());
    host.layout = layout.map(|layout| folder.join(layout));
    host
}

/// The document that is used. One that nobody named is told, and has to be the user's own: it names
/// commands that are run.
fn find(context: &Context) -> Result<Option<PathBuf>, CliError> {
    if let Some(path) = &context.fleet().cluster {
        return Ok(Some(std::path::absolute(path)?));
    }
    if let Some(path) = std::env::var_os(VARIABLE).filter(|path| !path.is_empty()) {
        return Ok(Some(std::path::absolute(path)?));
    }
    let machine = LocalHost::live();
    for path in default_places() {
        let metadata = match machine.metadata(&path) {
            Ok(metadata) => metadata,
            // what the user may not see is not the user's
            Err(error)
                if matches!(
                    error.kind,
                    HostErrorKind::NotFound
                        | HostErrorKind::PermissionDenied
                        | HostErrorKind::WrongKind
                ) =>
            {
                continue;
            }
            Err(error) => return Err(host_error(&error)),
        };
        let owner = metadata.attributes.uid;
        let (me, _) = machine.identity();
        if (owner != me && owner != 0) || metadata.attributes.mode & 0o002 != 0 {
            return Err(CliError::new(
                "document-of-somebody-else",
                format!(
                    "{} names commands to run, and somebody else can write it",
                    path.display()
                ),
            )
            .location(path.display())
            .detail(
                "found",
                format!(
                    "owner {owner}, mode {:04o}",
                    metadata.attributes.mode & 0o7777
                ),
            )
            .hint("name it with --cluster if it is meant, or pass --local for this host alone"));
        }
        context.note(format_args!(
            "hosts of {} (--local for this host alone)",
            path.display()
        ));
        return Ok(Some(path));
    }
    Ok(None)
}

fn default_places() -> Vec<PathBuf> {
    let folder_of = |variable: &str| {
        let value = std::env::var_os(variable).map(PathBuf::from);
        // relative ones are to be ignored, as the XDG specification has it
        value.filter(|folder| folder.is_absolute())
    };
    let configuration =
        folder_of("XDG_CONFIG_HOME").or_else(|| folder_of("HOME").map(|home| home.join(".config")));
    let mut places = Vec::new();
    places.extend(std::path::absolute(FILE_NAME));
    places.extend(configuration.map(|folder| folder.join("kubepki").join(FILE_NAME)));
    places.push(Path::new(SYSTEM_FOLDER).join(FILE_NAME));
    places
}

fn looked_for() -> String {
    let places = default_places();
    let places: Vec<String> = places
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    places.join(", ")
}

/// Reads a document of this machine.
pub fn read(path: &Path) -> Result<ClusterDocument, CliError> {
    let contents = LocalHost::live()
        .read(path, LIMIT)
        .map_err(|error| host_error(&error))?;
    let wrong = |code: &'static str, reason: String| {
        CliError::new(code, format!("cannot use {}: {reason}", path.display()))
            .location(path.display())
            .hint("`kubepki schema Cluster` prints what may stand in it")
    };
    let text = std::str::from_utf8(danger::open(&contents))
        .map_err(|error| wrong("not-utf8", format!("not UTF-8 text: {error}")))?;
    ClusterDocument::parse(text).map_err(|error| wrong(error.code(), error.to_string()))
}

fn ssh_command(typed: Option<&str>) -> Result<Vec<String>, CliError> {
    let Some(typed) = typed else {
        return Ok(vec!["ssh".to_owned()]);
    };
    let words = shell_words::words(typed);
    if words.first().is_none_or(String::is_empty) {
        return Err(CliError::usage("--ssh-command is empty"));
    }
    Ok(words)
}
