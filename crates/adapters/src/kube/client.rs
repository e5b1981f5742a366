//! [`KubeClient`]: the questions that a host's verification asks an API server.

use std::time::Duration;

use ::kube::api::{Api, PostParams};
use ::kube::{Client, Error};
use k8s_openapi::api::authorization::v1::{
    NonResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Node;
use kubepki_engine::ports::{KubeApi, KubeApiError, Reached};
use kubepki_sealed::Sealed;

use super::failure;
use super::kubeconfig::{self, Manners, Target};

/// For connecting, the handshake and the answers together.
const LIMIT: Duration = Duration::from_secs(10);

/// Asks API servers, one connection for each question.
///
/// It blocks, and runs its own small runtime inside; it is not to be called from asynchronous code.
#[derive(Clone, Debug)]
pub struct KubeClient {
    limit: Duration,
}

impl KubeClient {
    /// Gives each question 10 seconds.
    pub fn new() -> Self {
        Self::with_limit(LIMIT)
    }

    /// Gives each question this long.
    pub fn with_limit(limit: Duration) -> Self {
        Self { limit }
    }

    fn ask<T>(
        &self,
        kubeconfig: &Sealed,
        server: Option<&str>,
        question: impl AsyncFnOnce(Client) -> Result<T, Error>,
    ) -> Result<(String, T), KubeApiError> {
        let Target {
            server,
            mut configuration,
        } = kubeconfig::target(kubeconfig, server, &Manners::Prober)?;
        // One limit for everything, below.
        configuration.connect_timeout = None;
        configuration.write_timeout = None;
        // Whoever waits for a server asks again, and wants to know what it said meanwhile.
        configuration.default_retry = false;

        let failed = |detail| KubeApiError {
            server: server.clone(),
            unauthorized: false,
            detail,
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| failed(format!("cannot be asked: {error}")))?;
        let outcome = runtime.block_on(async {
            let client = Client::try_from(configuration)?;
            match tokio::time::timeout(self.limit, question(client)).await {
                Ok(answer) => answer.map(Some),
                Err(_elapsed) => Ok(None),
            }
        });
        // The C library's resolver cannot be interrupted; it must not hold up the answer.
        runtime.shutdown_background();
        match outcome {
            Ok(Some(answer)) => Ok((server, answer)),
            Ok(None) => Err(failed(format!("no answer within {:?}", self.limit))),
            Err(error) => Err(failure::describe(&server, &error)),
        }
    }
}

impl Default for KubeClient {
    fn default() -> Self {
        Self::new()
    }
}

impl KubeApi for KubeClient {
    /// A SelfSubjectAccessReview, which every authenticated user may create and which is as old as
    /// the oldest cluster in reach; what it answers is of no interest.
    fn reach(&self, kubeconfig: &Sealed, server: Option<&str>) -> Result<Reached, KubeApiError> {
        let (server, (status, version)) = self.ask(kubeconfig, server, async |client| {
            let review = SelfSubjectAccessReview {
                spec: SelfSubjectAccessReviewSpec {
                    non_resource_attributes: Some(NonResourceAttributes {
                        path: Some("/healthz".to_owned()),
                        verb: Some("get".to_owned()),
                    }),
                    ..Default::default()
                },
                ..Default::default()
            };
            let reviews = Api::<SelfSubjectAccessReview>::all(client.clone());
            let status = match reviews.create(&PostParams::default(), &review).await {
                Ok(_) => 201,
                Err(Error::Api(answer)) if failure::names_the_user(&answer) => answer.code,
                Err(error) => return Err(error),
            };
            let version = client
                .apiserver_version()
                .await
                .ok()
                .map(|found| found.git_version);
            Ok((status, version))
        })?;
        Ok(Reached {
            server,
            status,
            version,
        })
    }

    fn lease_holder(
        &self,
        kubeconfig: &Sealed,
        server: Option<&str>,
        namespace: &str,
        name: &str,
    ) -> Result<Option<String>, KubeApiError> {
        let (_, lease) = self.ask(kubeconfig, server, async |client| {
            Api::<Lease>::namespaced(client, namespace)
                .get_opt(name)
                .await
        })?;
        Ok(lease
            .and_then(|lease| lease.spec?.holder_identity)
            .filter(|holder| !holder.is_empty()))
    }

    fn node_ready(
        &self,
        kubeconfig: &Sealed,
        server: Option<&str>,
        node: &str,
    ) -> Result<Option<bool>, KubeApiError> {
        let (_, node) = self.ask(kubeconfig, server, async |client| {
            Api::<Node>::all(client).get_opt(node).await
        })?;
        Ok(node.map(|node| {
            let conditions = node
                .status
                .and_then(|status| status.conditions)
                .unwrap_or_default();
            conditions
                .iter()
                .any(|condition| condition.type_ == "Ready" && condition.status == "True")
        }))
    }
}
