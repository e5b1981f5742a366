//! Pictures made by hand, for tests of what is shown.

use jiff::Timestamp;
use kubepki_core::connections::Place;
use kubepki_core::model::{ComponentKind, ObjectReference};
use kubepki_core::rotation::{
    Generation, Holds, HostFacts, Keeper, Leaders, Phase, Picture, PlaceState, Position, Purpose,
    Reader, Root, RootPicture,
};

fn generation(name: &str, digit: char) -> Generation {
    Generation {
        name: name.to_owned(),
        fingerprint_sha256: std::iter::repeat_n(digit, 64).collect(),
        pem: String::new(),
        not_after: Some(Timestamp::UNIX_EPOCH),
    }
}

fn host(name: &str, components: &[ComponentKind]) -> HostFacts {
    HostFacts {
        static_pods: Vec::new(),
        marked: Vec::new(),
        name: name.to_owned(),
        node: Some(name.to_owned()),
        components: components.to_vec(),
        addresses: Vec::new(),
    }
}

fn file(host: &str, path: &str, purpose: Purpose, holds: Holds) -> PlaceState {
    PlaceState {
        place: Place::File {
            host: host.to_owned(),
            path: path.into(),
        },
        purpose,
        kept_by: Keeper::Rotation,
        holds,
        readers: Vec::new(),
        renewable_as: None,
    }
}

fn reader(host: &str, component: ComponentKind, flag: &str, loaded: Option<bool>) -> Reader {
    Reader {
        host: host.to_owned(),
        component,
        flag: flag.to_owned(),
        loaded,
    }
}

/// Two control planes and a worker in the middle of trust-both.
pub fn half_way() -> Picture {
    use ComponentKind::{KubeApiserver, KubeControllerManager, KubeScheduler, Kubelet};
    let control_plane = [KubeApiserver, KubeControllerManager, KubeScheduler, Kubelet];
    let ca = "/etc/kubernetes/pki/ca.crt";
    let mut places = vec![
        file("cp1", ca, Purpose::Trust, Holds::OldNew),
        file("cp2", ca, Purpose::Trust, Holds::OldNew),
        file("w1", ca, Purpose::Trust, Holds::Old),
    ];
    for state in &mut places {
        let name = state.place.host().unwrap_or_default().to_owned();
        if name != "w1" {
            state.readers = vec![reader(&name, KubeApiserver, "client-ca-file", None)];
        }
    }
    for (name, holds, loaded) in [("cp1", Holds::OldNew, true), ("cp2", Holds::OldNew, false)] {
        places.push(PlaceState {
            place: Place::KubeconfigCluster {
                host: name.to_owned(),
                path: "/etc/kubernetes/scheduler.conf".into(),
                cluster: "kubernetes".to_owned(),
            },
            purpose: Purpose::Trust,
            kept_by: Keeper::Rotation,
            holds,
            readers: vec![reader(name, KubeScheduler, "kubeconfig", Some(loaded))],
            renewable_as: None,
        });
    }
    for (namespace, holds) in [
        ("default", Holds::OldNew),
        ("kube-system", Holds::Old),
        ("kube-public", Holds::OldNew),
    ] {
        places.push(PlaceState {
            place: Place::Api(
                ObjectReference::namespaced("ConfigMap", namespace, "kube-root-ca.crt")
                    .at("data[ca.crt]"),
            ),
            purpose: Purpose::Trust,
            kept_by: Keeper::ControllerManager,
            holds,
            readers: Vec::new(),
            renewable_as: None,
        });
    }
    for name in ["cp1", "cp2"] {
        let path = "/etc/kubernetes/pki/apiserver.crt";
        places.push(file(name, path, Purpose::Present, Holds::Old));
        let path = "/etc/kubernetes/pki/ca.key";
        places.push(file(name, path, Purpose::Sign, Holds::Old));
    }
    places.push(file(
        "w1",
        "/var/lib/kubelet/pki/kubelet-client-current.pem",
        Purpose::Present,
        Holds::Unknown {
            reason: "permission denied".to_owned(),
        },
    ));
    Picture {
        observed_at: Timestamp::UNIX_EPOCH,
        roots: vec![RootPicture {
            root: Root::KubernetesCa,
            old: vec![generation("CN=kubernetes", 'a')],
            new: Some(generation("CN=kubernetes@20261122T114500Z", 'b')),
            request: None,
            successor_keys: vec!["cp1".to_owned(), "cp2".to_owned()],
            signing_keys: vec!["cp1".to_owned(), "cp2".to_owned()],
            leftovers: Vec::new(),
            settled: Vec::new(),
            places,
            position: Position::In {
                phase: Phase::TrustBoth,
                begun: true,
            },
        }],
        hosts: vec![
            host("cp1", &control_plane),
            host("cp2", &control_plane),
            host("w1", &[Kubelet]),
        ],
        leaders: Leaders::default(),
        strangers: Vec::new(),
        gaps: Vec::new(),
    }
}

/// One control plane and forty workers, of which the first has what the others have not.
pub fn many_workers() -> Picture {
    let mut picture = half_way();
    picture.hosts = vec![host("cp1", &[ComponentKind::KubeApiserver])];
    picture
        .hosts
        .extend((1..=40).map(|number| host(&format!("w{number}"), &[ComponentKind::Kubelet])));
    let ca = "/etc/kubernetes/pki/ca.crt";
    if let Some(root) = picture.roots.first_mut() {
        root.places = vec![file("cp1", ca, Purpose::Trust, Holds::OldNew)];
        root.places.extend((1..=40).map(|number| {
            let holds = if number == 1 { Holds::New } else { Holds::Old };
            file(&format!("w{number}"), ca, Purpose::Trust, holds)
        }));
    }
    picture
}

/// What `-o json` shows has to be what its schema promises.
pub fn fits(schema: &str, shown: &impl serde::Serialize) {
    let schema: serde_json::Value = serde_json::from_str(schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let shown = serde_json::to_value(shown).unwrap();
    let errors: Vec<String> = validator
        .iter_errors(&shown)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:#?}");
}
