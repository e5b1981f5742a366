//! [`GrpcMember`]: the questions to one member.

use std::future::Future;
use std::time::Duration;

use kubepki_engine::ports::{EtcdError, EtcdErrorKind, EtcdMember, EtcdPeer, EtcdStatus};
use tokio::runtime::Runtime;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

use super::connect::{Connector, Way};

#[expect(unused_qualifications, reason = "generated code")]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/etcdserverpb.rs"));
}
use generated::cluster_client::ClusterClient;
use generated::kv_client::KvClient;
use generated::maintenance_client::MaintenanceClient;
use generated::{
    MemberListRequest, MoveLeaderRequest, RangeRequest, SnapshotRequest, StatusRequest,
};

/// For connecting and for a small answer; a busy disk makes etcd slow.
const LIMIT: Duration = Duration::from_secs(15);

/// Between two pieces of a snapshot, and for counting a large store.
const LONG_LIMIT: Duration = Duration::from_secs(120);

/// What etcd answers for a revision that is gone (`ErrCompacted`).
const COMPACTED: &str = "required revision has been compacted";

/// A client of one member. It blocks, with a small runtime inside; not to be called from asynchronous
/// code.
pub(super) struct GrpcMember {
    name: String,
    channel: Channel,
    runtime: Runtime,
}

impl GrpcMember {
    /// Connects; `name` is said in errors.
    pub(super) fn connect(name: String, way: Way) -> Result<Self, EtcdError> {
        let failed = |detail: String| EtcdError::new(name.clone(), detail);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| failed(error.to_string()))?;
        // Where the stream leads is the connector's business; the authority is said and not used.
        let endpoint = Endpoint::from_static("http://etcd.invalid");
        let channel = runtime.block_on(async {
            let connecting = endpoint.connect_with_connector(Connector(way));
            match tokio::time::timeout(LIMIT, connecting).await {
                Ok(Ok(channel)) => Ok(channel),
                Ok(Err(error)) => Err(failed(causes(&error))),
                Err(_elapsed) => Err(failed(format!("no connection within {LIMIT:?}"))),
            }
        })?;
        Ok(Self {
            name,
            channel,
            runtime,
        })
    }

    fn error(&self, detail: impl std::fmt::Display) -> EtcdError {
        EtcdError::new(self.name.clone(), detail)
    }

    fn refused(&self, status: &Status) -> EtcdError {
        let detail = match (status.code(), status.message()) {
            (code, "") => code.description().to_owned(),
            (_, message) => message.to_owned(),
        };
        let is_compacted = status.code() == Code::OutOfRange && detail.contains(COMPACTED);
        match is_compacted {
            true => self.error(detail).of_kind(EtcdErrorKind::Compacted),
            false => self.error(detail),
        }
    }

    fn ask<T>(
        &self,
        limit: Duration,
        question: impl Future<Output = Result<T, Status>>,
    ) -> Result<T, EtcdError> {
        self.runtime.block_on(async {
            match tokio::time::timeout(limit, question).await {
                Ok(answer) => answer.map_err(|status| self.refused(&status)),
                Err(_elapsed) => Err(self.error(format_args!("no answer within {limit:?}"))),
            }
        })
    }
}

impl EtcdMember for GrpcMember {
    fn status(&self) -> Result<EtcdStatus, EtcdError> {
        let mut client = MaintenanceClient::new(self.channel.clone());
        let answer = self.ask(LIMIT, async { client.status(StatusRequest {}).await })?;
        let status = answer.into_inner();
        let header = status.header.unwrap_or_default();
        Ok(EtcdStatus {
            member: header.member_id,
            leader: status.leader,
            revision: header.revision,
            version: status.version,
            database_bytes: u64::try_from(status.db_size).unwrap_or_default(),
            errors: status.errors,
            learner: status.is_learner,
        })
    }

    fn members(&self) -> Result<Vec<EtcdPeer>, EtcdError> {
        let mut client = ClusterClient::new(self.channel.clone());
        let answer = self.ask(LIMIT, async {
            client.member_list(MemberListRequest {}).await
        })?;
        let members = answer.into_inner().members.into_iter();
        Ok(members
            .map(|member| EtcdPeer {
                id: member.id,
                name: member.name,
                client_urls: member.client_ur_ls,
                learner: member.is_learner,
            })
            .collect())
    }

    fn move_leader(&self, to: u64) -> Result<(), EtcdError> {
        let mut client = MaintenanceClient::new(self.channel.clone());
        self.ask(LIMIT, async {
            client
                .move_leader(MoveLeaderRequest { target_id: to })
                .await
        })
        .map(drop)
    }

    fn count(&self, revision: i64) -> Result<u64, EtcdError> {
        let mut client = KvClient::new(self.channel.clone());
        // Both ends zero: every key. Serializable: this member's own store, no leader needed.
        let question = RangeRequest {
            key: vec![0],
            range_end: vec![0],
            revision,
            serializable: true,
            count_only: true,
            ..RangeRequest::default()
        };
        let answer = self.ask(LONG_LIMIT, async { client.range(question).await })?;
        Ok(u64::try_from(answer.into_inner().count).unwrap_or_default())
    }

    fn snapshot(&self, take: &mut dyn FnMut(&[u8]) -> Result<(), String>) -> Result<(), EtcdError> {
        let mut client = MaintenanceClient::new(self.channel.clone());
        let opened = self.ask(LONG_LIMIT, async {
            client.snapshot(SnapshotRequest {}).await
        })?;
        let mut pieces = opened.into_inner();
        while let Some(piece) = self.ask(LONG_LIMIT, pieces.message())? {
            take(&piece.blob).map_err(|detail| self.error(detail))?;
        }
        Ok(())
    }
}

/// The innermost words: the outermost says "transport error" and no more.
fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut innermost = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        innermost = cause.to_string();
        next = cause.source();
    }
    innermost
}
