//! One host of a lab: a runc container that boots systemd, with its own root, network namespace,
//! containerd and kubelet.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::bundle::{self, BOUND_FOLDERS};
use crate::layers::Layers;
use crate::network::{self, Subnet};
use crate::tool::{Output, Tool};
use crate::wait;

/// A host of a lab.
#[derive(Clone, Debug)]
pub struct Host {
    name: String,
    address: Ipv4Addr,
    folder: PathBuf,
    lab: LabNames,
}

/// What a lab's hosts share: the names that keep labs apart.
#[derive(Clone, Debug)]
pub(crate) struct LabNames {
    /// The lab's own name.
    pub name: String,
    /// Where runc keeps the state of this lab's containers.
    pub runc: PathBuf,
}

impl LabNames {
    /// The network interface that hosts meet on.
    pub fn bridge(&self) -> String {
        format!("kp{}-br", self.name)
    }

    fn runc(&self) -> Tool {
        Tool::new("runc").arg("--root").arg(&self.runc)
    }

    /// The ids of this lab's containers, in whatever state.
    pub fn containers(&self) -> Result<Vec<String>> {
        if !self.runc.is_dir() || crate::tool::find_in_path("runc").is_none() {
            return Ok(Vec::new());
        }
        Ok(self
            .runc()
            .words("list --quiet")
            .run()?
            .lines()
            .map(str::to_owned)
            .collect())
    }

    /// Ends a container and all its processes.
    pub fn end_container(&self, id: &str) -> Result<()> {
        wait::until(
            &format!("the end of container {id}"),
            Duration::from_secs(30),
            || {
                self.runc().args(["delete", "--force", id]).output()?;
                Ok(!self.runc().args(["state", id]).output()?.success())
            },
        )
    }
}

impl Host {
    pub(crate) fn new(name: &str, address: Ipv4Addr, folder: PathBuf, lab: &LabNames) -> Self {
        Host {
            name: name.to_owned(),
            address,
            folder,
            lab: lab.clone(),
        }
    }

    /// The host's name, such as `cp1`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The host's address.
    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// Runs a command on the host, whatever its exit status.
    pub fn exec<I>(&self, command: I) -> Result<Output>
    where
        I: IntoIterator,
        I::Item: AsRef<std::ffi::OsStr>,
    {
        self.exec_tool().args(command).output()
    }

    /// Runs a shell script on the host; an exit status other than 0 is an error. Answers standard
    /// output.
    pub fn shell(&self, script: &str) -> Result<String> {
        self.exec_tool()
            .args(["sh", "-euc", script])
            .run()
            .with_context(|| format!("on {}", self.name))
    }

    /// Runs a command on the host with this terminal, and answers its exit status.
    pub fn exec_here<I>(&self, command: I, terminal: bool) -> Result<i32>
    where
        I: IntoIterator,
        I::Item: AsRef<std::ffi::OsStr>,
    {
        let mut tool = self.lab.runc().arg("exec");
        if terminal {
            tool = tool.arg("--tty");
        }
        tool.arg(self.id()).args(command).run_here()
    }

    /// Where this machine sees the host's file `path`, running or not. Symlinks in it with absolute
    /// targets mean the host's root: see [`Host::resolve`]. What the host mounts itself (`/run`,
    /// `/tmp`, `/proc`) is not there.
    pub fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        for (beside, target) in BOUND_FOLDERS {
            if let Ok(rest) = path.strip_prefix(target) {
                // joining an empty path would add a slash
                let folder = self.folder.join(beside);
                return if rest == Path::new("") {
                    folder
                } else {
                    folder.join(rest)
                };
            }
        }
        self.folder
            .join("root")
            .join(path.strip_prefix("/").unwrap_or(path))
    }

    /// As [`Host::path`], but a symlink at `path` itself is followed within the host's root.
    pub fn resolve(&self, path: impl AsRef<Path>) -> Result<PathBuf> {
        const AS_THE_KERNEL: usize = 40;
        let mut path = path.as_ref().to_owned();
        for _ in 0..AS_THE_KERNEL {
            let seen = self.path(&path);
            match fs_err::read_link(&seen) {
                Ok(target) => path = path.parent().unwrap_or(Path::new("/")).join(target),
                Err(_) => return Ok(seen),
            }
        }
        bail!("too many symlinks at {}", path.display())
    }

    /// Copies a file of this machine to the host, with its mode. Onto a folder, it keeps its name.
    pub fn copy(&self, source: &Path, target: impl AsRef<Path>) -> Result<()> {
        let mut target = self.path(target);
        if target.is_dir() {
            target.push(source.file_name().context("the source has no file name")?);
        }
        let folder = target.parent().context("the target has no folder")?;
        fs_err::create_dir_all(folder)?;
        // staged, since a program that runs can't be written to
        let staged = folder.join(format!(".copy-{}", std::process::id()));
        fs_err::copy(source, &staged)?;
        fs_err::rename(staged, target)?;
        Ok(())
    }

    /// Puts the program under test into the host's `/usr/local/bin`: the file that `KUBEPKI_BIN`
    /// names, else a debug build.
    pub fn install_kubepki(&self) -> Result<()> {
        let program = match std::env::var_os("KUBEPKI_BIN") {
            Some(named) => PathBuf::from(named),
            None => crate::build_kubepki()?,
        };
        self.copy(&program, "/usr/local/bin/kubepki")?;
        let answer = self.exec(["kubepki", "--version"])?;
        if !answer.success() {
            bail!("kubepki does not run on {}: {}", self.name, answer.stderr);
        }
        Ok(())
    }

    /// Runs the program under test on the host, whatever its exit status.
    pub fn kubepki(&self, arguments: &[&str]) -> Result<Output> {
        self.exec(std::iter::once("kubepki").chain(arguments.iter().copied()))
    }

    /// Process ids, as the host sees them, of the processes of a program.
    pub fn processes(&self, program: &str) -> Result<Vec<u32>> {
        let found = self.exec(["pgrep", "--full", &format!("^(/usr/bin/)?{program}( |$)")])?;
        Ok(found
            .stdout
            .lines()
            .filter_map(|line| line.trim().parse().ok())
            .collect())
    }

    /// Where the lab keeps what belongs to this host and is no part of its files.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn exec_tool(&self) -> Tool {
        self.lab.runc().arg("exec").arg(self.id())
    }

    pub(crate) fn id(&self) -> String {
        format!("kubepki-{}-{}", self.lab.name, self.name)
    }

    fn outer_link(&self) -> String {
        format!("kp{}-{}", self.lab.name, self.name)
    }

    /// Whether its container runs.
    pub fn is_running(&self) -> bool {
        let state = self.lab.runc().arg("state").arg(self.id()).run();
        let state = state
            .ok()
            .and_then(|text| serde_json::from_str::<serde_json::Value>(&text).ok());
        state.is_some_and(|state| state["status"] == "running")
    }

    /// Boots it: nothing of that name may be there.
    pub(crate) fn boot(&self, layers: &Layers, subnet: Subnet) -> Result<()> {
        crate::say(&format!("booting {} ({})", self.name, self.address));
        for beside in BOUND_FOLDERS
            .map(|(beside, _)| beside)
            .iter()
            .chain(&["upper", "work", "root"])
        {
            fs_err::create_dir_all(self.folder.join(beside))?;
        }
        let (id, outer) = (self.id(), self.outer_link());
        network::namespace_up(&id, &outer, &self.lab.bridge(), subnet, self.address)?;
        self.mount_root(layers)?;
        self.write_identity()?;
        let config = bundle::config(&self.folder, &self.name, &id, &id)?;
        fs_err::write(
            self.folder.join("config.json"),
            serde_json::to_vec_pretty(&config)?,
        )?;
        self.start_container()?;
        for entry in fs_err::read_dir(&layers.images)? {
            let import = ["ctr", "--namespace", "k8s.io", "images", "import", "-"];
            self.exec_tool().args(import).input(entry?.path()).run()?;
        }
        Ok(())
    }

    fn start_container(&self) -> Result<()> {
        self.lab
            .runc()
            .words("run --detach --bundle")
            .arg(&self.folder)
            .arg(self.id())
            .run_logged(&self.folder.join("boot.log"))?;
        wait::until(
            &format!("containerd on {}", self.name),
            Duration::from_secs(60),
            || Ok(self.exec(["ctr", "version"])?.success()),
        )
    }

    /// Ends every process of the host at once, as a crash of the machine does. Its files stay.
    pub fn crash(&self) -> Result<()> {
        self.lab.end_container(&self.id())
    }

    /// Boots it after [`Host::crash`].
    pub fn boot_again(&self) -> Result<()> {
        self.start_container()
    }

    fn mount_root(&self, layers: &Layers) -> Result<()> {
        let lower: Vec<String> = layers
            .roots
            .iter()
            .map(|layer| layer.display().to_string())
            .collect();
        let folder = self.folder.display();
        let options = format!(
            "lowerdir={},upperdir={folder}/upper,workdir={folder}/work",
            lower.join(":")
        );
        Tool::new("mount")
            .words("-t overlay overlay -o")
            .arg(options)
            .arg(self.folder.join("root"))
            .run()
            .context("cannot stack the host's root; is the cache itself on an overlay?")?;
        Ok(())
    }

    fn write_identity(&self) -> Result<()> {
        let pods = format!("10.88.{}.0/24", self.address.octets()[3]);
        let network = include_str!("files/10-lab.conflist").replace("{{pod_subnet}}", &pods);
        let hosts = format!("127.0.0.1 localhost\n{} {}\n", self.address, self.name);
        fs_err::write(self.path("/etc/hostname"), format!("{}\n", self.name))?;
        fs_err::write(self.path("/etc/hosts"), hosts)?;
        fs_err::write(self.path("/etc/resolv.conf"), "")?;
        fs_err::write(self.path("/etc/cni/net.d/10-lab.conflist"), network)?;
        fs_err::write(self.folder.join("address"), self.address.to_string())?;
        Ok(())
    }

    /// Takes away the host's network and files, after its container has ended and its mounts are
    /// gone; whatever is not there is fine.
    pub(crate) fn remove(&self) -> Result<()> {
        network::namespace_down(&self.id(), &self.outer_link())?;
        remove_cgroups(&self.id())?;
        crate::cache::remove_tree(&self.folder)
    }
}

/// Removes what runc leaves of a host's cgroups: those that the host's own containers were in.
fn remove_cgroups(name: &str) -> Result<()> {
    let mount = Path::new("/sys/fs/cgroup");
    let mut roots = vec![mount.join(name)];
    for entry in fs_err::read_dir(mount)? {
        roots.push(entry?.path().join(name));
    }
    for root in roots.into_iter().filter(|root| root.is_dir()) {
        remove_cgroup(&root);
    }
    Ok(())
}

/// A cgroup's files can't be removed, only its folder, the innermost first. One that still is in
/// use stays, and does no harm.
fn remove_cgroup(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_cgroup(&entry.path());
        }
    }
    let _in_use = std::fs::remove_dir(folder);
}
