//! What a rotation asks and changes, on its way: requests survive it, and a scan of a large cluster fits
//! into a frame.

use super::canned;
use jiff::Timestamp;
use kubepki_core::model::ObjectReference;
use kubepki_core::model::cluster::{ClusterObservation, KnownKeys};
use kubepki_core::plan::EtcdAct;
use kubepki_core::rotation::{ApiChange, FreshTrust, OldKey, Proof, Restart, StaleWorkload};
use kubepki_engine::cluster::{ScanOptions, scan};
use kubepki_engine::ports::{
    ClusterError, ClusterErrorKind, ClusterRead, Page, PageRequest, Progress, ServerVersion,
};
use kubepki_fleet::frames::{encode, read_frame};
use kubepki_fleet::protocol::{Request, Response};
use kubepki_fleet::session::{ApiAnswer, ApiQuestion};
use kubepki_keys::{Issuer, KeyType, PrivateKey, random_serial};
use kubepki_sealed::Sealed;
use kubepki_x509::{CertificateTemplate, Name, Validity, profile};
use serde_json::json;

#[test]
fn what_a_rotation_asks_and_changes_survives_the_way() {
    let object = ObjectReference::namespaced("ConfigMap", "kube-public", "cluster-info");
    let requests = [
        Request::ChangeApi {
            changes: vec![
                ApiChange::WriteBundle {
                    object: object.clone().at("data[kubeconfig]"),
                    pem: "new".to_owned(),
                    expected: vec!["old".to_owned()],
                },
                ApiChange::Recreate { object },
                ApiChange::HoldLease {
                    holder: "me".to_owned(),
                    duration_seconds: 60,
                },
            ],
        },
        Request::Etcd {
            act: EtcdAct::Snapshot,
        },
        Request::RetireKeys {
            keys: vec!["/etc/kubernetes/pki/ca.key".into()],
            how: OldKey::Seal {
                recipients: vec!["age1".to_owned()],
            },
        },
        Request::Ask {
            question: ApiQuestion::StaleWorkloads {
                wanted: FreshTrust {
                    holds: vec!["00".to_owned()],
                    ..FreshTrust::default()
                },
            },
        },
        Request::Ask {
            question: ApiQuestion::Proof {
                proof: Proof::WorkloadsRolledOut,
            },
        },
    ];
    for request in requests {
        let frame = encode(&request).unwrap();
        let back: Request = read_frame(&mut frame.as_slice()).unwrap();
        assert_eq!(back, request);
        let changes = matches!(
            request,
            Request::ChangeApi { .. } | Request::Etcd { .. } | Request::RetireKeys { .. }
        );
        assert_eq!(request.changes(), changes, "{}", request.doing());
    }
    let answer = Response::Answered {
        answer: ApiAnswer::StaleWorkloads {
            workloads: vec![StaleWorkload {
                object: ObjectReference::namespaced("Pod", "default", "bare"),
                pods: 1,
                reason: "it started too early".to_owned(),
                restart: Restart::ByOwner {
                    why: "a Pod".to_owned(),
                },
            }],
        },
    };
    let frame = encode(&answer).unwrap();
    let back: Response = read_frame(&mut frame.as_slice()).unwrap();
    assert_eq!(encode(&back).unwrap(), frame);
    assert_eq!(canned::hello().protocol, kubepki_fleet::protocol::PROTOCOL);
}

/// An API with nothing but `kube-root-ca.crt` in so many namespaces.
struct Namespaces {
    count: usize,
    bundle: String,
}

impl ClusterRead for Namespaces {
    fn server(&self) -> &str {
        "https://api"
    }

    fn version(&self) -> Result<ServerVersion, ClusterError> {
        Ok(ServerVersion::default())
    }

    fn page(
        &self,
        request: &PageRequest<'_>,
        each: &mut dyn FnMut(&[u8]),
    ) -> Result<Page, ClusterError> {
        if request.path == "/api/v1/configmaps" {
            for index in 0..self.count {
                let map = json!({
                    "metadata": {"name": "kube-root-ca.crt", "namespace": format!("n{index}")},
                    "data": {"ca.crt": self.bundle},
                });
                each(map.to_string().as_bytes());
            }
        }
        Ok(Page::default())
    }

    fn object(&self, _: &str) -> Result<Sealed, ClusterError> {
        Err(ClusterError {
            server: "https://api".to_owned(),
            kind: ClusterErrorKind::NotFound,
            detail: "nothing".to_owned(),
        })
    }
}

struct Silent;

impl Progress for Silent {
    fn say(&self, _: &str) {}
}

fn authority(name: &str) -> String {
    let key = PrivateKey::generate(KeyType::EcdsaP256).unwrap();
    let now = Timestamp::from_second(1_790_000_000).unwrap();
    let template = CertificateTemplate {
        serial_number: random_serial(),
        validity: Validity {
            not_before: now,
            not_after: now + jiff::SignedDuration::from_hours(24),
        },
        subject: Name::common(name, &[]),
        public_key: key.public_key().clone(),
        extensions: profile::ca(name, key.public_key(), None, None),
    };
    Issuer::self_signed(&template, &key).unwrap().to_pem()
}

#[test]
fn a_scan_of_thousands_of_namespaces_says_each_certificate_once() {
    let count = 5000;
    let bundle = authority("old") + &authority("new");
    let api = Namespaces { count, bundle };
    let now = Timestamp::from_second(1_790_000_000).unwrap();
    let options = ScanOptions::default();
    let seen = scan(&api, &KnownKeys::default(), &options, now, &Silent).unwrap();
    assert_eq!(seen.bundles.len(), count);
    let prints = |seen: &ClusterObservation| -> Vec<Vec<[u8; 32]>> {
        let bundles = seen.bundles.iter();
        bundles
            .map(|it| {
                it.certificates
                    .iter()
                    .map(|it| it.fingerprint_sha256())
                    .collect()
            })
            .collect()
    };
    let expected = prints(&seen);
    let sent = Response::Answered {
        answer: ApiAnswer::Scanned {
            observation: Box::new(seen),
        },
    };
    let frame = encode(&sent).unwrap();
    // some 150 bytes for the place of each, and no certificate
    assert!(frame.len() < count * 300, "{} bytes", frame.len());
    let back: Response = read_frame(&mut frame.as_slice()).unwrap();
    let Response::Answered {
        answer: ApiAnswer::Scanned { observation },
    } = back
    else {
        panic!("another answer");
    };
    assert_eq!(prints(&observation), expected);
    assert_eq!(expected[count - 1].len(), 2);
}
