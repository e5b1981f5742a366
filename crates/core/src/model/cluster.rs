//! What lives in the Kubernetes API and matters to the PKI, as one scan found it.
//!
//! Only what a judgement needs is kept: of ordinary Secrets a summary, since a cluster may hold tens
//! of thousands; of what takes part in a connection the certificates themselves. Never a private
//! key: of keys only the public half. Nobody judges here.
//! <https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/>

use super::api_object::ObjectReference;
use super::gap::Gap;
use jiff::Timestamp;
use kubepki_x509::{Certificate, PublicKey};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// One scan of one API.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ClusterObservation {
    /// The server asked.
    pub server: String,
    /// Its version, e.g. `v1.20.2`.
    pub version: Option<String>,
    /// When the scan began, by this machine's clock.
    pub observed_at: Timestamp,
    /// The API server's clock at the same moment (its `Date` header, whole seconds).
    pub server_time: Option<Timestamp>,
    /// Everything in which CA certificates are trusted by somebody: one for each place.
    pub bundles: Vec<ApiBundle>,
    /// Every certificate that is somebody's own (with or without its key), summarised.
    pub certificates: Vec<ApiCertificate>,
    /// Servers outside the control plane that the API server calls.
    pub backends: Vec<ApiBackend>,
    /// Certificate signing requests.
    pub requests: Vec<SigningRequest>,
    /// Bootstrap tokens.
    pub bootstrap_tokens: Vec<BootstrapToken>,
    /// ServiceAccount token Secrets.
    pub token_secrets: Vec<TokenSecret>,
    /// SHA-256 of the service-account public keys that the scan was told, hexadecimal, in the order that
    /// [`TokenSecret::verified_by`] counts them in.
    #[serde(default)]
    pub service_account_keys: Vec<String>,
    /// Every namespace, for what should be in each (`kube-root-ca.crt`).
    pub namespaces: Vec<String>,
    /// Nodes.
    pub nodes: Vec<Node>,
    /// Hosts that Ingresses, Gateways and LoadBalancer Services expose with TLS.
    pub exposed: Vec<ExposedHost>,
    /// Ids of the bootstrap tokens for which `cluster-info` is signed (`jws-kubeconfig-ID`).
    pub cluster_info_tokens: Vec<String>,
    /// `requestheader-allowed-names` of `extension-apiserver-authentication`; `None` when there is none.
    pub requestheader_allowed_names: Option<Vec<String>>,
    /// How many objects of each kind were seen.
    pub counts: BTreeMap<String, u64>,
    /// What could not be seen: refused by RBAC, not served, unreadable contents.
    pub gaps: Vec<Gap>,
}

/// What a bundle in the API is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum BundlePurpose {
    /// ConfigMap `kube-root-ca.crt`: pods trust the API server by it.
    KubeRootCa,
    /// `ca.crt` of a ServiceAccount token Secret.
    TokenSecretCa,
    /// `cluster-info` in `kube-public`: joining nodes trust the API server by it.
    ClusterInfo,
    /// `client-ca-file` of `extension-apiserver-authentication`.
    ExtensionClientCa,
    /// `requestheader-client-ca-file` of `extension-apiserver-authentication`.
    ExtensionRequestheaderCa,
    /// `caBundle` of a webhook, APIService or CRD conversion.
    Backend,
    /// Trust in etcd: the CA beside an etcd client certificate (Prometheus, Cilium, Calico).
    EtcdClient,
    /// Any other place that holds a copy of a CA.
    Other,
}

/// CA certificates in one place of the API.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ApiBundle {
    /// Where.
    pub object: ObjectReference,
    /// What for.
    pub purpose: BundlePurpose,
    /// In order; shared between equal bundles.
    pub certificates: Vec<Certificate>,
    /// Why it could not be read, when it could not.
    pub problem: Option<String>,
}

/// How a certificate was encoded where it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Encoding {
    /// PEM text.
    Pem,
    /// Bare DER.
    Der,
    /// PKCS #12.
    Pkcs12,
    /// Java KeyStore.
    Jks,
    /// Inside a kubeconfig.
    Kubeconfig,
}

/// One certificate in the API: what a list shows of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ApiCertificate {
    /// Where.
    pub object: ObjectReference,
    /// How it was encoded.
    pub encoding: Encoding,
    /// Subject, every RDN.
    pub subject: String,
    /// Issuer, every RDN.
    pub issuer: String,
    /// SHA-256 of the DER.
    pub fingerprint: [u8; 32],
    /// Start of validity.
    pub not_before: Timestamp,
    /// End of validity.
    pub not_after: Timestamp,
    /// Whether it is a CA.
    pub is_ca: bool,
    /// Which of the authorities given to the scan signed it (index into them).
    pub signed_by: Option<usize>,
    /// Whether the private key beside it is its own; `None` when there is none or it is sealed.
    pub key_matches: Option<bool>,
    /// Who renews it, when that is somebody else: e.g. `cert-manager Certificate shop/web`.
    pub managed_by: Option<String>,
    /// The certificate itself where it takes part in a connection that the doctor verifies (a client
    /// of etcd or of the API server, a copy of a cluster's certificate), with its chain behind it.
    pub chain: Vec<Certificate>,
    /// What holds it back from being read in full (wrong password, damaged), when something does.
    /// Then subject and issuer may be empty, and the validity without bounds.
    pub problem: Option<String>,
}

/// What kind of server the API server calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum BackendKind {
    /// A ValidatingWebhookConfiguration's webhook.
    ValidatingWebhook,
    /// A MutatingWebhookConfiguration's webhook.
    MutatingWebhook,
    /// A CustomResourceDefinition's conversion webhook.
    ConversionWebhook,
    /// An APIService: an aggregated API server.
    ApiService,
}

/// A server that the API server calls, and how it trusts it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ApiBackend {
    /// The object with the place of the `caBundle`.
    pub object: ObjectReference,
    /// Which kind.
    pub kind: BackendKind,
    /// The name asked for in its certificate: `SERVICE.NAMESPACE.svc`, or the URL's host.
    pub server_name: String,
    /// Where it can be reached directly: addresses of its Endpoints, or the URL's host and port.
    pub addresses: Vec<(String, u16)>,
    /// CA certificates; `None` when none are given (the system's are trusted).
    pub ca_bundle: Option<Vec<Certificate>>,
    /// `insecureSkipTLSVerify`.
    pub unverified: bool,
    /// `failurePolicy: Fail`: calls fail with it.
    pub blocks: bool,
    /// For an APIService: condition `Available`, with its message when false.
    pub available: Option<Result<(), String>>,
    /// Why the bundle could not be read, when it could not.
    pub problem: Option<String>,
}

/// A CertificateSigningRequest.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SigningRequest {
    /// The object.
    pub object: ObjectReference,
    /// e.g. `kubernetes.io/kubelet-serving`.
    pub signer_name: String,
    /// Who asked.
    pub username: String,
    /// When.
    pub created: Option<Timestamp>,
    /// `Pending`, `Approved` (not issued yet), `Issued`, `Denied` or `Failed`.
    pub state: RequestState,
    /// What was issued.
    pub issued: Option<Certificate>,
}

/// Where a CertificateSigningRequest stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RequestState {
    /// Nobody has decided.
    Pending,
    /// Approved, and nothing is issued.
    Approved,
    /// Issued.
    Issued,
    /// Denied.
    Denied,
    /// The signer gave up.
    Failed,
}

/// A bootstrap token; never its secret.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BootstrapToken {
    /// The Secret.
    pub object: ObjectReference,
    /// The public half of the token.
    pub id: String,
    /// When it ends; `None` for never.
    pub expiration: Option<Timestamp>,
    /// `usage-bootstrap-authentication`.
    pub authenticates: bool,
    /// `usage-bootstrap-signing`: `cluster-info` is signed for it.
    pub signs: bool,
}

/// A ServiceAccount token Secret; never its token.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TokenSecret {
    /// The Secret.
    pub object: ObjectReference,
    /// The ServiceAccount.
    pub service_account: String,
    /// Which of the service-account keys given to the scan verify its token (indices into them).
    pub verified_by: Vec<usize>,
    /// `kid` of its header, where it has one.
    pub key_id: Option<String>,
    /// Whether there is a token at all.
    pub has_token: bool,
}

/// A Node.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Node {
    /// `metadata.name`.
    pub name: String,
    /// Host names and addresses of `status.addresses`.
    pub addresses: Vec<String>,
    /// Internal and external IP addresses among them.
    pub ip_addresses: Vec<IpAddr>,
    /// The kubelet's port.
    pub kubelet_port: u16,
    /// Its version.
    pub kubelet_version: Option<String>,
    /// Condition `Ready`.
    pub ready: Option<bool>,
    /// Whether it carries a control-plane or master role label.
    pub control_plane: bool,
}

/// A TLS host that the cluster exposes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExposedHost {
    /// Ingress, Gateway or Service.
    pub object: ObjectReference,
    /// The name for SNI and for the certificate; `None` when only an address is known.
    pub host: Option<String>,
    /// Addresses of the load balancer, or the host itself when none is published.
    pub addresses: Vec<String>,
    /// Port.
    pub port: u16,
    /// The Secret that it should serve, when it names one.
    pub secret: Option<ObjectReference>,
}

/// What the scan is told of the cluster, to say of each certificate whose it is.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct KnownKeys {
    /// CA certificates of the cluster (all authorities of the host, bundles unrolled).
    pub authorities: Vec<Certificate>,
    /// Service-account public keys.
    pub service_account_keys: Vec<PublicKey>,
}
