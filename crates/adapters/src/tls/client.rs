//! A client's TLS configuration for a connection that is kept, judged as the cluster's own clients
//! judge ([`super::path_judge`]).

use std::sync::Arc;

use kubepki_engine::ports::{ClientIdentity, Expectation};
use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;

use super::identity::certified_key;
use super::observer::ClientRecorder;
use super::path_judge::PathJudge;

/// A configuration, and who judges by it.
pub(crate) struct JudgedClient {
    pub(crate) configuration: Arc<ClientConfig>,
    judge: Arc<PathJudge>,
}

impl JudgedClient {
    /// A client that expects this of the server, presents this, and speaks this protocol (ALPN).
    pub(crate) fn new(
        expectation: &Expectation,
        identity: Option<&ClientIdentity>,
        protocol: &[u8],
    ) -> Result<Self, String> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let answer = identity
            .map(|identity| certified_key(identity, &provider))
            .transpose()?;
        let judge = Arc::new(PathJudge::new(expectation, &provider));
        let mut configuration = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(|error| format!("cannot be asked: {error}"))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&judge) as _)
            .with_client_cert_resolver(Arc::new(ClientRecorder::answering(answer)));
        configuration.resumption = Resumption::disabled();
        configuration.alpn_protocols = vec![protocol.to_vec()];
        Ok(Self {
            configuration: Arc::new(configuration),
            judge,
        })
    }

    /// Why the server was refused, if it was.
    pub(crate) fn refusal(&self) -> Option<String> {
        self.judge
            .refusal()
            .map(|refusal| format!("its certificate is not accepted: {refusal}"))
    }
}
