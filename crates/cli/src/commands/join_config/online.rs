//! While the API answers: hashes, a token, and a look at what the joining host will look at.

use crate::args::{ApiChoice, JoinConfigArgs};
use crate::commands::{ca_hash, cluster, written};
use crate::context::Context;
use crate::error::{API_VERSION, CliError};
use crate::exit_code::ExitCode;
use jiff::Timestamp;
use kubepki_adapters::clock::SystemClock;
use kubepki_adapters::host::LocalHost;
use kubepki_adapters::kube::ClusterClient;
use kubepki_core::joining::{
    BootstrapToken, ClusterInfo, ConfigurationVersion, JoinRequest, Usable, check_node_name,
};
use kubepki_engine::ports::{
    Clock, ClusterError, ClusterErrorKind, ClusterRead, ClusterWrite, HostRead, PageRequest,
};
use kubepki_sealed::danger;
use kubepki_x509::Certificate;
use serde::Serialize;
use std::io::Write;
use std::time::{Duration, Instant};

const CLUSTER_INFO: &str = "/api/v1/namespaces/kube-public/configmaps/cluster-info";
const SECRETS: &str = "/api/v1/namespaces/kube-system/secrets";
/// Controllers that sign for tokens look at least this often.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct JoinConfig<'a> {
    api_version: &'static str,
    kind: &'static str,
    endpoint: &'a str,
    ca_cert_hashes: &'a [String],
    token_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_expires: Option<Timestamp>,
    token_created: bool,
    cluster_info_signed: bool,
    kubeadm_api_version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
}

pub fn run(context: &Context, args: &JoinConfigArgs) -> Result<ExitCode, CliError> {
    let machine = LocalHost::live();
    let out = args.out.as_deref().map(std::path::absolute).transpose()?;
    if let Some(path) = &out {
        written::check_free(&machine, path, args.force)?;
    } else if context.structured().is_some() {
        return Err(
            CliError::usage("with -o json or yaml the line needs a file of its own")
                .hint("name it with --out FILE"),
        );
    }
    if let Some(name) = &args.node_name {
        check_node_name(name).map_err(CliError::usage)?;
    }
    let bundle = bundle(context, args)?;
    let choice = ApiChoice {
        api: true,
        kubeconfig: args.kubeconfig.clone(),
        server: args.server.clone(),
        namespace: Vec::new(),
    };
    let (client, version) = cluster::connect(context, &choice)
        .map_err(|error| without_api(error, &ca_hash::hashes(&bundle)))?;
    let info = cluster_info(&client)?;
    let pinned = match bundle.is_empty() {
        true => &info.authorities,
        false => &bundle,
    };
    let missing = info.missing(pinned);
    if missing.len() == pinned.len() {
        return Err(CliError::new(
            "cluster-info-other-ca",
            "cluster-info in kube-public holds none of the cluster's CAs: no host could join",
        )
        .detail("expected", subjects(pinned.iter()))
        .detail("found", subjects(info.authorities.iter()))
        .hint("put the present ca.crt into its kubeconfig, or run `kubeadm init phase bootstrap-token`"));
    }
    for certificate in missing {
        context.note(format_args!(
            "note: {} of the CA bundle is not in cluster-info; hosts that join until it is trust the others",
            certificate.subject()
        ));
    }
    let now = SystemClock.now();
    let token = match args.create_token {
        true => create(&client, args, now)?,
        false => find(context, &client, now)?,
    };
    await_signature(&client, info.clone(), &token, args.create_token)?;
    let hashes = ca_hash::hashes(pinned);
    let endpoint = match &args.endpoint {
        Some(endpoint) => endpoint.clone(),
        None => JoinRequest::endpoint_of(&info.server),
    };
    let kubernetes = version.version.as_deref().unwrap_or_default();
    let configuration = ConfigurationVersion::of_kubernetes(kubernetes).unwrap_or_else(|| {
        context.note("note: the server does not tell its version; the document is v1beta3, as kubeadm reads since 1.22");
        ConfigurationVersion::V1beta3
    });
    let request = JoinRequest {
        endpoint: &endpoint,
        ca_hashes: &hashes,
        token: &token,
        control_plane: args.control_plane,
        node_name: args.node_name.as_deref(),
    };
    let text = match args.configuration {
        true => request.configuration(configuration),
        false => request.command(),
    };
    remarks(context, args, &token);
    match &out {
        None => {
            let mut stdout = context.stdout();
            stdout.write_all(danger::open(&text))?;
            stdout.flush()?;
        }
        Some(path) => written::write(&machine, path, &text, 0o600, args.force)?,
    }
    if let Some(structured) = context.structured() {
        context.emit(
            structured,
            &JoinConfig {
                api_version: API_VERSION,
                kind: "JoinConfig",
                endpoint: &endpoint,
                ca_cert_hashes: &hashes,
                token_id: &token.id,
                token_expires: token.expires,
                token_created: args.create_token,
                cluster_info_signed: true,
                kubeadm_api_version: configuration.api_version(),
                path: out.as_ref().map(|path| path.display().to_string()),
            },
        )?;
    }
    Ok(ExitCode::Fine)
}

/// The CAs of this host, none where it holds none: then it is not one of the cluster's.
fn bundle(context: &Context, args: &JoinConfigArgs) -> Result<Vec<Certificate>, CliError> {
    let path = context.host_path(&args.ca_dir)?.join("ca.crt");
    match context.host().symlink_metadata(&path) {
        Ok(_) => ca_hash::certificates(context, &path),
        Err(_) => Ok(Vec::new()),
    }
}

/// Nobody can be asked for a token, but the hashes are known all the same.
fn without_api(error: CliError, hashes: &[String]) -> CliError {
    let error = hashes
        .iter()
        .fold(error, |error, hash| error.detail("discovery hash", hash));
    error
        .hint("for a node of the cluster, `kubepki join-config --node NAME --out DIR` needs no API")
}

fn cluster_info(client: &ClusterClient) -> Result<ClusterInfo, CliError> {
    let wrong = |message: String| {
        CliError::new("cluster-info", message)
            .location("ConfigMap kube-public/cluster-info")
            .hint("`kubeadm init phase bootstrap-token` makes it again")
    };
    let json = client.object(CLUSTER_INFO).map_err(|error| {
        if error.kind == ClusterErrorKind::NotFound {
            wrong("there is no cluster-info in kube-public: no host could join".to_owned())
        } else {
            cluster::refused(&error)
        }
    })?;
    ClusterInfo::parse(danger::open(&json)).map_err(|error| wrong(error.to_string()))
}

fn create(
    client: &ClusterClient,
    args: &JoinConfigArgs,
    now: Timestamp,
) -> Result<BootstrapToken, CliError> {
    if args.ttl.is_zero() || args.ttl.is_negative() {
        return Err(CliError::usage("--ttl is not after now"));
    }
    let expires = now
        .checked_add(args.ttl)
        .and_then(|expires| Timestamp::from_second(expires.as_second()))
        .map_err(|_| CliError::usage("--ttl ends after all time"))?;
    // 22 letters; one octet of 64 is passed over
    let token = BootstrapToken::generate(&kubepki_keys::random_octets(64), Some(expires))
        .map_err(|error| CliError::new("no-randomness", error))?;
    client
        .create_bootstrap_token(&token)
        .map_err(|error| cluster::refused(&error))?;
    Ok(token)
}

/// The token that is valid longest of those that help.
fn find(
    context: &Context,
    client: &ClusterClient,
    now: Timestamp,
) -> Result<BootstrapToken, CliError> {
    let (found, refused) = tokens(client, now).map_err(|error| cluster::refused(&error))?;
    for reason in &refused {
        context.detail(1, format_args!("  passed over token {reason}"));
    }
    let longest = found
        .into_iter()
        .max_by_key(|token| token.expires.unwrap_or(Timestamp::MAX));
    longest.ok_or_else(|| {
        let error = CliError::new(
            "no-bootstrap-token",
            "no bootstrap token of the cluster lets a host join",
        );
        refused
            .iter()
            .fold(error, |error, reason| error.detail("passed over", reason))
            .hint("make one with --create-token")
    })
}

fn tokens(
    client: &dyn ClusterRead,
    now: Timestamp,
) -> Result<(Vec<BootstrapToken>, Vec<String>), ClusterError> {
    let (mut found, mut refused) = (Vec::new(), Vec::new());
    let mut next: Option<String> = None;
    loop {
        let request = PageRequest {
            path: SECRETS,
            field_selector: Some("type=bootstrap.kubernetes.io/token"),
            limit: 100,
            continue_from: next.as_deref(),
        };
        let page = client.page(
            &request,
            &mut |json| match BootstrapToken::of_secret(json, now) {
                Some(Usable::Yes(token)) => found.push(token),
                Some(Usable::No { id, reason }) => refused.push(format!("{id}: {reason}")),
                None => {}
            },
        )?;
        next = page.next;
        if next.is_none() {
            return Ok((found, refused));
        }
    }
}

/// Makes sure that `cluster-info` is signed for the token, which a controller does. A new token's
/// signature is awaited.
fn await_signature(
    client: &ClusterClient,
    mut info: ClusterInfo,
    token: &BootstrapToken,
    is_new: bool,
) -> Result<(), CliError> {
    let began = Instant::now();
    loop {
        match info.is_signed_for(token) {
            Some(true) => return Ok(()),
            // somebody changed it a moment ago
            _ if began.elapsed() < PATIENCE && is_new => {}
            Some(false) => {
                return Err(not_signed(
                    "is signed for the token with another secret or for other contents",
                    token,
                ));
            }
            None => return Err(not_signed("is not signed for the token", token)),
        }
        std::thread::sleep(Duration::from_millis(250));
        info = cluster_info(client)?;
    }
}

fn not_signed(what: &str, token: &BootstrapToken) -> CliError {
    CliError::new(
        "cluster-info-not-signed",
        format!("cluster-info in kube-public {what} {}: a host that joins would wait for it", token.id),
    )
    .location("ConfigMap kube-public/cluster-info")
    .hint(
        "kube-controller-manager signs it, with bootstrapsigner among its --controllers: is it well?",
    )
}

fn remarks(context: &Context, args: &JoinConfigArgs, token: &BootstrapToken) {
    match token.expires {
        Some(expires) => context.note(format_args!("token {} until {expires}", token.id)),
        None => context.note(format_args!(
            "note: token {} never expires; delete its Secret {} when it is not needed",
            token.id,
            token.secret_name()
        )),
    }
    if args.control_plane {
        context.note(
            "note: put in place of CERTIFICATE-KEY what `kubeadm init phase upload-certs \
             --upload-certs` prints on a control plane; it is valid for two hours. Without it, copy \
             ca, front-proxy-ca, etcd/ca and sa (certificates and keys) to the new host first and \
             leave it out",
        );
    }
}

fn subjects<'c>(certificates: impl Iterator<Item = &'c Certificate>) -> String {
    let subjects: Vec<String> = certificates.map(|it| it.subject().to_string()).collect();
    subjects.join("; ")
}
