//! The parameters of kubeadm's layout: what was typed, and what is asked of this host where it was
//! not.

use super::notice;
use crate::args::InitArgs;
use crate::context::{Context, host_error};
use crate::error::CliError;
use kubepki_core::founding::{ClusterParameters, DeclaredLayout, declared_by_kubeadm};
use kubepki_core::plan::Notice;
use kubepki_engine::ports::HostRead;
use kubepki_x509::GeneralName;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

/// The minor version that is taken when none is given.
const NEWEST_MINOR: u32 = 34;

/// kubeadm's layout for this host. What was not typed and matters is said in a notice.
pub fn kubeadm_layout(
    context: &Context,
    args: &InitArgs,
    notices: &mut Vec<Notice>,
) -> Result<DeclaredLayout, CliError> {
    let node_name = match &args.node_name {
        Some(name) => name.clone(),
        None => context
            .host()
            .hostname()
            .map_err(|error| host_error(&error).hint("name this node with --node-name"))?,
    };
    // As kubeadm does: node names are DNS names in lower case.
    let node_name = node_name.trim().to_lowercase();
    if !matches!(node_name.parse(), Ok(GeneralName::DnsName(_))) {
        return Err(
            CliError::usage(format!("the node name {node_name:?} is no DNS name"))
                .hint("name this node with --node-name"),
        );
    }
    let kubernetes_minor = args.kubernetes_version.unwrap_or_else(|| {
        notices.push(notice(
            "kubernetes-version",
            "admin.conf",
            format!(
                "made for Kubernetes 1.{NEWEST_MINOR}: its group kubeadm:cluster-admins has rights \
                 since 1.29 only; name an older version with --kubernetes-version"
            ),
        ));
        NEWEST_MINOR
    });
    let parameters = ClusterParameters {
        cluster: args.cluster_name.clone(),
        bind_port: args.apiserver_bind_port,
        control_plane_endpoint: args.control_plane_endpoint.clone(),
        first_service_address: args.service_cidr,
        dns_domain: args.dns_domain.clone(),
        apiserver_names: args.apiserver_san.clone(),
        etcd_names: args.etcd_san.clone(),
        ..ClusterParameters::new(
            &node_name,
            advertise_address(context, args, notices)?,
            kubernetes_minor,
        )
    };
    Ok(declared_by_kubeadm(&parameters))
}

fn advertise_address(
    context: &Context,
    args: &InitArgs,
    notices: &mut Vec<Notice>,
) -> Result<IpAddr, CliError> {
    if let Some(address) = args.advertise_address {
        return Ok(address);
    }
    let found = context
        .host()
        .is_live()
        .then(default_route_address)
        .flatten();
    let found = found.ok_or_else(|| {
        let why = if context.host().is_live() {
            "this host has no default route to take its address from"
        } else {
            "with --root the host's address cannot be asked for"
        };
        CliError::usage("--advertise-address is needed")
            .detail("because", why)
            .hint("it is the address that other hosts reach this API server and etcd at")
    })?;
    notices.push(notice(
        "advertise-address",
        "advertise-address",
        format!("{found}, that of the default route; name another with --advertise-address"),
    ));
    Ok(found)
}

/// The address that this host would talk to the world from. Connecting a UDP socket sends nothing.
fn default_route_address() -> Option<IpAddr> {
    let towards = |from: IpAddr, to: IpAddr| {
        let socket = UdpSocket::bind((from, 0)).ok()?;
        // Addresses for documentation (RFC 5737, RFC 3849): routed by default, and never reached.
        socket.connect((to, 9)).ok()?;
        let address = socket.local_addr().ok()?.ip();
        (!address.is_loopback() && !address.is_unspecified()).then_some(address)
    };
    towards(
        Ipv4Addr::UNSPECIFIED.into(),
        Ipv4Addr::new(192, 0, 2, 1).into(),
    )
    .or_else(|| {
        let documentation = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
        towards(Ipv6Addr::UNSPECIFIED.into(), documentation.into())
    })
}
