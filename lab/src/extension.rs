//! A server of our own on a host of the lab, for the connections that kube-apiserver makes and that
//! kubeadm's clusters lack: an aggregated API, admission webhooks, a CRD conversion webhook.
//!
//! The program is the example `extension_server` of this package. It serves with a certificate of its
//! own CA, so that a `caBundle` can be right or stale. There is no kube-proxy in the lab: the
//! Service's cluster IP is an address of the host that it runs on, and a route of the others.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::host::Host;
use crate::wait;

/// The group of the aggregated API.
pub const AGGREGATED_GROUP: &str = "lab.kubepki.dev";
/// The list of the aggregated API.
pub const AGGREGATED_LIST: &str = "/apis/lab.kubepki.dev/v1/callers";
/// The group of the custom resource that is converted.
pub const CONVERTED_GROUP: &str = "converted.kubepki.dev";

const PROGRAM: &str = "/usr/local/bin/extension-server";
const NAMESPACE: &str = "extensions";
/// Where the Endpoints point to. The cluster IP serves at 443.
const PORT: u16 = 8443;

/// What a server is asked to do, and the API object that says so.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Extension {
    /// An APIService: kube-apiserver passes requests on, as the front proxy.
    Aggregated,
    /// A ValidatingWebhookConfiguration for ConfigMaps labelled `validated`.
    Validating,
    /// A MutatingWebhookConfiguration for ConfigMaps labelled `mutated`.
    Mutating,
    /// A CustomResourceDefinition with two versions.
    Conversion,
}

/// A request as the server saw it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Shown {
    /// The path that was asked.
    pub path: String,
    /// The common name of the client certificate, if one was shown.
    pub common_name: Option<String>,
    /// Its SHA-256, in lower-case hexadecimal digits.
    pub sha256: Option<String>,
    /// For whom the front proxy asked, if it was believed.
    pub user: Option<String>,
}

/// A server that runs on a host until it is stopped.
#[derive(Debug)]
pub struct ExtensionServer<'lab> {
    cluster: &'lab Cluster,
    host: Host,
    name: String,
    cluster_address: String,
}

impl Cluster {
    /// Starts a server named `name` on a control plane, with a Service and Endpoints of that name.
    pub fn start_extension_server(&self, host: &str, name: &str) -> Result<ExtensionServer<'_>> {
        let host = self.host(host)?;
        host.copy(&crate::build_example("extension_server")?, PROGRAM)?;
        self.apply(&json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": NAMESPACE },
        }))?;
        let metadata = json!({ "name": name, "namespace": NAMESPACE });
        let port = json!({ "name": "https", "port": 443, "targetPort": PORT });
        self.apply(&json!({
            "apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": { "ports": [port] },
        }))?;
        self.apply(&json!({
            "apiVersion": "v1", "kind": "Endpoints", "metadata": metadata,
            "subsets": [{
                "addresses": [{ "ip": host.address().to_string() }],
                "ports": [{ "name": "https", "port": PORT }],
            }],
        }))?;
        let address = [
            "get",
            "service",
            "-n",
            NAMESPACE,
            name,
            "-o=jsonpath={.spec.clusterIP}",
        ];
        let server = ExtensionServer {
            cluster: self,
            host,
            name: name.to_owned(),
            cluster_address: self.asked(address)?,
        };
        server.start()?;
        Ok(server)
    }

    /// Writes an API object with `kubectl apply`.
    pub fn apply(&self, object: &Value) -> Result<()> {
        let host = self.host("cp1")?;
        let file = "/root/applied.json";
        fs_err::write(host.path(file), object.to_string())?;
        self.asked(["apply", "-f", file]).map(drop)
    }

    /// kubectl's answer; a refusal is an error.
    fn asked<const COUNT: usize>(&self, arguments: [&str; COUNT]) -> Result<String> {
        let output = self.kubectl(arguments)?;
        if !output.success() {
            bail!("kubectl {}: {}", arguments.join(" "), output.stderr.trim());
        }
        Ok(output.stdout)
    }
}

impl ExtensionServer<'_> {
    /// Tells the API of an extension that this server serves, and waits until it is taken.
    pub fn register(&self, extension: Extension) -> Result<()> {
        let bundle = STANDARD.encode(fs_err::read(self.host.path(self.file("ca.crt")))?);
        self.cluster.apply(&self.object(extension, &bundle))?;
        let name = self.object_name(extension);
        wait::until(
            &format!("{name} to be taken"),
            Duration::from_secs(90),
            || self.works(extension),
        )
    }

    /// Whether the API server reaches this server in this role, and believes its certificate.
    pub fn works(&self, extension: Extension) -> Result<bool> {
        let probe = |label: &str| {
            json!({
                "apiVersion": "v1", "kind": "ConfigMap",
                "metadata": { "generateName": "probe-", "namespace": NAMESPACE,
                    "labels": { label: self.name } },
            })
        };
        Ok(match extension {
            Extension::Aggregated => {
                let asked = self.cluster.kubectl(["get", "--raw", AGGREGATED_LIST])?;
                asked.success() && asked.stdout.contains("CallerList")
            }
            Extension::Validating => self.admitted(&probe("validated"), "/validate")?,
            Extension::Mutating => self.admitted(&probe("mutated"), "/mutate")?,
            Extension::Conversion => {
                let list = |version| format!("/apis/{CONVERTED_GROUP}/{version}/samples");
                let sample = json!({
                    "apiVersion": format!("{CONVERTED_GROUP}/v1"), "kind": "Sample",
                    "metadata": { "name": "one" },
                });
                // stored as v1, so reading v2 needs a conversion
                self.cluster.apply(&sample).is_ok()
                    && self
                        .cluster
                        .kubectl(["get", "--raw", &list("v2")])?
                        .success()
            }
        })
    }

    /// The webhook has to be asked: one that the API server does not know of yet would do no harm.
    fn admitted(&self, object: &Value, path: &str) -> Result<bool> {
        let before = self.shown()?.len();
        let file = "/root/probe.json";
        fs_err::write(self.host.path(file), object.to_string())?;
        let create = [
            "kubectl",
            "--kubeconfig=/etc/kubernetes/admin.conf",
            "create",
        ];
        let dry = ["--dry-run=server", "-f", file];
        let created = self.host.exec(create.iter().chain(&dry))?.success();
        let asked = self.shown()?;
        let mut since = asked.iter().skip(before);
        Ok(created && since.any(|shown| shown.path == path))
    }

    /// The API object of an extension, as `kubectl` names it.
    pub fn object_name(&self, extension: Extension) -> String {
        let name = &self.name;
        match extension {
            Extension::Aggregated => format!("apiservice/v1.{AGGREGATED_GROUP}"),
            Extension::Validating => format!("validatingwebhookconfiguration/{name}"),
            Extension::Mutating => format!("mutatingwebhookconfiguration/{name}"),
            Extension::Conversion => format!("customresourcedefinition/samples.{CONVERTED_GROUP}"),
        }
    }

    fn object(&self, extension: Extension, bundle: &str) -> Value {
        match extension {
            Extension::Aggregated => json!({
                "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
                "metadata": { "name": format!("v1.{AGGREGATED_GROUP}") },
                "spec": {
                    "group": AGGREGATED_GROUP, "version": "v1",
                    "groupPriorityMinimum": 1000, "versionPriority": 10,
                    "service": self.service(None), "caBundle": bundle,
                },
            }),
            Extension::Validating => {
                self.webhook("ValidatingWebhookConfiguration", "validate", bundle)
            }
            Extension::Mutating => self.webhook("MutatingWebhookConfiguration", "mutate", bundle),
            Extension::Conversion => self.definition(bundle),
        }
    }

    /// What is labelled for it alone is sent to it, so that one which fails holds up nothing else.
    fn webhook(&self, kind: &str, verb: &str, bundle: &str) -> Value {
        let label = if verb == "mutate" {
            "mutated"
        } else {
            "validated"
        };
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": kind,
            "metadata": { "name": self.name },
            "webhooks": [{
                "name": format!("{verb}.lab.kubepki.dev"),
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "timeoutSeconds": 5,
                "failurePolicy": "Fail",
                "objectSelector": { "matchLabels": { label: self.name } },
                "rules": [{
                    "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"],
                    "operations": ["CREATE"],
                }],
                "clientConfig": {
                    "service": self.service(Some(&format!("/{verb}"))), "caBundle": bundle,
                },
            }],
        })
    }

    fn definition(&self, bundle: &str) -> Value {
        let version = |name: &str, storage: bool| {
            json!({
                "name": name, "served": true, "storage": storage,
                "schema": { "openAPIV3Schema": { "type": "object" } },
            })
        };
        json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": { "name": format!("samples.{CONVERTED_GROUP}") },
            "spec": {
                "group": CONVERTED_GROUP, "scope": "Cluster",
                "names": { "kind": "Sample", "plural": "samples", "singular": "sample" },
                "versions": [version("v1", true), version("v2", false)],
                "conversion": { "strategy": "Webhook", "webhook": {
                    "conversionReviewVersions": ["v1"],
                    "clientConfig": { "service": self.service(Some("/convert")), "caBundle": bundle },
                } },
            },
        })
    }

    fn service(&self, path: Option<&str>) -> Value {
        let mut service = json!({ "name": self.name, "namespace": NAMESPACE, "port": 443 });
        if let (Some(path), Some(fields)) = (path, service.as_object_mut()) {
            fields.insert("path".to_owned(), path.into());
        }
        service
    }

    /// What the server was asked so far, in order.
    pub fn shown(&self) -> Result<Vec<Shown>> {
        let journal = fs_err::read_to_string(self.host.path(self.file("journal")))?;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let mut shown = Vec::new();
        for line in journal.lines() {
            let line: Value = serde_json::from_str(line)?;
            shown.push(Shown {
                path: text(&line["path"]).context("a line without a path")?,
                common_name: text(&line["certificate"]["commonName"]),
                sha256: text(&line["certificate"]["sha256"]),
                user: text(&line["user"]),
            });
        }
        Ok(shown)
    }

    /// A file of the server on its host: `ca.crt`, `ca.key`, `tls.crt`, `tls.key`.
    pub fn file(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/opt/extensions/{}/{name}", self.name))
    }

    /// Its Service's address.
    pub fn cluster_address(&self) -> &str {
        &self.cluster_address
    }

    /// Issues another serving certificate by the server's CA; it is served at once.
    pub fn serve_as(&self, subject_alternative_name: &str) -> Result<()> {
        self.host.shell(&format!(
            "cd /opt/extensions/{}; \
             openssl req -newkey rsa:2048 -nodes -subj /CN=extension -keyout new.key -out tls.csr; \
             printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth\n' \
                 '{subject_alternative_name}' >tls.ext; \
             openssl x509 -req -in tls.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 365 \
                 -extfile tls.ext -out new.crt; \
             mv new.key tls.key; mv new.crt tls.crt",
            self.name,
        ))?;
        Ok(())
    }

    /// The name that kube-apiserver asks for.
    pub fn service_name(&self) -> String {
        format!("DNS:{}.{NAMESPACE}.svc", self.name)
    }

    fn start(&self) -> Result<()> {
        let (name, host) = (&self.name, &self.host);
        host.shell(&format!(
            "mkdir -p /opt/extensions/{name}; cd /opt/extensions/{name}; \
             openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj /CN={name}-ca \
                 -addext keyUsage=critical,keyCertSign -keyout ca.key -out ca.crt"
        ))?;
        self.serve_as(&self.service_name())?;
        let address = &self.cluster_address;
        host.shell(&format!("ip address replace {address}/32 dev lo"))?;
        for other in self.cluster.hosts()? {
            if other.name() != host.name() {
                let via = host.address();
                other.shell(&format!("ip route replace {address}/32 via {via}"))?;
            }
        }
        let folder = format!("/opt/extensions/{name}");
        // one that a killed run left would keep the name
        host.exec(["systemctl", "stop", &self.unit()])?;
        host.shell(&format!(
            "systemd-run --quiet --collect --unit {} {PROGRAM} \
             --listen {address}:443 --listen {}:{PORT} \
             --certificate {folder}/tls.crt --key {folder}/tls.key --journal {folder}/journal \
             --kubeconfig /etc/kubernetes/admin.conf",
            self.unit(),
            host.address(),
        ))?;
        let asked = format!("https://{address}/healthz");
        wait::until(
            &format!("the server {name}"),
            Duration::from_secs(20),
            || Ok(host.exec(["curl", "-sfk", &asked])?.success()),
        )
    }

    fn unit(&self) -> String {
        format!("extension-{}.service", self.name)
    }

    /// Removes what was registered, and stops the server.
    pub fn stop(self, registered: &[Extension]) -> Result<()> {
        for extension in registered {
            let name = self.object_name(*extension);
            self.cluster
                .asked(["delete", "--ignore-not-found", &name])?;
        }
        let gone = [
            "delete",
            "service",
            "--ignore-not-found",
            "-n",
            NAMESPACE,
            &self.name,
        ];
        self.cluster.asked(gone)?;
        self.host.shell(&format!(
            "systemctl stop {}; ip address delete {}/32 dev lo",
            self.unit(),
            self.cluster_address,
        ))?;
        Ok(())
    }
}
