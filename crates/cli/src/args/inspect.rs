//! `kubepki inspect`: what was typed.

use super::values;
use clap::Args;
use jiff::SignedDuration;
use std::path::PathBuf;

/// Arguments of `kubepki inspect`.
#[derive(Args, Debug)]
#[command(long_about = "\
Show what is in certificates, keys, requests, kubeconfigs, tokens and TLS servers

Reads PEM in any mixture, DER, PKCS#7, PKCS#12, certification requests, public and private keys \
(of which only type, size and public fingerprint are shown), kubeconfigs, Kubernetes manifests, \
service-account tokens, and what a TLS server serves. Items are related to each other: who signed \
a certificate, whether the key beside it matches, which key signed a token.

One file is shown in full, several as a table; -o table and -o wide choose.

Examples:
  kubepki inspect /etc/kubernetes/pki
  kubepki inspect apiserver.crt ca.crt
  kubepki inspect 10.0.0.1:6443
  kubectl get secret web-tls -o yaml | kubepki inspect -")]
pub struct InspectArgs {
    /// Files, folders, globs, host:port, https:// addresses, or - for standard input
    ///
    /// A folder is read with everything below it; files in it that hold nothing of interest are
    /// passed over. A quoted glob knows *, ?, [abc] and **. A name that exists as a file is always
    /// a file; otherwise NAME:PORT is a TLS server.
    #[arg(required = true, value_name = "WHAT")]
    pub what: Vec<String>,

    /// Warn about certificates that expire within this time
    ///
    /// A length of time such as 30d, 12h or 1y. Certificates that expire within it make the exit
    /// code 3; expired ones always make it 4.
    #[arg(long, value_name = "TIME", default_value = "30d", value_parser = values::duration)]
    pub warn: SignedDuration,

    /// Read the password of PKCS#12 files from the first line of FILE
    ///
    /// Without it the password is asked for on the terminal; files without a password need none.
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,

    /// Ask TLS servers for this name instead of the host that is connected to
    ///
    /// Sent as the server name indication (SNI), which chooses among a server's certificates.
    #[arg(long, value_name = "NAME")]
    pub server_name: Option<String>,

    /// Give up on a TLS server after this time
    ///
    /// A length of time such as 5s or 1m.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = values::duration)]
    pub timeout: SignedDuration,
}
