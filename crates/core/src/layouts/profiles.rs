//! What a certificate of each role says where the old one is lost: subject, usages and the shape of
//! its names. A renewal takes all of it from the certificate that is there; this is for when nothing is.
//!
//! Names are patterns: what stands in braces is told by the host's flags ([`Profile::on`]), and where no
//! flag tells it nothing is made, for a server without a name that its clients use is worse than none.
//! <https://kubernetes.io/docs/setup/best-practices/certificates/#configure-certificates-manually>

use crate::model::{ComponentKind, Inventory, Role};
use crate::plan::document::API_VERSION;
use serde::{Deserialize, Serialize};

/// What certificates say, by role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Profiles {
    /// `kubepki.dev/v1alpha1`.
    pub api_version: String,
    /// `Profiles`.
    pub kind: String,
    /// One for each role, the user's before those that come with the program.
    pub profiles: Vec<Profile>,
}

/// What a certificate of one role says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Profile {
    /// What it is for.
    pub role: Role,
    /// CN; a pattern.
    pub common_name: String,
    /// O, repeated.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub organizations: Vec<String>,
    /// Extended key usages: `serverAuth`, `clientAuth`.
    pub usages: Vec<Usage>,
    /// Subject alternative names, `DNS:…` and `IP:…`; patterns.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
}

/// An extended key usage of RFC 5280 §4.2.1.12.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Usage {
    /// `id-kp-serverAuth`
    #[serde(rename = "serverAuth")]
    ServerAuth,
    /// `id-kp-clientAuth`
    #[serde(rename = "clientAuth")]
    ClientAuth,
}

/// A file that is no list of profiles.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProfilesError {
    /// Not YAML of profiles.
    #[error("not a list of profiles: {0}")]
    Syntax(String),
    /// Another document.
    #[error("expected {API_VERSION} Profiles, found {found}")]
    OtherKind {
        /// apiVersion and kind found.
        found: String,
    },
    /// Two profiles of one role.
    #[error("role `{role}` has two profiles")]
    Duplicate {
        /// The role.
        role: Role,
    },
    /// A pattern with an unknown word in braces.
    #[error("role `{role}`: `{pattern}` names {{{word}}}, which is none of: {known}", known = WORDS.join(", "))]
    UnknownWord {
        /// The role.
        role: Role,
        /// The pattern.
        pattern: String,
        /// The word.
        word: String,
    },
    /// A certificate that nobody could use.
    #[error("role `{role}` has no usages")]
    NoUsages {
        /// The role.
        role: Role,
    },
}

impl ProfilesError {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Syntax(_) | Self::OtherKind { .. } => "not-profiles",
            Self::Duplicate { .. } => "profiles-duplicate-role",
            Self::UnknownWord { .. } => "profiles-unknown-word",
            Self::NoUsages { .. } => "profiles-no-usages",
        }
    }
}

/// What a certificate on one host is to say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Filled {
    /// CN.
    pub common_name: String,
    /// O, repeated.
    pub organizations: Vec<String>,
    /// Extended key usages.
    pub usages: Vec<Usage>,
    /// Subject alternative names.
    pub names: Vec<String>,
}

/// What may stand in braces.
pub const WORDS: [&str; 4] = ["node", "host", "address", "serviceIp"];

impl Default for Profiles {
    /// Those that come with the program.
    fn default() -> Self {
        Self {
            api_version: API_VERSION.to_owned(),
            kind: "Profiles".to_owned(),
            profiles: ROWS.iter().map(Row::profile).collect(),
        }
    }
}

impl Profiles {
    /// Reads a user's file; roles that it leaves out keep the profiles that come with the program.
    pub fn parse(text: &str) -> Result<Self, ProfilesError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Head {
            api_version: Option<String>,
            kind: Option<String>,
        }
        let syntax =
            |error: serde_saphyr::Error| ProfilesError::Syntax(error.without_snippet().to_string());
        let head: Head = serde_saphyr::from_str(text).map_err(syntax)?;
        let word = |value: Option<String>| value.unwrap_or_else(|| "nothing".to_owned());
        let (api_version, kind) = (word(head.api_version), word(head.kind));
        if api_version != API_VERSION || kind != "Profiles" {
            return Err(ProfilesError::OtherKind {
                found: format!("{api_version} {kind}"),
            });
        }
        let mut read: Self = serde_saphyr::from_str(text).map_err(syntax)?;
        for (index, profile) in read.profiles.iter().enumerate() {
            profile.check()?;
            let earlier = read.profiles.iter().take(index);
            if earlier.into_iter().any(|other| other.role == profile.role) {
                return Err(ProfilesError::Duplicate { role: profile.role });
            }
        }
        for profile in Self::default().profiles {
            if read.of(profile.role).is_none() {
                read.profiles.push(profile);
            }
        }
        Ok(read)
    }

    /// The profile of a role.
    pub fn of(&self, role: Role) -> Option<&Profile> {
        self.profiles.iter().find(|profile| profile.role == role)
    }
}

impl Profile {
    fn check(&self) -> Result<(), ProfilesError> {
        if self.usages.is_empty() {
            return Err(ProfilesError::NoUsages { role: self.role });
        }
        for pattern in self.names.iter().chain([&self.common_name]) {
            if let Some(word) = words(pattern).find(|word| !WORDS.contains(word)) {
                return Err(ProfilesError::UnknownWord {
                    role: self.role,
                    pattern: pattern.clone(),
                    word: word.to_owned(),
                });
            }
        }
        Ok(())
    }

    /// The profile with everything in braces told by this host, or the word that nothing tells.
    pub fn on(&self, inventory: &Inventory) -> Result<Filled, &'static str> {
        let fill = |pattern: &String| fill(pattern, inventory, self.role);
        Ok(Filled {
            common_name: fill(&self.common_name)?,
            organizations: self.organizations.clone(),
            usages: self.usages.clone(),
            names: self.names.iter().map(fill).collect::<Result<_, _>>()?,
        })
    }
}

fn words(pattern: &str) -> impl Iterator<Item = &str> {
    pattern
        .split('{')
        .skip(1)
        .map(|rest| rest.split('}').next().unwrap_or_default())
}

fn fill(pattern: &str, inventory: &Inventory, role: Role) -> Result<String, &'static str> {
    let mut filled = pattern.to_owned();
    for word in WORDS {
        let in_braces = format!("{{{word}}}");
        if filled.contains(&in_braces) {
            let value = told(word, inventory, role).ok_or(word)?;
            filled = filled.replace(&in_braces, &value);
        }
    }
    Ok(filled)
}

/// What the host's flags tell.
fn told(word: &str, inventory: &Inventory, role: Role) -> Option<String> {
    let flag = |kind, name: &str| {
        inventory
            .component(kind)?
            .flags
            .one(name)
            .map(str::to_owned)
    };
    match word {
        "node" => inventory.node_name.as_ref().map(|node| node.name.clone()),
        "host" => Some(inventory.host.trim().to_owned()),
        "address" => match role {
            Role::EtcdServer | Role::EtcdPeer => {
                let name = match role {
                    Role::EtcdPeer => "initial-advertise-peer-urls",
                    _ => "advertise-client-urls",
                };
                host_of_url(&flag(ComponentKind::Etcd, name)?)
            }
            Role::KubeletServing => flag(ComponentKind::Kubelet, "node-ip"),
            _ => flag(ComponentKind::KubeApiserver, "advertise-address"),
        },
        "serviceIp" => {
            let ranges = flag(ComponentKind::KubeApiserver, "service-cluster-ip-range")?;
            first_address(ranges.split(',').next()?)
        }
        _ => None,
    }
}

/// The host of the first of several URLs.
fn host_of_url(urls: &str) -> Option<String> {
    let (_, rest) = urls.split(',').next()?.trim().split_once("://")?;
    let (host, _) = rest.split('/').next()?.rsplit_once(':')?;
    Some(host.trim_matches(['[', ']']).to_owned())
}

/// The first address of a network, which the Service `kubernetes` has.
fn first_address(network: &str) -> Option<String> {
    let (address, _) = network.trim().split_once('/')?;
    Some(match address.parse().ok()? {
        std::net::IpAddr::V4(four) => {
            std::net::Ipv4Addr::from_bits(four.to_bits().checked_add(1)?).to_string()
        }
        std::net::IpAddr::V6(six) => {
            std::net::Ipv6Addr::from_bits(six.to_bits().checked_add(1)?).to_string()
        }
    })
}

struct Row {
    role: Role,
    common_name: &'static str,
    organizations: &'static [&'static str],
    usages: &'static [Usage],
    names: &'static [&'static str],
}

impl Row {
    fn profile(&self) -> Profile {
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Profile {
            role: self.role,
            common_name: self.common_name.to_owned(),
            organizations: owned(self.organizations),
            usages: self.usages.to_vec(),
            names: owned(self.names),
        }
    }
}

const SERVER: &[Usage] = &[Usage::ServerAuth];
const CLIENT: &[Usage] = &[Usage::ClientAuth];
/// An etcd server is also a client of itself and of its peers (etcd issue 9785).
const BOTH: &[Usage] = &[Usage::ServerAuth, Usage::ClientAuth];
const ETCD_NAMES: &[&str] = &[
    "DNS:{host}",
    "DNS:localhost",
    "IP:{address}",
    "IP:127.0.0.1",
];

/// The profiles that come with the program. Group `system:masters` stands where a hand-made cluster
/// has no ClusterRoleBinding of kubeadm's.
const ROWS: &[Row] = &[
    Row {
        role: Role::ApiserverServing,
        common_name: "kube-apiserver",
        organizations: &[],
        usages: SERVER,
        names: &[
            "DNS:{host}",
            "DNS:localhost",
            "DNS:kubernetes",
            "DNS:kubernetes.default",
            "DNS:kubernetes.default.svc",
            "DNS:kubernetes.default.svc.cluster.local",
            "IP:{serviceIp}",
            "IP:{address}",
            "IP:127.0.0.1",
        ],
    },
    client(
        Role::ApiserverKubeletClient,
        "kube-apiserver-kubelet-client",
        MASTERS,
    ),
    client(Role::ApiserverEtcdClient, "kube-apiserver-etcd-client", &[]),
    client(Role::FrontProxyClient, "front-proxy-client", &[]),
    Row {
        role: Role::EtcdServer,
        common_name: "{host}",
        organizations: &[],
        usages: BOTH,
        names: ETCD_NAMES,
    },
    Row {
        role: Role::EtcdPeer,
        common_name: "{host}",
        organizations: &[],
        usages: BOTH,
        names: ETCD_NAMES,
    },
    client(
        Role::EtcdHealthcheckClient,
        "kube-etcd-healthcheck-client",
        &[],
    ),
    client(Role::Admin, "kubernetes-admin", MASTERS),
    client(
        Role::ControllerManager,
        "system:kube-controller-manager",
        &[],
    ),
    client(Role::Scheduler, "system:kube-scheduler", &[]),
    client(Role::KubeProxy, "system:kube-proxy", &[]),
    client(Role::KubeletClient, "system:node:{node}", &["system:nodes"]),
    Row {
        role: Role::KubeletServing,
        common_name: "system:node:{node}",
        organizations: &["system:nodes"],
        usages: SERVER,
        names: &["DNS:{node}"],
    },
];

const MASTERS: &[&str] = &["system:masters"];

const fn client(
    role: Role,
    common_name: &'static str,
    organizations: &'static [&'static str],
) -> Row {
    Row {
        role,
        common_name,
        organizations,
        usages: CLIENT,
        names: &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(profiles: &str) -> String {
        format!("apiVersion: {API_VERSION}\nkind: Profiles\nprofiles:\n{profiles}")
    }

    #[test]
    fn the_example_is_what_comes_with_the_program() {
        let example = include_str!("../../../../docs/examples/profiles.yaml");
        assert_eq!(Profiles::parse(example).unwrap(), Profiles::default());
    }

    #[test]
    fn a_users_profile_stands_before_those_of_the_program() {
        let text = file("- role: admin\n  commonName: boss\n  usages: [clientAuth]\n");
        let read = Profiles::parse(&text).unwrap();
        assert_eq!(read.of(Role::Admin).unwrap().common_name, "boss");
        assert_eq!(
            read.of(Role::Scheduler),
            Profiles::default().of(Role::Scheduler)
        );
    }

    #[test]
    fn what_is_wrong_is_said_exactly() {
        let error = |text: &str| Profiles::parse(text).unwrap_err();
        let twice = "- role: admin\n  commonName: a\n  usages: [clientAuth]\n".repeat(2);
        assert_eq!(
            error(&file(&twice)).to_string(),
            "role `admin` has two profiles"
        );
        let unknown = "- role: etcd-peer\n  commonName: a\n  usages: [serverAuth]\n  names: [\"DNS:{zone}\"]\n";
        assert_eq!(
            error(&file(unknown)).to_string(),
            "role `etcd-peer`: `DNS:{zone}` names {zone}, which is none of: node, host, address, serviceIp"
        );
        assert_eq!(
            error(&file("- {role: admin, commonName: a, usages: []}\n")).code(),
            "profiles-no-usages"
        );
        assert_eq!(
            error("apiVersion: v1\nkind: Pod\n").to_string(),
            "expected kubepki.dev/v1alpha1 Profiles, found v1 Pod"
        );
        assert_eq!(error(&file("- role: king\n")).code(), "not-profiles");
    }

    #[test]
    fn the_first_address_of_a_network_is_that_of_the_service() {
        assert_eq!(first_address("10.96.0.0/12").as_deref(), Some("10.96.0.1"));
        assert_eq!(first_address("fd00::/108").as_deref(), Some("fd00::1"));
        assert_eq!(
            host_of_url("https://10.1.2.3:2379,https://x:1").as_deref(),
            Some("10.1.2.3")
        );
        assert_eq!(host_of_url("https://[::1]:2380").as_deref(), Some("::1"));
    }
}
