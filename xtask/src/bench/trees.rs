//! Folders that look like a control plane's disk, made by the real kubeadm, and copies of them.
//!
//! There is no kubelet in them: kubeadm does not renew its certificate and kubepki does, so both are
//! left with the same ten certificates.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use kubepki_lab::Tool;

use super::Bench;

/// Where kubeadm is told its configuration is, below its root.
pub const CONFIGURATION: &str = "/etc/kubernetes/kubeadm.yaml";

/// What `kubeadm certs renew all` renews.
const RENEWED: [&str; 10] = [
    "admin.conf",
    "controller-manager.conf",
    "scheduler.conf",
    "pki/apiserver.crt",
    "pki/apiserver-etcd-client.crt",
    "pki/apiserver-kubelet-client.crt",
    "pki/front-proxy-client.crt",
    "pki/etcd/healthcheck-client.crt",
    "pki/etcd/peer.crt",
    "pki/etcd/server.crt",
];

const PHASES: [&str; 6] = [
    "certs all",
    "kubeconfig admin",
    "kubeconfig controller-manager",
    "kubeconfig scheduler",
    "control-plane all",
    "etcd local",
];

/// The keys that kubeadm makes.
#[derive(Clone, Copy, Eq, PartialEq)]
pub enum Keys {
    /// RSA-2048, its default.
    Rsa,
    /// P-256, by its feature gate `PublicKeysECDSA`.
    Ecdsa,
}

/// A tree as kubeadm made it, of which every run gets a fresh copy.
pub struct Tree {
    original: PathBuf,
    copies: PathBuf,
}

impl Tree {
    /// Has kubeadm make one.
    pub fn make(bench: &Bench, name: &str, keys: Keys) -> Result<Self> {
        let original = bench.folder.join(name);
        fs_err::create_dir_all(original.join("etc/kubernetes"))?;
        fs_err::write(original.join("etc/hostname"), "cp1\n")?;
        fs_err::write(
            original.join(CONFIGURATION.trim_start_matches('/')),
            configuration(keys),
        )?;
        for phase in PHASES {
            Tool::new(&bench.kubeadm)
                .words("init phase")
                .words(phase)
                .args(["--config", CONFIGURATION, "--rootfs"])
                .arg(&original)
                .run()?;
        }
        if keys == Keys::Ecdsa {
            // its kubeconfigs begin with RSA all the same, and get ECDSA keys at the first renewal
            Tool::new(&bench.kubeadm)
                .words("certs renew all")
                .args(["--config", CONFIGURATION, "--rootfs"])
                .arg(&original)
                .run()?;
        }
        Ok(Tree {
            original,
            copies: bench.folder.join(format!("{name}-copies")),
        })
    }

    /// Where the copy of this name is once [`Tree::copy`] has made it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.copies.join(name)
    }

    /// Makes a copy of this name, in place of an earlier one.
    pub fn copy(&self, name: &str) -> Result<()> {
        let copy = self.path(name);
        fs_err::create_dir_all(&self.copies)?;
        empty(&copy)?;
        fs_err::remove_dir(&copy)?;
        Tool::new("cp")
            .arg("-a")
            .args([&self.original, &copy])
            .run()?;
        Ok(())
    }

    /// Fails unless all ten certificates of the copy are others than in the original: who did less
    /// would only seem faster.
    pub fn check_renewed(&self, name: &str) -> Result<()> {
        for file in RENEWED {
            let relative = Path::new("etc/kubernetes").join(file);
            let old = fs_err::read(self.original.join(&relative))?;
            if fs_err::read(self.path(name).join(&relative))? == old {
                bail!("{name} did not renew {file}");
            }
        }
        Ok(())
    }
}

fn configuration(keys: Keys) -> String {
    let gates = match keys {
        Keys::Rsa => "",
        Keys::Ecdsa => "featureGates: {PublicKeysECDSA: true}\n",
    };
    format!(
        "apiVersion: kubeadm.k8s.io/v1beta2\nkind: InitConfiguration\n\
         localAPIEndpoint: {{advertiseAddress: 10.77.0.11}}\nnodeRegistration: {{name: cp1}}\n---\n\
         apiVersion: kubeadm.k8s.io/v1beta2\nkind: ClusterConfiguration\n\
         kubernetesVersion: v1.20.2\ncontrolPlaneEndpoint: 10.77.0.11:6443\n\
         apiServer: {{certSANs: [127.0.0.1]}}\n{gates}"
    )
}

/// Makes an empty folder, whatever was there.
pub fn empty(folder: &Path) -> Result<()> {
    match fs_err::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    Ok(fs_err::create_dir_all(folder)?)
}
