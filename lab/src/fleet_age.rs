//! Making all hosts of a lab as old as if nobody had renewed anything: files only, on every host at
//! once. What they do to that is for [`Host::cut_power`] and the like.

use anyhow::{Context, Result};

use crate::cluster::Cluster;
use crate::host::Host;
use crate::together::together;

const AUTHORITIES: [&str; 3] = [
    "/etc/kubernetes/pki/ca.crt",
    "/etc/kubernetes/pki/etcd/ca.crt",
    "/etc/kubernetes/pki/front-proxy-ca.crt",
];

impl Cluster {
    /// Makes every leaf and kubeconfig of every host end `days` ago; changes nothing that runs.
    pub fn age_files(&self, days: i64) -> Result<()> {
        together(&self.hosts()?, |host| host.age_files(days)).map(drop)
    }

    /// As [`Cluster::age_files`], and the CAs too, with the keys that they had and the same on every
    /// host.
    pub fn age_files_with_authorities(&self, days: i64) -> Result<()> {
        let hosts = self.hosts()?;
        let (first, others) = hosts.split_first().context("a lab without hosts")?;
        first.age_authorities(days)?;
        let mut aged = Vec::new();
        for path in AUTHORITIES {
            aged.push((path, fs_err::read_to_string(first.path(path))?));
        }
        for host in others {
            for (path, pem) in &aged {
                if host.path(path).is_file() {
                    fs_err::write(host.path(path), pem)?;
                }
            }
            let (_, cluster_authority) = aged.first().context("no CA")?;
            host.trust_in_kubeconfigs(cluster_authority)?;
        }
        self.age_files(days)
    }

    /// Makes these files of every host that has them end `days` ago; changes nothing that runs.
    pub fn age_only(&self, days: i64, paths: &[&str]) -> Result<()> {
        let hosts: Vec<Host> = self
            .hosts()?
            .into_iter()
            .filter(|host| paths.iter().any(|path| host.has(path)))
            .collect();
        together(&hosts, |host| {
            host.age_chosen(days, |path| paths.contains(&path))
        })
        .map(drop)
    }
}

impl Host {
    fn has(&self, path: &str) -> bool {
        self.resolve(path).is_ok_and(|file| file.is_file())
    }
}
