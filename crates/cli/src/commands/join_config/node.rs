//! While nobody answers: a client certificate for a node's kubelet, signed here by the cluster's CA.
//!
//! <https://kubernetes.io/docs/reference/access-authn-authz/node/>

use crate::args::JoinConfigArgs;
use crate::commands::init::failed;
use crate::commands::kubeconfig::server_of;
use crate::commands::wiring::Outside;
use crate::context::{Context, host_error};
use crate::error::{API_VERSION, CliError};
use crate::exit_code::ExitCode;
use kubepki_core::formats::kubeconfig::Kubeconfig;
use kubepki_core::joining::{check_node_name, instructions};
use kubepki_engine::founding::{ClientRequest, client_kubeconfig};
use kubepki_engine::ports::{FILE_LIMIT, FileAttributes, HostErrorKind, HostRead, HostWrite};
use kubepki_sealed::Sealed;
use serde::Serialize;
use std::path::{Path, PathBuf};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NodeCredentials<'a> {
    api_version: &'static str,
    kind: &'static str,
    node: &'a str,
    server: &'a str,
    folder: String,
    files: Vec<String>,
    subject: String,
    issuer: String,
    expiration_date: jiff::Timestamp,
}

pub fn run(context: &Context, args: &JoinConfigArgs, node: &str) -> Result<ExitCode, CliError> {
    check_node_name(node).map_err(CliError::usage)?;
    let Some(out) = &args.out else {
        return Err(CliError::usage("--node needs --out DIR"));
    };
    let outside = Outside::new(context);
    let host = outside.host();
    let ca_folder = context.host_path(&args.ca_dir)?;
    let folder = context.host_path(out)?;
    let (server, cluster) = server_of(
        context,
        host,
        (args.server.as_deref(), None),
        &args.ca_dir,
        &ca_folder,
    )?;
    let lifetime = |error| CliError::new("lifetime", error);
    let not_before = args.not_before.resolve(context.now()).map_err(lifetime)?;
    let not_after = args.validity.resolve(context.now()).map_err(lifetime)?;
    if not_after <= not_before {
        return Err(CliError::usage(format!(
            "the certificate would end ({not_after}) before it begins ({not_before})"
        )));
    }
    check_empty(host, &folder)?;
    let user = format!("system:node:{node}");
    let authority = ca_folder.join("ca.crt");
    let request = ClientRequest {
        user: &user,
        groups: &["system:nodes".to_owned()],
        server: &server,
        cluster: &cluster,
        authority_certificate: &authority,
        authority_key: &ca_folder.join("ca.key"),
        not_before,
        not_after,
        key_type: args.key_type,
    };
    let (kubeconfig, certificate) =
        client_kubeconfig(host, &request, context.now()).map_err(|error| failed(&error))?;
    let parsed = Kubeconfig::parse(&kubeconfig);
    let broken = |error| CliError::new("defect", format!("what was made cannot be read: {error}"));
    let parsed = parsed.map_err(broken)?;
    let client = parsed.client_certificate_data(&user).map_err(broken)?;
    let key = parsed.client_key_data(&user).map_err(broken)?;
    let ends = certificate.validity().not_after;
    let bundle = host
        .read(&authority, FILE_LIMIT)
        .map_err(|error| host_error(&error))?;
    let readme = instructions(node, &server, &ends.to_string());
    let files: [(&str, u32, Sealed); 5] = [
        ("ca.crt", 0o644, bundle),
        ("client.crt", 0o644, Sealed::new(client.to_vec())),
        ("client.key", 0o600, key),
        ("README", 0o644, Sealed::new(readme.clone().into_bytes())),
        // the last, so that where it is everything is
        ("kubelet.conf", 0o600, kubeconfig),
    ];
    host.create_directory(&folder, 0o700)
        .map_err(|error| host_error(&error))?;
    let written = write_all(host, &folder, &files)?;
    if let Some(structured) = context.structured() {
        let written = written.iter().map(|path| path.display().to_string());
        context.emit(
            structured,
            &NodeCredentials {
                api_version: API_VERSION,
                kind: "NodeCredentials",
                node,
                server: &server,
                folder: folder.display().to_string(),
                files: written.collect(),
                subject: certificate.subject().to_string(),
                issuer: certificate.issuer().to_string(),
                expiration_date: ends,
            },
        )?;
        return Ok(ExitCode::Fine);
    }
    if ends < not_after {
        context.note(format_args!(
            "note: ends with its CA at {ends} instead of {not_after}"
        ));
    }
    context.note(format_args!("{}:\n\n{readme}", folder.display()));
    Ok(ExitCode::Fine)
}

/// A folder with something in it is somebody's: of two nodes' files none may be taken for the other's.
fn check_empty(host: &dyn HostRead, folder: &Path) -> Result<(), CliError> {
    match host.list(folder) {
        Ok(names) if names.is_empty() => Ok(()),
        Ok(_) => Err(CliError::new(
            "already-exists",
            format!("{} is not empty", folder.display()),
        )
        .location(folder.display())
        .hint("name a folder that does not exist")),
        Err(error) if error.kind == HostErrorKind::NotFound => Ok(()),
        Err(error) => Err(host_error(&error)),
    }
}

/// All of them, or none.
fn write_all(
    host: &dyn HostWrite,
    folder: &Path,
    files: &[(&str, u32, Sealed)],
) -> Result<Vec<PathBuf>, CliError> {
    let (uid, gid) = host.identity();
    let mut written: Vec<PathBuf> = Vec::new();
    for (name, mode, contents) in files {
        let path = folder.join(name);
        let attributes = FileAttributes {
            mode: *mode,
            uid,
            gid,
            xattrs: Vec::new(),
        };
        if let Err(error) = host.create(&path, contents, &attributes) {
            // The first error is the one to tell.
            for path in &written {
                let _ = host.remove(path);
            }
            return Err(host_error(&error));
        }
        written.push(path);
    }
    Ok(written)
}
