//! A host as `kubeadm init` leaves it, made in a folder: static pods, kubelet, kubeconfigs, and a PKI
//! whose certificates ended yesterday, signed by CAs that are still valid.

use super::components::free_port;
use super::handshake::{Handshake, Party, shake_hands};
use super::manifests::{self, Ports};
use crate::commands::init::failed;
use crate::commands::wiring::Talk;
use crate::context::{Context, host_error};
use crate::error::CliError;
use jiff::{SignedDuration, Timestamp, ToSpan, tz::TimeZone};
use kubepki_adapters::host::LocalHost;
use kubepki_core::formats::kubeconfig_edit::{NewCredentials, NewKubeconfig};
use kubepki_core::founding::{
    ClusterParameters, DeclaredAuthority, DeclaredCertificate, DeclaredLayout, DeclaredSubject,
    Folders, FoundingRequest, declared_by_kubeadm, found,
};
use kubepki_core::layouts::KUBEADM;
use kubepki_core::plan::{EndRule, StartRule};
use kubepki_engine::founding::{NewFile, mint, observe, write};
use kubepki_engine::ports::{FILE_LIMIT, FileAttributes, HostRead, HostWrite};
use kubepki_sealed::{Sealed, danger};
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

/// The node's name.
pub const NODE: &str = "demo";
/// Before kubeadm's change of groups, so that admin.conf may do everything in a cluster that nobody
/// set up.
const MINOR: u32 = 28;
const STORE: &str = "/var/lib/kubelet/pki";
const STORE_LINK: &str = "/var/lib/kubelet/pki/kubelet-client-current.pem";
/// The kubelet signs its serving certificate by a CA of the moment whose key it forgets.
const ONE_TIME_CA: &str = "kubelet-one-time-ca";

/// The host.
pub struct DemoHost {
    root: PathBuf,
    host: LocalHost,
    ports: Ports,
}

impl DemoHost {
    /// Makes a host in an empty folder. Its ports are free ones of this machine where something
    /// real is going to listen on them, else those that everybody knows.
    pub fn make(root: &Path, context: &Context, listens: bool) -> Result<Self, CliError> {
        let ports = if listens {
            Ports {
                api: free_port()?,
                etcd: free_port()?,
                etcd_peer: free_port()?,
            }
        } else {
            Ports::WELL_KNOWN
        };
        let host = LocalHost::at_root(root).map_err(|error| host_error(&error))?;
        let made = Self {
            root: root.to_path_buf(),
            host,
            ports,
        };
        made.write_certificates(context)?;
        made.write_texts()?;
        Ok(made)
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The ports in its manifests.
    pub fn ports(&self) -> Ports {
        self.ports
    }

    /// One of its files.
    pub fn read(&self, path: &str) -> Result<Sealed, CliError> {
        self.host
            .read(Path::new(path), FILE_LIMIT)
            .map_err(|error| host_error(&error))
    }

    /// The connections that matter most, each tried with the files as they are now.
    pub fn handshakes(&self) -> Result<Vec<Handshake>, CliError> {
        let kubernetes = |file: &str| format!("/etc/kubernetes/{file}");
        let party = |name, certificate: &str, key: &str, trusts: &str| {
            let read = |file: &str| self.read(&kubernetes(&format!("pki/{file}")));
            Party::of_files(name, &read(certificate)?, &read(key)?, &read(trusts)?)
        };
        let apiserver = party("kube-apiserver", "apiserver.crt", "apiserver.key", "ca.crt")?;
        let etcd = party("etcd", "etcd/server.crt", "etcd/server.key", "etcd/ca.crt")?;
        let admin = Party::of_kubeconfig("admin.conf", &self.read(&kubernetes("admin.conf"))?)?;
        let scheduler =
            Party::of_kubeconfig("scheduler.conf", &self.read(&kubernetes("scheduler.conf"))?)?;
        let store = self.read(STORE_LINK)?;
        let kubelet = Party::of_files(
            "kubelet",
            &store,
            &store,
            &self.read(&kubernetes("pki/ca.crt"))?,
        )?;
        let etcd_client = party(
            "kube-apiserver",
            "apiserver-etcd-client.crt",
            "apiserver-etcd-client.key",
            "etcd/ca.crt",
        )?;
        [
            (&admin, &apiserver, "kubernetes"),
            (&scheduler, &apiserver, "kubernetes"),
            (&kubelet, &apiserver, "kubernetes"),
            (&etcd_client, &etcd, "localhost"),
        ]
        .into_iter()
        .map(|(client, server, name)| shake_hands(client, server, name))
        .collect()
    }

    fn write_certificates(&self, context: &Context) -> Result<(), CliError> {
        let now = context.now();
        let start = back(now, 366)?;
        let layout = self.layout(start);
        let folders = Folders {
            certificates: PathBuf::from(KUBEADM.pki_folder),
            kubeconfigs: PathBuf::from(KUBEADM.kubeconfig_folder),
        };
        let declared = layout
            .checked(&folders)
            .map_err(|error| CliError::new(error.code(), &error))?;
        let request = FoundingRequest {
            start: StartRule::At(start),
            end: EndRule::At(back(now, 1)?),
            authority_end: EndRule::For(SignedDuration::from_hours(9 * 8760)),
            key_type: "rsa:2048".to_owned(),
            authority_key_type: "rsa:2048".to_owned(),
            service_account_key_type: "rsa:2048".to_owned(),
            only: Vec::new(),
            external: false,
            csr_dir: None,
            install: None,
        };
        let ground = observe(&self.host, &declared, &request).map_err(|error| failed(&error))?;
        let founding = found(&declared, &ground, &request, now)
            .map_err(|refusal| CliError::new(refusal.code(), &refusal))?;
        let files = mint(&self.host, &founding, now, &Talk(context))
            .map(with_one_time_authority)
            .map_err(|error| failed(&error))?;
        write(&self.host, &files).map_err(|error| failed(&error))?;
        let store = self.store_file(start);
        self.host
            .symlink(&store, Path::new(STORE_LINK))
            .map_err(|error| host_error(&error))
    }

    /// kubeadm's layout with what the kubelet makes for itself.
    fn layout(&self, start: Timestamp) -> DeclaredLayout {
        let parameters = ClusterParameters {
            bind_port: self.ports.api,
            ..ClusterParameters::new(NODE, IpAddr::V4(Ipv4Addr::LOCALHOST), MINOR)
        };
        let mut layout = declared_by_kubeadm(&parameters);
        // It names the certificate store, and is written apart.
        layout
            .kubeconfigs
            .retain(|kubeconfig| kubeconfig.name != "kubelet.conf");
        let subject = |common_name: String, organizations: &[&str]| DeclaredSubject {
            common_name,
            organizations: organizations
                .iter()
                .map(|name| (*name).to_owned())
                .collect(),
        };
        let seconds = start.as_second();
        layout.authorities.push(DeclaredAuthority {
            name: ONE_TIME_CA.to_owned(),
            subject: subject(format!("{NODE}-ca@{seconds}"), &[]),
            certificate: PathBuf::from("one-time-ca.crt"),
            key: PathBuf::from("one-time-ca.key"),
            signer: None,
            path_length: None,
            validity: None,
            key_type: None,
            role: None,
        });
        let store = self.store_file(start);
        let leaf = |name: &str, signer: &str, subject, usage: &str| DeclaredCertificate {
            name: name.to_owned(),
            signer: signer.to_owned(),
            subject,
            names: Vec::new(),
            usages: vec![usage.to_owned()],
            certificate: store.clone(),
            key: store.clone(),
            validity: None,
            key_type: Some("ecdsa:p256".to_owned()),
            role: None,
        };
        let client = subject(format!("system:node:{NODE}"), &["system:nodes"]);
        let serving = subject(format!("{NODE}@{seconds}"), &[]);
        layout.certificates.extend([
            leaf("kubelet-client", "ca", client, "clientAuth"),
            DeclaredCertificate {
                names: vec![format!("DNS:{NODE}")],
                certificate: Path::new(STORE).join("kubelet.crt"),
                key: Path::new(STORE).join("kubelet.key"),
                key_type: None,
                ..leaf("kubelet-server", ONE_TIME_CA, serving, "serverAuth")
            },
        ]);
        layout
    }

    /// As the kubelet calls it: by the time of its making.
    fn store_file(&self, made: Timestamp) -> PathBuf {
        let time = made.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d-%H-%M-%S");
        Path::new(STORE).join(format!("kubelet-client-{time}.pem"))
    }

    fn write_texts(&self) -> Result<(), CliError> {
        for (path, text) in manifests::files(self.ports) {
            self.write_text(&path, Sealed::new(text.into_bytes()), 0o600)?;
        }
        let authority = self.read("/etc/kubernetes/pki/ca.crt")?;
        let kubelet = NewKubeconfig {
            cluster: "kubernetes",
            server: &format!("https://127.0.0.1:{}", self.ports.api),
            certificate_authority: danger::open(&authority),
            user: &format!("system:node:{NODE}"),
            credentials: NewCredentials::Files {
                certificate: Path::new(STORE_LINK),
                key: Path::new(STORE_LINK),
            },
        };
        self.write_text("/etc/kubernetes/kubelet.conf", kubelet.to_text(), 0o600)?;
        let name = Sealed::new(format!("{NODE}\n").into_bytes());
        self.write_text("/etc/hostname", name, 0o644)
    }

    fn write_text(&self, path: &str, contents: Sealed, mode: u32) -> Result<(), CliError> {
        let path = Path::new(path);
        let (uid, gid) = self.host.identity();
        let attributes = FileAttributes {
            mode,
            uid,
            gid,
            xattrs: Vec::new(),
        };
        let folder = path.parent().unwrap_or(path);
        self.host
            .create_directory(folder, 0o755)
            .and_then(|()| self.host.create(path, &contents, &attributes))
            .map_err(|error| host_error(&error))
    }
}

/// Puts the one-time CA behind the certificate that it signed, and forgets its files.
fn with_one_time_authority(files: Vec<NewFile>) -> Vec<NewFile> {
    let (authority, mut files): (Vec<NewFile>, Vec<NewFile>) = files
        .into_iter()
        .partition(|file| file.made.name == ONE_TIME_CA);
    let is_certificate = |file: &&NewFile| file.made.fingerprint_sha256.is_some();
    let certificate = authority.iter().find(is_certificate);
    let leaf = files
        .iter_mut()
        .find(|file| file.made.path.ends_with("kubelet.crt"));
    if let (Some(certificate), Some(leaf)) = (certificate, leaf) {
        let both = [
            danger::open(&leaf.contents),
            danger::open(&certificate.contents),
        ];
        leaf.contents = Sealed::new(both.concat());
    }
    files
}

fn back(now: Timestamp, days: i64) -> Result<Timestamp, CliError> {
    now.checked_sub((24 * days).hours())
        .map_err(|error| CliError::new("demo-failed", error))
}
