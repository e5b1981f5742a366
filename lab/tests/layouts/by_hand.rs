//! "Kubernetes the hard way": programs under systemd, every file where its author wanted it.

use anyhow::Result;
use kubepki_lab::Host;

use crate::cluster::{Recipe, booted, comes_back, found_all, healthy};

const START: &str =
    "systemctl start etcd kube-apiserver kube-controller-manager kube-scheduler kubelet";
const STOP: &str =
    "systemctl stop kubelet kube-scheduler kube-controller-manager kube-apiserver etcd";

/// Where one keeps things.
struct Folders {
    ssl: &'static str,
    etcd: &'static str,
    kubeconfigs: &'static str,
    /// `apart`, or `together`: certificate and key of some in one file, kubeconfigs that name files.
    form: &'static str,
}

const USUAL: Folders = Folders {
    ssl: "/etc/kubernetes/ssl",
    etcd: "/etc/etcd/ssl",
    kubeconfigs: "/etc/kubernetes",
    form: "apart",
};

const MOVED: Folders = Folders {
    ssl: "/srv/k8s/tls",
    etcd: "/srv/etcd/tls",
    kubeconfigs: "/srv/conf",
    form: "together",
};

#[test]
#[ignore = "needs root and the lab: cargo xtask test --tier lab"]
fn a_cluster_made_by_hand_comes_back_wherever_its_files_are() -> Result<()> {
    let (_lab, host, _) = booted("hand")?;
    for folders in [&USUAL, &MOVED] {
        let recipe = folders.recipe(&host);
        recipe.make(-1, 300)?;
        host.shell(START)?;
        recipe.ready()?;
        found_all(&host, "by-hand", &folders.expected())?;
        healthy(&host, &recipe.kubeconfig)?;

        host.shell(STOP)?;
        recipe.make(-400, -30)?;
        // The API server cannot start, has been given up, and nothing waits for it.
        host.shell(
            &START
                .replace("start", "start --no-block")
                .replace(" kube-apiserver", ""),
        )?;
        let etcd = format!("{}/server.pem", folders.etcd);
        let api_server = format!("{}/kubernetes.pem", folders.ssl);
        let kubelet = format!("{}/hand.pem", folders.ssl);
        let served = [
            ("127.0.0.1:2379", etcd.as_str()),
            ("127.0.0.1:6443", api_server.as_str()),
            ("127.0.0.1:10250", kubelet.as_str()),
        ];
        comes_back(&recipe, folders.expected().len(), &served)?;
        host.shell(STOP)?;
        host.shell("rm -rf /var/lib/etcd/* /etc/kubernetes/* /etc/etcd")?;
    }
    Ok(())
}

impl Folders {
    fn recipe<'a>(&self, host: &'a Host) -> Recipe<'a> {
        Recipe {
            host,
            script: include_str!("by_hand.sh"),
            variables: vec![
                ("SSL", self.ssl.to_owned()),
                ("ETCD", self.etcd.to_owned()),
                ("CONF", self.kubeconfigs.to_owned()),
                ("FORM", self.form.to_owned()),
            ],
            kubeconfig: format!("{}/admin.kubeconfig", self.kubeconfigs),
        }
    }

    /// Every certificate, by the file that people know it by.
    fn expected(&self) -> Vec<(String, &'static str)> {
        let ssl = |name: &str, role| (format!("{}/{name}.pem", self.ssl), role);
        let etcd = |name: &str, role| (format!("{}/{name}.pem", self.etcd), role);
        let of_people = |name: &str, role| match self.form {
            "apart" => (format!("{}/{name}.kubeconfig", self.kubeconfigs), role),
            _ => ssl(name, role),
        };
        let mut expected = vec![
            etcd("server", "etcd-server"),
            etcd("peer", "etcd-peer"),
            ssl("etcd-client", "apiserver-etcd-client"),
            ssl("kubernetes", "apiserver-serving"),
            ssl("kubelet-client", "apiserver-kubelet-client"),
            ssl("aggregator", "front-proxy-client"),
            of_people("kube-controller-manager", "controller-manager"),
            of_people("kube-scheduler", "scheduler"),
            // The node's, for both directions.
            ssl("hand", "kubelet-client"),
            ssl("admin", "admin"),
        ];
        if self.form == "apart" {
            expected.push(of_people("admin", "admin"));
        }
        expected
    }
}
