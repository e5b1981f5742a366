//! What lives in the API, judged: certificates, bundles, requests and tokens, one row each.
//!
//! A cluster may hold tens of thousands of certificates, so rows borrow from the observation and are
//! made one at a time, while they are written. Whether a bundle fits the server behind it takes the
//! whole picture and is the doctor's business; here only time and legibility are judged.

use super::checks::Thresholds;
use super::cluster_checks::{
    bootstrap_token_findings, bundle_findings, certificate_findings, request_findings,
};
use crate::model::cluster::{
    ApiBundle, ApiCertificate, BootstrapToken, BundlePurpose, ClusterObservation, Encoding,
    RequestState, SigningRequest, TokenSecret,
};
use crate::model::{Finding, Gap, Severity};
use jiff::Timestamp;
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;

/// The status of what lives in one API, at one time.
#[derive(Clone, Copy, Debug)]
pub struct ClusterStatus<'a> {
    cluster: &'a ClusterObservation,
    now: Timestamp,
    thresholds: Thresholds,
}

/// One certificate in the API.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ApiCertificateRow<'a> {
    /// The object and the place in it.
    pub object: String,
    /// How it was encoded.
    pub encoding: &'static str,
    /// Subject, every RDN.
    pub subject: &'a str,
    /// Issuer, every RDN.
    pub issuer: &'a str,
    /// End of validity; `null` when it could not be read.
    pub expiration_date: Option<Timestamp>,
    /// Seconds left; negative when past, 0 when it could not be read.
    pub residual_time: i64,
    /// Start of validity.
    pub not_before: Option<Timestamp>,
    /// SHA-256 of the certificate, hexadecimal.
    pub fingerprint_sha256: Option<String>,
    /// Whether it is a CA.
    pub is_ca: bool,
    /// Whether a CA of this cluster signed it, by signature.
    pub signed_by_cluster: bool,
    /// Whether the key beside it matches; `null` when there is none or it is sealed.
    pub key_matches: Option<bool>,
    /// Who renews it, when that is somebody else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub managed_by: Option<&'a str>,
    /// What is wrong with it.
    pub findings: Vec<Finding>,
}

/// CA certificates in one place of the API.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ApiBundleRow {
    /// The object and the place in it.
    pub object: String,
    /// What it is for.
    pub purpose: &'static str,
    /// Subjects of its certificates, in order.
    pub subjects: Vec<String>,
    /// SHA-256 of its certificates, hexadecimal, in order.
    pub fingerprints_sha256: Vec<String>,
    /// When the last of them ends: from then on nothing verifies by it.
    pub expiration_date: Option<Timestamp>,
    /// What is wrong with it.
    pub findings: Vec<Finding>,
}

/// One CertificateSigningRequest.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestRow<'a> {
    /// Its name.
    pub name: &'a str,
    /// Who is to sign it.
    pub signer_name: &'a str,
    /// Who asked.
    pub username: &'a str,
    /// When.
    pub created: Option<Timestamp>,
    /// `Pending`, `Approved`, `Issued`, `Denied` or `Failed`.
    pub state: &'static str,
    /// When what was issued ends.
    pub expiration_date: Option<Timestamp>,
    /// What is wrong with it.
    pub findings: Vec<Finding>,
}

/// One bootstrap token.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BootstrapTokenRow<'a> {
    /// The Secret.
    pub object: String,
    /// The public half of the token.
    pub id: &'a str,
    /// When it ends; `null` for never.
    pub expiration_date: Option<Timestamp>,
    /// Whether nodes may authenticate with it.
    pub authenticates: bool,
    /// Whether `cluster-info` is signed for it.
    pub signs: bool,
    /// What is wrong with it.
    pub findings: Vec<Finding>,
}

/// One ServiceAccount token Secret.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenSecretRow<'a> {
    /// The Secret.
    pub object: String,
    /// The ServiceAccount.
    pub service_account: &'a str,
    /// Whether one of the service-account keys of this host verifies its token.
    pub verified: bool,
    /// `kid` of its header.
    pub key_id: Option<&'a str>,
}

/// Judges an observation.
pub fn assess_cluster(
    cluster: &ClusterObservation,
    now: Timestamp,
    thresholds: Thresholds,
) -> ClusterStatus<'_> {
    ClusterStatus {
        cluster,
        now,
        thresholds,
    }
}

impl<'a> ClusterStatus<'a> {
    /// The server that was asked.
    pub fn server(&self) -> &'a str {
        &self.cluster.server
    }

    /// Its version.
    pub fn version(&self) -> Option<&'a str> {
        self.cluster.version.as_deref()
    }

    /// The time that everything is judged against.
    pub fn evaluated_at(&self) -> Timestamp {
        self.now
    }

    /// How many objects of each kind were seen.
    pub fn counts(&self) -> &'a BTreeMap<String, u64> {
        &self.cluster.counts
    }

    /// What could not be seen.
    pub fn gaps(&self) -> &'a [Gap] {
        &self.cluster.gaps
    }

    /// Certificates, those that end first first; what could not be read comes last.
    pub fn certificates(self) -> impl ExactSizeIterator<Item = ApiCertificateRow<'a>> {
        let mut order: Vec<&'a ApiCertificate> = self.cluster.certificates.iter().collect();
        order.sort_by_key(|certificate| (certificate.problem.is_some(), certificate.not_after));
        order
            .into_iter()
            .map(move |certificate| self.certificate(certificate))
    }

    /// Bundles, in the order of their objects.
    pub fn bundles(self) -> impl ExactSizeIterator<Item = ApiBundleRow> {
        let bundles = self.cluster.bundles.iter();
        bundles.map(move |bundle| self.bundle(bundle))
    }

    /// Signing requests.
    pub fn requests(self) -> impl ExactSizeIterator<Item = RequestRow<'a>> {
        let requests = self.cluster.requests.iter();
        requests.map(move |request| self.request(request))
    }

    /// Bootstrap tokens.
    pub fn bootstrap_tokens(self) -> impl ExactSizeIterator<Item = BootstrapTokenRow<'a>> {
        let tokens = self.cluster.bootstrap_tokens.iter();
        tokens.map(move |token| self.bootstrap_token(token))
    }

    /// ServiceAccount token Secrets.
    pub fn token_secrets(self) -> impl ExactSizeIterator<Item = TokenSecretRow<'a>> {
        self.cluster.token_secrets.iter().map(token_secret)
    }

    /// The gravest severity of all rows.
    pub fn worst(self) -> Option<Severity> {
        let worst = |findings: Vec<Finding>| findings.iter().map(|it| it.severity).max();
        let certificates = self.certificates().map(|row| worst(row.findings));
        let bundles = self.bundles().map(|row| worst(row.findings));
        let requests = self.requests().map(|row| worst(row.findings));
        let tokens = self.bootstrap_tokens().map(|row| worst(row.findings));
        let all = certificates.chain(bundles).chain(requests).chain(tokens);
        all.max().flatten()
    }

    fn certificate(&self, certificate: &'a ApiCertificate) -> ApiCertificateRow<'a> {
        let is_read = certificate.problem.is_none();
        let left = certificate.not_after.duration_since(self.now);
        ApiCertificateRow {
            object: certificate.object.to_string(),
            encoding: encoding(certificate.encoding),
            subject: &certificate.subject,
            issuer: &certificate.issuer,
            expiration_date: is_read.then_some(certificate.not_after),
            residual_time: if is_read { left.as_secs() } else { 0 },
            not_before: is_read.then_some(certificate.not_before),
            fingerprint_sha256: is_read.then(|| hex::encode(certificate.fingerprint)),
            is_ca: certificate.is_ca,
            signed_by_cluster: certificate.signed_by.is_some(),
            key_matches: certificate.key_matches,
            managed_by: certificate.managed_by.as_deref(),
            findings: certificate_findings(certificate, self.now, &self.thresholds),
        }
    }

    fn bundle(&self, bundle: &ApiBundle) -> ApiBundleRow {
        let certificates = || bundle.certificates.iter();
        ApiBundleRow {
            object: bundle.object.to_string(),
            purpose: purpose(bundle.purpose),
            subjects: certificates().map(|ca| ca.subject().to_string()).collect(),
            fingerprints_sha256: certificates()
                .map(|ca| hex::encode(ca.fingerprint_sha256()))
                .collect(),
            expiration_date: certificates().map(|ca| ca.validity().not_after).max(),
            findings: bundle_findings(bundle, self.now, &self.thresholds),
        }
    }

    fn request(&self, request: &'a SigningRequest) -> RequestRow<'a> {
        RequestRow {
            name: &request.object.name,
            signer_name: &request.signer_name,
            username: &request.username,
            created: request.created,
            state: match request.state {
                RequestState::Pending => "Pending",
                RequestState::Approved => "Approved",
                RequestState::Issued => "Issued",
                RequestState::Denied => "Denied",
                RequestState::Failed => "Failed",
            },
            expiration_date: request
                .issued
                .as_ref()
                .map(|issued| issued.validity().not_after),
            findings: request_findings(request, self.now),
        }
    }

    fn bootstrap_token(&self, token: &'a BootstrapToken) -> BootstrapTokenRow<'a> {
        BootstrapTokenRow {
            object: token.object.to_string(),
            id: &token.id,
            expiration_date: token.expiration,
            authenticates: token.authenticates,
            signs: token.signs,
            findings: bootstrap_token_findings(token, self.now),
        }
    }
}

/// The rows are written as they are made.
impl Serialize for ClusterStatus<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct as _;
        let mut out = serializer.serialize_struct("ClusterStatus", 11)?;
        out.serialize_field("server", &self.cluster.server)?;
        out.serialize_field("version", &self.cluster.version)?;
        out.serialize_field("serverTime", &self.cluster.server_time)?;
        out.serialize_field("counts", &self.cluster.counts)?;
        out.serialize_field("certificates", &Rows(|| self.certificates()))?;
        out.serialize_field("bundles", &Rows(|| self.bundles()))?;
        out.serialize_field("requests", &Rows(|| self.requests()))?;
        out.serialize_field("bootstrapTokens", &Rows(|| self.bootstrap_tokens()))?;
        out.serialize_field("tokenSecrets", &Rows(|| self.token_secrets()))?;
        out.serialize_field("gaps", &self.cluster.gaps)?;
        out.end()
    }
}

/// A list whose items are made while it is written.
struct Rows<F>(F);

impl<F, I> Serialize for Rows<F>
where
    F: Fn() -> I,
    I: ExactSizeIterator,
    I::Item: Serialize,
{
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq((self.0)())
    }
}

fn token_secret(token: &TokenSecret) -> TokenSecretRow<'_> {
    TokenSecretRow {
        object: token.object.to_string(),
        service_account: &token.service_account,
        verified: !token.verified_by.is_empty(),
        key_id: token.key_id.as_deref(),
    }
}

/// The word for an encoding.
pub fn encoding(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Pem => "pem",
        Encoding::Der => "der",
        Encoding::Pkcs12 => "pkcs12",
        Encoding::Jks => "jks",
        Encoding::Kubeconfig => "kubeconfig",
    }
}

/// The word for what a bundle is for.
pub fn purpose(purpose: BundlePurpose) -> &'static str {
    match purpose {
        BundlePurpose::KubeRootCa => "kube-root-ca",
        BundlePurpose::TokenSecretCa => "token-secret",
        BundlePurpose::ClusterInfo => "cluster-info",
        BundlePurpose::ExtensionClientCa => "extension-client-ca",
        BundlePurpose::ExtensionRequestheaderCa => "extension-requestheader-ca",
        BundlePurpose::Backend => "backend",
        BundlePurpose::EtcdClient => "etcd-client",
        BundlePurpose::Other => "other",
    }
}
