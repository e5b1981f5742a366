//! CertificateSigningRequests, and cert-manager's Certificates.
//!
//! <https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/>
//! <https://cert-manager.io/docs/reference/api-docs/#cert-manager.io/v1.Certificate>

use super::collector::Collector;
use super::contents::decode;
use super::object::{Condition, Metadata, read, unreadable};
use crate::model::cluster::{RequestState, SigningRequest};
use jiff::Timestamp;
use kubepki_sealed::danger;
use serde::Deserialize;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Request<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
    spec: RequestSpec,
    status: RequestStatus,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RequestSpec {
    signer_name: Option<String>,
    username: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RequestStatus {
    conditions: Option<Vec<Condition>>,
    certificate: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Certificate {
    metadata: CertificateMetadata,
    spec: CertificateSpec,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct CertificateMetadata {
    namespace: String,
    name: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct CertificateSpec {
    secret_name: String,
}

impl Collector<'_> {
    /// A CertificateSigningRequest of `v1` or `v1beta1`.
    pub fn signing_request(&mut self, json: &[u8]) {
        let name = "CertificateSigningRequest";
        self.counted(name);
        let request: Request<'_> = match serde_json::from_slice(json) {
            Ok(request) => request,
            Err(error) => return self.unreadable(name, unreadable(&error)),
        };
        let conditions = request.status.conditions.unwrap_or_default();
        let has = |kind: &str| {
            // v1beta1 has no status, and being there is being true
            let mut conditions = conditions.iter();
            conditions.any(|found| found.kind == kind && found.status != "False")
        };
        let encoded = request.status.certificate.filter(|text| !text.is_empty());
        let state = match () {
            () if has("Denied") => RequestState::Denied,
            () if has("Failed") => RequestState::Failed,
            () if encoded.is_some() => RequestState::Issued,
            () if has("Approved") => RequestState::Approved,
            () => RequestState::Pending,
        };
        let issued = encoded.as_deref().and_then(decode);
        let issued = issued.map(|pem| self.read_bundle(danger::open(&pem)).0);
        let created = request.metadata.creation_timestamp.as_deref();
        self.observation.requests.push(SigningRequest {
            object: request.metadata.reference(name),
            signer_name: request.spec.signer_name.unwrap_or_default(),
            username: request.spec.username.unwrap_or_default(),
            created: created.and_then(|time| time.parse::<Timestamp>().ok()),
            state,
            issued: issued.and_then(|chain| chain.into_iter().next()),
        });
    }

    /// A Certificate of cert-manager's: who renews a Secret.
    pub fn managed_certificate(&mut self, json: &[u8]) {
        self.counted("Certificate");
        let certificate: Certificate = match read(json) {
            Ok(certificate) => certificate,
            Err(reason) => return self.unreadable("Certificate", reason),
        };
        let CertificateMetadata { namespace, name } = certificate.metadata;
        let manager = format!("cert-manager Certificate {namespace}/{name}");
        let secret = (namespace, certificate.spec.secret_name);
        self.managed.insert(secret, manager);
    }
}
