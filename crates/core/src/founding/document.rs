//! A layout as it is declared: YAML that says which certificates there are to be, for whom, signed by
//! whom, and in which files.
//!
//! Format: `apiVersion: kubepki.dev/v1alpha1`, `kind: Layout`; its JSON Schema is
//! `docs/schema/layout.json`. Text only: what it means is checked in [`super::layout`].

use super::layout::LayoutError;
use crate::model::role::{AuthorityName, Role};
use crate::plan::document::API_VERSION;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// A declared layout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeclaredLayout {
    /// `kubepki.dev/v1alpha1`.
    pub api_version: String,
    /// `Layout`.
    pub kind: String,
    /// Certification authorities.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub authorities: Vec<DeclaredAuthority>,
    /// Certificates with their keys in files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<DeclaredCertificate>,
    /// Kubeconfigs with a client certificate in them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kubeconfigs: Vec<DeclaredKubeconfig>,
    /// Key pairs that sign service-account tokens.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub service_account_keys: Vec<DeclaredServiceAccountKey>,
}

/// Whom a certificate is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeclaredSubject {
    /// CN: to Kubernetes, the user.
    pub common_name: String,
    /// O, repeated: to Kubernetes, the user's groups.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub organizations: Vec<String>,
}

/// A certification authority.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeclaredAuthority {
    /// The name by which others in this layout call it.
    pub name: String,
    /// Whom it is for.
    pub subject: DeclaredSubject,
    /// The certificate's file; relative ones are below the folder of certificates.
    pub certificate: PathBuf,
    /// The key's file.
    pub key: PathBuf,
    /// The authority that signs it; without one it signs itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signer: Option<String>,
    /// How many authorities may follow below it (RFC 5280 §4.2.1.9 pathLenConstraint).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_length: Option<u32>,
    /// How long it is valid: `10y`, or a date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validity: Option<String>,
    /// The kind of key, e.g. `rsa:2048`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_type: Option<String>,
    /// Which of the cluster's authorities it is; told by its common name if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<AuthorityName>,
}

/// A certificate and its key in files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeclaredCertificate {
    /// The name by which people call it.
    pub name: String,
    /// The authority that signs it.
    pub signer: String,
    /// Whom it is for.
    pub subject: DeclaredSubject,
    /// Subject alternative names: `DNS:kubernetes`, `IP:10.96.0.1`, or without the prefix.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// Extended key usages as RFC 5280 spells them: `serverAuth`, `clientAuth`.
    pub usages: Vec<String>,
    /// The certificate's file; relative ones are below the folder of certificates.
    pub certificate: PathBuf,
    /// The key's file; the certificate's own for both in one file.
    pub key: PathBuf,
    /// How long it is valid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validity: Option<String>,
    /// The kind of key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_type: Option<String>,
    /// What it is for, where no flag of a component says so; told by its subject if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
}

/// A kubeconfig with a client certificate in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeclaredKubeconfig {
    /// The name by which people call it.
    pub name: String,
    /// The authority that signs the client certificate.
    pub signer: String,
    /// Whom it is for.
    pub subject: DeclaredSubject,
    /// The kubeconfig; relative ones are below the folder of kubeconfigs.
    pub file: PathBuf,
    /// The API server's URL.
    pub server: String,
    /// The cluster's name in the kubeconfig.
    #[serde(
        default = "default_cluster",
        skip_serializing_if = "is_default_cluster"
    )]
    pub cluster: String,
    /// The user's name in the kubeconfig; the common name if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The authority that signed the API server's certificate; the signer if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trusts: Option<String>,
    /// How long the client certificate is valid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validity: Option<String>,
    /// The kind of key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_type: Option<String>,
    /// What it is for, where no flag of a component says so; told by its subject if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
}

/// A key pair that signs service-account tokens. It is no certificate and never expires.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeclaredServiceAccountKey {
    /// The name by which people call it.
    pub name: String,
    /// The private key's file; relative ones are below the folder of certificates.
    pub private: PathBuf,
    /// The public key's file.
    pub public: PathBuf,
    /// The kind of key: RSA or ECDSA.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_type: Option<String>,
}

/// kubeadm's name for a cluster that has none of its own.
pub(super) const DEFAULT_CLUSTER: &str = "kubernetes";

impl DeclaredLayout {
    /// A layout that declares nothing yet.
    pub fn empty() -> Self {
        Self {
            api_version: API_VERSION.to_owned(),
            kind: "Layout".to_owned(),
            authorities: Vec::new(),
            certificates: Vec::new(),
            kubeconfigs: Vec::new(),
            service_account_keys: Vec::new(),
        }
    }

    /// Reads a layout from YAML or JSON. Unknown fields are refused: a misspelled one would
    /// otherwise be a certificate that says less than it should.
    pub fn from_yaml(text: &str) -> Result<Self, LayoutError> {
        // Without the lines themselves: of a wrong file they may be a key's.
        let syntax =
            |error: serde_saphyr::Error| LayoutError::Syntax(error.without_snippet().to_string());
        let head: Head = serde_saphyr::from_str(text).map_err(syntax)?;
        if head.api_version.as_deref() != Some(API_VERSION)
            || head.kind.as_deref() != Some("Layout")
        {
            let word = |word: Option<String>| word.unwrap_or_else(|| "nothing".to_owned());
            return Err(LayoutError::OtherKind {
                found: format!("{} {}", word(head.api_version), word(head.kind)),
            });
        }
        serde_saphyr::from_str(text).map_err(syntax)
    }
}

/// What is read first, so that another kind of document is called by its name.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    api_version: Option<String>,
    kind: Option<String>,
}

fn default_cluster() -> String {
    DEFAULT_CLUSTER.to_owned()
}

fn is_default_cluster(cluster: &str) -> bool {
    cluster == DEFAULT_CLUSTER
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_kind_of_document_is_called_by_its_name() {
        let error = DeclaredLayout::from_yaml("apiVersion: v1\nkind: Config\n").unwrap_err();
        assert_eq!(
            error.to_string(),
            "expected kubepki.dev/v1alpha1 Layout, found v1 Config"
        );
    }

    #[test]
    fn a_misspelled_field_is_refused() {
        let text = "apiVersion: kubepki.dev/v1alpha1\nkind: Layout\ncertificates:\n\
                    - {name: a, signer: ca, subject: {commonName: a}, usage: [clientAuth], \
                    certificate: a.crt, key: a.key}\n";
        let error = DeclaredLayout::from_yaml(text).unwrap_err();
        assert!(error.to_string().contains("usage"), "{error}");
    }
}
