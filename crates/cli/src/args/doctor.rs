//! `kubepki doctor`: what was typed.

use super::api::ApiChoice;
use super::values;
use clap::Args;
use jiff::SignedDuration;
use kubepki_core::findings::accepted_risks;
use kubepki_core::layouts::KUBEADM;
use std::path::PathBuf;
use std::str::FromStr;

/// Arguments of `kubepki doctor`.
#[derive(Args, Debug)]
#[command(long_about = "\
Verify every connection of this host, and name the one file that is wrong

Who calls whom, with which certificate, believed by which CA, asked for by which names: every \
connection is verified by the files, by what the running processes have loaded, and over the wire. \
What fails is traced to the one file, flag or object to change; consequences are folded into it. \
Nothing is changed, and no secret is sent but in the connections that are tried as their own clients \
would.

With --root, files alone are judged; what only a process or the wire could tell is then not seen. \
With --api, the copies of CAs and the certificates that live in the cluster are judged too.

Examples:
  kubepki doctor
  kubepki doctor --api --endpoints exposed,shop.example.com:443
  kubepki doctor --root /mnt/disk -o json
  kubepki doctor --ignore system-masters --ignore weak-key@/etc/old.crt
  kubepki doctor --explain not-taken-up")]
pub struct DoctorArgs {
    /// How the cluster is asked.
    #[command(flatten)]
    pub api: ApiChoice,

    /// Also ask these TLS servers: HOST:PORT, https://HOST, exposed, or nodes
    ///
    /// Separated by commas, or repeated. With --api, `exposed` stands for every TLS host of
    /// Ingresses, Gateways and LoadBalancer Services, and `nodes` for the kubelet of every node,
    /// and the API server and etcd of every control plane.
    #[arg(
        long,
        value_name = "WHERE",
        value_delimiter = ',',
        help_heading = "What is asked"
    )]
    pub endpoints: Vec<EndpointChoice>,

    /// Give every question on the wire this long
    ///
    /// A length of time such as 3s. Who does not answer in time was not seen.
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = values::duration, help_heading = "What is asked")]
    pub timeout: SignedDuration,

    /// The folder with kubeadm's certificates
    ///
    /// Used for what no flag of a component names.
    #[arg(long, value_name = "DIR", default_value = KUBEADM.pki_folder, help_heading = "What is asked")]
    pub ca_dir: PathBuf,

    /// Tell only findings with these codes
    ///
    /// Separated by commas, or repeated; `*` stands for any text. The exit code counts them alone.
    #[arg(long, value_name = "CODE", value_delimiter = ',', value_parser = code, help_heading = "What is told")]
    pub only: Vec<String>,

    /// Accept findings with this code, everywhere or at one object
    ///
    /// CODE or CODE@OBJECT, where OBJECT is what the finding names (a path, a flag, an API object);
    /// `*` stands for any text. May be repeated.
    #[arg(long, value_name = "CODE[@OBJECT]", help_heading = "What is told")]
    pub ignore: Vec<Ignored>,

    /// Accept the risks listed in FILE
    ///
    /// YAML, kind AcceptedRisks: each with its reason and, if wanted, an end. Without this option
    /// /etc/kubepki/accepted-risks.yaml is read where it exists. `kubepki schema AcceptedRisks`
    /// prints its JSON Schema.
    #[arg(long, value_name = "FILE", help_heading = "What is told")]
    pub accepted_risks: Option<PathBuf>,

    /// Warn about what ends within this time
    ///
    /// A length of time such as 30d, 12h or 1y. Makes the exit code 3.
    #[arg(long, value_name = "TIME", default_value = "30d", value_parser = values::duration, help_heading = "What is told")]
    pub warn: SignedDuration,

    /// Call critical what ends within this time
    ///
    /// A length of time such as 7d. Makes the exit code 4, as what has ended does.
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = values::duration, help_heading = "What is told")]
    pub critical: SignedDuration,

    /// Show what a finding means and what mends it, and look at nothing
    ///
    /// The same page as `kubepki explain CODE`.
    #[arg(long, value_name = "CODE", help_heading = "What is told")]
    pub explain: Option<String>,
}

/// A TLS server to ask, or all that the cluster exposes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndpointChoice {
    /// Every TLS host that the API says is exposed.
    Exposed,
    /// Every node's kubelet, and every control plane's API server and etcd.
    Nodes,
    /// This one.
    Named(kubepki_engine::examine::NamedEndpoint),
}

impl FromStr for EndpointChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.trim() == "exposed" {
            return Ok(Self::Exposed);
        }
        if text.trim() == "nodes" {
            return Ok(Self::Nodes);
        }
        text.parse()
            .map(Self::Named)
            .map_err(|error: kubepki_engine::examine::EndpointError| error.to_string())
    }
}

/// A finding to be accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ignored {
    /// Its code.
    pub code: String,
    /// Its object, or every one.
    pub object: Option<String>,
}

impl FromStr for Ignored {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (written, object) = match text.split_once('@') {
            Some((_, "")) => return Err("nothing stands after the @".to_owned()),
            Some((code, object)) => (code, Some(object.to_owned())),
            None => (text, None),
        };
        code(written).map(|code| Self { code, object })
    }
}

/// A code of the catalogue, or a pattern.
fn code(text: &str) -> Result<String, String> {
    accepted_risks::known(text)
        .map(|()| text.to_owned())
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ignored_finding_may_name_its_object() {
        let read = |text: &str| text.parse::<Ignored>();
        let both = read("expired@Secret shop/web data[tls.crt]").unwrap();
        assert_eq!(both.code, "expired");
        assert_eq!(
            both.object.as_deref(),
            Some("Secret shop/web data[tls.crt]")
        );
        assert_eq!(read("expired").unwrap().object, None);
        assert!(read("expired@").is_err());
        let error = read("expird@x").unwrap_err();
        assert!(error.contains("did you mean expired?"), "{error}");
    }

    #[test]
    fn endpoints_are_servers_or_all_that_is_exposed() {
        assert_eq!("exposed".parse(), Ok(EndpointChoice::Exposed));
        assert_eq!("nodes".parse(), Ok(EndpointChoice::Nodes));
        let Ok(EndpointChoice::Named(named)) = "https://shop.example.com".parse() else {
            panic!("an address is no endpoint");
        };
        assert_eq!((named.host.as_str(), named.port), ("shop.example.com", 443));
        assert!("nowhere".parse::<EndpointChoice>().is_err());
    }
}
