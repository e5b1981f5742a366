//! One look at a cluster's API: which kubeconfig, which server, and what becomes of a refusal.
//!
//! An API that does not answer is no error here: it is what one looks for. It becomes a gap, and
//! everything else is done all the same.

use crate::args::ApiChoice;
use crate::commands::wiring::{self, Murmur};
use crate::context::{Context, host_error};
use crate::error::CliError;
use crate::exit_code::ExitCode;
use kubepki_adapters::clock::SystemClock;
use kubepki_adapters::host::LocalHost;
use kubepki_adapters::kube::ClusterClient;
use kubepki_core::layouts::KUBEADM;
use kubepki_core::model::cluster::ClusterObservation;
use kubepki_core::model::{ComponentKind, Gap, Inventory};
use kubepki_core::plan::endpoints;
use kubepki_engine::cluster::{ScanOptions, known_keys, scan};
use kubepki_engine::ports::{
    Clock, ClusterError, ClusterErrorKind, ClusterRead, HostErrorKind, HostRead, ServerVersion,
};
use kubepki_sealed::Sealed;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The largest kubeconfig that is read.
const KUBECONFIG_LIMIT: u64 = 16 << 20;

/// What a gap calls the API as a whole.
pub const API: &str = "Kubernetes API";

/// What was seen of the API, or why nothing was.
pub enum Seen {
    /// Nobody asked for it.
    NotAsked,
    /// This.
    Cluster(Box<ClusterObservation>),
    /// It did not answer.
    Nothing(Gap),
}

impl Seen {
    /// The exit code where it would be this one: an API that was to be asked and did not answer is
    /// work that was not done in full.
    pub fn exit_code(&self, of_findings: ExitCode) -> ExitCode {
        match (self, of_findings) {
            (Self::Nothing(_), ExitCode::Fine) => ExitCode::Failed,
            _ => of_findings,
        }
    }

    /// The observation.
    pub fn cluster(&self) -> Option<&ClusterObservation> {
        match self {
            Self::Cluster(cluster) => Some(cluster),
            Self::NotAsked | Self::Nothing(_) => None,
        }
    }
}

/// Looks at the API, when that was asked for.
///
/// # Errors
/// When the command line names what there is not: a kubeconfig that cannot be read, or none at all.
pub fn look(
    context: &Context,
    choice: &ApiChoice,
    inventory: &Inventory,
    exposed: bool,
) -> Result<Seen, CliError> {
    if !choice.api {
        return Ok(Seen::NotAsked);
    }
    let kubeconfig = find(context, choice)?;
    let options = ScanOptions {
        exposed,
        namespaces: (!choice.namespace.is_empty()).then(|| choice.namespace.clone()),
        ..ScanOptions::default()
    };
    let known = known_keys(inventory);
    let mut refused: Option<ClusterError> = None;
    for server in servers(choice, &kubeconfig, inventory) {
        let seen = ClusterClient::new(&kubeconfig.contents, kubeconfig.folder(), server.as_deref())
            .and_then(|client| {
                scan(
                    &client,
                    &known,
                    &options,
                    SystemClock.now(),
                    &Murmur::new(context),
                )
            });
        match seen {
            Ok(cluster) => return Ok(Seen::Cluster(Box::new(cluster))),
            // the host's own server is tried first, and says best why nobody else answers
            Err(error) if refused.is_none() => refused = Some(error),
            Err(_) => {}
        }
    }
    Ok(Seen::Nothing(match refused {
        Some(error) => gap(&kubeconfig.path, &error),
        None => Gap::new(API, "no server to ask"),
    }))
}

/// A client of the first server that answers, and what it says of itself: for verbs that have nothing
/// to say without the API.
///
/// # Errors
/// When there is no kubeconfig to ask with, or nobody answers.
pub fn connect(
    context: &Context,
    choice: &ApiChoice,
) -> Result<(ClusterClient, ServerVersion), CliError> {
    let kubeconfig = find(context, choice)?;
    // only kubeadm's own kubeconfigs are of a host that may have a server of its own
    let inventory = match kubeconfig.is_hosts {
        true => wiring::inventory(context, context.host(), Path::new(KUBEADM.pki_folder)).ok(),
        false => None,
    };
    let servers = match &inventory {
        Some(inventory) => servers(choice, &kubeconfig, inventory),
        None => vec![choice.server.clone()],
    };
    let mut first: Option<ClusterError> = None;
    for server in servers {
        let client =
            ClusterClient::new(&kubeconfig.contents, kubeconfig.folder(), server.as_deref());
        let answered = client.and_then(|client| {
            let version = client.version()?;
            Ok((client, version))
        });
        match answered {
            Ok(answered) => return Ok(answered),
            Err(error) => first = first.or(Some(error)),
        }
    }
    Err(match first {
        Some(error) => refused(&error).detail("asked with", kubeconfig.path.display()),
        None => CliError::new("api-unreachable", "no server to ask"),
    })
}

/// A refusal of the API as an error of the program.
pub fn refused(error: &ClusterError) -> CliError {
    CliError::new(error.code(), error).location(&error.server)
}

fn gap(kubeconfig: &Path, error: &ClusterError) -> Gap {
    let what = match error.kind {
        ClusterErrorKind::Unauthorized => "refuses the credentials",
        ClusterErrorKind::Forbidden => "forbids it",
        _ => "does not answer",
    };
    Gap::new(
        API,
        format!(
            "{} {what} (asked with {}): {}",
            error.server,
            kubeconfig.display(),
            error.detail
        ),
    )
}

/// A kubeconfig that was found.
struct Found {
    path: PathBuf,
    contents: Sealed,
    /// Whether it is kubeadm's, of this host.
    is_hosts: bool,
}

impl Found {
    fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }
}

fn find(context: &Context, choice: &ApiChoice) -> Result<Found, CliError> {
    let machine = LocalHost::live();
    if let Some(path) = &choice.kubeconfig {
        return read(&machine, path).map_err(|error| host_error(&error));
    }
    if let Some(path) = std::env::var_os("KUBECONFIG").and_then(first_path) {
        return read(&machine, &path).map_err(|error| {
            host_error(&error).hint("KUBECONFIG names it; --kubeconfig names another")
        });
    }
    if context.host().root().is_some() {
        return Err(CliError::usage(
            "with --root, --api needs a kubeconfig: the folder's own belongs to a host that does not run",
        )
        .hint("name one with --kubeconfig"));
    }
    let folder = Path::new(KUBEADM.kubeconfig_folder);
    let mut places = vec![folder.join("admin.conf"), folder.join("super-admin.conf")];
    if let Some(home) = std::env::var_os("HOME") {
        places.push(Path::new(&home).join(".kube/config"));
    }
    let mut refused = None;
    for path in &places {
        match read(&machine, path) {
            Ok(mut found) => {
                found.is_hosts = path.starts_with(folder);
                return Ok(found);
            }
            Err(error) if error.kind == HostErrorKind::NotFound => {}
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    if let Some(error) = refused {
        return Err(host_error(&error));
    }
    let tried: Vec<String> = places
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    Err(CliError::new(
        "no-kubeconfig",
        "there is no kubeconfig to ask the API with",
    )
    .detail("looked for", tried.join(", "))
    .hint("name one with --kubeconfig"))
}

fn read(machine: &LocalHost, path: &Path) -> Result<Found, kubepki_engine::ports::HostError> {
    // a relative path is one of the current folder
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let contents = machine.read(&path, KUBECONFIG_LIMIT)?;
    Ok(Found {
        path,
        contents,
        is_hosts: false,
    })
}

/// The first path of a list like PATH that is not empty.
fn first_path(list: OsString) -> Option<PathBuf> {
    std::env::split_paths(&list).find(|path| !path.as_os_str().is_empty())
}

/// The servers to try in turn; `None` stands for the kubeconfig's.
fn servers(choice: &ApiChoice, kubeconfig: &Found, inventory: &Inventory) -> Vec<Option<String>> {
    if let Some(server) = &choice.server {
        return vec![Some(server.clone())];
    }
    let own = inventory
        .component(ComponentKind::KubeApiserver)
        .filter(|_| kubeconfig.is_hosts && inventory.live)
        .and_then(|component| endpoints::serving(component).into_iter().next())
        .map(|endpoint| {
            let host = if endpoint.host.contains(':') {
                format!("[{}]", endpoint.host)
            } else {
                endpoint.host
            };
            format!("https://{host}:{}", endpoint.port)
        });
    own.map(Some).into_iter().chain([None]).collect()
}
