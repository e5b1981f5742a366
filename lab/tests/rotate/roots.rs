//! The roots of trust as they were: what must be known nowhere afterwards.

use anyhow::{Context, Result};

use kubepki_lab::pem_body;

use crate::field::Field;

/// The roots, by the name of the rotation.
const FILES: [(&str, &str); 4] = [
    ("kubernetes-ca", "/etc/kubernetes/pki/ca.crt"),
    ("etcd-ca", "/etc/kubernetes/pki/etcd/ca.crt"),
    ("front-proxy-ca", "/etc/kubernetes/pki/front-proxy-ca.crt"),
    ("service-account-key", "/etc/kubernetes/pki/sa.pub"),
];

/// What was before.
pub struct Before {
    /// Each root's PEM body, without its line breaks.
    roots: Vec<(&'static str, String)>,
}

impl Before {
    /// Reads them, and keeps what the administrator of before has.
    pub fn of(field: &Field<'_>) -> Result<Self> {
        let first = field
            .control_planes
            .first()
            .context("the lab has no control plane")?;
        // what another test of this lab took out of the cluster is nobody's copy
        for host in &field.hosts {
            host.shell("rm -f /root/*.crt /root/*.json")?;
        }
        let out = first.folder().join("before");
        fs_err::create_dir_all(&out)?;
        fs_err::copy(
            first.path("/etc/kubernetes/admin.conf"),
            out.join("admin.conf"),
        )?;
        let mut roots = Vec::new();
        for (root, file) in FILES {
            let text = fs_err::read_to_string(first.path(file))?;
            roots.push((root, pem_body(&text)));
        }
        Ok(Before { roots })
    }

    /// The bodies of the roots that are rotated under this name.
    pub fn of_root(&self, name: &str) -> Vec<&str> {
        self.roots
            .iter()
            .filter(|(root, _)| name == "all" || *root == name)
            .map(|(_, body)| body.as_str())
            .collect()
    }
}
