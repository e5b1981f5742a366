//! Texts as kubeadm writes them: extensions, kubeconfigs, and the files that it once wrote itself.

use super::tree::base64;
use std::path::PathBuf;

/// The extensions that kubeadm writes into a leaf.
pub fn leaf_extensions(usage: &str, names: &str) -> String {
    let mut lines = format!(
        "keyUsage=critical,digitalSignature,keyEncipherment\nextendedKeyUsage={usage}\n\
         authorityKeyIdentifier=keyid"
    );
    if !names.is_empty() {
        lines.push_str(&format!("\nsubjectAltName={names}"));
    }
    lines
}

/// A kubeconfig as kubeadm writes it.
pub fn kubeconfig_text(user: &str, ca: &[u8], certificate: &[u8], key: &[u8]) -> String {
    let (ca, certificate, key) = (base64(ca), base64(certificate), base64(key));
    format!(
        "apiVersion: v1\nclusters:\n- cluster:\n    certificate-authority-data: {ca}\n    \
         server: https://10.77.0.1:6443\n  name: kubernetes\ncontexts:\n- context:\n    \
         cluster: kubernetes\n    user: {user}\n  name: {user}@kubernetes\n\
         current-context: {user}@kubernetes\nkind: Config\npreferences: {{}}\nusers:\n\
         - name: {user}\n  user:\n    client-certificate-data: {certificate}\n    \
         client-key-data: {key}\n"
    )
}

/// A file that kubeadm v1.20.2 wrote.
pub fn fixture(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../core/tests/fixtures/kubeadm-1.20")
        .join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
