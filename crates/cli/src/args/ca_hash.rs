//! `kubepki ca-hash`: what was typed.

use clap::Args;
use std::path::PathBuf;

/// Arguments of `kubepki ca-hash`.
#[derive(Args, Debug)]
#[command(long_about = "\
Print the hash that `kubeadm join --discovery-token-ca-cert-hash` takes

The hash is SHA-256 over the certificate's SubjectPublicKeyInfo, so it does not change when a CA is \
renewed with the same key. One line is printed per certificate, as kubeadm expects it: \
sha256:<hex>.

Examples:
  kubepki ca-hash /etc/kubernetes/pki/ca.crt")]
pub struct CaHashArgs {
    /// Certificate files (PEM or DER), or - for standard input
    ///
    /// Every certificate of a bundle gets its line, in the bundle's order.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
}
