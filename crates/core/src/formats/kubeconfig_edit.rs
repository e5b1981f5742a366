//! Byte-exact edits of a kubeconfig, and new ones as kubeadm writes them.
//!
//! Only the fields of one user or cluster change; comments, order, other users and contexts stay
//! byte for byte. The result is sealed, as it holds a key.

use base64::Engine as _;
use kubepki_sealed::{Sealed, danger};
use std::path::Path;
use zeroize::Zeroizing;

use super::kubeconfig::{BASE64, Kubeconfig, KubeconfigError, not_found};
use super::yaml;
use super::yaml_edit::{Editor, Step};

/// What a new kubeconfig says.
#[derive(Clone, Copy)]
pub struct NewKubeconfig<'a> {
    /// The cluster's name; kubeadm's is `kubernetes`.
    pub cluster: &'a str,
    /// The API server's URL.
    pub server: &'a str,
    /// The authorities that are trusted, PEM.
    pub certificate_authority: &'a [u8],
    /// The user's name; the context is called `user@cluster`.
    pub user: &'a str,
    /// What the user presents.
    pub credentials: NewCredentials<'a>,
}

/// What a new kubeconfig's user presents.
#[derive(Clone, Copy)]
pub enum NewCredentials<'a> {
    /// A certificate (chain) and its key, PEM, in the kubeconfig itself.
    Embedded {
        /// The certificate and its chain.
        certificate: &'a [u8],
        /// The key.
        key: &'a Sealed,
    },
    /// A certificate and its key in files.
    Files {
        /// The certificate's path.
        certificate: &'a Path,
        /// The key's path.
        key: &'a Path,
    },
}

impl NewKubeconfig<'_> {
    /// The text, laid out as kubeadm's.
    pub fn to_text(&self) -> Sealed {
        let quoted = super::yaml_spelling::spelled_on_line;
        let context = quoted(&format!("{}@{}", self.user, self.cluster));
        let (cluster, user, server) =
            (quoted(self.cluster), quoted(self.user), quoted(self.server));
        let authority = encoded(self.certificate_authority);
        let credentials = match self.credentials {
            NewCredentials::Embedded { certificate, key } => [
                ("client-certificate-data", encoded(certificate)),
                ("client-key-data", encoded(danger::open(key))),
            ],
            NewCredentials::Files { certificate, key } => [
                ("client-certificate", quoted(&certificate.to_string_lossy())),
                ("client-key", quoted(&key.to_string_lossy())),
            ],
        };
        let [(certificate_field, certificate), (key_field, key)] = credentials;
        let lines: [&[&str]; 19] = [
            &["apiVersion: v1"],
            &["clusters:"],
            &["- cluster:"],
            &["    certificate-authority-data: ", &authority],
            &["    server: ", &server],
            &["  name: ", &cluster],
            &["contexts:"],
            &["- context:"],
            &["    cluster: ", &cluster],
            &["    user: ", &user],
            &["  name: ", &context],
            &["current-context: ", &context],
            &["kind: Config"],
            &["preferences: {}"],
            &["users:"],
            &["- name: ", &user],
            &["  user:"],
            &["    ", certificate_field, ": ", &certificate],
            &["    ", key_field, ": ", &key],
        ];
        let length = lines
            .iter()
            .map(|line| line.iter().map(|part| part.len()).sum::<usize>() + 1);
        // One allocation of the right size: growing would leave copies of the key behind.
        let mut text = Vec::with_capacity(length.sum());
        for line in lines {
            for part in line {
                text.extend_from_slice(part.as_bytes());
            }
            text.push(b'\n');
        }
        Sealed::new(text)
    }
}

impl Kubeconfig {
    /// Embeds a certificate (chain) and its key, both PEM, as those of `user`. Where the user's
    /// were named by path, the data takes the place of the path.
    pub fn set_client_certificate(
        file: &Sealed,
        user: &str,
        certificate: &[u8],
        key: &Sealed,
    ) -> Result<Sealed, KubeconfigError> {
        let mut editor = editor(file)?;
        let at = user_path(user);
        // An inserted field comes first, so what should come first is inserted last.
        let key = encoded(danger::open(key));
        set_instead(&mut editor, &at, "client-key", "client-key-data", &key)?;
        let certificate = encoded(certificate);
        set_instead(
            &mut editor,
            &at,
            "client-certificate",
            "client-certificate-data",
            &certificate,
        )?;
        Ok(finished(editor))
    }

    /// Names the files of the certificate and the key of `user`. Where they were embedded, the
    /// path takes the place of the data, so that no key is left in the kubeconfig.
    pub fn set_client_certificate_file(
        file: &Sealed,
        user: &str,
        certificate: &Path,
        key: &Path,
    ) -> Result<Sealed, KubeconfigError> {
        let mut editor = editor(file)?;
        let at = user_path(user);
        let key = key.to_string_lossy();
        set_instead(&mut editor, &at, "client-key-data", "client-key", &key)?;
        let certificate = certificate.to_string_lossy();
        set_instead(
            &mut editor,
            &at,
            "client-certificate-data",
            "client-certificate",
            &certificate,
        )?;
        Ok(finished(editor))
    }

    /// Embeds the authorities, PEM, that `user`'s clusters are verified with: every cluster that a
    /// context pairs with the user.
    pub fn set_certificate_authority(
        file: &Sealed,
        user: &str,
        certificates: &[u8],
    ) -> Result<Sealed, KubeconfigError> {
        let kubeconfig = Self::parse(file)?;
        let contexts = kubeconfig
            .contexts
            .iter()
            .filter(|context| context.user == user);
        let mut clusters: Vec<&str> = contexts.map(|context| context.cluster.as_str()).collect();
        clusters.sort_unstable();
        clusters.dedup();
        if clusters.is_empty() {
            return Err(not_found("context of user", user));
        }
        let mut editor = editor(file)?;
        for cluster in clusters {
            set_authority(&kubeconfig, &mut editor, cluster, certificates)?;
        }
        Ok(finished(editor))
    }

    /// Embeds the authorities, PEM, that one cluster is verified with.
    pub fn set_certificate_authority_of_cluster(
        file: &Sealed,
        cluster: &str,
        certificates: &[u8],
    ) -> Result<Sealed, KubeconfigError> {
        let kubeconfig = Self::parse(file)?;
        let mut editor = editor(file)?;
        set_authority(&kubeconfig, &mut editor, cluster, certificates)?;
        Ok(finished(editor))
    }
}

fn set_authority(
    kubeconfig: &Kubeconfig,
    editor: &mut Editor,
    cluster: &str,
    certificates: &[u8],
) -> Result<(), KubeconfigError> {
    let found = kubeconfig
        .cluster(cluster)
        .ok_or_else(|| not_found("cluster", cluster))?;
    if found.insecure_skip_tls_verify {
        return Err(KubeconfigError::InsecureCluster {
            cluster: cluster.to_owned(),
        });
    }
    let at = [
        Step::Key("clusters"),
        Step::Named(cluster),
        Step::Key("cluster"),
    ];
    let data = encoded(certificates);
    set_instead(
        editor,
        &at,
        "certificate-authority",
        "certificate-authority-data",
        &data,
    )
}

fn user_path(user: &str) -> [Step<'_>; 3] {
    [Step::Key("users"), Step::Named(user), Step::Key("user")]
}

/// Sets `field`; where `other` says the same thing in another way, that goes.
fn set_instead(
    editor: &mut Editor,
    at: &[Step<'_>],
    other: &str,
    field: &str,
    value: &str,
) -> Result<(), KubeconfigError> {
    if editor.has(at, field)? {
        editor.set(at, field, value)?;
        editor.remove(at, other)?;
    } else if editor.has(at, other)? {
        editor.replace(at, other, field, value)?;
    } else {
        editor.set(at, field, value)?;
    }
    Ok(())
}

fn editor(file: &Sealed) -> Result<Editor, KubeconfigError> {
    // Refuses what is no kubeconfig before anything is put into it.
    Kubeconfig::parse(file)?;
    Ok(Editor::new(yaml::text_of(danger::open(file))?)?)
}

fn finished(editor: Editor) -> Sealed {
    Sealed::new(editor.finish().as_bytes().to_vec())
}

fn encoded(bytes: &[u8]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(bytes.len().div_ceil(3) * 4));
    BASE64.encode_string(bytes, &mut text);
    text
}
