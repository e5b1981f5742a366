//! `kubepki kubeconfig`: one user's kubeconfig, signed by the cluster's CA.

use crate::args::KubeconfigArgs;
use crate::commands::init::failed;
use crate::commands::wiring::{self, Outside};
use crate::commands::written;
use crate::context::Context;
use crate::error::{API_VERSION, CliError};
use crate::exit_code::ExitCode;
use jiff::Timestamp;
use kubepki_core::formats::kubeconfig::Kubeconfig;
use kubepki_core::layouts::KUBEADM;
use kubepki_core::model::ComponentKind;
use kubepki_engine::founding::{ClientRequest, client_kubeconfig};
use kubepki_engine::ports::{FILE_LIMIT, HostRead};
use kubepki_sealed::danger;
use kubepki_x509::Certificate;
use serde::Serialize;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Makes a kubeconfig.
pub fn run(context: &Context, args: &KubeconfigArgs) -> Result<ExitCode, CliError> {
    let Some(user) = args.user.as_deref().filter(|user| !user.is_empty()) else {
        return Err(CliError::usage("--user is empty"));
    };
    let goes_to_stdout = args.out == Path::new("-");
    if goes_to_stdout && context.structured().is_some() {
        return Err(
            CliError::usage("with -o json or yaml the kubeconfig needs a file of its own")
                .hint("name it with --out FILE"),
        );
    }
    let outside = Outside::new(context);
    let host = outside.host();
    let folder = context.host_path(&args.ca_dir)?;
    let given = (args.server.as_deref(), args.cluster_name.as_deref());
    let (server, cluster) = server_of(context, host, given, &args.ca_dir, &folder)?;
    let lifetime = |error| CliError::new("lifetime", error);
    let not_before = args.not_before.resolve(context.now()).map_err(lifetime)?;
    let not_after = args.validity.resolve(context.now()).map_err(lifetime)?;
    if not_after <= not_before {
        return Err(CliError::usage(format!(
            "the certificate would end ({not_after}) before it begins ({not_before})"
        )));
    }
    let out = match goes_to_stdout {
        true => None,
        false => Some(context.host_path(&args.out)?),
    };
    if let Some(path) = &out {
        written::check_free(host, path, args.force)?;
    }
    let request = ClientRequest {
        user,
        groups: &args.group,
        server: &server,
        cluster: &cluster,
        authority_certificate: &folder.join("ca.crt"),
        authority_key: &folder.join("ca.key"),
        not_before,
        not_after,
        key_type: args.key_type,
    };
    let (text, certificate) =
        client_kubeconfig(host, &request, context.now()).map_err(|error| failed(&error))?;
    remarks(context, args, &certificate, not_after);
    match out {
        None => {
            let mut stdout = context.stdout();
            stdout.write_all(danger::open(&text))?;
            stdout.flush()?;
        }
        Some(path) => {
            written::write(host, &path, &text, 0o600, args.force)?;
            tell(context, &path, &server, &certificate)?;
        }
    }
    Ok(ExitCode::Fine)
}

/// The server and the cluster's name: as given, else as this host's own kubeconfigs say, else as its
/// API server's flags do.
pub fn server_of(
    context: &Context,
    host: &dyn HostRead,
    given: (Option<&str>, Option<&str>),
    ca_dir: &Path,
    ca_folder: &Path,
) -> Result<(String, String), CliError> {
    let (server, cluster_name) = given;
    let cluster_name = cluster_name.map(str::to_owned);
    let default_cluster = || "kubernetes".to_owned();
    if let Some(server) = server {
        let cluster = cluster_name.unwrap_or_else(default_cluster);
        return Ok((server.to_owned(), cluster));
    }
    let beside = ca_folder.parent().map(Path::to_path_buf);
    let folders = beside
        .into_iter()
        .chain([PathBuf::from(KUBEADM.kubeconfig_folder)]);
    for folder in folders {
        // What admins connect to is what users should connect to; a kubelet's server is the same.
        for name in ["admin.conf", "super-admin.conf", "kubelet.conf"] {
            let Ok(contents) = host.read(&folder.join(name), FILE_LIMIT) else {
                continue;
            };
            let Ok(kubeconfig) = Kubeconfig::parse(&contents) else {
                continue;
            };
            let cluster = kubeconfig.current_cluster();
            if let Some((server, cluster)) =
                cluster.and_then(|it| Some((it.server.clone()?, it.name.clone())))
            {
                return Ok((server, cluster_name.unwrap_or(cluster)));
            }
        }
    }
    // A host that cannot be looked at is one that says nothing.
    let inventory = wiring::inventory(context, host, ca_dir).ok();
    let apiserver = inventory
        .as_ref()
        .and_then(|it| it.component(ComponentKind::KubeApiserver));
    let address = apiserver.and_then(|it| it.flags.one("advertise-address")?.parse().ok());
    if let (Some(apiserver), Some(address)) = (apiserver, address) {
        let port = apiserver
            .flags
            .one("secure-port")
            .and_then(|port| port.parse().ok());
        let socket = SocketAddr::new(address, port.unwrap_or(6443));
        let cluster = cluster_name.unwrap_or_else(default_cluster);
        return Ok((format!("https://{socket}"), cluster));
    }
    Err(
        CliError::usage("--server is needed: no kubeconfig or API server of this host names one")
            .hint("the URL that users reach the API server at, e.g. https://k8s.example.com:6443"),
    )
}

fn remarks(context: &Context, args: &KubeconfigArgs, certificate: &Certificate, asked: Timestamp) {
    let end = certificate.validity().not_after;
    if end < asked {
        context.note(format_args!(
            "note: ends with its CA at {end} instead of {asked}"
        ));
    }
    if args.group.iter().any(|group| group == "system:masters") {
        context.note(format_args!(
            "note: members of system:masters pass every authorization, and that cannot be taken \
             back before {end}"
        ));
    }
}

/// What `-o json` shows.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct KubeconfigResult<'a> {
    api_version: &'static str,
    kind: &'static str,
    path: String,
    server: &'a str,
    subject: String,
    issuer: String,
    not_before: Timestamp,
    expiration_date: Timestamp,
    key_type: String,
    fingerprint_sha256: String,
}

fn tell(
    context: &Context,
    path: &Path,
    server: &str,
    certificate: &Certificate,
) -> Result<(), CliError> {
    let validity = certificate.validity();
    let fingerprint = certificate.fingerprint_sha256();
    if let Some(structured) = context.structured() {
        return context.emit(
            structured,
            &KubeconfigResult {
                api_version: API_VERSION,
                kind: "KubeconfigResult",
                path: path.display().to_string(),
                server,
                subject: certificate.subject().to_string(),
                issuer: certificate.issuer().to_string(),
                not_before: validity.not_before,
                expiration_date: validity.not_after,
                key_type: certificate.public_key().algorithm().to_string(),
                fingerprint_sha256: fingerprint.iter().map(|it| format!("{it:02x}")).collect(),
            },
        );
    }
    context.note(format_args!(
        "{}: {} at {server} until {}",
        path.display(),
        certificate.subject(),
        validity.not_after
    ));
    Ok(())
}
