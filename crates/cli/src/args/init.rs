//! `kubepki init`: what was typed.

use clap::Args;
use kubepki_core::founding::ControlPlaneEndpoint;
use kubepki_core::layouts::KUBEADM;
use kubepki_core::plan::{EndRule, StartRule};
use kubepki_keys::KeyType;
use kubepki_x509::GeneralName;
use std::net::IpAddr;
use std::path::PathBuf;

/// Arguments of `kubepki init`.
#[derive(Args, Debug)]
#[command(long_about = "\
Make the PKI of a new cluster: CAs, certificates, kubeconfigs and service-account keys

By default kubeadm's: `kubeadm init` takes all of it as it is. With --layout, whatever a file \
declares: which certificate, for whom, with which names and usages, signed by whom, and where. \
Everything is made in memory first, shown, and written as one: all of it or nothing. Nothing that \
is there is ever overwritten; a CA of which certificate and key are there is used again, as kubeadm \
does, so the next control-plane host gets its own certificates from copies of the CAs and sa.key.

Examples:
  kubepki init --advertise-address 10.0.0.5 --control-plane-endpoint k8s.example.com:6443
  kubepki init --cert-dir ./pki --node-name cp1 --advertise-address 10.0.0.5 --key-type ecdsa:p256
  kubepki init --ca-cert corp-ca.crt --ca-key corp-ca.key --validity 90d
  kubepki init --print-layout > layout.yaml; kubepki init --layout layout.yaml")]
pub struct InitArgs {
    /// The folder of certificates and keys
    ///
    /// Relative paths of a layout begin here.
    #[arg(
        long,
        value_name = "DIR",
        default_value = KUBEADM.pki_folder,
        help_heading = "Where"
    )]
    pub cert_dir: PathBuf,

    /// The folder of kubeconfigs; by default the one above --cert-dir
    #[arg(long, value_name = "DIR", help_heading = "Where")]
    pub kubeconfig_dir: Option<PathBuf>,

    /// Make what FILE declares instead of kubeadm's PKI
    ///
    /// YAML or JSON, apiVersion kubepki.dev/v1alpha1, kind Layout; `kubepki schema Layout` prints
    /// its JSON Schema, --print-layout a layout to start from.
    #[arg(
        long,
        value_name = "FILE",
        help_heading = "Where",
        conflicts_with_all = [
            "node_name", "advertise_address", "apiserver_bind_port", "control_plane_endpoint",
            "service_cidr", "dns_domain", "apiserver_san", "etcd_san", "cluster_name",
            "kubernetes_version", "print_layout",
        ]
    )]
    pub layout: Option<PathBuf>,

    /// Print the layout that would be made, and make nothing
    ///
    /// As YAML, or as JSON with `-o json`: to be edited and given to --layout.
    #[arg(long, help_heading = "Where")]
    pub print_layout: bool,

    /// Make only these: names, or authorities, certificates, kubeconfigs, service-account-keys
    ///
    /// kubeadm's names (ca, apiserver, etcd-server, admin.conf, sa, ...) or those of the layout,
    /// separated by commas. A CA that signs one of them must be among them or be there.
    #[arg(
        long,
        value_name = "NAME",
        value_delimiter = ',',
        help_heading = "Where"
    )]
    pub only: Vec<String>,

    /// This node's name; by default the host's
    #[arg(long, value_name = "NAME", help_heading = "Cluster")]
    pub node_name: Option<String>,

    /// The address that this host's API server and etcd are reached at
    ///
    /// By default the address of the host's default route, with a notice. Needed with --root.
    #[arg(
        long,
        value_name = "ADDRESS",
        alias = "apiserver-advertise-address",
        help_heading = "Cluster"
    )]
    pub advertise_address: Option<IpAddr>,

    /// The API server's port
    #[arg(
        long,
        value_name = "PORT",
        default_value_t = 6443,
        help_heading = "Cluster"
    )]
    pub apiserver_bind_port: u16,

    /// The address of all API servers together: HOST or HOST:PORT
    ///
    /// A name of the API server's certificate, and where admins and kubelets connect to.
    #[arg(long, value_name = "HOST[:PORT]", help_heading = "Cluster")]
    pub control_plane_endpoint: Option<ControlPlaneEndpoint>,

    /// The network of Services; its first address is a name of the API server
    #[arg(
        long,
        value_name = "CIDR",
        default_value = "10.96.0.0/12",
        value_parser = first_service_address,
        help_heading = "Cluster"
    )]
    pub service_cidr: IpAddr,

    /// The cluster's DNS domain
    #[arg(
        long,
        value_name = "DOMAIN",
        default_value = "cluster.local",
        alias = "service-dns-domain",
        help_heading = "Cluster"
    )]
    pub dns_domain: String,

    /// One more name of the API server
    ///
    /// A DNS name or an IP address; repeated or separated by commas.
    #[arg(
        long,
        value_name = "NAME",
        value_delimiter = ',',
        alias = "apiserver-cert-extra-sans",
        help_heading = "Cluster"
    )]
    pub apiserver_san: Vec<GeneralName>,

    /// One more name of this host's etcd member, as server and as peer
    ///
    /// A DNS name or an IP address; repeated or separated by commas.
    #[arg(
        long,
        value_name = "NAME",
        value_delimiter = ',',
        help_heading = "Cluster"
    )]
    pub etcd_san: Vec<GeneralName>,

    /// The cluster's name in kubeconfigs
    #[arg(
        long,
        value_name = "NAME",
        default_value = "kubernetes",
        help_heading = "Cluster"
    )]
    pub cluster_name: String,

    /// The version of Kubernetes that the PKI is for; by default the newest
    ///
    /// Since 1.29 admin.conf is in the group kubeadm:cluster-admins, and super-admin.conf in
    /// system:masters; before, admin.conf was in system:masters.
    #[arg(
        long,
        value_name = "VERSION",
        value_parser = kubernetes_minor,
        help_heading = "Cluster"
    )]
    pub kubernetes_version: Option<u32>,

    /// How long certificates are valid, or until when
    ///
    /// A length of time from now (1y, 90d) or a date. An end after the CA's own is moved to the
    /// CA's, with a notice. What a layout declares is stronger.
    #[arg(
        long,
        value_name = "TIME",
        default_value = "365d",
        help_heading = "Certificates"
    )]
    pub validity: EndRule,

    /// How long CAs are valid, or until when
    #[arg(
        long,
        value_name = "TIME",
        default_value = "3650d",
        help_heading = "Certificates"
    )]
    pub ca_validity: EndRule,

    /// From when everything is valid
    ///
    /// A time before now (-5m, -365d) or a date.
    #[arg(
        long,
        value_name = "TIME",
        default_value = "-5m",
        allow_hyphen_values = true,
        help_heading = "Certificates"
    )]
    pub not_before: StartRule,

    /// The kind of keys: rsa:2048, rsa:3072, rsa:4096, ecdsa:p256, ecdsa:p384, ed25519
    ///
    /// Service-account keys are of this kind too, but RSA-2048 in place of Ed25519, which
    /// kube-apiserver does not sign tokens with. kubeadm's tools read no Ed25519 keys.
    #[arg(
        long,
        value_name = "TYPE",
        default_value = "rsa:2048",
        help_heading = "Certificates"
    )]
    pub key_type: KeyType,

    /// The kind of keys of CAs; by default that of --key-type
    #[arg(long, value_name = "TYPE", help_heading = "Certificates")]
    pub ca_key_type: Option<KeyType>,

    /// Have the cluster's CAs signed by this CA instead of by themselves
    ///
    /// A PEM file; where it holds several certificates, the one that --ca-key belongs to signs.
    /// To use a CA as the cluster's own instead, put it into --cert-dir as ca.crt and ca.key.
    #[arg(long, value_name = "FILE", help_heading = "Authorities")]
    pub ca_cert: Option<PathBuf>,

    /// The key of --ca-cert
    ///
    /// Without it the cluster's CAs become certification requests (--csr-dir).
    #[arg(
        long,
        value_name = "FILE",
        requires = "ca_cert",
        help_heading = "Authorities"
    )]
    pub ca_key: Option<PathBuf>,

    /// Make no CA: those that are not there are somebody else's
    #[arg(long, help_heading = "Authorities")]
    pub external_ca: bool,

    /// Write keys and requests into DIR for what a CA without its key here must sign
    ///
    /// DIR gets NAME.key (0600) and NAME.csr. Requests carry names and usages.
    #[arg(
        long,
        value_name = "DIR",
        conflicts_with = "install",
        help_heading = "Authorities"
    )]
    pub csr_dir: Option<PathBuf>,

    /// Take signed certificates from DIR, and make nothing else
    ///
    /// DIR holds NAME.crt and NAME.key. Each is checked first: key, subject, names, usages, and
    /// that the CA that is there signed it.
    #[arg(long, value_name = "DIR", help_heading = "Authorities")]
    pub install: Option<PathBuf>,
}

fn first_service_address(text: &str) -> Result<IpAddr, String> {
    kubepki_core::founding::first_service_address(text)
        .ok_or_else(|| "expected a network like 10.96.0.0/12".to_owned())
}

fn kubernetes_minor(text: &str) -> Result<u32, String> {
    kubepki_core::founding::kubernetes_minor(text)
        .ok_or_else(|| "expected a version like 1.29 or v1.33.2".to_owned())
}
