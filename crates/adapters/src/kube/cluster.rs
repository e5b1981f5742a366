//! [`ClusterClient`]: a whole cluster's API, read page by page with the credentials of a kubeconfig
//! or of the pod that this runs in.
//!
//! Unlike [`KubeClient`](super::KubeClient), which proves what a kubeconfig's own bytes can do, this
//! one is a client as kubectl is: it keeps its connection, resolves paths from the kubeconfig's
//! folder, goes through its proxy and runs the command that it names for credentials.
//! A page is taken apart as it arrives; no more than one object lies in memory.
//! <https://kubernetes.io/docs/reference/using-api/api-concepts/>

use std::path::Path;
use std::time::Duration;

use ::kube::client::Body;
use ::kube::{Client, Config};
use http::header::{ACCEPT, CONTENT_TYPE, DATE, RETRY_AFTER};
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use kubepki_core::cluster::{ListError, ListStream, SecretBuffer};
use kubepki_engine::ports::{
    ClusterError, ClusterErrorKind, ClusterRead, Page, PageRequest, ServerVersion,
};
use kubepki_sealed::{Sealed, danger};
use serde::Deserialize;
use tokio::runtime::Runtime;

use super::cluster_refusal::{self, LARGEST_REFUSAL};
use super::kubeconfig::{self, Manners, Target};

/// From a request to the head of its answer, and between two pieces of a body.
const LIMIT: Duration = Duration::from_secs(30);
/// How often a server that is busy (HTTP 429) is asked again.
const PATIENCE: u32 = 4;
/// Longest wait before asking a busy server again.
const LONGEST_WAIT: u64 = 8;
/// The most that one object asked for by name may have.
const LARGEST_OBJECT: usize = 16 * 1024 * 1024;

/// A client of one API server.
///
/// It blocks, and runs its own small runtime inside; it is not to be called from asynchronous code.
pub struct ClusterClient {
    server: String,
    client: Client,
    runtime: Runtime,
    limit: Duration,
}

impl ClusterClient {
    /// A client with the kubeconfig's current context. `folder` is the kubeconfig's, from which
    /// relative paths start. `server` replaces the server; the name that its certificate is checked
    /// against stays the kubeconfig's.
    pub fn new(
        kubeconfig: &Sealed,
        folder: &Path,
        server: Option<&str>,
    ) -> Result<Self, ClusterError> {
        let manners = Manners::Client { folder };
        let Target {
            server,
            configuration,
        } = kubeconfig::target(kubeconfig, server, &manners)
            .map_err(|error| unusable(&error.server, &error.detail))?;
        Self::with_configuration(server, configuration)
    }

    /// Gives every answer, and every piece of one, this long.
    #[must_use]
    pub fn with_limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    fn with_configuration(server: String, mut configuration: Config) -> Result<Self, ClusterError> {
        // Asking again is decided here, where it is known what has been given away already.
        configuration.default_retry = false;
        let cannot = |detail: String| ClusterError {
            server: server.clone(),
            kind: ClusterErrorKind::Other,
            detail,
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| cannot(format!("cannot be asked: {error}")))?;
        let client = {
            let _inside = runtime.enter();
            Client::try_from(configuration)
                .map_err(|error| cluster_refusal::failed(&server, &error))?
        };
        Ok(Self {
            server,
            client,
            runtime,
            limit: LIMIT,
        })
    }

    fn error(&self, kind: ClusterErrorKind, detail: impl ToString) -> ClusterError {
        ClusterError {
            server: self.server.clone(),
            kind,
            detail: detail.to_string(),
        }
    }

    /// Asks until there is an answer that is no refusal of a busy server.
    async fn ask(&self, uri: &str) -> Result<Response<Body>, ClusterError> {
        let mut patience = PATIENCE;
        loop {
            let request = Request::get(uri)
                .header(ACCEPT, "application/json")
                .body(Body::empty())
                .map_err(|error| self.error(ClusterErrorKind::Other, error))?;
            let answer = tokio::time::timeout(self.limit, self.client.send(request)).await;
            let answer = answer
                .map_err(|_elapsed| self.silent())?
                .map_err(|error| cluster_refusal::failed(&self.server, &error))?;
            if answer.status().is_success() {
                return Ok(answer);
            }
            if answer.status() == StatusCode::TOO_MANY_REQUESTS && patience > 0 {
                patience -= 1;
                let wait = answer.headers().get(RETRY_AFTER);
                let wait = wait.and_then(|value| value.to_str().ok()?.parse().ok());
                tokio::time::sleep(Duration::from_secs(wait.unwrap_or(1).min(LONGEST_WAIT))).await;
                continue;
            }
            let status = answer.status().as_u16();
            // what is too long to be a refusal of the API is none of the API's
            let body = self.whole(answer, LARGEST_REFUSAL).await;
            let body = body.unwrap_or_default();
            return Err(cluster_refusal::answered(
                &self.server,
                status,
                body.bytes(),
            ));
        }
    }

    /// Sends a request that changes something; what the server answers. Asked once: whoever does not
    /// hear the answer must look before asking again.
    pub(super) fn change(
        &self,
        method: Method,
        uri: &str,
        content_type: &str,
        body: &Sealed,
    ) -> Result<Sealed, ClusterError> {
        let request = Request::builder()
            .method(method)
            .uri(uri)
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, content_type)
            .body(Body::from(danger::open(body).to_vec()))
            .map_err(|error| self.error(ClusterErrorKind::Other, error))?;
        self.runtime.block_on(async {
            let answer = tokio::time::timeout(self.limit, self.client.send(request)).await;
            let answer = answer
                .map_err(|_elapsed| self.silent())?
                .map_err(|error| cluster_refusal::failed(&self.server, &error))?;
            if answer.status().is_success() {
                let whole = self.whole(answer, LARGEST_OBJECT).await?;
                return Ok(Sealed::new(whole.bytes().to_vec()));
            }
            let status = answer.status().as_u16();
            let body = self.whole(answer, LARGEST_REFUSAL).await;
            let body = body.unwrap_or_default();
            Err(cluster_refusal::answered(
                &self.server,
                status,
                body.bytes(),
            ))
        })
    }

    /// Gives a body's pieces away as they arrive.
    async fn drain(
        &self,
        answer: Response<Body>,
        mut take: impl FnMut(&[u8]) -> Result<(), ClusterError>,
    ) -> Result<(), ClusterError> {
        let mut body = answer.into_body();
        loop {
            let frame = tokio::time::timeout(self.limit, body.frame()).await;
            match frame.map_err(|_elapsed| self.silent())? {
                None => return Ok(()),
                Some(Ok(frame)) => {
                    if let Ok(piece) = frame.into_data() {
                        take(&piece)?;
                    }
                }
                Some(Err(error)) => {
                    let detail = format!("the answer breaks off: {error}");
                    return Err(self.error(ClusterErrorKind::Unreachable, detail));
                }
            }
        }
    }

    /// A whole body of at most `most` bytes.
    async fn whole(
        &self,
        answer: Response<Body>,
        most: usize,
    ) -> Result<SecretBuffer, ClusterError> {
        let mut whole = SecretBuffer::new();
        self.drain(answer, |piece| {
            if whole.len().saturating_add(piece.len()) > most {
                let detail = format!("the answer is larger than {most} bytes");
                return Err(self.error(ClusterErrorKind::Other, detail));
            }
            whole.extend(piece);
            Ok(())
        })
        .await?;
        Ok(whole)
    }

    fn silent(&self) -> ClusterError {
        let detail = format!("no answer within {:?}", self.limit);
        self.error(ClusterErrorKind::Unreachable, detail)
    }
}

impl ClusterRead for ClusterClient {
    fn server(&self) -> &str {
        &self.server
    }

    fn version(&self) -> Result<ServerVersion, ClusterError> {
        self.runtime.block_on(async {
            let answer = match self.ask("/version").await {
                Ok(answer) => answer,
                // told to everyone by default, but that can be taken away
                Err(error) if error.kind == ClusterErrorKind::Forbidden => {
                    return Ok(ServerVersion::default());
                }
                Err(error) => return Err(error),
            };
            let date = answer.headers().get(DATE);
            let time = date.and_then(|date| time_of(date.to_str().ok()?));
            let body = self.whole(answer, LARGEST_OBJECT).await?;
            #[derive(Deserialize)]
            struct Version {
                #[serde(rename = "gitVersion")]
                git_version: String,
            }
            let version = serde_json::from_slice::<Version>(body.bytes());
            Ok(ServerVersion {
                version: version.ok().map(|version| version.git_version),
                time,
            })
        })
    }

    fn page(
        &self,
        request: &PageRequest<'_>,
        each: &mut dyn FnMut(&[u8]),
    ) -> Result<Page, ClusterError> {
        let uri = uri_of(request);
        self.runtime.block_on(async {
            let answer = self.ask(&uri).await?;
            let mut list = ListStream::new();
            let broken = |error: ListError| self.error(ClusterErrorKind::Other, error);
            self.drain(answer, |piece| list.push(piece, each).map_err(broken))
                .await?;
            let end = list.finish().map_err(broken)?;
            Ok(Page {
                next: end.next,
                passed_over: end.passed_over,
            })
        })
    }

    fn object(&self, path: &str) -> Result<Sealed, ClusterError> {
        self.runtime.block_on(async {
            let answer = self.ask(path).await?;
            let whole = self.whole(answer, LARGEST_OBJECT).await?;
            Ok(Sealed::new(whole.bytes().to_vec()))
        })
    }
}

fn unusable(server: &str, detail: &str) -> ClusterError {
    ClusterError {
        server: server.to_owned(),
        kind: ClusterErrorKind::Other,
        detail: detail.to_owned(),
    }
}

/// `Date` as RFC 9110 §5.6.7 wants it.
fn time_of(date: &str) -> Option<Timestamp> {
    DateTimeParser::new().parse_timestamp(date).ok()
}

fn uri_of(request: &PageRequest<'_>) -> String {
    let mut uri = format!("{}?limit={}", request.path, request.limit);
    for (name, value) in [
        ("fieldSelector", request.field_selector),
        ("continue", request.continue_from),
    ] {
        if let Some(value) = value {
            uri.push('&');
            uri.push_str(name);
            uri.push('=');
            percent_encode(value, &mut uri);
        }
    }
    uri
}

/// RFC 3986 §2.1: everything but the unreserved characters.
fn percent_encode(text: &str, into: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            into.push(char::from(byte));
        } else {
            into.push_str(&format!("%{byte:02X}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_and_places_are_escaped() {
        let request = PageRequest {
            path: "/api/v1/secrets",
            field_selector: Some("type!=a/b,type!=c"),
            limit: 500,
            continue_from: Some("eyJ+/="),
        };
        assert_eq!(
            uri_of(&request),
            "/api/v1/secrets?limit=500&fieldSelector=type%21%3Da%2Fb%2Ctype%21%3Dc\
             &continue=eyJ%2B%2F%3D"
        );
    }

    #[test]
    fn the_servers_clock_is_read() {
        let time = time_of("Sun, 22 Nov 2026 04:40:20 GMT").unwrap();
        assert_eq!(time.to_string(), "2026-11-22T04:40:20Z");
        assert_eq!(time_of("yesterday"), None);
    }
}
