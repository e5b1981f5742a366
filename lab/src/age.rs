//! Making a host's certificates as old as if nobody had renewed them: same keys, same CAs, ended N
//! days ago, and the processes that held the valid ones restarted.
//!
//! The files are kubeadm's (<https://kubernetes.io/docs/setup/best-practices/certificates/>). CAs
//! and service-account keys stay. A leaf that has ended begins before its CA, as the lab's CA is new.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::aged::{Signer, first_certificate_aged};
use crate::cache::remove_tree;
use crate::host::Host;
use crate::tool::Tool;
use crate::wait;

/// How a host finds out that its certificates have ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Aftermath {
    /// Static pods and kubelet were restarted: etcd and the API server don't trust each other, the
    /// API server is down, kubelet doesn't start.
    Restarted,
    /// Static pods ran on: the API server serves the ended certificate and refuses everyone, kubelet
    /// (which ends itself then) doesn't start.
    RanOn,
}

const CLUSTER_CA: &str = "ca";
const ETCD_CA: &str = "etcd/ca";
const FRONT_PROXY_CA: &str = "front-proxy-ca";
const PKI: &str = "/etc/kubernetes/pki";

/// Files that begin with a certificate, and who signs it.
const CERTIFICATES: [(&str, &str); 9] = [
    ("/etc/kubernetes/pki/apiserver.crt", CLUSTER_CA),
    (
        "/etc/kubernetes/pki/apiserver-kubelet-client.crt",
        CLUSTER_CA,
    ),
    ("/etc/kubernetes/pki/apiserver-etcd-client.crt", ETCD_CA),
    ("/etc/kubernetes/pki/front-proxy-client.crt", FRONT_PROXY_CA),
    ("/etc/kubernetes/pki/etcd/server.crt", ETCD_CA),
    ("/etc/kubernetes/pki/etcd/peer.crt", ETCD_CA),
    ("/etc/kubernetes/pki/etcd/healthcheck-client.crt", ETCD_CA),
    (
        "/var/lib/kubelet/pki/kubelet-client-current.pem",
        CLUSTER_CA,
    ),
    (
        "/var/lib/kubelet/pki/kubelet-server-current.pem",
        CLUSTER_CA,
    ),
];

/// Kubeconfigs whose client certificate may be embedded.
const KUBECONFIGS: [&str; 5] = [
    "/etc/kubernetes/admin.conf",
    "/etc/kubernetes/super-admin.conf",
    "/etc/kubernetes/controller-manager.conf",
    "/etc/kubernetes/scheduler.conf",
    "/etc/kubernetes/kubelet.conf",
];

/// kubelet's self-made serving certificate: the leaf, then a CA whose key nobody has.
const KUBELET_SELF_SIGNED: &str = "/var/lib/kubelet/pki/kubelet.crt";

const STATIC_PODS: [&str; 4] = [
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
];

impl Host {
    /// Ages the host's certificates with static pods restarted: see [`Host::age_with`].
    pub fn age(&self, days: i64) -> Result<Vec<String>> {
        self.age_with(days, Aftermath::Restarted)
    }

    /// Makes every leaf and kubeconfig of the host end `days` ago, or in `-days` if negative, and
    /// restarts what held the former ones. Returns when the host is as locked out as it can be, and
    /// answers the files that changed.
    pub fn age_with(&self, days: i64, aftermath: Aftermath) -> Result<Vec<String>> {
        let changed = self.age_files(days)?;
        if aftermath == Aftermath::Restarted && self.kubelet_is_healthy()? {
            self.restart_static_pods()?;
        }
        self.shell("systemctl restart kubelet")?;
        let has_api = self
            .path("/etc/kubernetes/manifests/kube-apiserver.yaml")
            .is_file();
        if days < 0 {
            self.wait_for_health(has_api)?;
            return Ok(changed);
        }
        self.wait_for_kubelet_locked_out()?;
        if has_api {
            match aftermath {
                Aftermath::Restarted => self.end_the_api_server()?,
                Aftermath::RanOn => self.wait_for_ended_certificate_served()?,
            }
            self.wait_for_refusal()?;
        }
        Ok(changed)
    }

    /// As [`Host::age_with`], and the CAs themselves ended `days` ago too, with the keys that they
    /// had: a cluster that is older than its authorities.
    pub fn age_with_authorities(&self, days: i64, aftermath: Aftermath) -> Result<Vec<String>> {
        let mut changed = self.age_authorities(days)?;
        changed.append(&mut self.age_with(days, aftermath)?);
        Ok(changed)
    }

    /// Changes the CA files and the CA data in kubeconfigs; restarts nothing.
    pub(crate) fn age_authorities(&self, days: i64) -> Result<Vec<String>> {
        let work = self.fresh_work()?;
        let mut changed = Vec::new();
        for authority in [CLUSTER_CA, ETCD_CA, FRONT_PROXY_CA] {
            let path = format!("{PKI}/{authority}.crt");
            let key = self.path(format!("{PKI}/{authority}.key"));
            let by_itself = Signer {
                certificate: None,
                key: &key,
            };
            self.age_file(&self.path(&path), |pem| {
                first_certificate_aged(pem, days, &by_itself, &work)
            })
            .with_context(|| format!("cannot age {path}"))?;
            changed.push(path);
        }
        let bundle = fs_err::read_to_string(self.path(format!("{PKI}/{CLUSTER_CA}.crt")))?;
        changed.append(&mut self.trust_in_kubeconfigs(&bundle)?);
        remove_tree(&work)?;
        Ok(changed)
    }

    /// Puts a CA bundle into every kubeconfig that embeds one; answers those.
    pub(crate) fn trust_in_kubeconfigs(&self, bundle: &str) -> Result<Vec<String>> {
        let mut changed = Vec::new();
        for path in KUBECONFIGS {
            let file = self.resolve(path)?;
            if file.is_file() {
                self.age_file(&file, |text| {
                    Ok(with_authority(text, &STANDARD.encode(bundle)))
                })?;
                changed.push(path.to_owned());
            }
        }
        Ok(changed)
    }

    fn fresh_work(&self) -> Result<PathBuf> {
        let work = self.folder().join("age");
        remove_tree(&work)?;
        fs_err::create_dir_all(&work)?;
        Ok(work)
    }

    /// Changes the files and restarts nothing.
    pub fn age_files(&self, days: i64) -> Result<Vec<String>> {
        self.age_chosen(days, |_| true)
    }

    /// As [`Host::age_files`], only those that are chosen by their path.
    pub fn age_chosen(&self, days: i64, chosen: impl Fn(&str) -> bool) -> Result<Vec<String>> {
        let work = self.fresh_work()?;
        let mut changed = Vec::new();
        for (path, authority) in CERTIFICATES {
            let file = self.resolve(path)?;
            if chosen(path) && file.is_file() {
                self.age_file(&file, |pem| self.aged_pem(pem, days, authority, &work))
                    .with_context(|| format!("cannot age {path}"))?;
                changed.push(path.to_owned());
            }
        }
        for path in KUBECONFIGS {
            let file = self.resolve(path)?;
            if chosen(path) && file.is_file() && fs_err::read_to_string(&file)?.contains(EMBEDDED) {
                self.age_file(&file, |text| self.aged_kubeconfig(text, days, &work))
                    .with_context(|| format!("cannot age {path}"))?;
                changed.push(path.to_owned());
            }
        }
        let file = self.resolve(KUBELET_SELF_SIGNED)?;
        if chosen(KUBELET_SELF_SIGNED) && file.is_file() {
            self.age_file(&file, |pem| aged_self_signed(pem, days, &work))
                .with_context(|| format!("cannot age {KUBELET_SELF_SIGNED}"))?;
            changed.push(KUBELET_SELF_SIGNED.to_owned());
        }
        remove_tree(&work)?;
        if changed.is_empty() {
            bail!(
                "{} has none of the certificates: is it part of a cluster?",
                self.name()
            );
        }
        Ok(changed)
    }

    /// In place: inode, owner and mode stay.
    fn age_file(&self, file: &Path, change: impl FnOnce(&str) -> Result<String>) -> Result<()> {
        let new = change(&fs_err::read_to_string(file)?)?;
        Ok(fs_err::write(file, new)?)
    }

    fn aged_pem(&self, pem: &str, days: i64, authority: &str, work: &Path) -> Result<String> {
        let (certificate, key) = self.authority(authority)?;
        let signer = Signer {
            certificate: Some(&certificate),
            key: &key,
        };
        first_certificate_aged(pem, days, &signer, work)
    }

    fn aged_kubeconfig(&self, text: &str, days: i64, work: &Path) -> Result<String> {
        let mut lines = Vec::new();
        for line in text.split_inclusive('\n') {
            lines.push(match line.split_once(EMBEDDED) {
                Some((before, value)) => {
                    let pem = String::from_utf8(STANDARD.decode(value.trim())?)?;
                    let aged = self.aged_pem(&pem, days, CLUSTER_CA, work)?;
                    format!("{before}{EMBEDDED} {}\n", STANDARD.encode(aged))
                }
                None => line.to_owned(),
            });
        }
        Ok(lines.concat())
    }

    /// A CA's certificate and key: this host's, else those of any other host of the lab, as workers
    /// have none.
    fn authority(&self, name: &str) -> Result<(PathBuf, PathBuf)> {
        let of = |root: PathBuf| {
            let pki = root.join(PKI.trim_start_matches('/'));
            (
                pki.join(format!("{name}.crt")),
                pki.join(format!("{name}.key")),
            )
        };
        let mut candidates = vec![of(self.path("/"))];
        for entry in fs_err::read_dir(self.folder().parent().context("a host without a lab")?)? {
            candidates.push(of(entry?.path().join("root")));
        }
        candidates
            .into_iter()
            .find(|(certificate, key)| certificate.is_file() && key.is_file())
            .with_context(|| format!("no host of the lab has the key of CA {name}"))
    }

    /// kubelet still holds valid certificates in memory and starts the containers again.
    fn restart_static_pods(&self) -> Result<()> {
        let mut old = Vec::new();
        for program in STATIC_PODS {
            for process in self.processes(program)? {
                old.push(process);
                // killed, since the API server would take 30 s to end; it may have ended already
                self.exec(["kill", "-KILL", &process.to_string()])?;
            }
        }
        for program in STATIC_PODS {
            if !self
                .path(format!("/etc/kubernetes/manifests/{program}.yaml"))
                .is_file()
            {
                continue;
            }
            wait::until(
                &format!("{program} to be restarted"),
                Duration::from_secs(90),
                || {
                    Ok(self
                        .processes(program)?
                        .iter()
                        .any(|process| !old.contains(process)))
                },
            )?;
        }
        Ok(())
    }

    fn wait_for_health(&self, has_api: bool) -> Result<()> {
        let what = format!("kubelet on {}", self.name());
        wait::until(&what, Duration::from_secs(60), || self.kubelet_is_healthy())?;
        let ready = "kubectl --kubeconfig /etc/kubernetes/admin.conf get --raw /readyz";
        let what = format!("the API server on {}", self.name());
        wait::until(&what, Duration::from_secs(90), || {
            Ok(!has_api || self.exec(ready.split(' '))?.success())
        })
    }

    fn wait_for_kubelet_locked_out(&self) -> Result<()> {
        let what = format!("kubelet on {} to fail again and again", self.name());
        wait::until(&what, Duration::from_secs(90), || {
            let count = self.shell("systemctl show --property NRestarts --value kubelet")?;
            Ok(count.trim().parse::<u32>()? >= 2 && !self.kubelet_is_healthy()?)
        })
    }

    /// It would give up when etcd has not let it in for 20 s, and kubelet is not there to start it
    /// again.
    fn end_the_api_server(&self) -> Result<()> {
        let what = format!("the end of the API server on {}", self.name());
        wait::until(&what, Duration::from_secs(30), || {
            self.exec(["pkill", "-KILL", "--full", "^kube-apiserver "])?;
            Ok(self.processes("kube-apiserver")?.is_empty())
        })
    }

    /// kube-apiserver v1.20 reads its files again once a minute.
    fn wait_for_ended_certificate_served(&self) -> Result<()> {
        let asked = format!(
            "openssl s_client -connect {}:6443 </dev/null 2>/dev/null \
             | openssl x509 -noout -checkend 0",
            self.address(),
        );
        wait::until(
            "the API server to serve the ended certificate",
            Duration::from_secs(90),
            || {
                Ok(self
                    .exec(["sh", "-c", &asked])?
                    .stdout
                    .contains("will expire"))
            },
        )
    }

    fn wait_for_refusal(&self) -> Result<()> {
        let kubectl =
            "kubectl --kubeconfig /etc/kubernetes/admin.conf --request-timeout 5s get nodes";
        let what = format!("kubectl on {} to be refused", self.name());
        wait::until(&what, Duration::from_secs(60), || {
            Ok(!self.exec(kubectl.split(' '))?.success())
        })
    }
}

const EMBEDDED: &str = "client-certificate-data:";
const EMBEDDED_AUTHORITY: &str = "certificate-authority-data:";

/// A kubeconfig with this CA bundle, in Base64, in place of the one it holds.
fn with_authority(kubeconfig: &str, bundle: &str) -> String {
    kubeconfig
        .split_inclusive('\n')
        .map(|line| match line.split_once(EMBEDDED_AUTHORITY) {
            Some((before, _)) => format!("{before}{EMBEDDED_AUTHORITY} {bundle}\n"),
            None => line.to_owned(),
        })
        .collect()
}

/// The CA that follows the leaf is made anew with another key, under the same name.
fn aged_self_signed(pem: &str, days: i64, work: &Path) -> Result<String> {
    let end = "-----END CERTIFICATE-----\n";
    let (leaf, authority) = pem.split_once(end).context("no certificate in PEM")?;
    let (key, old, new) = (
        work.join("self.key"),
        work.join("self.old"),
        work.join("self.crt"),
    );
    Tool::new("openssl")
        .words("genrsa -out")
        .arg(&key)
        .arg("2048")
        .run()?;
    fs_err::write(&old, authority)?;
    Tool::new("openssl")
        .words("x509 -days 365 -in")
        .arg(&old)
        .arg("-signkey")
        .arg(&key)
        .arg("-out")
        .arg(&new)
        .run()?;
    let by_authority = Signer {
        certificate: Some(&new),
        key: &key,
    };
    let leaf = first_certificate_aged(&format!("{leaf}{end}"), days, &by_authority, work)?;
    let by_itself = Signer {
        certificate: None,
        key: &key,
    };
    let authority = fs_err::read_to_string(&new)?;
    let authority = first_certificate_aged(&authority, days, &by_itself, work)?;
    Ok(leaf + &authority)
}
