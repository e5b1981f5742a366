//! A CA that somebody else made, or is asked for: what is refused of it, and how it reaches the hosts.

use crate::authority::{Authority, NOW};
use crate::carry::Reach;
use crate::field::{Field, shape};
use jiff::SignedDuration;
use kubepki_core::diagnose::{Evidence, HostEvidence};
use kubepki_core::formats::pem_edit::{private_key, replace_chain};
use kubepki_core::model::SuccessorRequest;
use kubepki_core::plan::{EndRule, FileEdit, HostView, KeyChoice, OPERATOR, Plan, Signer, Step};
use kubepki_core::rotation::lower::lower;
use kubepki_core::rotation::plan::{for_old_keys, next_phase, script_for, whole};
use kubepki_core::rotation::{
    GivenAuthority, GivenKey, OldKey, Phase, Picture, Position, Root, RotationRequest, observe,
};
use kubepki_keys::{KeyType, PrivateKey};
use kubepki_sealed::{Sealed, danger};
use kubepki_x509::{
    BasicConstraints, Certificate, ExtendedKeyUsage, Extension, KeyUsage, pem, profile,
};
use std::path::Path;

const ROOT: Root = Root::KubernetesCa;

fn key() -> PrivateKey {
    PrivateKey::generate(KeyType::EcdsaP256).unwrap()
}

fn on(host: &str) -> GivenKey {
    GivenKey::OnHost {
        host: host.to_owned(),
        path: "/root/new.key".into(),
    }
}

fn given(certificates: &[&Certificate], key: GivenKey) -> RotationRequest {
    RotationRequest {
        given: Some(GivenAuthority {
            root: ROOT,
            certificate_pem: certificates.iter().map(|it| it.to_pem()).collect(),
            key,
        }),
        ..RotationRequest::new([ROOT])
    }
}

fn refused(picture: &Picture, request: &RotationRequest) -> (&'static str, String) {
    let refusal = script_for(picture, request, Phase::Prepare).unwrap_err();
    (refusal.code(), refusal.to_string())
}

fn ca(common_name: &str) -> (PrivateKey, Vec<Extension>) {
    let key = key();
    let extensions = profile::ca(common_name, key.public_key(), None, None);
    (key, extensions)
}

fn with(extensions: &mut Vec<Extension>, new: Extension) {
    extensions.retain(|it| it.oid != new.oid);
    extensions.push(new);
}

#[test]
fn what_cannot_sign_for_a_cluster_is_refused_with_evidence() {
    let field = Field::new(shape(2, 1));
    let (_, _, picture) = field.seen();
    let says = |certificates: &[&Certificate], words: &str| {
        let (code, text) = refused(&picture, &given(certificates, on("cp1")));
        assert_eq!(code, "given-unusable", "{text}");
        assert!(text.contains(words), "{text}");
    };
    let (own, extensions) = ca("ours");
    let (mut none, mut signs_not, mut servers) =
        (extensions.clone(), extensions.clone(), extensions.clone());
    with(
        &mut none,
        Extension::basic_constraints(BasicConstraints {
            ca: false,
            path_len_constraint: None,
        }),
    );
    says(&[&Authority::like("ours", own, none)], "CA:TRUE");
    with(
        &mut signs_not,
        Extension::key_usage(KeyUsage::DIGITAL_SIGNATURE),
    );
    says(
        &[&Authority::like("ours", key(), signs_not)],
        "expected keyCertSign",
    );
    with(
        &mut servers,
        Extension::extended_key_usage(&[ExtendedKeyUsage::ServerAuth]),
    );
    says(
        &[&Authority::like("ours", key(), servers)],
        "issues for clientAuth as well",
    );
    let other = PrivateKey::generate(KeyType::Ed25519).unwrap();
    says(
        &[&Authority::like("ours", other, extensions.clone())],
        "its key is Ed25519",
    );
    let old = picture.root(ROOT).unwrap().old[0].pem.clone();
    let old = pem::certificates(old.as_bytes()).unwrap().remove(0);
    says(&[&old], "the one that is in use");
    let name = old.subject().common_name().unwrap();
    says(
        &[&Authority::like(&name, key(), extensions.clone())],
        "expected another name",
    );
    // A chain that is none.
    let below = Authority::intermediate_alone("ours");
    says(
        &[&below.anchor, &Authority::root("strangers").anchor],
        "did not sign it",
    );
    let short = Authority::below_a_path_of_none("ours");
    says(
        &[&short.anchor, &short.above[0]],
        "the path length of CN=ours root is 0",
    );
}

#[test]
fn a_name_of_ones_own_is_planned_to_the_end() {
    let field = Field::new(shape(2, 1));
    let (_, _, picture) = field.seen();
    let request = RotationRequest {
        subject: Some("another name".to_owned()),
        key_type: Some("ecdsa:p384".to_owned()),
        ..RotationRequest::new([ROOT])
    };
    let all = whole(&picture, &request).unwrap();
    assert!(all.rounds.iter().any(|it| it.phase == Phase::RetireOld));
}

#[test]
fn a_ca_that_is_made_has_the_key_the_time_and_the_name_that_were_asked_for() {
    let mut field = Field::new(shape(2, 1));
    let request = RotationRequest {
        subject: Some("another name".to_owned()),
        key_type: Some("ecdsa:p384".to_owned()),
        end: EndRule::For(SignedDuration::from_hours(5 * 8760)),
        ..RotationRequest::new([ROOT])
    };
    let prepared = plans(&field, &request, Phase::Prepare);
    let mut made = prepared.iter().flat_map(|(_, plan)| &plan.issuances);
    let issuance = made.find(|it| it.signer == Signer::ItsOwnKey).unwrap();
    let KeyChoice::Generate { key_type } = &issuance.key else {
        panic!("{issuance:?}");
    };
    assert_eq!(key_type, "ecdsa:p384");
    assert!(
        format!("{:?}", issuance.origin).contains("another name"),
        "{issuance:?}"
    );
    let lasts = issuance.not_after.duration_since(NOW);
    assert_eq!(lasts.as_hours(), 5 * 8760, "{issuance:?}");
    // The same words typed again are about the one that is there by then, and refuse nothing.
    let (_, _, picture) = field.seen();
    let script = script_for(&picture, &request, Phase::Prepare).unwrap();
    field.carry(&script, usize::MAX, Reach::All);
    let (_, _, mut picture) = field.seen();
    let root = picture.roots.iter_mut().find(|it| it.root == ROOT).unwrap();
    root.new.as_mut().unwrap().name = "CN=another name".to_owned();
    assert!(script_for(&picture, &request, Phase::TrustBoth).is_ok());
    let other = RotationRequest {
        subject: Some("a third name".to_owned()),
        ..request
    };
    let refusal = script_for(&picture, &other, Phase::TrustBoth).unwrap_err();
    assert_eq!(refusal.code(), "other-rotation");
}

#[test]
fn what_was_kept_may_be_parted_with_when_all_is_over() {
    let field = Field::new(shape(2, 1));
    let request = RotationRequest {
        old_key: OldKey::Destroy,
        ..RotationRequest::new(Root::ALL)
    };
    let (_, _, picture) = field.seen();
    let evidence = field.evidence();
    let script = for_old_keys(&picture, &request);
    let views: Vec<HostView<'_>> = evidence
        .iter()
        .map(|host| HostView {
            name: &host.inventory.host,
            inventory: &host.inventory,
        })
        .collect();
    let plan = lower(&script, &picture, &views, None, &request, NOW).unwrap();
    let steps: Vec<&Step> = plan.stages.iter().flat_map(|it| &it.steps).collect();
    assert_eq!(steps.len(), 2, "one for each control plane: {steps:?}");
    for step in steps {
        let Step::RetireKeys { keys, how, .. } = step else {
            panic!("{step:?}");
        };
        assert_eq!(*how, OldKey::Destroy);
        assert!(
            keys.contains(&"/etc/kubernetes/pki/ca.key".into()),
            "{keys:?}"
        );
        assert!(
            keys.contains(&"/etc/kubernetes/pki/etcd/ca.key".into()),
            "{keys:?}"
        );
        assert!(!keys.iter().any(|key| key.ends_with("ca.crt")), "{keys:?}");
    }
    let codes: Vec<&str> = plan.notices.iter().map(|it| it.code.as_str()).collect();
    assert!(codes.contains(&"old-key-destroyed"), "{codes:?}");
    let kept = RotationRequest::new(Root::ALL);
    assert!(for_old_keys(&picture, &kept).rounds.is_empty());
}

#[test]
fn the_key_lies_where_it_is_of_use() {
    let field = Field::new(shape(2, 1));
    let (_, _, mut picture) = field.seen();
    let own = Authority::root("ours");
    let asked = |host: &str| given(&[&own.anchor], on(host));
    let worker = field.world.machines.last().unwrap();
    assert_eq!(
        refused(&picture, &asked(&worker.name)).0,
        "key-host-signs-not"
    );
    assert_eq!(refused(&picture, &asked("elsewhere")).0, "key-host-unknown");
    let root = picture.roots.iter_mut().find(|it| it.root == ROOT).unwrap();
    root.signing_keys.clear();
    let here = GivenKey::WithOperator {
        path: "/home/me/ca.key".into(),
    };
    for request in [asked("cp1"), given(&[&own.anchor], here)] {
        let (code, words) = refused(&picture, &request);
        assert_eq!(code, "external-ca", "{words}");
    }
}

fn plans(field: &Field, request: &RotationRequest, phase: Phase) -> Vec<(String, Plan)> {
    of_evidence(&field.evidence(), field, request, phase)
}

fn of_evidence(
    evidence: &[HostEvidence],
    field: &Field,
    request: &RotationRequest,
    phase: Phase,
) -> Vec<(String, Plan)> {
    let cluster = field.observation(evidence);
    let seen = Evidence {
        hosts: evidence,
        cluster: Some(&cluster),
    };
    let picture = observe::picture(&seen, &field.seen().2.leaders);
    let script = script_for(&picture, request, phase).unwrap();
    let views: Vec<HostView<'_>> = evidence
        .iter()
        .map(|host| HostView {
            name: &host.inventory.host,
            inventory: &host.inventory,
        })
        .collect();
    let plan = lower(&script, &picture, &views, Some(&cluster), request, NOW).unwrap();
    let steps = plan.stages.into_iter().flat_map(|stage| stage.steps);
    steps
        .filter_map(|step| match step {
            Step::Carry { host, plan } => Some((host, *plan)),
            _ => None,
        })
        .collect()
}

fn edits<'p>(plans: &'p [(String, Plan)], host: &'p str) -> Vec<&'p FileEdit> {
    let of = plans.iter().filter(move |(name, _)| name == host);
    of.flat_map(|(_, plan)| &plan.file_edits).collect()
}

#[test]
fn a_given_intermediate_comes_with_its_chain_and_servers_send_it_along() {
    let mut field = Field::new(shape(2, 1));
    let made = Authority::intermediate_alone("ours");
    let (anchor, above) = (made.anchor.clone(), made.above[0].clone());
    let sha256 = hex::encode(anchor.public_key().sha256());
    let request = given(&[&anchor, &above], on("cp1"));
    let both = format!("{}{}", anchor.to_pem(), above.to_pem());
    field.given = Some(made);

    let (_, _, picture) = field.seen();
    let all = whole(&picture, &request).unwrap();
    assert!(all.rounds.iter().any(|it| it.phase == Phase::RetireOld));
    let codes: Vec<&str> = all.notices.iter().map(|it| it.code.as_str()).collect();
    assert!(codes.contains(&"intermediate-ca"), "{codes:?}");

    let prepared = plans(&field, &request, Phase::Prepare);
    let next = "/etc/kubernetes/pki/ca-next.key";
    assert!(edits(&prepared, "cp1").contains(&&FileEdit::AdoptKey {
        from: "/root/new.key".into(),
        to: next.into(),
        public_key_sha256: sha256.clone(),
    }));
    assert!(edits(&prepared, "cp2").contains(&&FileEdit::BringKey {
        path: next.into(),
        host: "cp1".to_owned(),
        from: next.into(),
        public_key_sha256: Some(sha256.clone()),
    }));
    for host in ["cp1", "cp2"] {
        let whole = |edit: &&FileEdit| matches!(edit, FileEdit::Bundle { pem, .. } if *pem == both);
        assert!(edits(&prepared, host).iter().any(whole), "{host}");
    }
    let here = GivenKey::WithOperator {
        path: "/home/me/ca.key".into(),
    };
    let brought = plans(&field, &given(&[&anchor, &above], here), Phase::Prepare);
    assert!(edits(&brought, "cp1").contains(&&FileEdit::BringKey {
        path: next.into(),
        host: OPERATOR.to_owned(),
        from: "/home/me/ca.key".into(),
        public_key_sha256: Some(sha256),
    }));

    for phase in [Phase::Prepare, Phase::TrustBoth] {
        for _ in 0..2 {
            let (_, _, picture) = field.seen();
            if next_phase(&picture, &request) == Some(phase) {
                let script = script_for(&picture, &request, phase).unwrap();
                field.carry(&script, usize::MAX, Reach::All);
            }
        }
    }
    let chains = |field: &Field| -> Vec<FileEdit> {
        let issued = plans(field, &request, Phase::IssueFromNew);
        let edits = edits(&issued, "cp1").into_iter();
        edits
            .filter(|edit| matches!(edit, FileEdit::Chain { .. }))
            .cloned()
            .collect()
    };
    // kubeadm wants one certificate in each of its files; where more than one is served already, it is so
    // by somebody's will.
    assert_eq!(chains(&field), []);
    let path = "/etc/kubernetes/pki/apiserver.crt";
    let machine = &mut field.world.machines[0];
    let served = machine.certificates.get_mut(Path::new(path)).unwrap();
    served.chain.push(above);
    assert_eq!(
        chains(&field),
        [FileEdit::Chain {
            path: path.into(),
            pem: anchor.to_pem(),
        }]
    );
}

#[test]
fn what_stands_behind_a_certificate_is_exchanged_and_nothing_else() {
    let (old, new) = (
        Authority::intermediate("old"),
        Authority::intermediate("new"),
    );
    let leaf = old.server("kube-apiserver", &["localhost"]).chain;
    let key = key();
    let key_pem = key.to_pem(key.encoding()).unwrap();
    let mut text: Vec<u8> = leaf
        .iter()
        .map(Certificate::to_pem)
        .collect::<String>()
        .into();
    text.extend_from_slice(danger::open(&key_pem));
    let file = Sealed::new(text);
    let behind = [new.issuing().clone(), new.anchor.clone()];
    for chain in [&behind[..], &behind[..1], &[]] {
        let edited = replace_chain(&file, chain).unwrap();
        let found = pem::certificates(danger::open(&edited)).unwrap();
        assert_eq!(found[0], leaf[0]);
        assert_eq!(found[1..], *chain);
        let kept = private_key(&edited).unwrap();
        assert!(danger::open(&kept) == danger::open(&private_key(&file).unwrap()));
    }
}

#[test]
fn a_request_waits_until_its_certificate_comes() {
    let field = Field::new(shape(2, 1));
    let asking = RotationRequest {
        by_request: true,
        ..RotationRequest::new([ROOT])
    };
    let asked = plans(&field, &asking, Phase::Prepare);
    let [(host, plan)] = asked.as_slice() else {
        panic!("{asked:?}");
    };
    let [
        FileEdit::MakeRequest {
            key,
            request,
            common_name,
            ..
        },
    ] = plan.file_edits.as_slice()
    else {
        panic!("{:?}", plan.file_edits);
    };
    assert_eq!(host, "cp1");
    assert!(common_name.contains('@'));

    // As discovery finds it then.
    let made = Authority::root("ours");
    let mut evidence = field.evidence();
    evidence[0]
        .inventory
        .successor_requests
        .push(SuccessorRequest {
            authority: field.ca_file(ROOT),
            path: request.clone(),
            key_path: key.clone(),
            subject: format!("CN={common_name}"),
            public_key_sha256: hex::encode(made.anchor.public_key().sha256()),
            pem: "a request".to_owned(),
        });
    let contents = Some("00".repeat(32));
    evidence[0]
        .inventory
        .files
        .insert(request.clone(), contents);
    let cluster = field.observation(&evidence);
    let seen = Evidence {
        hosts: &evidence,
        cluster: Some(&cluster),
    };
    let picture = observe::picture(&seen, &field.seen().2.leaders);
    let root = picture.root(ROOT).unwrap();
    assert_eq!(root.request.as_ref().unwrap().host, "cp1");
    assert_eq!(
        root.position,
        Position::In {
            phase: Phase::Prepare,
            begun: true
        }
    );
    let (code, words) = refused(&picture, &RotationRequest::new([ROOT]));
    assert_eq!(code, "awaits-certificate", "{words}");
    // It is not made a second time.
    let again = script_for(&picture, &asking, Phase::Prepare).unwrap();
    assert!(again.rounds.is_empty(), "{:?}", again.rounds);

    let answer = |certificate: &Certificate| {
        given(
            &[certificate],
            GivenKey::OnHost {
                host: "cp1".to_owned(),
                path: key.clone(),
            },
        )
    };
    let (code, words) = refused(&picture, &answer(&Authority::root("strangers").anchor));
    assert_eq!(code, "given-unusable");
    assert!(words.contains("the request that waits on cp1"), "{words}");
    let answered = answer(&made.anchor);
    let plans = of_evidence(&evidence, &field, &answered, Phase::Prepare);
    let edits = edits(&plans, "cp1");
    assert!(edits.contains(&&FileEdit::Remove {
        path: request.clone()
    }));
    assert!(
        edits
            .iter()
            .any(|edit| matches!(edit, FileEdit::AdoptKey { from, to, .. } if from == to))
    );
}
