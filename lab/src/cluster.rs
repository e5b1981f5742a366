//! A lab on disk: its hosts, and the kubeadm cluster that they form. It outlives the process.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::json;

use crate::balancer::{self, Balancer};
use crate::cache::Cache;
use crate::host::{Host, LabNames};
use crate::layers::{self, Layers};
use crate::mounts;
use crate::network::{self, Subnet};
use crate::tool::Output;
use crate::wait;

/// Any token and key do: nobody else reaches the lab.
const TOKEN: &str = "abcdef.0123456789abcdef";
const CERTIFICATE_KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
/// kubeadm's preflight checks ask for crictl, which Debian lacks.
const KUBEADM_FLAGS: &str = "--ignore-preflight-errors=all";

/// Where an administrator's kubeconfig lies: kubeadm's, and that of clusters made by hand.
const ADMINISTRATORS: [&str; 2] = [
    "/etc/kubernetes/admin.conf",
    "/var/lib/kubernetes/admin.kubeconfig",
];

/// What a lab is to be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Shape {
    /// How many hosts with a control plane, `cp1` and on.
    pub control_planes: u8,
    /// How many hosts without, `w1` and on.
    pub workers: u8,
    /// Whether kubelets ask the cluster for their serving certificates (and wait, since nobody
    /// approves), instead of signing their own as they do with kubeadm's defaults.
    pub server_tls_bootstrap: bool,
    /// More documents for kubeadm's configuration, each after a `---` line.
    pub more_configuration: String,
}

impl Shape {
    /// kubeadm's defaults.
    pub fn new(control_planes: u8, workers: u8) -> Self {
        Shape {
            control_planes,
            workers,
            server_tls_bootstrap: false,
            more_configuration: String::new(),
        }
    }
}

/// A lab, running or not.
#[derive(Debug)]
pub struct Cluster {
    cache: Cache,
    folder: PathBuf,
    names: LabNames,
}

impl Cluster {
    /// The lab of this name: up to eight lower-case letters and digits.
    pub fn named(cache: &Cache, name: &str) -> Result<Self> {
        let fine = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        if name.is_empty() || name.len() > 8 || !name.bytes().all(fine) {
            bail!("a lab's name is one to eight lower-case letters and digits, found {name:?}");
        }
        let folder = cache.path("labs").join(name);
        let names = LabNames {
            name: name.to_owned(),
            runc: folder.join("runc"),
        };
        Ok(Cluster {
            cache: cache.clone(),
            folder,
            names,
        })
    }

    /// Boots hosts and joins them to a cluster. What an interrupted run left is removed first; a
    /// lab that runs already stays if it has this shape, and is an error otherwise.
    pub fn up(&self, shape: &Shape) -> Result<()> {
        if shape.control_planes == 0 {
            bail!("a cluster needs a control plane");
        }
        if self.is_up_as(shape)? {
            crate::say(&format!("lab {} is up already", self.names.name));
            return Ok(());
        }
        if self.marker().exists() && self.hosts()?.iter().all(Host::is_running) {
            bail!(
                "lab {} is up in another shape: take it down first",
                self.names.name
            );
        }
        let control_planes = (1..=shape.control_planes).map(|number| format!("cp{number}"));
        let workers = (1..=shape.workers).map(|number| format!("w{number}"));
        let names: Vec<String> = control_planes.chain(workers).collect();
        let layers = self.boot(&names.iter().map(String::as_str).collect::<Vec<_>>())?;
        self.form(shape, &layers)?;
        Ok(fs_err::write(self.marker(), self.described(shape)?)?)
    }

    /// Whether it runs, and is of this shape.
    pub fn is_up_as(&self, shape: &Shape) -> Result<bool> {
        let present = fs_err::read_to_string(self.marker()).unwrap_or_default();
        Ok(present == self.described(shape)? && self.hosts()?.iter().all(Host::is_running))
    }

    fn marker(&self) -> PathBuf {
        self.folder.join("up.json")
    }

    /// Boots hosts without a cluster. What was there before is removed.
    pub fn boot(&self, names: &[&str]) -> Result<Layers> {
        let layers = layers::prepare(&self.cache)?;
        self.down()?;
        fs_err::create_dir_all(self.folder.join("hosts"))?;
        fs_err::create_dir_all(&self.names.runc)?;
        let subnet = Subnet::choose(&self.cache, &self.folder)?;
        network::bridge_up(&self.names.bridge(), subnet)?;
        let mut others = 100;
        for name in names {
            if name.is_empty() || name.len() > 4 {
                bail!("a host's name has one to four characters, found {name:?}");
            }
            let last = fixed_address(name).unwrap_or_else(|| {
                others += 1;
                others
            });
            let folder = self.folder.join("hosts").join(name);
            Host::new(name, subnet.address(last), folder, &self.names).boot(&layers, subnet)?;
        }
        Ok(layers)
    }

    fn described(&self, shape: &Shape) -> Result<String> {
        let described = json!({
            "controlPlanes": shape.control_planes,
            "workers": shape.workers,
            "serverTLSBootstrap": shape.server_tls_bootstrap,
            "moreConfiguration": shape.more_configuration,
        });
        Ok(serde_json::to_string(&described)?)
    }

    /// The address of the cluster's API, as `10.78.0.1:6443`.
    pub fn endpoint(&self) -> Result<String> {
        Ok(balancer::endpoint(Subnet::choose(
            &self.cache,
            &self.folder,
        )?))
    }

    /// The text of the kubeadm configuration that makes the first control plane on `host`.
    pub fn kubeadm_configuration(
        &self,
        host: &Host,
        shape: &Shape,
        version: &str,
    ) -> Result<String> {
        let text = include_str!("files/kubeadm.yaml")
            .replace("{{address}}", &host.address().to_string())
            .replace("{{host}}", host.name())
            .replace("{{token}}", TOKEN)
            .replace("{{certificate_key}}", CERTIFICATE_KEY)
            .replace("{{kubernetes_version}}", version)
            .replace("{{endpoint}}", &self.endpoint()?)
            .replace(
                "{{server_tls_bootstrap}}",
                &shape.server_tls_bootstrap.to_string(),
            );
        Ok(text + &shape.more_configuration)
    }

    /// Puts these hosts' API servers behind the address of [`Cluster::endpoint`].
    pub fn balance(&self, control_planes: &[Host]) -> Result<()> {
        let subnet = Subnet::choose(&self.cache, &self.folder)?;
        Balancer::of(&self.folder).stop()?;
        Balancer::of(&self.folder).start(subnet, control_planes)
    }

    /// Makes a cluster of booted hosts: those named `cp…` are control planes, the first is `cp1`.
    pub fn form(&self, shape: &Shape, layers: &Layers) -> Result<()> {
        let (control_planes, workers): (Vec<Host>, Vec<Host>) = self
            .hosts()?
            .into_iter()
            .partition(|host| host.name().starts_with("cp"));
        self.balance(&control_planes)?;

        let (first, others) = control_planes
            .split_first()
            .context("no host is named cp1")?;
        crate::say(&format!("kubeadm init on {}", first.name()));
        let configuration = self.kubeadm_configuration(first, shape, &layers.version)?;
        fs_err::write(first.path("/root/kubeadm.yaml"), configuration)?;
        let init = "kubeadm init --config /root/kubeadm.yaml --upload-certs \
                    --skip-phases=preflight,addon";
        first.shell(&format!(
            "{init} {KUBEADM_FLAGS} 2>&1 | tee /root/init.log >&2"
        ))?;

        let hash = first.shell(
            "openssl x509 -pubkey -noout -in /etc/kubernetes/pki/ca.crt \
             | openssl pkey -pubin -outform der | sha256sum | cut -d' ' -f1",
        )?;
        let discovery = format!(
            "{} --token {TOKEN} --discovery-token-ca-cert-hash sha256:{}",
            self.endpoint()?,
            hash.trim(),
        );
        let join = format!(
            "kubeadm join {discovery} {KUBEADM_FLAGS} --skip-phases=preflight \
             --cri-socket unix:///run/containerd/containerd.sock"
        );
        let as_control_plane = format!("--control-plane --certificate-key {CERTIFICATE_KEY}");
        for host in others {
            crate::say(&format!("kubeadm join on {}", host.name()));
            host.shell(&format!(
                "kubeadm join phase control-plane-prepare download-certs {discovery} \
                 {as_control_plane} >/root/download.log 2>&1"
            ))?;
            let advertise = format!("--apiserver-advertise-address {}", host.address());
            host.shell(&format!(
                "{join} {as_control_plane} {advertise} >/root/join.log 2>&1"
            ))?;
        }
        for host in &workers {
            crate::say(&format!("kubeadm join on {}", host.name()));
            host.shell(&format!("{join} >/root/join.log 2>&1"))?;
        }
        Ok(())
    }

    /// Ends everything that this lab started, also what an interrupted run left. Nothing there is
    /// fine.
    pub fn down(&self) -> Result<()> {
        for id in self.names.containers()? {
            self.names.end_container(&id)?;
        }
        Balancer::of(&self.folder).stop()?;
        mounts::unmount_below(&self.folder)?;
        for host in self.hosts()? {
            host.remove()?;
        }
        network::bridge_down(&self.names.bridge())?;
        crate::cache::remove_tree(&self.folder)
    }

    /// The lab's name.
    pub fn name(&self) -> &str {
        &self.names.name
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn cache(&self) -> &Cache {
        &self.cache
    }

    /// The lab's hosts, control planes first.
    pub fn hosts(&self) -> Result<Vec<Host>> {
        let folder = self.folder.join("hosts");
        let Ok(entries) = fs_err::read_dir(&folder) else {
            return Ok(Vec::new());
        };
        let mut hosts = Vec::new();
        for entry in entries {
            let path = entry?.path();
            let name = path
                .file_name()
                .and_then(OsStr::to_str)
                .context("a host's odd name")?;
            // one that was interrupted has none yet, and is only good for being removed
            let address = fs_err::read_to_string(path.join("address")).unwrap_or_default();
            let address = address.parse().unwrap_or(std::net::Ipv4Addr::UNSPECIFIED);
            hosts.push(Host::new(name, address, path.clone(), &self.names));
        }
        hosts.sort_by_key(|host| (!host.name().starts_with("cp"), host.address()));
        Ok(hosts)
    }

    /// The host of this name.
    pub fn host(&self, name: &str) -> Result<Host> {
        let hosts = self.hosts()?;
        let known: Vec<String> = hosts.iter().map(|host| host.name().to_owned()).collect();
        hosts
            .into_iter()
            .find(|host| host.name() == name)
            .with_context(|| {
                format!(
                    "lab {} has no host {name}; it has: {}",
                    self.names.name,
                    known.join(" ")
                )
            })
    }

    /// Waits until a node is Ready, as its API tells.
    pub fn wait_until_ready(&self, node: &str) -> Result<()> {
        wait::until(
            &format!("node {node} to be Ready"),
            Duration::from_secs(90),
            || {
                let row = self.kubectl(["get", "node", node, "--no-headers"])?;
                Ok(row.success() && row.stdout.contains(" Ready "))
            },
        )
    }

    /// kubectl on `cp1` with its administrator's kubeconfig, whatever its exit status.
    pub fn kubectl<I>(&self, arguments: I) -> Result<Output>
    where
        I: IntoIterator,
        I::Item: AsRef<OsStr>,
    {
        let first = self.host("cp1")?;
        let start = ["kubectl", "--kubeconfig", administrator(&first)].map(OsStr::new);
        let arguments: Vec<_> = arguments.into_iter().collect();
        first.exec(start.into_iter().chain(arguments.iter().map(AsRef::as_ref)))
    }
}

/// Where an administrator's kubeconfig lies on this host.
pub fn administrator(host: &Host) -> &'static str {
    let [by_kubeadm, _] = ADMINISTRATORS;
    let mut known = ADMINISTRATORS.into_iter();
    let there = known.find(|file| host.path(file).exists());
    there.unwrap_or(by_kubeadm)
}

/// `cp1` is .11, `w1` is .21, as long as they fit.
fn fixed_address(name: &str) -> Option<u8> {
    let number = |start: &str| name.strip_prefix(start)?.parse::<u8>().ok();
    match (number("cp"), number("w")) {
        (Some(number @ 1..=9), _) => Some(10 + number),
        (_, Some(number @ 1..=70)) => Some(20 + number),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_follow_names() {
        assert_eq!(fixed_address("cp3"), Some(13));
        assert_eq!(fixed_address("w2"), Some(22));
        assert_eq!(fixed_address("cp0"), None);
        assert_eq!(fixed_address("etcd"), None);
    }

    #[test]
    fn a_name_that_would_not_fit_an_interface_is_refused() {
        let cache = Cache::at(&std::env::temp_dir()).unwrap();
        for name in ["", "Lab", "a-b", "ninechars", "../up"] {
            Cluster::named(&cache, name).unwrap_err();
        }
        Cluster::named(&cache, "test").unwrap();
    }
}
