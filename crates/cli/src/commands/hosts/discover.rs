//! `kubepki hosts discover`: a document from what names the hosts already.

use crate::args::{ApiChoice, HostsDiscoverArgs, HostsSource};
use crate::commands::{cluster, written};
use crate::context::{Context, host_error};
use crate::error::CliError;
use crate::exit_code::ExitCode;
use kubepki_adapters::host::LocalHost;
use kubepki_core::cluster_document::ClusterDocument;
use kubepki_core::cluster_document::sources::{
    FoundHosts, NodeHost, SourceError, from_ansible, from_kubeadm, from_nodes,
};
use kubepki_engine::ports::{
    ClusterError, ClusterErrorKind, ClusterRead, FILE_LIMIT, HostRead, PageRequest,
};
use kubepki_sealed::{Sealed, danger};
use std::io::Write;
use std::path::Path;

const KUBEADM_CONFIG: &str = "/api/v1/namespaces/kube-system/configmaps/kubeadm-config";

/// Finds the hosts, and prints or writes the document.
pub fn run(context: &Context, args: &HostsDiscoverArgs) -> Result<ExitCode, CliError> {
    let machine = LocalHost::live();
    let out = args
        .output_file
        .as_deref()
        .map(std::path::absolute)
        .transpose()?;
    if let Some(path) = &out {
        written::check_free(&machine, path, args.force)?;
    }
    let user = args.user.as_deref();
    let found = match &args.from {
        Some(HostsSource::Ansible(file)) => {
            let text = read(&machine, file)?;
            from_ansible(text_of(&text, file)?, user).map_err(|error| at(file, &error))?
        }
        Some(HostsSource::Nodes(Some(file))) => {
            let text = read(&machine, file)?;
            NodeHost::parse_list(text_of(&text, file)?)
                .and_then(|nodes| from_nodes(&nodes, user))
                .map_err(|error| at(file, &error))?
        }
        from => from_api(context, args, from.as_ref())?,
    };
    for notice in &found.notices {
        context.note(format_args!("note: {notice}"));
    }
    // Whatever a source says, no document is written that would not be read.
    let text = found
        .document
        .to_yaml()
        .map_err(|error| CliError::new("cluster-document", error))?;
    ClusterDocument::parse(&text).map_err(|error| {
        CliError::new(
            error.code(),
            format!("what was found makes no document: {error}"),
        )
    })?;
    match &out {
        Some(path) => {
            let contents = Sealed::new(text.into_bytes());
            written::write(&machine, path, &contents, 0o644, args.force)?;
            context.note(format_args!(
                "{}: {} hosts; see them with `kubepki hosts list --check`",
                path.display(),
                found.document.hosts.len()
            ));
            if let Some(structured) = context.structured() {
                context.emit(structured, &found.document)?;
            }
        }
        None => match context.structured() {
            Some(structured) => context.emit(structured, &found.document)?,
            None => {
                let mut stdout = context.stdout();
                stdout.write_all(text.as_bytes())?;
                stdout.flush()?;
            }
        },
    }
    Ok(ExitCode::Fine)
}

fn from_api(
    context: &Context,
    args: &HostsDiscoverArgs,
    from: Option<&HostsSource>,
) -> Result<FoundHosts, CliError> {
    let choice = ApiChoice {
        api: true,
        kubeconfig: args.kubeconfig.clone(),
        server: args.server.clone(),
        namespace: Vec::new(),
    };
    let (client, _) = cluster::connect(context, &choice)?;
    let nodes = nodes(&client).map_err(|error| cluster::refused(&error))?;
    let config_map = match from {
        Some(HostsSource::Nodes(_)) => None,
        wanted => match client.object(KUBEADM_CONFIG) {
            Ok(config_map) => Some(config_map),
            Err(error) if wanted.is_none() && is_not_there(&error) => None,
            Err(error) => {
                return Err(
                    cluster::refused(&error).hint("--from nodes needs nothing of kubeadm's")
                );
            }
        },
    };
    let user = args.user.as_deref();
    let found = match &config_map {
        Some(config_map) => {
            let text = std::str::from_utf8(danger::open(config_map)).unwrap_or_default();
            from_kubeadm(text, &nodes, user)
        }
        None => from_nodes(&nodes, user),
    };
    found.map_err(|error| CliError::new(error.code(), &error).location(client.server()))
}

/// Not kubeadm's, or not for this user's eyes.
fn is_not_there(error: &ClusterError) -> bool {
    matches!(
        error.kind,
        ClusterErrorKind::NotFound | ClusterErrorKind::Forbidden
    )
}

/// Every Node, page by page.
fn nodes(client: &dyn ClusterRead) -> Result<Vec<NodeHost>, ClusterError> {
    let mut nodes = Vec::new();
    let mut next: Option<String> = None;
    loop {
        let request = PageRequest {
            path: "/api/v1/nodes",
            field_selector: None,
            limit: 250,
            continue_from: next.as_deref(),
        };
        let page = client.page(&request, &mut |json| {
            let node = std::str::from_utf8(json).ok();
            nodes.extend(node.and_then(|node| NodeHost::parse(node).ok()));
        })?;
        next = page.next;
        if next.is_none() {
            return Ok(nodes);
        }
    }
}

fn read(machine: &LocalHost, file: &Path) -> Result<Sealed, CliError> {
    machine
        .read(&std::path::absolute(file)?, FILE_LIMIT)
        .map_err(|error| host_error(&error))
}

fn text_of<'s>(contents: &'s Sealed, file: &Path) -> Result<&'s str, CliError> {
    std::str::from_utf8(danger::open(contents)).map_err(|error| {
        CliError::new("not-utf8", format!("not UTF-8 text: {error}")).location(file.display())
    })
}

fn at(file: &Path, error: &SourceError) -> CliError {
    CliError::new(
        error.code(),
        format!("cannot use {}: {error}", file.display()),
    )
    .location(file.display())
}
