//! What every host is made of, made once and cached: Debian with systemd and containerd, above it
//! the Kubernetes programs and the units, and the images that containerd starts with.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::cache::{Cache, Stamp};
use crate::debian;
use crate::image::{self, ImageFile};
use crate::kubernetes;
use crate::tool::Tool;

/// Everything that a host is made of.
pub struct Layers {
    /// Folders that are stacked to the host's root, the uppermost first.
    pub roots: Vec<PathBuf>,
    /// The archives of images to import.
    pub images: PathBuf,
    /// The Kubernetes version of the programs.
    pub version: String,
}

/// What the lab runs on this machine.
const MACHINE_PACKAGES: [&str; 8] = [
    "runc",
    "iproute2",
    "debootstrap",
    "haproxy",
    "openssh-client",
    "openssl",
    "gcc",
    "libc6-dev",
];

/// What a host has beyond Debian's minimum.
const HOST_PACKAGES: &str = "systemd,systemd-sysv,dbus,openssh-server,sudo,containerd,runc,\
    containernetworking-plugins,iptables,iproute2,conntrack,socat,ethtool,ebtables,ca-certificates,\
    procps,kmod,util-linux,mount,openssl,curl,etcd-client";

/// Units that make no sense in a container, or wait for hardware.
const MASKED_UNITS: [&str; 13] = [
    "getty.target",
    "console-getty.service",
    "systemd-udevd.service",
    "systemd-networkd.service",
    "systemd-resolved.service",
    "systemd-modules-load.service",
    "sys-kernel-debug.mount",
    "dev-hugepages.mount",
    "systemd-logind.service",
    "e2scrub_all.timer",
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "fstrim.timer",
];

/// Makes what is missing, and answers where it is.
pub fn prepare(cache: &Cache) -> Result<Layers> {
    let _lock = cache.lock("prepare")?;
    if !debian::is_root() {
        bail!(
            "the lab boots whole hosts and needs root; run it as: sudo -E env \"PATH=$PATH\" cargo xtask …"
        );
    }
    debian::install(&MACHINE_PACKAGES)?;
    let bin = kubernetes::programs(cache)?;
    let version = kubernetes::version(&bin)?;
    let references = References::of(&bin, &version)?;
    let system = system(cache)?;
    let host = host(cache, &bin, &references)?;
    let images = images(cache, &bin, &system, &references)?;
    Ok(Layers {
        roots: vec![host, system],
        images,
        version,
    })
}

/// The private key that every host lets in as root and as ops, who may sudo.
pub fn ssh_key(cache: &Cache) -> Result<PathBuf> {
    let key = cache.path("id_ed25519");
    if !key.is_file() {
        Tool::new("ssh-keygen")
            .words("-q -t ed25519 -C lab -N")
            .arg("")
            .arg("-f")
            .arg(&key)
            .run()?;
    }
    Ok(key)
}

/// Debian itself: some two minutes the first time.
fn system(cache: &Cache) -> Result<PathBuf> {
    let public_key = fs_err::read_to_string(ssh_key(cache)?.with_extension("pub"))?;
    let stamp = Stamp::default()
        .with(debian::RELEASE)
        .with(HOST_PACKAGES)
        .with(&public_key);
    let layer = cache.folder("system", &stamp, |root| {
        crate::say("making the hosts' Debian with debootstrap");
        Tool::new("debootstrap")
            .arg("--variant=minbase")
            .arg(format!("--include={}", HOST_PACKAGES.replace(' ', "")))
            .arg(debian::RELEASE)
            .arg(root)
            .arg(debian::mirror()?)
            .run_logged(&cache.path("debootstrap.log"))
            .context("cannot make the hosts' Debian")?;
        let inside = |program: &str| {
            // the hosts' PATH, not this machine's
            Tool::new("chroot")
                .arg(root)
                .arg(program)
                .env("PATH", "/usr/sbin:/usr/bin")
        };
        inside("useradd")
            .words("--create-home --shell /bin/bash ops")
            .run()?;
        for home in ["root", "home/ops"] {
            write(root, &format!("{home}/.ssh/authorized_keys"), &public_key)?;
        }
        inside("chown")
            .words("--recursive ops:ops /home/ops/.ssh")
            .run()?;
        write(root, "etc/sudoers.d/ops", "ops ALL=(ALL) NOPASSWD:ALL\n")?;
        Ok(())
    })?;
    cache.prune("system", &layer)?;
    Ok(layer)
}

/// What makes the Debian a Kubernetes host.
fn host(cache: &Cache, bin: &Path, references: &References) -> Result<PathBuf> {
    let kubelet = include_str!("files/kubelet.service");
    let drop_in = include_str!("files/10-kubeadm.conf");
    let containerd =
        include_str!("files/containerd.toml").replace("{{pause_image}}", &references.pause);
    let programs = ["kubelet", "kubeadm", "kubectl"];
    let mut stamp = Stamp::default()
        .with(kubelet)
        .with(drop_in)
        .with(&containerd);
    stamp = stamp.with(&MASKED_UNITS.join(" "));
    for program in programs {
        stamp = stamp.with_file(&fs_err::canonicalize(bin.join(program))?)?;
    }
    let layer = cache.folder("host", &stamp, |root| {
        fs_err::create_dir_all(root.join("usr/bin"))?;
        for program in programs {
            fs_err::copy(bin.join(program), root.join("usr/bin").join(program))?;
        }
        let units = "etc/systemd/system";
        write(root, &format!("{units}/kubelet.service"), kubelet)?;
        write(
            root,
            &format!("{units}/kubelet.service.d/10-kubeadm.conf"),
            drop_in,
        )?;
        write(root, "etc/containerd/config.toml", &containerd)?;
        fs_err::create_dir_all(root.join("etc/cni/net.d"))?;
        let wanted = root.join(units).join("multi-user.target.wants");
        fs_err::create_dir_all(&wanted)?;
        link(
            &format!("/{units}/kubelet.service"),
            &wanted.join("kubelet.service"),
        )?;
        for unit in MASKED_UNITS {
            link("/dev/null", &root.join(units).join(unit))?;
        }
        Ok(())
    })?;
    cache.prune("host", &layer)?;
    Ok(layer)
}

fn images(cache: &Cache, bin: &Path, system: &Path, references: &References) -> Result<PathBuf> {
    let mut stamp = Stamp::default()
        .with(include_str!("files/pause.c"))
        .with(include_str!("image.rs"));
    for reference in references.all() {
        stamp = stamp.with(reference);
    }
    for program in kubernetes::PROGRAMS.iter().chain(&["etcd", "etcdctl"]) {
        stamp = stamp.with_file(&fs_err::canonicalize(bin.join(program))?)?;
    }
    let layer = cache.folder("images", &stamp, |folder| {
        crate::say("making the images");
        let pause = folder.join("pause");
        let source = folder.join("pause.c");
        fs_err::write(&source, include_str!("files/pause.c"))?;
        Tool::new("gcc")
            .words("-Os -static -o")
            .arg(&pause)
            .arg(&source)
            .run()?;
        let from_bin = |target, program: &str| ImageFile {
            target,
            source: bin.join(program),
        };
        let from_system = |target: &'static str| {
            let source = system.join(target.trim_start_matches('/'));
            ImageFile { target, source }
        };
        let write = |name: &str, reference: &str, files: &[ImageFile]| {
            image::write(&folder.join(format!("{name}.tar")), reference, files)
        };
        write(
            "pause",
            &references.pause,
            &[ImageFile {
                target: "/pause",
                source: pause.clone(),
            }],
        )?;
        write(
            "etcd",
            &references.etcd,
            &[
                from_bin("/usr/local/bin/etcd", "etcd"),
                from_bin("/usr/local/bin/etcdctl", "etcdctl"),
                // Debian's etcd is linked with the C library
                from_system("/lib/x86_64-linux-gnu/libc.so.6"),
                from_system("/lib64/ld-linux-x86-64.so.2"),
            ],
        )?;
        write(
            "kube-apiserver",
            &references.apiserver,
            &[from_bin("/usr/local/bin/kube-apiserver", "kube-apiserver")],
        )?;
        write(
            "kube-controller-manager",
            &references.controller_manager,
            &[from_bin(
                "/usr/local/bin/kube-controller-manager",
                "kube-controller-manager",
            )],
        )?;
        write(
            "kube-scheduler",
            &references.scheduler,
            &[from_bin("/usr/local/bin/kube-scheduler", "kube-scheduler")],
        )?;
        fs_err::remove_file(pause)?;
        fs_err::remove_file(source)?;
        Ok(())
    })?;
    cache.prune("images", &layer)?;
    Ok(layer)
}

/// The images that this version's kubeadm puts into its manifests.
struct References {
    apiserver: String,
    controller_manager: String,
    scheduler: String,
    etcd: String,
    pause: String,
}

impl References {
    fn of(bin: &Path, version: &str) -> Result<Self> {
        let listed = Tool::new(bin.join("kubeadm"))
            .words("config images list --kubernetes-version")
            .arg(version)
            .run()?;
        let named = |name: &str| -> Result<String> {
            let found = listed
                .lines()
                .find(|line| line.contains(&format!("/{name}:")));
            Ok(found
                .with_context(|| format!("kubeadm names no image {name}"))?
                .to_owned())
        };
        Ok(References {
            apiserver: named("kube-apiserver")?,
            controller_manager: named("kube-controller-manager")?,
            scheduler: named("kube-scheduler")?,
            etcd: named("etcd")?,
            pause: named("pause")?,
        })
    }

    fn all(&self) -> [&str; 5] {
        [
            &self.apiserver,
            &self.controller_manager,
            &self.scheduler,
            &self.etcd,
            &self.pause,
        ]
    }
}

fn write(root: &Path, relative: &str, contents: &str) -> Result<()> {
    let path = root.join(relative);
    if let Some(folder) = path.parent() {
        fs_err::create_dir_all(folder)?;
    }
    fs_err::write(&path, contents)?;
    fs_err::set_permissions(&path, PermissionsExt::from_mode(0o644))?;
    Ok(())
}

fn link(target: &str, at: &Path) -> Result<()> {
    Ok(fs_err::os::unix::fs::symlink(target, at)?)
}
