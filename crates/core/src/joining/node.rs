//! A node's own credentials without the API: what its kubelet is given, and what to do with it.
//!
//! <https://kubernetes.io/docs/reference/access-authn-authz/node/>

/// Why this cannot be a Node's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a Node is called by lower-case letters, digits, '-' and '.', with a letter or digit at both \
     ends of every part, found {found:?}"
)]
pub struct NodeNameError {
    /// What was found.
    pub found: String,
}

/// Whether a Node may be called so (RFC 1123 subdomain): a certificate for any other name would be
/// refused by the Node authorizer without a word of why.
pub fn check_node_name(name: &str) -> Result<(), NodeNameError> {
    let is_letter = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    let is_part = |part: &str| {
        part.starts_with(is_letter)
            && part.ends_with(is_letter)
            && part
                .chars()
                .all(|letter| is_letter(letter) || letter == '-')
    };
    if name.len() <= 253 && name.split('.').all(is_part) {
        return Ok(());
    }
    Err(NodeNameError {
        found: name.to_owned(),
    })
}

/// What the operator does with the files, as it is put beside them.
pub fn instructions(node: &str, server: &str, ends: &str) -> String {
    format!(
        "Credentials for the kubelet of node {node}: CN=system:node:{node}, O=system:nodes, valid until \
{ends}.
They call {server} and trust every certificate of ca.crt.

kubelet.conf holds a private key. Move it, do not leave a copy behind.

On the host {node}, as root:

  systemctl stop kubelet
  install -m 0600 kubelet.conf /etc/kubernetes/kubelet.conf
  install -D -m 0644 ca.crt /etc/kubernetes/pki/ca.crt
  rm -f /var/lib/kubelet/pki/kubelet-client-current.pem
  systemctl start kubelet

The link kubelet-client-current.pem has to go because a kubelet prefers what it leads to, however
expired; what it led to may stay. Where the kubelet keeps its files elsewhere, its flags --kubeconfig
and --cert-dir and the clientCAFile of its configuration say where. As soon as the API answers, the
kubelet asks for a certificate of its own and rotates it from then on (rotateCertificates).

A host that has never been a node also needs the kubelet's configuration
(/var/lib/kubelet/config.yaml), a container runtime and a pod network, which `kubeadm join` brings: join
it with `kubepki join-config` once the API is up.

client.crt and client.key are the same certificate and key as files of their own.
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_rfc_1123() {
        for name in ["w1", "node-1.example.com", "10.0.0.5", "a"] {
            assert!(check_node_name(name).is_ok(), "{name}");
        }
        for name in [
            "", "W1", "-w", "w-", "a..b", "w_1", "a.-b", "w1 ", "système",
        ] {
            assert!(check_node_name(name).is_err(), "{name:?}");
        }
    }
}
