//! A connection to one runtime, in whichever version of the interface it speaks.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use kubepki_engine::ports::Container;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};

/// Labels that the kubelet gives every container it makes.
const CONTAINER_NAME: &str = "io.kubernetes.container.name";
const POD_NAME: &str = "io.kubernetes.pod.name";
const POD_NAMESPACE: &str = "io.kubernetes.pod.namespace";

/// For connecting, and for an answer that needs no container to act.
const LIMIT: Duration = Duration::from_secs(10);

/// A runtime that answered.
pub(super) enum Runtime {
    V1(v1::Client),
    V1Alpha2(v1alpha2::Client),
}

impl Runtime {
    /// Connects to a socket and asks which version is spoken there.
    pub(super) async fn connect(socket: &Path) -> Result<Self, String> {
        let channel = Endpoint::from_shared(format!("unix://{}", socket.display()))
            .map_err(|error| format!("not a socket's path: {error}"))?
            .connect_timeout(LIMIT)
            .connect()
            .await
            .map_err(|error| causes(&error))?;
        match v1::Client::greet(channel.clone()).await {
            Ok(client) => Ok(Self::V1(client)),
            // Of containerd without its CRI plug-in neither version is known.
            Err(status) if status.code() == Code::Unimplemented => v1alpha2::Client::greet(channel)
                .await
                .map(Self::V1Alpha2)
                .map_err(|status| match status.code() {
                    Code::Unimplemented => "it does not serve the CRI".to_owned(),
                    _ => words(&status),
                }),
            Err(status) => Err(words(&status)),
        }
    }

    pub(super) async fn containers(&mut self, name: &str) -> Result<Vec<Container>, Status> {
        match self {
            Self::V1(client) => client.containers(name).await,
            Self::V1Alpha2(client) => client.containers(name).await,
        }
    }

    /// Where the runtime writes the container's log; empty when it writes none.
    pub(super) async fn log_path(&mut self, id: &str) -> Result<String, Status> {
        match self {
            Self::V1(client) => client.log_path(id).await,
            Self::V1Alpha2(client) => client.log_path(id).await,
        }
    }

    pub(super) async fn stop(&mut self, id: &str, grace_seconds: u32) -> Result<(), Status> {
        match self {
            Self::V1(client) => client.stop(id, grace_seconds).await,
            Self::V1Alpha2(client) => client.stop(id, grace_seconds).await,
        }
    }
}

/// A refusal in the runtime's words.
pub(super) fn words(status: &Status) -> String {
    match (status.code(), status.message()) {
        (Code::DeadlineExceeded | Code::Cancelled, _) => "it did not answer in time".to_owned(),
        (code, "") => code.description().to_owned(),
        (_, message) => message.to_owned(),
    }
}

fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut words = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        words.push(cause.to_string());
        next = cause.source();
    }
    // The outermost says "transport error" and no more; the innermost says what the system said.
    words.pop().unwrap_or_else(|| error.to_string())
}

/// A question with a time limit of its own, which the runtime is told too.
fn limited<T>(message: T, limit: Duration) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(limit);
    request
}

/// The client of one version. Generated code gives each version types of its own; their fields are
/// the same.
macro_rules! version {
    ($version:ident, $generated:literal) => {
        pub(super) mod $version {
            use super::*;

            #[expect(unused_qualifications, clippy::all, reason = "generated code")]
            mod generated {
                include!(concat!(env!("OUT_DIR"), "/", $generated));
            }
            use generated::runtime_service_client::RuntimeServiceClient;
            use generated::{
                ContainerFilter, ContainerState, ContainerStatusRequest, ListContainersRequest,
                StopContainerRequest, VersionRequest,
            };

            pub(in super::super) struct Client(RuntimeServiceClient<Channel>);

            impl Client {
                /// A client, if the runtime knows this version.
                pub(super) async fn greet(channel: Channel) -> Result<Self, Status> {
                    let mut client = RuntimeServiceClient::new(channel);
                    client
                        .version(limited(VersionRequest::default(), LIMIT))
                        .await?;
                    Ok(Self(client))
                }

                pub(super) async fn containers(
                    &mut self,
                    name: &str,
                ) -> Result<Vec<Container>, Status> {
                    let label_selector =
                        HashMap::from([(CONTAINER_NAME.to_owned(), name.to_owned())]);
                    let question = ListContainersRequest {
                        filter: Some(ContainerFilter { label_selector }),
                    };
                    let answer = self.0.list_containers(limited(question, LIMIT)).await?;
                    let found = answer.into_inner().containers.into_iter();
                    Ok(found
                        .map(|mut container| {
                            let running = container.state() == ContainerState::ContainerRunning;
                            let metadata = container.metadata.unwrap_or_default();
                            let mut label = |key| container.labels.remove(key).unwrap_or_default();
                            Container {
                                pod: label(POD_NAME),
                                namespace: label(POD_NAMESPACE),
                                id: container.id,
                                name: metadata.name,
                                running,
                                created: Timestamp::from_nanosecond(container.created_at.into())
                                    .unwrap_or_default(),
                                attempt: metadata.attempt,
                            }
                        })
                        .collect())
                }

                pub(super) async fn log_path(&mut self, id: &str) -> Result<String, Status> {
                    let question = ContainerStatusRequest {
                        container_id: id.to_owned(),
                    };
                    let answer = self.0.container_status(limited(question, LIMIT)).await?;
                    Ok(answer.into_inner().status.unwrap_or_default().log_path)
                }

                pub(super) async fn stop(
                    &mut self,
                    id: &str,
                    grace_seconds: u32,
                ) -> Result<(), Status> {
                    let question = StopContainerRequest {
                        container_id: id.to_owned(),
                        timeout: grace_seconds.into(),
                    };
                    // The answer comes when the container has ended.
                    let limit = LIMIT * 2 + Duration::from_secs(grace_seconds.into());
                    self.0.stop_container(limited(question, limit)).await?;
                    Ok(())
                }
            }
        }
    };
}

version!(v1, "runtime.v1.rs");
version!(v1alpha2, "runtime.v1alpha2.rs");
