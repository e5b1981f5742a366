//! A lab's hosts as an operator reaches them: an `ssh` configuration, their host keys, and a cluster
//! document for the program under test, which then runs on this machine and not on a host.
//!
//! Host keys are read from the hosts' own files, so nothing has to be accepted on first use.
//! Formats: ssh_config(5), sshd(8) "SSH_KNOWN_HOSTS FILE FORMAT".

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::cluster::Cluster;
use crate::host::Host;
use crate::layers;
use crate::tool::{Output, Tool};

/// The file of the host key that `ssh` asks for first.
const HOST_KEY: &str = "/etc/ssh/ssh_host_ed25519_key.pub";

/// Who logs in: an account that may `sudo`, as administrators have it.
const LOGIN: &str = "ops";

/// The files by which a lab is reached over SSH, from this machine.
#[derive(Clone, Debug)]
pub struct SshAccess {
    folder: PathBuf,
}

impl Cluster {
    /// Writes the files by which this lab's hosts are reached over SSH, anew each time.
    pub fn ssh_access(&self) -> Result<SshAccess> {
        let folder = self.folder().join("ssh");
        fs_err::create_dir_all(&folder)?;
        let access = SshAccess { folder };
        let hosts = self.hosts()?;
        fs_err::write(access.known_hosts(), known_hosts(&hosts)?)?;
        let key = layers::ssh_key(self.cache())?;
        fs_err::write(
            access.config(),
            configuration(&hosts, &key, &access.known_hosts()),
        )?;
        fs_err::write(access.cluster_document(), document(self.name(), &hosts))?;
        Ok(access)
    }
}

impl SshAccess {
    /// For `ssh -F`: knows each host by its name.
    pub fn config(&self) -> PathBuf {
        self.folder.join("config")
    }

    /// The hosts' keys.
    pub fn known_hosts(&self) -> PathBuf {
        self.folder.join("known_hosts")
    }

    /// For `kubepki --cluster`.
    pub fn cluster_document(&self) -> PathBuf {
        self.folder.join("kubepki.yaml")
    }

    /// For `KUBEPKI_SSH_COMMAND`: an `ssh` that has read [`SshAccess::config`].
    pub fn command(&self) -> String {
        format!("ssh -F {}", quoted(&self.config()))
    }

    /// Runs a command on a host by SSH, whatever its exit status.
    pub fn run(&self, host: &str, command: &str) -> Result<Output> {
        Tool::new("ssh")
            .arg("-F")
            .arg(self.config())
            .args([host, command])
            .output()
    }

    /// Runs the program under test on this machine with this lab's cluster document, whatever its
    /// exit status. It keeps nothing outside of the lab's folder.
    pub fn kubepki(&self, arguments: &[&str]) -> Result<Output> {
        self.kubepki_tool(arguments)?.output()
    }

    /// As [`SshAccess::kubepki`], on this terminal.
    pub fn kubepki_here(&self, arguments: &[&str]) -> Result<i32> {
        self.kubepki_tool(arguments)?.run_here()
    }

    /// Kills the program under test that runs on this machine with this lab's cluster document.
    pub fn kill_kubepki(&self) -> Result<()> {
        let document = self.cluster_document();
        for entry in fs_err::read_dir("/proc")? {
            let folder = entry?.path();
            let read = |file: &str| std::fs::read(folder.join(file)).unwrap_or_default();
            let is_its = read("cmdline")
                .split(|byte| *byte == 0)
                .any(|word| word == document.as_os_str().as_encoded_bytes());
            let number = folder.file_name().and_then(|name| name.to_str());
            if is_its && let Some(number) = number {
                // one that has just ended is fine
                Tool::new("kill").args(["-KILL", number]).output()?;
            }
        }
        Ok(())
    }

    fn kubepki_tool(&self, arguments: &[&str]) -> Result<Tool> {
        let program = match std::env::var_os("KUBEPKI_BIN") {
            Some(named) => PathBuf::from(named),
            None => crate::build_kubepki()?,
        };
        Ok(Tool::new(program)
            .arg("--cluster")
            .arg(self.cluster_document())
            .args(arguments)
            .env("KUBEPKI_SSH_COMMAND", self.command())
            .env("XDG_STATE_HOME", self.folder.join("state"))
            .env("XDG_CACHE_HOME", self.folder.join("cache"))
            .env("XDG_CONFIG_HOME", self.folder.join("config.d")))
    }
}

fn known_hosts(hosts: &[Host]) -> Result<String> {
    let mut text = String::new();
    for host in hosts {
        let key = fs_err::read_to_string(host.path(HOST_KEY))?;
        let fields: Vec<&str> = key.split_whitespace().take(2).collect();
        writeln!(text, "{} {}", host.address(), fields.join(" "))?;
    }
    Ok(text)
}

fn configuration(hosts: &[Host], key: &Path, known_hosts: &Path) -> String {
    let host = |host: &Host| format!("Host {}\n  HostName {}\n", host.name(), host.address());
    format!(
        "{}Host *\n  User {LOGIN}\n  IdentityFile {}\n  IdentitiesOnly yes\n  \
         UserKnownHostsFile {}\n  GlobalKnownHostsFile /dev/null\n  StrictHostKeyChecking yes\n  \
         BatchMode yes\n  ConnectTimeout 10\n",
        hosts.iter().map(host).collect::<String>(),
        key.display(),
        known_hosts.display(),
    )
}

/// Each host by its `Host` in the configuration.
fn document(lab: &str, hosts: &[Host]) -> String {
    let host = |host: &Host| format!("- name: {0}\n  ssh: {0}\n", host.name());
    format!(
        "apiVersion: kubepki.dev/v1alpha1\nkind: Cluster\nname: {lab}\nhosts:\n{}",
        hosts.iter().map(host).collect::<String>(),
    )
}

fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::LabNames;

    fn host(name: &str, folder: &Path) -> Host {
        let names = LabNames {
            name: "test".to_owned(),
            runc: folder.join("runc"),
        };
        Host::new(
            name,
            "10.78.0.11".parse().unwrap(),
            folder.join(name),
            &names,
        )
    }

    #[test]
    fn ssh_itself_understands_the_configuration() {
        let folder = std::env::temp_dir().join(format!("kubepki-ssh-{}", std::process::id()));
        fs_err::create_dir_all(&folder).unwrap();
        let config = folder.join("config");
        let text = configuration(
            &[host("cp1", &folder)],
            Path::new("/keys/id"),
            Path::new("/known"),
        );
        fs_err::write(&config, text).unwrap();
        let said = Tool::new("ssh")
            .arg("-F")
            .arg(&config)
            .args(["-G", "cp1"])
            .run()
            .unwrap();
        for line in [
            "hostname 10.78.0.11",
            "user ops",
            "identityfile /keys/id",
            "userknownhostsfile /known",
            "stricthostkeychecking true",
        ] {
            assert!(said.lines().any(|said| said == line), "{line}: {said}");
        }
        crate::cache::remove_tree(&folder).unwrap();
    }

    #[test]
    fn a_document_names_each_host_by_its_alias() {
        let folder = std::env::temp_dir();
        let text = document("dev", &[host("cp1", &folder), host("w1", &folder)]);
        assert!(
            text.ends_with("hosts:\n- name: cp1\n  ssh: cp1\n- name: w1\n  ssh: w1\n"),
            "{text}"
        );
    }
}
