//! `KubeletConfiguration`: what the kubelet's own file says about its certificates, its static
//! pods and its ports. Flags given to the kubelet are stronger than this file.
//! <https://kubernetes.io/docs/reference/config-api/kubelet-config.v1beta1/>

use std::path::Path;

use super::yaml::{self, NodeRef, YamlError};

/// The fields of a `KubeletConfiguration` that matter here; none means not said in this file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct KubeletConfiguration {
    /// `staticPodPath`
    pub static_pod_path: Option<String>,
    /// `staticPodURL`
    pub static_pod_url: Option<String>,
    /// `rotateCertificates`: the client certificate is renewed by the kubelet itself.
    pub rotate_certificates: Option<bool>,
    /// `serverTLSBootstrap`: the serving certificate comes from the cluster.
    pub server_tls_bootstrap: Option<bool>,
    /// `tlsCertFile`
    pub tls_cert_file: Option<String>,
    /// `tlsPrivateKeyFile`
    pub tls_private_key_file: Option<String>,
    /// `authentication.x509.clientCAFile`
    pub client_ca_file: Option<String>,
    /// `address`
    pub address: Option<String>,
    /// `port`
    pub port: Option<u16>,
    /// `healthzBindAddress`
    pub healthz_bind_address: Option<String>,
    /// `healthzPort`; 0 turns it off.
    pub healthz_port: Option<u16>,
}

impl KubeletConfiguration {
    /// The kubelet's default for `port`.
    pub const DEFAULT_PORT: u16 = 10250;
    /// The kubelet's default for `healthzPort`.
    pub const DEFAULT_HEALTHZ_PORT: u16 = 10248;
    /// The kubelet's default for `healthzBindAddress`.
    pub const DEFAULT_HEALTHZ_BIND_ADDRESS: &str = "127.0.0.1";

    /// Reads the file named by the kubelet's `--config`, in whichever version of the type.
    pub fn parse(file: &[u8]) -> Result<Self, YamlError> {
        let text = yaml::text_of(file)?;
        let documents = yaml::parse(text)?;
        let roots = documents.iter().map(|document| document.root());
        // One file may hold several component configurations.
        let kubelets = roots.filter(|root| match root.get("kind").and_then(NodeRef::as_str) {
            Some(kind) => kind == "KubeletConfiguration",
            None => root.is_mapping(),
        });
        Ok(kubelets.map(Self::of_node).next().unwrap_or_default())
    }

    /// This configuration with everything that `other` says laid over it: a file of
    /// `--config-dir`, which the kubelet reads in the order of the file names.
    pub fn overlaid_with(self, other: Self) -> Self {
        Self {
            static_pod_path: other.static_pod_path.or(self.static_pod_path),
            static_pod_url: other.static_pod_url.or(self.static_pod_url),
            rotate_certificates: other.rotate_certificates.or(self.rotate_certificates),
            server_tls_bootstrap: other.server_tls_bootstrap.or(self.server_tls_bootstrap),
            tls_cert_file: other.tls_cert_file.or(self.tls_cert_file),
            tls_private_key_file: other.tls_private_key_file.or(self.tls_private_key_file),
            client_ca_file: other.client_ca_file.or(self.client_ca_file),
            address: other.address.or(self.address),
            port: other.port.or(self.port),
            healthz_bind_address: other.healthz_bind_address.or(self.healthz_bind_address),
            healthz_port: other.healthz_port.or(self.healthz_port),
        }
    }

    /// This configuration with its relative paths taken from `folder`, the file's own, as the
    /// kubelet takes them.
    pub fn with_paths_from(mut self, folder: &Path) -> Self {
        let paths = [
            &mut self.static_pod_path,
            &mut self.tls_cert_file,
            &mut self.tls_private_key_file,
            &mut self.client_ca_file,
        ];
        for path in paths.into_iter().flatten() {
            *path = folder.join(&*path).to_string_lossy().into_owned();
        }
        self
    }

    fn of_node(root: NodeRef<'_>) -> Self {
        let said = |path: &[&str]| root.at(path).and_then(NodeRef::as_str);
        let text = |path: &[&str]| {
            said(path)
                .filter(|text| !text.is_empty())
                .map(str::to_owned)
        };
        let truth = |key: &str| root.get(key).and_then(NodeRef::as_bool);
        let number = |key: &str| root.get(key).and_then(NodeRef::as_number);
        Self {
            static_pod_path: text(&["staticPodPath"]),
            static_pod_url: text(&["staticPodURL"]),
            rotate_certificates: truth("rotateCertificates"),
            server_tls_bootstrap: truth("serverTLSBootstrap"),
            tls_cert_file: text(&["tlsCertFile"]),
            tls_private_key_file: text(&["tlsPrivateKeyFile"]),
            client_ca_file: text(&["authentication", "x509", "clientCAFile"]),
            address: text(&["address"]),
            port: number("port"),
            healthz_bind_address: text(&["healthzBindAddress"]),
            healthz_port: number("healthzPort"),
        }
    }
}
