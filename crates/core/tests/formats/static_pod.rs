//! Static pods: mounts, entrypoints and environment, and the annotation that restarts them.

use super::kubeadm_files::MANIFESTS;
use jiff::Timestamp;
use kubepki_core::formats::static_pod::{Probe, RESTARTED_AT, StaticPod};
use kubepki_core::model::ComponentKind;
use proptest::prelude::*;
use std::path::Path;

const AT: &str = "2026-11-22T00:37:32Z";

fn at() -> Timestamp {
    AT.parse().unwrap()
}

fn restarted(manifest: &str) -> String {
    String::from_utf8(StaticPod::with_restart(manifest.as_bytes(), at()).unwrap()).unwrap()
}

fn unmarked(manifest: &str) -> String {
    String::from_utf8(StaticPod::without_restart(manifest.as_bytes()).unwrap()).unwrap()
}

#[test]
fn kubeadm_manifests_get_one_line_and_lose_it_again() {
    for (kind, manifest) in MANIFESTS {
        let manifest = std::str::from_utf8(manifest).unwrap();
        let marked = restarted(manifest);
        let line = format!("    {RESTARTED_AT}: \"{AT}\"\n");
        assert_eq!(
            marked
                .replacen(&line, "", 1)
                .replacen("  annotations:\n", "", 1),
            manifest.replacen("  annotations:\n", "", 1)
        );
        let pod = StaticPod::parse(marked.as_bytes()).unwrap();
        assert_eq!(
            pod.annotations.get(RESTARTED_AT).map(String::as_str),
            Some(AT),
            "{kind}"
        );
        assert_eq!(unmarked(&marked), manifest, "{kind}");
        assert_eq!(unmarked(manifest), manifest);
        let again =
            StaticPod::with_restart(marked.as_bytes(), "2026-11-22T01:00:00Z".parse().unwrap());
        assert_eq!(
            String::from_utf8(again.unwrap()).unwrap(),
            marked.replace(AT, "2026-11-22T01:00:00Z")
        );
    }
}

#[test]
fn the_annotation_finds_its_place_in_every_spelling() {
    let cases = [
        (
            "apiVersion: v1\r\nkind: Pod\r\nmetadata:\r\n  name: etcd # c\r\n",
            "apiVersion: v1\r\nkind: Pod\r\nmetadata:\r\n  annotations:\r\n    kubepki.dev/restarted-at: \"2026-11-22T00:37:32Z\"\r\n  name: etcd # c\r\n",
        ),
        (
            "apiVersion: v1\nkind: Pod\nmetadata: {name: a, annotations: {}}\n",
            "apiVersion: v1\nkind: Pod\nmetadata: {name: a, annotations: {kubepki.dev/restarted-at: \"2026-11-22T00:37:32Z\"}}\n",
        ),
        (
            "apiVersion: v1\nkind: Pod\nmetadata:\n  annotations:\n  name: a\n",
            "apiVersion: v1\nkind: Pod\nmetadata:\n  annotations: {kubepki.dev/restarted-at: \"2026-11-22T00:37:32Z\"}\n  name: a\n",
        ),
        (
            "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"a\"}}",
            "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"annotations\":{\"kubepki.dev/restarted-at\": \"2026-11-22T00:37:32Z\"}, \"name\":\"a\"}}",
        ),
    ];
    for (before, after) in cases {
        assert_eq!(restarted(before), after);
        let back = unmarked(after);
        assert!(!back.contains(RESTARTED_AT));
        assert_eq!(
            StaticPod::parse(back.as_bytes()).unwrap(),
            StaticPod::parse(before.as_bytes()).unwrap()
        );
    }
}

#[test]
fn other_objects_are_refused() {
    let refused = |text: &str| {
        StaticPod::with_restart(text.as_bytes(), at())
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        refused("apiVersion: apps/v1\nkind: Deployment\n"),
        "not a pod: expected kind Pod of apiVersion v1, found kind Deployment of apps/v1"
    );
    assert_eq!(
        refused("- a\n"),
        "not a pod: expected kind Pod of apiVersion v1, found kind (none) of (none)"
    );
    assert_eq!(
        refused(""),
        "not a pod: expected kind Pod of apiVersion v1, found kind (none) of (none)"
    );
    assert_eq!(refused("apiVersion: v1\nkind: Pod\n"), "metadata not found");
    assert!(StaticPod::parse(b"\xff\xfe").is_err());
}

#[test]
fn a_hand_made_pod_is_understood() {
    let manifest = br#"
apiVersion: v1
kind: Pod
metadata: {name: hard-way}
spec:
  containers:
  - name: api
    image: registry.example:5000/mirror/kube-apiserver:v1.20.2@sha256:0123
    args: [--tls-cert-file=/certs/$(NAME).pem, "--literal=$$(NAME)", --unknown=$(OTHER), --secure-port=6443]
    env: [{name: NAME, value: api}]
    ports: [{name: https, containerPort: 6443}]
    volumeMounts:
    - {name: certs, mountPath: /certs, subPath: kubernetes, readOnly: true}
    - {name: scratch, mountPath: /certs/tmp}
    livenessProbe: {httpGet: {port: https, scheme: HTTPS}}
    readinessProbe: {exec: {command: [etcdctl, --cert=/certs/health.pem]}}
    startupProbe: {tcpSocket: {port: 6443}}
  - name: etcd
    image: etcd
    command: [/bin/sh, -c, "exec etcd --name=x"]
    env: [{name: ETCD_CERT_FILE, value: /certs/etcd.pem}]
  volumes:
  - {name: certs, hostPath: {path: /srv/pki/}}
  - {name: scratch, emptyDir: {}}
"#;
    let pod = StaticPod::parse(manifest).unwrap();
    let api = pod.container_of(ComponentKind::KubeApiserver).unwrap();
    assert_eq!(api.flags.one("tls-cert-file"), Some("/certs/api.pem"));
    assert_eq!(api.flags.one("literal"), Some("$(NAME)"));
    assert_eq!(api.flags.one("unknown"), Some("$(OTHER)"));
    assert_eq!(
        api.mounts.host_path(Path::new("/certs/api.pem")),
        Some("/srv/pki/kubernetes/api.pem".into())
    );
    assert_eq!(api.mounts.host_path(Path::new("/certs/tmp/x")), None);
    assert_eq!(
        api.liveness_probe,
        Some(Probe::HttpGet {
            https: true,
            host: None,
            port: 6443,
            path: "/".to_owned()
        })
    );
    assert_eq!(
        api.readiness_probe,
        Some(Probe::Exec {
            command: vec!["etcdctl".to_owned(), "--cert=/certs/health.pem".to_owned()]
        })
    );
    assert_eq!(
        api.startup_probe,
        Some(Probe::TcpSocket {
            host: None,
            port: 6443
        })
    );
    let etcd = pod.container_of(ComponentKind::Etcd).unwrap();
    assert_eq!(etcd.flags.one("name"), Some("x"));
    assert_eq!(etcd.flags.one("cert-file"), Some("/certs/etcd.pem"));
    assert_eq!(pod.namespace, "default");
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in any::<String>()) {
        for text in [bytes, text.clone().into_bytes(), format!("apiVersion: v1\nkind: Pod\nmetadata:\n  {text}").into_bytes()] {
            let _ = StaticPod::parse(&text);
            let _ = StaticPod::with_restart(&text, at());
            let _ = StaticPod::without_restart(&text);
        }
    }
}
