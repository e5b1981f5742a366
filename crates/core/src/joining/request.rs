//! What kubeadm is told: the line of `kubeadm join`, or a `JoinConfiguration`.
//!
//! <https://kubernetes.io/docs/reference/config-api/kubeadm-config.v1beta4/>

use super::token::BootstrapToken;
use kubepki_sealed::{Sealed, danger};

/// What stands where the operator has to fill in the key that `kubeadm init phase upload-certs` prints.
const CERTIFICATE_KEY: &str = "CERTIFICATE-KEY";

/// A version of kubeadm's configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigurationVersion {
    /// kubeadm 1.15 to 1.21 read no newer one.
    V1beta2,
    /// kubeadm 1.22 to 1.30 read no newer one.
    V1beta3,
    /// kubeadm from 1.31.
    V1beta4,
}

impl ConfigurationVersion {
    /// The newest that the kubeadm of a cluster of this version reads, e.g. `v1.20.2`. A kubeadm may be
    /// one version newer than the cluster and reads it as well.
    pub fn of_kubernetes(version: &str) -> Option<Self> {
        let mut numbers = version.trim_start_matches('v').split('.');
        let major: u32 = numbers.next()?.parse().ok()?;
        let minor: u32 = numbers.next()?.trim_end_matches('+').parse().ok()?;
        Some(match (major, minor) {
            (1, ..=21) => Self::V1beta2,
            (1, 22..=30) => Self::V1beta3,
            _ => Self::V1beta4,
        })
    }

    /// As `apiVersion` spells it.
    pub const fn api_version(self) -> &'static str {
        match self {
            Self::V1beta2 => "kubeadm.k8s.io/v1beta2",
            Self::V1beta3 => "kubeadm.k8s.io/v1beta3",
            Self::V1beta4 => "kubeadm.k8s.io/v1beta4",
        }
    }
}

/// What a joining host is told.
pub struct JoinRequest<'a> {
    /// The API server: `HOST:PORT`.
    pub endpoint: &'a str,
    /// Hashes of the CAs, each `sha256:…`.
    pub ca_hashes: &'a [String],
    /// The token.
    pub token: &'a BootstrapToken,
    /// Whether the host becomes a control plane.
    pub control_plane: bool,
    /// Its name, when it is not to be the host's own.
    pub node_name: Option<&'a str>,
}

impl JoinRequest<'_> {
    /// `https://HOST:PORT/` as `HOST:PORT`, with the port that a URL leaves out.
    pub fn endpoint_of(server: &str) -> String {
        let rest = server.split_once("://").map_or(server, |(_, rest)| rest);
        let authority = rest.split('/').next().unwrap_or_default();
        let after_host = authority.rsplit(']').next().unwrap_or_default();
        match after_host.contains(':') {
            true => authority.to_owned(),
            false => format!("{authority}:443"),
        }
    }

    /// The line of `kubeadm join`. Sealed: the token is in it.
    pub fn command(&self) -> Sealed {
        let mut line = Vec::with_capacity(512);
        line.extend_from_slice(format!("kubeadm join {} --token ", self.endpoint).as_bytes());
        line.extend_from_slice(danger::open(&self.token.text()));
        for hash in self.ca_hashes {
            line.extend_from_slice(format!(" --discovery-token-ca-cert-hash {hash}").as_bytes());
        }
        if let Some(name) = self.node_name {
            line.extend_from_slice(format!(" --node-name {name}").as_bytes());
        }
        if self.control_plane {
            let words = format!(" --control-plane --certificate-key {CERTIFICATE_KEY}");
            line.extend_from_slice(words.as_bytes());
        }
        line.push(b'\n');
        Sealed::new(line)
    }

    /// A `JoinConfiguration` for `kubeadm join --config`. Sealed: the token is in it.
    pub fn configuration(&self, version: ConfigurationVersion) -> Sealed {
        let mut text = Vec::with_capacity(1024);
        let mut say = |line: &str| text.extend_from_slice(line.as_bytes());
        say(&format!(
            "apiVersion: {}\nkind: JoinConfiguration\ndiscovery:\n  bootstrapToken:\n\
             \x20   apiServerEndpoint: \"{}\"\n    token: ",
            version.api_version(),
            self.endpoint
        ));
        text.extend_from_slice(danger::open(&self.token.text()));
        let mut say = |line: &str| text.extend_from_slice(line.as_bytes());
        say("\n    caCertHashes:\n");
        for hash in self.ca_hashes {
            say(&format!("    - {hash}\n"));
        }
        if let Some(name) = self.node_name {
            say(&format!("nodeRegistration:\n  name: {name}\n"));
        }
        if self.control_plane {
            say(&format!(
                "controlPlane:\n  certificateKey: {CERTIFICATE_KEY}\n"
            ));
        }
        Sealed::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::yaml;

    fn text(sealed: &Sealed) -> String {
        String::from_utf8(danger::open(sealed).to_vec()).unwrap()
    }

    fn token() -> BootstrapToken {
        let chance: Vec<u8> = (0..40).collect();
        BootstrapToken::generate(&Sealed::new(chance), None).unwrap()
    }

    #[test]
    fn versions_of_the_configuration_follow_kubeadm() {
        use ConfigurationVersion::{V1beta2, V1beta3, V1beta4};
        for (version, expected) in [
            ("v1.20.2", Some(V1beta2)),
            ("v1.21.14", Some(V1beta2)),
            ("v1.22.0", Some(V1beta3)),
            ("v1.30.4-eks-1", Some(V1beta3)),
            ("1.31.0", Some(V1beta4)),
            ("v1.36.0", Some(V1beta4)),
            ("latest", None),
        ] {
            assert_eq!(
                ConfigurationVersion::of_kubernetes(version),
                expected,
                "{version}"
            );
        }
    }

    #[test]
    fn endpoints_have_a_port() {
        for (server, expected) in [
            ("https://10.0.0.11:6443", "10.0.0.11:6443"),
            ("https://k8s.example.com", "k8s.example.com:443"),
            ("https://[fd00::1]:6443/", "[fd00::1]:6443"),
            ("https://[fd00::1]", "[fd00::1]:443"),
        ] {
            assert_eq!(JoinRequest::endpoint_of(server), expected);
        }
    }

    #[test]
    fn every_ca_is_pinned() {
        let token = token();
        let hashes = ["sha256:aa".to_owned(), "sha256:bb".to_owned()];
        let mut request = JoinRequest {
            endpoint: "10.0.0.11:6443",
            ca_hashes: &hashes,
            token: &token,
            control_plane: false,
            node_name: None,
        };
        assert_eq!(
            text(&request.command()),
            "kubeadm join 10.0.0.11:6443 --token abcdef.ghijklmnopqrstuv \
             --discovery-token-ca-cert-hash sha256:aa --discovery-token-ca-cert-hash sha256:bb\n"
        );
        request.control_plane = true;
        request.node_name = Some("cp2");
        assert!(text(&request.command()).ends_with(
            "sha256:bb --node-name cp2 --control-plane --certificate-key CERTIFICATE-KEY\n"
        ));
        let document = text(&request.configuration(ConfigurationVersion::V1beta3));
        let parsed = yaml::parse(&document).unwrap();
        let root = parsed[0].root();
        let at = |path: &[&str]| root.at(path).and_then(yaml::NodeRef::as_str);
        assert_eq!(at(&["apiVersion"]), Some("kubeadm.k8s.io/v1beta3"));
        let discovery = |field| at(&["discovery", "bootstrapToken", field]);
        assert_eq!(discovery("token"), Some("abcdef.ghijklmnopqrstuv"));
        assert_eq!(discovery("apiServerEndpoint"), Some("10.0.0.11:6443"));
        assert_eq!(at(&["nodeRegistration", "name"]), Some("cp2"));
        assert_eq!(
            at(&["controlPlane", "certificateKey"]),
            Some("CERTIFICATE-KEY")
        );
        let pins = root
            .at(&["discovery", "bootstrapToken", "caCertHashes"])
            .unwrap();
        assert_eq!(pins.items().count(), 2);
    }
}
