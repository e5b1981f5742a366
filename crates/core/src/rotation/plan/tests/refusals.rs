//! Why no script is made.

use super::builder::Cluster;
use crate::connections::Place;
use crate::model::{Gap, ObjectReference};
use crate::rotation::picture::{Holds, Keeper, Picture, PlaceState, Purpose, Stranger};
use crate::rotation::plan::{
    GivenAuthority, GivenKey, Refusal, RestartWorkloads, RotationRequest, picture_after,
    script_for, whole,
};
use crate::rotation::{Phase, Root};

fn at(phase: Phase, request: &RotationRequest) -> Picture {
    let mut picture = Cluster::kubeadm(3, 1).picture();
    for earlier in Phase::ALL.into_iter().filter(|it| *it < phase) {
        let script = script_for(&picture, request, earlier).unwrap();
        picture = picture_after(&picture, &script);
    }
    picture
}

fn refused(picture: &Picture, request: &RotationRequest, phase: Phase) -> Refusal {
    script_for(picture, request, phase).unwrap_err()
}

fn kubernetes() -> RotationRequest {
    RotationRequest::new([Root::KubernetesCa])
}

#[test]
fn nothing_old_is_retired_beside_a_gap_and_the_whole_says_so() {
    let mut picture = at(Phase::RetireOld, &kubernetes());
    picture.gaps.push(Gap::new("w9", "no route to host"));
    let refusal = refused(&picture, &kubernetes(), Phase::RetireOld);
    assert_eq!(refusal.code(), "gaps-left");
    assert!(refusal.to_string().contains("w9 (no route to host)"));
    let script = whole(&picture, &kubernetes()).unwrap();
    assert!(
        script
            .notices
            .iter()
            .any(|notice| notice.code == "gaps-left")
    );
}

#[test]
fn a_phase_waits_for_the_one_before() {
    let picture = at(Phase::TrustBoth, &kubernetes());
    for phase in [Phase::IssueFromNew, Phase::Settle, Phase::RetireOld] {
        let refusal = refused(&picture, &kubernetes(), phase);
        assert_eq!(refusal.code(), "earlier-phase-unfinished");
        assert!(refusal.to_string().contains("trust-both is not finished"));
    }
}

#[test]
fn what_cannot_be_told_has_to_be_acknowledged() {
    let mut picture = Cluster::kubeadm(1, 1).picture();
    let place = picture.roots[0]
        .places
        .iter_mut()
        .find(|place| {
            place
                .place
                .path()
                .is_some_and(|it| it.ends_with("kubelet.conf"))
        })
        .unwrap();
    place.holds = Holds::Unknown {
        reason: "permission denied".to_owned(),
    };
    let mut request = kubernetes();
    let refusal = refused(&picture, &request, Phase::Prepare);
    assert_eq!(refusal.code(), "places-unknown");
    assert!(
        refusal
            .to_string()
            .contains("cp1 /etc/kubernetes/kubelet.conf (permission denied)"),
        "{refusal}"
    );
    request.acknowledged = vec!["cp1 /etc/kubernetes/kubelet.conf".to_owned()];
    assert!(whole(&picture, &request).is_ok());
}

#[test]
fn copies_that_nobody_answers_for_are_named() {
    let mut picture = Cluster::kubeadm(1, 1).picture();
    let mut copy = picture.roots[0]
        .places
        .iter()
        .find(|place| matches!(place.place, Place::Api(_)))
        .unwrap()
        .clone();
    copy.kept_by = Keeper::Outside;
    if let Place::Api(object) = &mut copy.place {
        object.name = "continuous-integration".to_owned();
    }
    picture.roots[0].places.push(copy);
    let mut request = kubernetes();
    let refusal = refused(&picture, &request, Phase::Prepare);
    assert_eq!(refusal.code(), "not-acknowledged");
    assert!(refusal.to_string().contains("continuous-integration"));
    request.acknowledged = vec!["*".to_owned()];
    assert!(whole(&picture, &request).is_ok());
}

#[test]
fn a_certificate_that_cannot_be_issued_is_a_copy_too() {
    let mut picture = Cluster::kubeadm(1, 1).picture();
    let place = picture.roots[0]
        .places
        .iter_mut()
        .find(|place| place.purpose == Purpose::Present)
        .unwrap();
    place.renewable_as = None;
    assert_eq!(
        refused(&picture, &kubernetes(), Phase::Prepare).code(),
        "not-acknowledged"
    );
}

#[test]
fn without_the_key_nothing_is_begun() {
    let mut picture = Cluster::kubeadm(3, 0).picture();
    picture.roots[0].signing_keys.clear();
    let refusal = refused(&picture, &kubernetes(), Phase::Prepare);
    assert_eq!(refusal.code(), "external-ca");
    assert!(refusal.hint().unwrap().contains("--csr-dir"));
}

#[test]
fn an_expired_authority_is_rescued_or_swapped_offline() {
    let mut picture = Cluster::kubeadm(3, 0).picture();
    picture.roots[0].old[0].not_after = Some("2026-11-01T00:00:00Z".parse().unwrap());
    let mut request = kubernetes();
    assert_eq!(
        refused(&picture, &request, Phase::Prepare).code(),
        "ca-expired"
    );
    request.offline = true;
    assert!(whole(&picture, &request).is_ok());
}

#[test]
fn the_validity_has_to_lead_somewhere() {
    let picture = Cluster::kubeadm(3, 0).picture();
    let mut request = kubernetes();
    request.end = "2026-11-21".parse().unwrap();
    assert_eq!(
        refused(&picture, &request, Phase::Prepare).code(),
        "empty-validity"
    );
}

#[test]
fn another_rotations_successor_is_not_taken_for_ones_own() {
    let mut picture = at(Phase::TrustBoth, &kubernetes());
    // One that has been seen; what is only planned has no fingerprint.
    let made = picture.roots[0].new.as_mut().unwrap();
    made.fingerprint_sha256 = "bb".to_owned();
    let mut request = kubernetes();
    request.subject = Some("a-name-that-nobody-has".to_owned());
    assert_eq!(
        refused(&picture, &request, Phase::TrustBoth).code(),
        "other-rotation"
    );
}

#[test]
fn what_is_given_has_to_be_a_certificate_for_a_root_that_is_rotated() {
    let picture = Cluster::kubeadm(3, 0).picture();
    let mut request = kubernetes();
    let mut given = GivenAuthority {
        root: Root::EtcdCa,
        certificate_pem: "nothing".to_owned(),
        key: GivenKey::OnHost {
            host: "cp1".to_owned(),
            path: "/root/new.key".into(),
        },
    };
    request.given = Some(given.clone());
    assert_eq!(
        refused(&picture, &request, Phase::Prepare).code(),
        "given-for-another"
    );
    request.given = None;
    request.key_type = Some("ed25519".to_owned());
    let refusal = refused(&picture, &request, Phase::Prepare);
    assert_eq!(refusal.code(), "key-type-unusable");
    assert!(
        refusal.to_string().contains("kubeadm opens RSA and ECDSA"),
        "{refusal}"
    );
    assert!(refusal.hint().unwrap().contains("ecdsa:p256"));
    request.key_type = None;
    given.root = Root::KubernetesCa;
    request.given = Some(given.clone());
    assert_eq!(
        refused(&picture, &request, Phase::Prepare).code(),
        "given-unusable"
    );
    given.key = GivenKey::OnHost {
        host: "elsewhere".to_owned(),
        path: "/root/new.key".into(),
    };
    request.given = Some(given);
    assert_eq!(
        refused(&picture, &request, Phase::Prepare).code(),
        "key-host-unknown"
    );
}

#[test]
fn workloads_that_the_user_restarts_are_waited_for_or_left() {
    let mut request = kubernetes();
    request.restart_workloads = RestartWorkloads::List;
    let picture = at(Phase::IssueFromNew, &request);
    let refusal = refused(&picture, &request, Phase::IssueFromNew);
    assert_eq!(refusal.code(), "workloads-not-restarted");
    assert!(
        refusal.to_string().contains("Deployment shop/front1"),
        "{refusal}"
    );
    request.restart_workloads = RestartWorkloads::None;
    let script = whole(&picture, &request).unwrap();
    assert!(
        script
            .notices
            .iter()
            .any(|notice| notice.code == "workloads-left")
    );
}

#[test]
fn a_root_that_is_not_there_and_no_root_at_all() {
    let mut picture = Cluster::kubeadm(1, 0).picture();
    picture.roots.remove(2);
    let request = RotationRequest::new([Root::FrontProxyCa]);
    let refusal = refused(&picture, &request, Phase::Prepare);
    assert_eq!(refusal.code(), "root-not-found");
    assert!(
        refusal
            .to_string()
            .contains("kubernetes-ca, etcd-ca, service-account-key")
    );
    let nothing = RotationRequest::new([]);
    assert_eq!(
        refused(&picture, &nothing, Phase::Prepare).code(),
        "no-root"
    );
}

#[test]
fn tokens_are_not_verified_by_the_private_keys_file() {
    let mut picture = Cluster::kubeadm(1, 0).picture();
    let root = &mut picture.roots[3];
    let key = root
        .places
        .iter()
        .find(|place| place.purpose == Purpose::Sign)
        .unwrap()
        .place
        .clone();
    root.places
        .iter_mut()
        .find(|place| place.purpose == Purpose::Trust)
        .unwrap()
        .place = key;
    let request = RotationRequest::new([Root::ServiceAccountKey]);
    assert_eq!(
        refused(&picture, &request, Phase::Prepare).code(),
        "key-file-shared"
    );
}

#[test]
fn kubeadms_renewal_in_the_middle_is_noticed_and_mended() {
    let request = kubernetes();
    let mut picture = at(Phase::RetireOld, &request);
    for place in &mut picture.roots[0].places {
        let is_admin = place
            .place
            .path()
            .is_some_and(|it| it.ends_with("admin.conf"));
        if is_admin && place.purpose == Purpose::Trust {
            place.holds = Holds::Old;
        }
    }
    let script = script_for(&picture, &request, Phase::TrustBoth).unwrap();
    assert_eq!(script.notices[0].code, "fell-back");
    assert!(
        script.notices[0]
            .message
            .contains("cp1 /etc/kubernetes/admin.conf")
    );
    assert!(!script.rounds.is_empty());
}

#[test]
fn a_single_control_planes_gap_is_told_beforehand() {
    let script = whole(
        &Cluster::kubeadm(1, 1).picture(),
        &RotationRequest::new(Root::ALL),
    );
    let script = script.unwrap();
    let notice = script
        .notices
        .iter()
        .find(|notice| notice.code == "single-control-plane")
        .unwrap();
    assert_eq!(
        notice.message,
        "there is one API server: nobody reaches the API while it is restarted, about \
         31 s in trust-both-etcd, 9 s in settle-api-servers, 31 s in retire-old-etcd, 71 s in all; \
         what runs on the nodes goes on"
    );
    assert_eq!(notice.object, "cp1");
    assert!(
        !script
            .notices
            .iter()
            .any(|notice| notice.code == "etcd-leadership")
    );
}

#[test]
fn pods_that_were_acknowledged_unseen_are_named_before_they_are_left_behind() {
    let mut picture = Cluster::kubeadm(3, 2).picture();
    let root = picture
        .roots
        .iter_mut()
        .find(|it| it.root == Root::ServiceAccountKey)
        .unwrap();
    root.places.push(PlaceState {
        place: Place::Api(ObjectReference::namespaced("Pod", "shop", "till")),
        purpose: Purpose::Present,
        holds: Holds::Old,
        kept_by: Keeper::Outside,
        renewable_as: None,
        readers: Vec::new(),
    });
    let mut request = RotationRequest::new([Root::ServiceAccountKey]);
    assert_eq!(
        refused(&picture, &request, Phase::Prepare).code(),
        "not-acknowledged"
    );
    request.acknowledged = vec!["*".to_owned()];
    let script = whole(&picture, &request).unwrap();
    let notice = script
        .notices
        .iter()
        .find(|it| it.code == "workloads-left-behind")
        .unwrap();
    assert!(notice.message.contains("shop/till"), "{}", notice.message);
}

#[test]
fn a_worker_that_is_left_out_stops_what_it_would_not_survive() {
    let mut picture = Cluster::kubeadm(1, 0).picture();
    picture.strangers = vec![Stranger {
        named: "Node w1".to_owned(),
        roots: vec![Root::KubernetesCa],
    }];
    let mut request = kubernetes();
    let refusal = refused(&picture, &request, Phase::Prepare);
    assert_eq!(refusal.code(), "hosts-missing");
    assert!(
        refusal.to_string().starts_with(
            "kubernetes-ca cannot be rotated on 1 host alone: the cluster also has Node w1"
        ),
        "{refusal}"
    );
    assert_eq!(whole(&picture, &request).unwrap_err(), refusal);
    request.acknowledged = vec!["*".to_owned()];
    assert_eq!(refused(&picture, &request, Phase::Prepare), refusal);
    request.acknowledged = vec!["Node w1".to_owned()];
    whole(&picture, &request).unwrap();
    for root in [Root::EtcdCa, Root::FrontProxyCa, Root::ServiceAccountKey] {
        let request = RotationRequest::new([root]);
        whole(&picture, &request).unwrap();
        let mut other = picture.clone();
        other.strangers[0].roots = Root::ALL.to_vec();
        assert_eq!(whole(&other, &request).unwrap_err().code(), "hosts-missing");
    }
}

#[test]
fn who_is_to_sign_has_the_key() {
    let mut picture = Cluster::kubeadm(3, 1).picture();
    assert!(whole(&picture, &kubernetes()).is_ok());
    picture.roots[0].signing_keys = vec!["cp1".to_owned()];
    let refusal = refused(&picture, &kubernetes(), Phase::Prepare);
    assert_eq!(refusal.code(), "signer-without-key");
    assert!(refusal.to_string().contains("cp2, cp3"), "{refusal}");
}
