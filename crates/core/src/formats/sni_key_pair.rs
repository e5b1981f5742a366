//! `--tls-sni-cert-key`: further serving certificates, chosen by the name that a client asks for.
//!
//! `CERTIFICATE,KEY` or `CERTIFICATE,KEY:NAME,NAME`, once per certificate.
//! <https://kubernetes.io/docs/reference/command-line-tools-reference/kube-apiserver/>

use super::flags::Flags;

/// The flag; kube-apiserver, kube-controller-manager and kube-scheduler have it.
pub const SNI_FLAG: &str = "tls-sni-cert-key";

/// One certificate with its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SniKeyPair {
    /// The certificate's path.
    pub certificate: String,
    /// The key's path.
    pub key: String,
    /// The names it is served for; none means those in the certificate.
    pub names: Vec<String>,
}

/// Every such certificate that the flags name.
pub fn sni_key_pairs(flags: &Flags) -> Vec<SniKeyPair> {
    let pairs = flags.all(SNI_FLAG).filter_map(|value| {
        let (files, names) = value.split_once(':').unwrap_or((value, ""));
        let (certificate, key) = files.split_once(',')?;
        Some(SniKeyPair {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            names: names
                .split(',')
                .filter(|name| !name.is_empty())
                .map(str::to_owned)
                .collect(),
        })
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_optional() {
        let flags = Flags::from_argv(&[
            "kube-apiserver",
            "--tls-sni-cert-key=/a.crt,/a.key",
            "--tls-sni-cert-key=/b.crt,/b.key:*.b.example,b.example",
            "--tls-sni-cert-key=nonsense",
        ]);
        let pair = |name: &str, names: &[&str]| SniKeyPair {
            certificate: format!("/{name}.crt"),
            key: format!("/{name}.key"),
            names: names.iter().map(ToString::to_string).collect(),
        };
        let expected = [pair("a", &[]), pair("b", &["*.b.example", "b.example"])];
        assert_eq!(sni_key_pairs(&flags), expected);
    }
}
