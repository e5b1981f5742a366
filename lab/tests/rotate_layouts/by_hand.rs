//! "The hard way" with three hosts for etcd: no kubeadm, no static pods, every file where its author
//! wanted it, units with their flags in three forms, and etcd's authority known to its own hosts alone.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kubepki_lab::{
    Cache, Cluster, Doors, Host, Lab, Record, SshAccess, UsedLab, holds_copy, pem_body, prepare,
    together, until,
};

use crate::field::{asked, digests, known_to_no_file, operate, same, succeeded, watched};

const CONTROL_PLANES: [&str; 2] = ["cp1", "cp2"];
const MEMBERS: [&str; 3] = ["e1", "e2", "e3"];
const WORKERS: [&str; 1] = ["w1"];
const KUBE: &str = "/var/lib/kubernetes";

/// What a rotation of everything goes through.
const ROTATED: &str = "back,front-proxy-ca,etcd-ca,all,plain";

/// Whatever is configured.
const CONFIGURED: [&str; 4] = [
    "/etc/systemd/system",
    "/etc/default",
    "/etc/etcd/etcd.env",
    "/var/lib/kubelet/kubelet-config.yaml",
];

/// Whatever a rotation changes.
const CHANGED: [&str; 4] = [
    "/etc/systemd/system",
    "/etc/default",
    "/etc/etcd",
    "/var/lib/kubernetes",
];

/// Where a copy may lie.
const FOLDERS: [&str; 7] = [
    "/etc/etcd",
    "/etc/kubernetes",
    "/etc/default",
    "/etc/systemd",
    "/var/lib/kubernetes",
    "/var/lib/kubelet",
    "/root",
];

/// The roots, by the name of the rotation.
const ROOTS: [(&str, &str); 4] = [
    ("kubernetes-ca", "ca.pem"),
    ("etcd-ca", "etcd-ca.pem"),
    ("front-proxy-ca", "front-proxy-ca.pem"),
    ("service-account-key", "service-account.pem"),
];

/// As in the rotations of kubeadm's cluster: what is under way when etcd's leader hands over.
const LOST_TO_ELECTIONS: usize = 4;

/// Of each client, what a member of etcd was at when it was stopped: twice each of them.
const LOST_TO_MEMBERS: usize = 6;

struct Field<'cluster> {
    cluster: &'cluster Cluster,
    access: SshAccess,
    hosts: Vec<Host>,
}

/// Makes the cluster and rotates what is asked for.
pub fn rotated() -> Result<()> {
    let names = [&CONTROL_PLANES[..], &MEMBERS, &WORKERS].concat();
    let lab = UsedLab::given_or(|| Lab::boot(&names))?;
    let cluster: &Cluster = &lab;
    if matches!(&lab, UsedLab::Kept(_)) && cluster.host("e3").is_err() {
        cluster.boot(&names)?;
    }
    let field = Field {
        cluster,
        access: cluster.ssh_access()?,
        hosts: cluster.hosts()?,
    };
    if !cluster.host("cp1")?.path(KUBE).exists() {
        field.make()?;
    }
    field.works()?;
    cluster.start_workload()?;
    for root in asked(ROTATED) {
        match root.as_str() {
            "back" => field.back()?,
            "plain" => field.restarted()?,
            root => field.rotate(root)?,
        }
    }
    Ok(())
}

impl Field<'_> {
    fn of(&self, names: &[&str]) -> Vec<Host> {
        let hosts = self.hosts.iter();
        let named = hosts.filter(|host| names.contains(&host.name()));
        named.cloned().collect()
    }

    /// Certificates of one making, on every host what belongs to it; then everything is started.
    fn make(&self) -> Result<()> {
        let cache = Cache::open()?;
        prepare(&cache)?;
        let list = |names: &[&str]| {
            let hosts = self.of(names);
            let each = hosts
                .iter()
                .map(|host| format!("{}={}", host.name(), host.address()));
            each.collect::<Vec<_>>().join(" ")
        };
        let members = self.of(&MEMBERS);
        let urls =
            |form: &dyn Fn(&Host) -> String| members.iter().map(form).collect::<Vec<_>>().join(",");
        let script = format!(
            "NODE=cp1 FROM=-1 UNTIL=300\nCONTROL_PLANES='{}'\nMEMBERS='{}'\nWORKERS='{}'\n\
             BALANCER={}\nETCDS={}\nPEERS={}\n{}{}",
            list(&CONTROL_PLANES),
            list(&MEMBERS),
            list(&WORKERS),
            self.cluster.endpoint()?,
            urls(&|host| format!("https://{}:2379", host.address())),
            urls(&|host| format!("{}=https://{}:2380", host.name(), host.address())),
            include_str!("../layouts/pki.sh"),
            include_str!("by_hand.sh"),
        );
        let first = self.cluster.host("cp1")?;
        fs_err::write(first.path("/root/make.sh"), script)?;
        first.shell("sh -eu /root/make.sh")?;
        for host in &self.hosts {
            host.shell(
                "systemctl stop kubelet; rm -rf /etc/systemd/system/kubelet.service* \
                 /lib/systemd/system/kubelet.service.d",
            )?;
            let programs: &[&str] = match host.name() {
                name if MEMBERS.contains(&name) => &["etcd", "etcdctl"],
                name if CONTROL_PLANES.contains(&name) => &[
                    "kube-apiserver",
                    "kube-controller-manager",
                    "kube-scheduler",
                    "etcdctl",
                ],
                _ => &[],
            };
            for program in programs {
                let file = std::fs::canonicalize(cache.bin().join(program))?;
                host.copy(&file, format!("/usr/local/bin/{program}"))?;
            }
            let tree = first.path(format!("/root/tree/{}", host.name()));
            copy_tree(host, &tree, "")?;
            host.shell("systemctl daemon-reload")?;
        }
        first.shell("rm -rf /root/tree /root/make.sh /root/made")?;
        together(&members, |host| host.shell("systemctl enable --now etcd"))?;
        let control_planes = self.of(&CONTROL_PLANES);
        together(&control_planes, |host| {
            host.shell(
                "systemctl enable --now kube-apiserver kube-controller-manager kube-scheduler",
            )
        })?;
        self.cluster.balance(&control_planes)?;
        let nodes = self.of(&[&CONTROL_PLANES[..], &WORKERS].concat());
        together(&nodes, |host| host.shell("systemctl enable --now kubelet"))?;
        Ok(())
    }

    /// Nodes are Ready, and the doctor has nothing to say.
    fn works(&self) -> Result<()> {
        for node in [&CONTROL_PLANES[..], &WORKERS].concat() {
            self.cluster.wait_until_ready(node)?;
        }
        until("the doctor", Duration::from_secs(60), || {
            let said = self.access.kubepki(&["doctor"])?;
            if !said.success() {
                println!("{}{}", said.stdout, said.stderr);
            }
            Ok(said.success())
        })
    }

    fn doors(&self) -> Result<Doors> {
        let first = self.cluster.host("cp1")?;
        let kube = first.path(KUBE);
        Ok(Doors {
            kubeconfig: kube.join("admin.kubeconfig"),
            etcd: ["etcd-ca.pem", "etcd-client.pem", "etcd-client-key.pem"].map(|it| kube.join(it)),
            members: self.of(&MEMBERS),
            pod_host: self.cluster.host("w1")?,
        })
    }

    /// Beside it: members of etcd restarted as often as by a rotation, and API servers once, with nothing
    /// changed.
    fn restarted(&self) -> Result<()> {
        watched(self.cluster, &self.doors()?, "plain restarts", || {
            for _ in 0..2 {
                for member in self.of(&MEMBERS) {
                    member.shell("systemctl restart etcd")?;
                    self.answers(&member, "etcd-client", "2379/health")?;
                }
            }
            for host in self.of(&CONTROL_PLANES) {
                host.shell("systemctl restart kube-apiserver")?;
                self.answers(&host, "admin", "6443/readyz")?;
            }
            Ok(())
        })?;
        self.works()
    }

    fn answers(&self, host: &Host, client: &str, place: &str) -> Result<()> {
        let first = self.cluster.host("cp1")?;
        let url = format!("https://{}:{place}", host.address());
        until(&url, Duration::from_secs(60), || {
            let code = first.shell(&format!(
                "curl --silent --insecure --output /dev/null --write-out '%{{http_code}}' \
                 --cert {KUBE}/{client}.pem --key {KUBE}/{client}-key.pem {url} || true"
            ))?;
            Ok(code == "200")
        })
    }

    /// Everything half way, and back: the very bytes of before.
    fn back(&self) -> Result<()> {
        let before = digests(&self.hosts, &CHANGED)?;
        let records = watched(self.cluster, &self.doors()?, "all, and back", || {
            self.operate(&["run", "all", "--pause-after", "issue-from-new"])?;
            let between = digests(&self.hosts, &CHANGED)?;
            ensure!(between != before, "nothing was changed");
            operate(&self.access, &["back", "--to", "start", "--yes"])?;
            Ok(())
        })?;
        same(&before, &digests(&self.hosts, &CHANGED)?)?;
        self.none_failed(&records)?;
        succeeded(&self.access.kubepki(&["rotate", "status"])?)?;
        self.works()
    }

    fn rotate(&self, root: &str) -> Result<()> {
        let first = self.cluster.host("cp1")?;
        let mut old: BTreeMap<&str, String> = BTreeMap::new();
        for (name, file) in ROOTS {
            let text = fs_err::read_to_string(first.path(format!("{KUBE}/{file}")))?;
            if root == "all" || root == name {
                old.insert(name, pem_body(&text));
            }
        }
        self.keep_old_clients()?;
        let before = digests(&self.hosts, &CONFIGURED)?;
        let records = watched(self.cluster, &self.doors()?, root, || {
            self.operate(&["run", root, "--pause-after", "settle"])?;
            // they have no controller that would
            self.cluster.restart_pods()?;
            self.operate(&["run"])
        })?;
        first.shell("rm -f /root/workload-*.json /root/closed-loop.json /root/shell.tar")?;
        self.none_failed(&records)?;
        same(&before, &digests(&self.hosts, &CONFIGURED)?).inspect_err(|error| {
            println!("configuration: {error:#}");
        })?;
        let bodies: Vec<&str> = old.values().map(String::as_str).collect();
        known_to_no_file(&self.hosts, &FOLDERS, &bodies)?;
        for (key, value) in self.etcd_values()? {
            ensure!(
                !holds_copy(&value, &bodies),
                "an old root lies in etcd at {key}"
            );
        }
        self.old_clients_are_refused(root)?;
        for host in &self.hosts {
            let left = host.shell(
                "for folder in /etc /var/lib/kubernetes /var/lib/kubelet; do \
                 [ ! -d $folder ] || find $folder -maxdepth 3 \\( -name '*-next*' -o \
                 -name '*-signer*' -o -name '*-previous*' -o -name '.*kubepki*' \\) -type f; \
                 done",
            )?;
            ensure!(left.is_empty(), "left on {}: {left}", host.name());
        }
        succeeded(&self.access.kubepki(&["rotate", "status"])?)?;
        self.works()
    }

    fn operate(&self, words: &[&str]) -> Result<()> {
        operate(
            &self.access,
            &[words, &["--yes", "--acknowledge", "all"]].concat(),
        )
        .map(drop)
    }

    fn none_failed(&self, records: &[Record]) -> Result<()> {
        let failed: usize = records.iter().map(|it| it.refused().count()).sum();
        let elections: usize = records.iter().map(Record::lost_to_elections).sum();
        let members: usize = records.iter().map(Record::lost_to_members).sum();
        println!("  lost to elections {elections}, to members that were stopped {members}");
        let lost = elections + members;
        ensure!(failed == lost, "{} requests failed", failed - lost);
        ensure!(
            elections <= LOST_TO_ELECTIONS,
            "{elections} lost to elections"
        );
        for record in records {
            let lost = record.lost_to_members();
            ensure!(
                lost <= LOST_TO_MEMBERS,
                "{} lost {lost} to members",
                record.client
            );
        }
        Ok(())
    }

    fn keep_old_clients(&self) -> Result<()> {
        let first = self.cluster.host("cp1")?;
        let out = first.folder().join("before");
        fs_err::create_dir_all(&out)?;
        for file in [
            "admin.pem",
            "admin-key.pem",
            "etcd-client.pem",
            "etcd-client-key.pem",
        ] {
            fs_err::copy(first.path(format!("{KUBE}/{file}")), out.join(file))?;
        }
        Ok(())
    }

    /// Who holds a certificate of the old roots is let in nowhere, and who trusts the new one alone
    /// believes every server.
    fn old_clients_are_refused(&self, root: &str) -> Result<()> {
        let first = self.cluster.host("cp1")?;
        let out = first.folder().join("before");
        for file in [
            "admin.pem",
            "admin-key.pem",
            "etcd-client.pem",
            "etcd-client-key.pem",
        ] {
            fs_err::copy(out.join(file), first.path(format!("/root/old-{file}")))?;
        }
        let ask = |ca: &str, client: &str, url: String| {
            first.shell(&format!(
                "curl --silent --output /dev/null --write-out '%{{http_code}}' --cacert {KUBE}/{ca} \
                 --cert {client}.pem --key {client}-key.pem {url} || true"
            ))
        };
        for host in &self.hosts {
            let is_member = MEMBERS.contains(&host.name());
            let is_control_plane = CONTROL_PLANES.contains(&host.name());
            let mut asked: Vec<(&str, &str, String)> = Vec::new();
            if ["all", "etcd-ca"].contains(&root) && is_member {
                let url = format!("https://{}:2379/health", host.address());
                asked.push(("etcd-ca.pem", "etcd-client", url));
            }
            if ["all", "kubernetes-ca"].contains(&root) && is_control_plane {
                let url = format!("https://{}:6443/api", host.address());
                asked.push(("ca.pem", "admin", url));
            }
            if ["all", "kubernetes-ca"].contains(&root) && !is_member {
                let url = format!("https://{}:10250/healthz", host.address());
                asked.push(("ca.pem", "admin", url));
            }
            for (ca, client, url) in asked {
                let new = ask(ca, &format!("{KUBE}/{client}"), url.clone())?;
                ensure!(new == "200", "{url} answers {new} to a new client");
                let old = ask(ca, &format!("/root/old-{client}"), url.clone())?;
                ensure!(
                    ["401", "000"].contains(&old.as_str()),
                    "{url} answers {old} to an old client"
                );
            }
        }
        first.shell("rm -f /root/old-*").map(drop)
    }

    /// Every key with its value.
    fn etcd_values(&self) -> Result<Vec<(String, Vec<u8>)>> {
        let first = self.cluster.host("cp1")?;
        let member = self.cluster.host("e1")?;
        first.shell(&format!(
            "cd {KUBE}; ETCDCTL_API=3 etcdctl --endpoints https://{}:2379 --cacert etcd-ca.pem \
             --cert etcd-client.pem --key etcd-client-key.pem --command-timeout 20s \
             get /registry/ --prefix -w json >/root/etcd-objects.json",
            member.address()
        ))?;
        first.etcd_answer("/root/etcd-objects.json")
    }
}

/// Every file, with its mode.
fn copy_tree(host: &Host, folder: &std::path::Path, below: &str) -> Result<()> {
    for entry in fs_err::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().context("no name")?.to_string_lossy();
        let target = format!("{below}/{name}");
        match path.is_dir() {
            true => copy_tree(host, &path, &target)?,
            false => host.copy(&path, &target)?,
        }
    }
    Ok(())
}
