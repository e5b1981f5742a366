//! Settle: a kept connection goes on with the certificate of its handshake for as long as it lasts, and
//! the server does not close it. One rolling restart of the API servers does, while both are trusted; it
//! takes up the new service-account key, too.

use super::rounds::Title;
use super::scene::Scene;
use super::trust_both::{unstarted, workloads};
use super::work::{Class, Work};
use crate::model::ComponentKind::{self, KubeApiserver};
use crate::rotation::picture::{Holds, Keeper, Purpose, RootPicture};
use crate::rotation::{Action, Await, Phase, RestartWorkloads, Root, Round};
use std::collections::BTreeSet;

pub(super) fn settle(scene: &Scene<'_>) -> Vec<Round> {
    let rounds = scene.rounds(Phase::Settle);
    let works: Vec<Work> = unsettled(scene)
        .into_iter()
        .map(|host| Work {
            host,
            actions: Vec::new(),
            restarts: BTreeSet::from([KubeApiserver]),
            class: Class::ApiServers,
        })
        .collect();
    let mut all: Vec<Round> = rounds
        .of(
            Class::ApiServers,
            &works,
            &Title {
                name: "api-servers",
                reason: "kept connections that began with old certificates end here, while both are trusted; without this their clients would be refused for good when the old one goes",
            },
        )
        .into_iter()
        .collect();
    if !all.is_empty() {
        let mut proof = rounds.asking(
            served(scene),
            &Title {
                name: "proof",
                reason: "nobody presents the old one any more",
            },
        );
        // Whoever serves was started since its certificate was changed, or has had the time to read it.
        if let Some(proof) = &mut proof {
            proof.estimate_seconds = 2;
        }
        all.extend(proof);
    }
    all.extend(tokens(scene));
    all
}

/// Hosts whose API server keeps old connections, or signs with the old key.
fn unsettled(scene: &Scene<'_>) -> Vec<String> {
    let keeps = |root: &RootPicture, host: &str| {
        root.root == Root::KubernetesCa
            && !root.settled.iter().any(|settled| settled == host)
            && !is_retiring(root)
    };
    let is_behind = |root: &RootPicture, host: &str| {
        root.places
            .iter()
            .filter(|place| place.purpose == Purpose::Sign)
            .flat_map(|place| &place.readers)
            .any(|reader| {
                reader.host == host
                    && reader.component == KubeApiserver
                    && reader.loaded == Some(false)
            })
    };
    scene
        .picture
        .hosts_with(KubeApiserver)
        .map(|host| host.name.clone())
        .filter(|host| {
            scene
                .rotating()
                .any(|root| keeps(root, host) || is_behind(root, host))
        })
        .collect()
}

/// Whether API servers begin to believe the new generation alone: that is not begun before they settled,
/// and what kubelets renew for themselves later is of the new one.
fn is_retiring(root: &RootPicture) -> bool {
    root.kept(Purpose::Trust).any(|place| {
        place.holds == Holds::New
            && super::places::is_read_by(place, KubeApiserver, &["client-ca-file"])
    })
}

/// What proves that everybody presents the new generation.
pub(super) fn served(scene: &Scene<'_>) -> Vec<Await> {
    let components = |root: &RootPicture| -> Vec<ComponentKind> {
        [KubeApiserver, ComponentKind::Kubelet, ComponentKind::Etcd]
            .into_iter()
            .filter(|kind| serves(root, *kind))
            .collect()
    };
    scene
        .rotating()
        .map(|root| (root.root, components(root)))
        .filter(|(_, components)| !components.is_empty())
        .map(|(root, components)| Await::NewServed {
            root,
            components,
            hosts: Vec::new(),
        })
        .collect()
}

fn serves(root: &RootPicture, kind: ComponentKind) -> bool {
    let flags: &[&str] = match kind {
        ComponentKind::Etcd => &["cert-file", "peer-cert-file"],
        _ => &["tls-cert-file"],
    };
    root.kept(Purpose::Present)
        .any(|place| super::places::is_read_by(place, kind, flags))
}

/// Second token Secrets, and workloads that start with them: never signed again in place, since the old
/// token is refused at once then.
fn tokens(scene: &Scene<'_>) -> Vec<Round> {
    let Some(root) = scene
        .rotating()
        .find(|root| root.root == Root::ServiceAccountKey)
    else {
        return Vec::new();
    };
    let mut all: Vec<Round> = second_tokens(scene, Phase::Settle).into_iter().collect();
    let is_old = unstarted(root, Purpose::Present).next().is_some();
    if (is_old || is_to_be_signed(root))
        && scene.request.restart_workloads == RestartWorkloads::Auto
    {
        all.extend(workloads(scene, Phase::Settle, &[root.root]));
    }
    all
}

/// Whether an API server still signs tokens with the old key: who has to be started again is known only
/// when none does, so nobody who is known yet does not mean that nobody has to.
fn is_to_be_signed(root: &RootPicture) -> bool {
    let mut signing = root
        .places
        .iter()
        .filter(|place| place.purpose == Purpose::Sign);
    signing.any(|place| {
        let mut servers = place
            .readers
            .iter()
            .filter(|reader| reader.component == KubeApiserver);
        servers.any(|reader| place.holds != Holds::New || reader.loaded == Some(false))
    })
}

/// The round that gives every ServiceAccount with a token Secret a second one.
pub(super) fn second_tokens(scene: &Scene<'_>, phase: Phase) -> Option<Round> {
    let without_second = scene
        .rotating()
        .filter(|root| root.root == Root::ServiceAccountKey)
        .flat_map(|root| root.kept_by(Keeper::ControllerManager))
        .any(|place| place.purpose == Purpose::Present && place.holds == Holds::Old);
    let host = scene.picture.asks_api().filter(|_| without_second)?;
    scene.rounds(phase).on_one(
        host,
        vec![Action::AddTokenSecrets],
        &Title {
            name: "token-secrets",
            reason: match phase {
                Phase::IssueFromNew => {
                    "every ServiceAccount with a token Secret gets one that the new key signed, listed first"
                }
                _ => {
                    "every ServiceAccount with a token Secret gets a second one, signed by the new key and listed first: the old token stays good meanwhile"
                }
            },
        },
        Vec::new(),
    )
}

/// What has to be so before this phase, asked again when the one before was not part of the script.
pub(super) fn asked_before(scene: &Scene<'_>, phase: Phase) -> Option<Round> {
    scene.rounds(phase).asking(
        served(scene),
        &Title {
            name: "asked-before",
            reason: "what the phase before waited for is asked again, since this one relies on it",
        },
    )
}
