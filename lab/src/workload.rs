//! What a cluster is there for, in small: some hundred objects of every common kind, and on every
//! host a pod with a shell. All of it has to outlive whatever is done to the cluster's certificates.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::host::Host;
use crate::image::{self, ImageFile};
use crate::together::together;
use crate::wait;

/// Where the pods are; their names are those of their hosts.
pub const WORKLOAD_NAMESPACE: &str = "lab-a";

const NAMESPACES: [&str; 3] = [WORKLOAD_NAMESPACE, "lab-b", "lab-c"];
const IMAGE: &str = "lab.kubepki.dev/shell:1";
const GROUP: &str = "lab.kubepki.dev";

/// What the pods' image has, which is also on the hosts.
const IMAGE_FILES: [&str; 5] = [
    "/usr/bin/dash",
    "/usr/bin/sleep",
    "/usr/bin/cat",
    "/lib/x86_64-linux-gnu/libc.so.6",
    "/lib64/ld-linux-x86-64.so.2",
];

impl Cluster {
    /// Makes the objects and the pods, and waits until the pods run. What is there already stays.
    pub fn start_workload(&self) -> Result<()> {
        let first = self.host("cp1")?;
        let nodes = self.kubectl(["get", "nodes", "--output", "name"])?.stdout;
        let mut hosts = self.hosts()?;
        hosts.retain(|host| {
            nodes
                .lines()
                .any(|it| it == format!("node/{}", host.name()))
        });
        self.write_objects(&first, "namespaces", namespaces())?;
        self.write_objects(&first, "objects", objects())?;
        wait::until("the CRD", Duration::from_secs(30), || {
            // by its kind: what an API server serves it tells some moments later
            let lists = ["get", "specimens", "--namespace", WORKLOAD_NAMESPACE];
            Ok(self.kubectl(lists)?.success())
        })?;
        self.write_objects(&first, "specimens", specimens())?;
        let archive = first.folder().join("shell.tar");
        let files = IMAGE_FILES.map(|target| ImageFile {
            target,
            source: first.path(target),
        });
        image::write(&archive, IMAGE, &files)?;
        together(&hosts, |host| host.import_image(&archive))?;
        fs_err::remove_file(archive)?;
        wait::until("the pods' token", Duration::from_secs(60), || {
            let secrets = "jsonpath={.secrets[0].name}";
            let account = ["get", "serviceaccount", "default", "-n", WORKLOAD_NAMESPACE];
            let found = self.kubectl(account.into_iter().chain(["-o", secrets]))?;
            Ok(found.success() && !found.stdout.is_empty())
        })?;
        self.write_objects(&first, "pods", hosts.iter().map(pod).collect())?;
        wait::until("the pods", Duration::from_secs(60), || {
            let phases = ["-o", "jsonpath={.items[*].status.phase}"];
            let pods = ["get", "pods", "-n", WORKLOAD_NAMESPACE];
            let found = self.kubectl(pods.into_iter().chain(phases))?.stdout;
            Ok(found.split_whitespace().count() == hosts.len()
                && found.split_whitespace().all(|phase| phase == "Running"))
        })
    }

    /// Deletes the workload's pods and makes them anew: they have no controller that would.
    pub fn restart_pods(&self) -> Result<()> {
        let delete = ["delete", "pods", "--all", "-n", WORKLOAD_NAMESPACE];
        let deleted = self.kubectl(delete)?;
        if !deleted.success() {
            bail!("cannot delete the pods: {}", deleted.stderr);
        }
        self.start_workload()
    }

    fn write_objects(&self, host: &Host, name: &str, items: Vec<Value>) -> Result<()> {
        let list = json!({ "apiVersion": "v1", "kind": "List", "items": items });
        let file = format!("/root/workload-{name}.json");
        fs_err::write(host.path(&file), list.to_string())?;
        let written = self.kubectl(["create", "-f", &file])?;
        let there = |line: &str| line.contains("AlreadyExists") || line.contains("already exists");
        if !written.success() && !written.stderr.lines().all(there) {
            bail!("cannot create {name}: {}", written.stderr);
        }
        Ok(())
    }
}

impl Host {
    fn import_image(&self, archive: &std::path::Path) -> Result<()> {
        self.copy(archive, "/root/shell.tar")?;
        self.shell("ctr --namespace k8s.io images import /root/shell.tar")
            .context("cannot import the pods' image")?;
        Ok(())
    }
}

fn namespaces() -> Vec<Value> {
    let namespace = |name: &&str| json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } });
    NAMESPACES.iter().map(namespace).collect()
}

fn object(kind: &str, namespace: &str, number: u32, more: &Value) -> Value {
    let version = match kind {
        "Role" | "RoleBinding" => "rbac.authorization.k8s.io/v1".to_owned(),
        "Specimen" => format!("{GROUP}/v1"),
        _ => "v1".to_owned(),
    };
    let name = format!("{}-{number}", kind.to_lowercase());
    let mut object = json!({
        "apiVersion": version,
        "kind": kind,
        "metadata": { "name": name, "namespace": namespace },
    });
    if let (Some(object), Some(more)) = (object.as_object_mut(), more.as_object()) {
        object.extend(more.clone());
    }
    object
}

fn objects() -> Vec<Value> {
    let mut all = vec![definition()];
    for namespace in NAMESPACES {
        for number in 0..40 {
            let text = format!("{namespace} {number} ").repeat(8 + number as usize);
            let config = json!({ "data": { "text": text } });
            all.push(object("ConfigMap", namespace, number, &config));
            let secret = json!({ "stringData": { "word": text, "number": number.to_string() } });
            all.push(object("Secret", namespace, number, &secret));
        }
        for number in 0..6 {
            all.push(object("ServiceAccount", namespace, number, &json!({})));
            let rules = json!([{ "apiGroups": [""], "resources": ["pods"], "verbs": ["get"] }]);
            all.push(object(
                "Role",
                namespace,
                number,
                &json!({ "rules": rules }),
            ));
            let group = "rbac.authorization.k8s.io";
            let name = format!("serviceaccount-{number}");
            let binding = json!({
                "roleRef": { "apiGroup": group, "kind": "Role", "name": format!("role-{number}") },
                "subjects": [{ "kind": "ServiceAccount", "name": name, "namespace": namespace }],
            });
            all.push(object("RoleBinding", namespace, number, &binding));
        }
    }
    all
}

fn definition() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": { "name": format!("specimens.{GROUP}") },
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": { "plural": "specimens", "singular": "specimen", "kind": "Specimen" },
            "versions": [{
                "name": "v1",
                "served": true,
                "storage": true,
                "schema": { "openAPIV3Schema": {
                    "type": "object",
                    "x-kubernetes-preserve-unknown-fields": true,
                } },
            }],
        },
    })
}

fn specimens() -> Vec<Value> {
    let specimen = |number| {
        let contents = json!({ "spec": { "number": number } });
        object("Specimen", WORKLOAD_NAMESPACE, number, &contents)
    };
    (0..30).map(specimen).collect()
}

/// Tied to its host, so no scheduler is needed; it is there for logs and commands.
fn pod(host: &Host) -> Value {
    let script = format!(
        "echo started on {}; while :; do sleep 3600; done",
        host.name()
    );
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": host.name(), "namespace": WORKLOAD_NAMESPACE },
        "spec": {
            "nodeName": host.name(),
            "terminationGracePeriodSeconds": 0,
            "tolerations": [{ "operator": "Exists" }],
            "containers": [{
                "name": "shell",
                "image": IMAGE,
                "imagePullPolicy": "Never",
                "command": ["/usr/bin/dash", "-c", script],
            }],
        },
    })
}
