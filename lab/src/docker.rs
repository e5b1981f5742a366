//! Debian's docker on a host, for clusters whose components run in docker containers. It is a layer
//! of its own, copied onto the hosts that want it, so that all others stay as small as they are.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;

use crate::cache::{Cache, Stamp};
use crate::debian;
use crate::host::Host;
use crate::tool::Tool;
use crate::wait;

/// The daemon, its command, and what they need beyond a host's packages.
const PACKAGES: [&str; 3] = ["docker.io", "libdevmapper1.02.1", "tini"];

/// No bridge and no rules: the containers share the host's network.
const DAEMON: &str = r#"{"bridge": "none", "iptables": false, "storage-driver": "overlay2"}"#;

impl Host {
    /// Installs docker and starts it, with nothing in it.
    pub fn install_docker(&self, cache: &Cache) -> Result<()> {
        let layer = layer(cache)?;
        Tool::new("cp")
            .arg("--archive")
            .arg(layer.join("."))
            .arg(self.path("/"))
            .run()?;
        // Its storage is an overlay, and cannot lie on the host's own.
        self.shell(
            "mkdir -p /var/lib/containerd/of-docker /var/lib/docker
             mount --bind /var/lib/containerd/of-docker /var/lib/docker
             getent group docker >/dev/null || groupadd --system docker
             systemctl daemon-reload
             systemctl start docker",
        )?;
        wait::until("docker", Duration::from_secs(30), || {
            Ok(self.exec(["docker", "version"])?.success())
        })
    }
}

fn layer(cache: &Cache) -> Result<PathBuf> {
    let _lock = cache.lock("prepare")?;
    let mut stamp = Stamp::default().with(debian::RELEASE).with(DAEMON);
    for package in PACKAGES {
        stamp = stamp.with(package);
    }
    let layer = cache.folder("docker", &stamp, |root| {
        crate::say("unpacking docker");
        for package in PACKAGES {
            let unpacked = root.join(".unpacked");
            debian::unpack(package, &unpacked)?;
            merge(&unpacked, root)?;
        }
        let configuration = root.join("etc/docker/daemon.json");
        fs_err::create_dir_all(root.join("etc/docker"))?;
        fs_err::write(configuration, DAEMON)?;
        Ok(())
    })?;
    cache.prune("docker", &layer)?;
    Ok(layer)
}

/// Debian's `/lib` is a link to `/usr/lib`, which a package of that time still fills by its old name.
fn merge(unpacked: &Path, root: &Path) -> Result<()> {
    for (from, to) in [("lib", "usr/lib"), ("", "")] {
        let source = unpacked.join(from);
        if !source.is_dir() {
            continue;
        }
        let target = root.join(to);
        fs_err::create_dir_all(&target)?;
        Tool::new("cp")
            .arg("--archive")
            .arg(source.join("."))
            .arg(&target)
            .run()?;
        crate::cache::remove_tree(&source)?;
    }
    Ok(())
}
