//! Issue from the new one: everybody trusts both, so whoever presents something may present either.
//! Servers come before clients that forget the old servers in the same restart; the signer is exchanged
//! in its turn.

use super::rounds::Title;
use super::scene::Scene;
use super::trust_both;
use super::work::{Class, Work, presented, signers};
use crate::model::ComponentKind;
use crate::rotation::{Await, Phase, Root, Round};

pub(super) fn issue(scene: &Scene<'_>) -> Vec<Round> {
    let rounds = scene.rounds(Phase::IssueFromNew);
    let mut works: Vec<Work> = scene.rotating().flat_map(presented).collect();
    let signing: Vec<Work> = scene.rotating().flat_map(signers).collect();
    let (quiet, taken_up): (Vec<Work>, Vec<Work>) = signing
        .into_iter()
        .partition(|work| work.class == Class::Files);
    works.extend(taken_up);
    let mut all: Vec<Round> = [
        rounds.of(
            Class::Files,
            &works,
            &Title {
                name: "clients",
                reason: "certificates that nobody keeps in memory: administrators' and others' clients",
            },
        ),
        rounds.of(
            Class::Etcd,
            &works,
            &Title {
                name: "etcd",
                reason: "etcd's members present new certificates with their next handshake, without a restart",
            },
        ),
        rounds.of(
            Class::ApiServers,
            &works,
            &Title {
                name: "api-servers",
                reason: "API servers take up their serving and client certificates by themselves",
            },
        ),
    ]
    .into_iter()
    .flatten()
    .collect();
    all.extend(rounds.asking(
        served(scene, &works),
        &Title {
            name: "served",
            reason: "every API server and every member of etcd presents the new one, before anybody forgets the old",
        },
    ));
    all.extend(rounds.of(
        Class::Controllers,
        &works,
        &Title {
            name: "controllers",
            reason: "controllers come with new certificates, and kube-controller-manager signs with the new one; leaders come last",
        },
    ));
    all.extend(rounds.kubelets(
        &works,
        &Title {
            name: "control-plane-kubelets",
            reason: "kubelets take up client and serving certificates in one restart; beside an API server one at a time",
        },
        &Title {
            name: "kubelets",
            reason: "kubelets take up client and serving certificates in one restart",
        },
    ));
    all.extend(rounds.of(
        Class::Files,
        &quiet,
        &Title {
            name: "signers",
            reason: "the successor takes the place of the old key where certificates are signed by hand or by kubeadm",
        },
    ));
    all
}

/// Servers whose new certificates have to be seen.
fn served(scene: &Scene<'_>, works: &[Work]) -> Vec<Await> {
    let is_changed = |class| works.iter().any(|work| work.class == class);
    let has = |root: Root| scene.rotating().any(|it| it.root == root);
    let mut awaits = Vec::new();
    if is_changed(Class::ApiServers) && has(Root::KubernetesCa) {
        awaits.push(Await::NewServed {
            root: Root::KubernetesCa,
            components: vec![ComponentKind::KubeApiserver],
            hosts: Vec::new(),
        });
    }
    if is_changed(Class::Etcd) && has(Root::EtcdCa) {
        awaits.push(Await::NewServed {
            root: Root::EtcdCa,
            components: vec![ComponentKind::Etcd],
            hosts: Vec::new(),
        });
    }
    awaits
}

/// What has to be so before this phase, asked again when the one before was not part of the script.
pub(super) fn asked_before(scene: &Scene<'_>) -> Option<Round> {
    let mut awaits: Vec<Await> = scene.rotating().flat_map(trust_both::proofs).collect();
    if scene.rotating().any(|root| root.root == Root::KubernetesCa) {
        // API servers that serve the new one already need not be waited for by those who come next.
        let is_served = scene
            .rotating()
            .filter(|root| root.root == Root::KubernetesCa)
            .all(|root| root.is_begun(Phase::IssueFromNew) && root.api_servers_serve_new());
        if is_served {
            awaits.push(Await::NewServed {
                root: Root::KubernetesCa,
                components: vec![ComponentKind::KubeApiserver],
                hosts: Vec::new(),
            });
        }
        awaits.push(Await::WorkloadsRolledOut);
    }
    scene.rounds(Phase::IssueFromNew).asking(
        awaits,
        &Title {
            name: "asked-before",
            reason: "what the phase before waited for is asked again, since this one relies on it",
        },
    )
}
