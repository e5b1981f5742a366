//! Bootstrap tokens in a real API: made, refused a second time, found again, and signed for by the
//! controller that kubeadm's clusters run.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use kubepki_adapters::kube::ClusterClient;
use kubepki_core::joining::{BootstrapToken, ClusterInfo, Usable};
use kubepki_engine::ports::{ClusterErrorKind, ClusterRead, ClusterWrite};
use kubepki_sealed::{Sealed, danger};
use std::io::Read;

use crate::certificates::{CLIENT, wish};
use crate::cluster_servers::ControlPlane;

const CLUSTER_INFO: &str = "/api/v1/namespaces/kube-public/configmaps/cluster-info";

fn chance() -> Sealed {
    let mut octets = vec![0; 64];
    let mut urandom = fs_err::File::open("/dev/urandom").unwrap();
    urandom.read_exact(&mut octets).unwrap();
    Sealed::new(octets)
}

#[test]
#[ignore = "needs etcd and kube-apiserver: cargo xtask test --tier integration"]
fn a_token_is_made_in_a_real_api_and_cluster_info_is_signed_for_it() {
    let mut plane = ControlPlane::start();
    plane.manage();
    let authority = STANDARD.encode(fs_err::read(&plane.authority.certificate).unwrap());
    plane.create(&format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: cluster-info, namespace: kube-public}}\n\
         data:\n  kubeconfig: |\n    apiVersion: v1\n    kind: Config\n    clusters:\n    - name: ''\n      \
         cluster: {{server: 'https://api:6443', certificate-authority-data: {authority}}}\n"
    ));
    let client = |kubeconfig: &str| {
        ClusterClient::new(&ControlPlane::sealed(kubeconfig), plane.folder(), None).unwrap()
    };
    let admin = client(&plane.kubeconfig_of(&plane.admin));

    let expires: Timestamp = "2101-01-01T00:00:00Z".parse().unwrap();
    let token = BootstrapToken::generate(&chance(), Some(expires)).unwrap();
    admin.create_bootstrap_token(&token).unwrap();
    let again = admin.create_bootstrap_token(&token).unwrap_err();
    assert_eq!(again.kind, ClusterErrorKind::Conflict);
    assert!(again.detail.contains("already exists"), "{again}");
    let secret = danger::open(token.secret());
    let secret = std::str::from_utf8(secret).unwrap();
    assert!(!again.to_string().contains(secret));

    let path = format!(
        "/api/v1/namespaces/kube-system/secrets/{}",
        token.secret_name()
    );
    let stored = admin.object(&path).unwrap();
    let found = BootstrapToken::of_secret(danger::open(&stored), Timestamp::now());
    let Some(Usable::Yes(found)) = found else {
        panic!("what was made is of no use");
    };
    assert_eq!(found.expires, Some(expires));
    assert!(danger::open(&found.text()) == danger::open(&token.text()));

    // Bounded by the signing controller: it looks every few seconds.
    let mut signed = None;
    plane.until("cluster-info is signed for the token", |_| {
        admin.object(CLUSTER_INFO).is_ok_and(|json| {
            let info = ClusterInfo::parse(danger::open(&json)).unwrap();
            info.is_signed_for(&token).is_some()
        })
    });
    if let Ok(json) = admin.object(CLUSTER_INFO) {
        let info = ClusterInfo::parse(danger::open(&json)).unwrap();
        assert_eq!(info.server, "https://api:6443");
        assert!(info.missing(&[plane.authority.read()]).is_empty());
        assert_eq!(info.missing(&[plane.front_proxy.read()]).len(), 1);
        signed = info.is_signed_for(&token);
    }
    assert_eq!(signed, Some(true));

    let nobody = plane
        .workshop
        .issue("nobody", &plane.authority, wish("/CN=nobody", CLIENT));
    let nobody = client(&plane.kubeconfig_of(&nobody));
    let other = BootstrapToken::generate(&chance(), None).unwrap();
    let error = nobody.create_bootstrap_token(&other).unwrap_err();
    assert_eq!(error.kind, ClusterErrorKind::Forbidden);
}
