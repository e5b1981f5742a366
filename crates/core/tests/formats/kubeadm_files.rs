//! The files that kubeadm v1.20.2 wrote, read.

use kubepki_core::formats::flags::Flags;
use kubepki_core::formats::kubelet_config::KubeletConfiguration;
use kubepki_core::formats::static_pod::{Probe, StaticPod};
use kubepki_core::formats::unit_file::UnitFile;
use kubepki_core::layouts::component_files::{
    AUTHORITY_KEY_PAIRS, KEY_PAIRS, KUBECONFIGS, SERVICE_ACCOUNT_KEYS, TRUST_BUNDLES,
};
use kubepki_core::model::ComponentKind;
use std::path::Path;

macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!("../fixtures/kubeadm-1.20/", $name)).as_slice()
    };
}

pub(crate) const MANIFESTS: [(ComponentKind, &[u8]); 4] = [
    (ComponentKind::Etcd, fixture!("etcd.yaml")),
    (
        ComponentKind::KubeApiserver,
        fixture!("kube-apiserver.yaml"),
    ),
    (
        ComponentKind::KubeControllerManager,
        fixture!("kube-controller-manager.yaml"),
    ),
    (
        ComponentKind::KubeScheduler,
        fixture!("kube-scheduler.yaml"),
    ),
];

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn every_manifest_is_a_pod_of_its_component() {
    for (kind, manifest) in MANIFESTS {
        let pod = StaticPod::parse(manifest).unwrap();
        assert_eq!(
            (pod.name.as_str(), pod.namespace.as_str()),
            (kind.executable(), "kube-system")
        );
        assert!(pod.host_network);
        let container = pod.container_of(kind).unwrap();
        assert_eq!(container.name, kind.executable());
        assert_eq!(container.flags.executable(), Some(kind.executable()));
        assert_eq!(container.argv.len(), container.flags.iter().count() + 1);
        assert!(container.flags.positional().is_empty());
    }
}

/// Every file that a flag names, by way of the tables, with the host path behind it.
#[test]
fn every_file_that_a_flag_names_is_found_on_the_host() {
    let mut found = Vec::new();
    for (kind, manifest) in MANIFESTS {
        let pod = StaticPod::parse(manifest).unwrap();
        let container = pod.container_of(kind).unwrap();
        let pairs = KEY_PAIRS
            .iter()
            .map(|row| (row.component, vec![row.certificate, row.key]));
        let authorities = AUTHORITY_KEY_PAIRS
            .iter()
            .map(|row| (row.component, vec![row.certificate, row.key]));
        let bundles = TRUST_BUNDLES
            .iter()
            .map(|row| (row.component, vec![row.flag]));
        let keys = SERVICE_ACCOUNT_KEYS
            .iter()
            .map(|row| (row.component, vec![row.flag]));
        let kubeconfigs = KUBECONFIGS
            .iter()
            .map(|row| (row.component, vec![row.flag]));
        let rows = pairs
            .chain(authorities)
            .chain(bundles)
            .chain(keys)
            .chain(kubeconfigs);
        for flag in rows
            .filter(|(component, _)| *component == kind)
            .flat_map(|(_, flags)| flags)
        {
            if let Some(path) = container.flags.one(flag) {
                let host = container.mounts.host_path(Path::new(path)).unwrap();
                assert_eq!(
                    host,
                    Path::new(path),
                    "kubeadm mounts everything where it is"
                );
                found.push(format!("{kind} --{flag} {}", host.display()));
            }
        }
    }
    insta::assert_snapshot!(found.join("\n"), @r"
    etcd --cert-file /etc/kubernetes/pki/etcd/server.crt
    etcd --key-file /etc/kubernetes/pki/etcd/server.key
    etcd --peer-cert-file /etc/kubernetes/pki/etcd/peer.crt
    etcd --peer-key-file /etc/kubernetes/pki/etcd/peer.key
    etcd --trusted-ca-file /etc/kubernetes/pki/etcd/ca.crt
    etcd --peer-trusted-ca-file /etc/kubernetes/pki/etcd/ca.crt
    kube-apiserver --tls-cert-file /etc/kubernetes/pki/apiserver.crt
    kube-apiserver --tls-private-key-file /etc/kubernetes/pki/apiserver.key
    kube-apiserver --kubelet-client-certificate /etc/kubernetes/pki/apiserver-kubelet-client.crt
    kube-apiserver --kubelet-client-key /etc/kubernetes/pki/apiserver-kubelet-client.key
    kube-apiserver --etcd-certfile /etc/kubernetes/pki/apiserver-etcd-client.crt
    kube-apiserver --etcd-keyfile /etc/kubernetes/pki/apiserver-etcd-client.key
    kube-apiserver --proxy-client-cert-file /etc/kubernetes/pki/front-proxy-client.crt
    kube-apiserver --proxy-client-key-file /etc/kubernetes/pki/front-proxy-client.key
    kube-apiserver --client-ca-file /etc/kubernetes/pki/ca.crt
    kube-apiserver --etcd-cafile /etc/kubernetes/pki/etcd/ca.crt
    kube-apiserver --requestheader-client-ca-file /etc/kubernetes/pki/front-proxy-ca.crt
    kube-apiserver --service-account-key-file /etc/kubernetes/pki/sa.pub
    kube-apiserver --service-account-signing-key-file /etc/kubernetes/pki/sa.key
    kube-controller-manager --cluster-signing-cert-file /etc/kubernetes/pki/ca.crt
    kube-controller-manager --cluster-signing-key-file /etc/kubernetes/pki/ca.key
    kube-controller-manager --client-ca-file /etc/kubernetes/pki/ca.crt
    kube-controller-manager --requestheader-client-ca-file /etc/kubernetes/pki/front-proxy-ca.crt
    kube-controller-manager --root-ca-file /etc/kubernetes/pki/ca.crt
    kube-controller-manager --service-account-private-key-file /etc/kubernetes/pki/sa.key
    kube-controller-manager --kubeconfig /etc/kubernetes/controller-manager.conf
    kube-controller-manager --authentication-kubeconfig /etc/kubernetes/controller-manager.conf
    kube-controller-manager --authorization-kubeconfig /etc/kubernetes/controller-manager.conf
    kube-scheduler --kubeconfig /etc/kubernetes/scheduler.conf
    kube-scheduler --authentication-kubeconfig /etc/kubernetes/scheduler.conf
    kube-scheduler --authorization-kubeconfig /etc/kubernetes/scheduler.conf
    ");
}

#[test]
fn every_flag_that_names_a_file_of_the_pki_is_in_a_table() {
    for (kind, manifest) in MANIFESTS {
        let pod = StaticPod::parse(manifest).unwrap();
        for flag in pod.container_of(kind).unwrap().flags.iter() {
            let value = flag.value.as_deref().unwrap_or_default();
            if !value.starts_with("/etc/kubernetes") {
                continue;
            }
            let name = flag.name.as_str();
            let known =
                KEY_PAIRS.iter().any(|row| {
                    row.component == kind && (row.certificate == name || row.key == name)
                }) || AUTHORITY_KEY_PAIRS.iter().any(|row| {
                    row.component == kind && (row.certificate == name || row.key == name)
                }) || TRUST_BUNDLES
                    .iter()
                    .any(|row| row.component == kind && row.flag == name)
                    || SERVICE_ACCOUNT_KEYS
                        .iter()
                        .any(|row| row.component == kind && row.flag == name)
                    || KUBECONFIGS
                        .iter()
                        .any(|row| row.component == kind && row.flag == name);
            assert!(known, "{kind} --{name}");
        }
    }
}

#[test]
fn probes_tell_where_to_ask() {
    let probes = MANIFESTS.map(|(kind, manifest)| {
        let pod = StaticPod::parse(manifest).unwrap();
        let container = pod.container_of(kind).unwrap();
        (
            container.liveness_probe.clone(),
            container.readiness_probe.clone(),
        )
    });
    let get = |https, host: &str, port, path: &str| {
        Some(Probe::HttpGet {
            https,
            host: Some(host.to_owned()),
            port,
            path: path.to_owned(),
        })
    };
    let expected = [
        (get(false, "127.0.0.1", 2381, "/health"), None),
        (
            get(true, "10.77.0.11", 6443, "/livez"),
            get(true, "10.77.0.11", 6443, "/readyz"),
        ),
        (get(true, "127.0.0.1", 10257, "/healthz"), None),
        (get(true, "127.0.0.1", 10259, "/healthz"), None),
    ];
    assert_eq!(probes, expected);
}

#[test]
fn the_kubelet_is_understood_from_its_unit_to_its_configuration() {
    let unit = UnitFile::merge(&[
        text(fixture!("kubelet.service")),
        text(fixture!("10-kubeadm.conf")),
    ]);
    let files: Vec<_> = unit
        .environment_files()
        .into_iter()
        .map(|file| (file.path, file.optional))
        .collect();
    let expected = [
        ("/var/lib/kubelet/kubeadm-flags.env", true),
        ("/etc/default/kubelet", true),
    ];
    assert_eq!(
        files,
        expected.map(|(path, optional)| (path.to_owned(), optional))
    );
    let argv = unit.argv(&[text(fixture!("kubeadm-flags.env"))]).unwrap();
    assert_eq!(
        argv,
        [
            "/usr/bin/kubelet",
            "--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf",
            "--kubeconfig=/etc/kubernetes/kubelet.conf",
            "--config=/var/lib/kubelet/config.yaml",
            "--container-runtime=remote",
            "--container-runtime-endpoint=unix:///run/containerd/containerd.sock",
        ],
    );
    let flags = Flags::from_argv(&argv);
    assert_eq!(flags.component(), Some(ComponentKind::Kubelet));
    assert_eq!(
        flags.one("kubeconfig"),
        Some("/etc/kubernetes/kubelet.conf")
    );

    let configuration = KubeletConfiguration::parse(fixture!("kubelet-config.yaml")).unwrap();
    assert_eq!(
        configuration.static_pod_path.as_deref(),
        Some("/etc/kubernetes/manifests")
    );
    assert_eq!(configuration.rotate_certificates, Some(true));
    assert_eq!(configuration.server_tls_bootstrap, Some(true));
    assert_eq!(
        configuration.client_ca_file.as_deref(),
        Some("/etc/kubernetes/pki/ca.crt")
    );
    assert_eq!(configuration.healthz_port, Some(10248));
    assert_eq!(
        configuration.healthz_bind_address.as_deref(),
        Some("127.0.0.1")
    );
    assert_eq!(
        (
            configuration.tls_cert_file,
            configuration.port,
            configuration.address
        ),
        (None, None, None)
    );
}
