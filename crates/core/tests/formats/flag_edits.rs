//! Flags set and removed where they are spelled: the flag is as asked, and no other byte has moved.

use kubepki_core::formats::flag_edit::FlagEditError;
use kubepki_core::formats::static_pod::StaticPod;
use kubepki_core::formats::unit_file_edit::UnitTexts;

const MANIFEST: &str = "apiVersion: v1
kind: Pod
metadata:
  name: kube-controller-manager
  # kept
spec:
  containers:
  - name: side
    command: [side, --cluster-signing-cert-file=/other]
  - command:
    - kube-controller-manager
    - --client-ca-file=/etc/kubernetes/pki/ca.crt
    - --cluster-signing-cert-file=/etc/kubernetes/pki/ca.crt # why
    - --root-ca-file
    - /etc/kubernetes/pki/ca.crt
    - \"--use-service-account-credentials=true\"
    image: k8s.gcr.io/kube-controller-manager:v1.20.2
    name: kube-controller-manager
";

fn set(manifest: &str, flag: &str, value: Option<&str>) -> Result<String, FlagEditError> {
    StaticPod::with_flags(
        manifest.as_bytes(),
        "kube-controller-manager",
        &[(flag, value)],
    )
    .map(|bytes| String::from_utf8(bytes).unwrap())
}

#[test]
fn a_flag_of_a_manifest_is_replaced_and_put_back() {
    let signer = "/etc/kubernetes/pki/ca-signer.crt";
    let split = set(MANIFEST, "cluster-signing-cert-file", Some(signer)).unwrap();
    assert_eq!(
        split,
        MANIFEST.replace(
            "--cluster-signing-cert-file=/etc/kubernetes/pki/ca.crt",
            "--cluster-signing-cert-file=/etc/kubernetes/pki/ca-signer.crt"
        )
    );
    let joined = set(
        &split,
        "cluster-signing-cert-file",
        Some("/etc/kubernetes/pki/ca.crt"),
    );
    assert_eq!(joined.unwrap(), MANIFEST);
}

#[test]
fn a_value_that_stands_behind_its_flag_is_replaced_there() {
    let edited = set(MANIFEST, "root-ca-file", Some("/a/b.crt")).unwrap();
    let expected = MANIFEST.replace(
        "- --root-ca-file\n    - /etc/kubernetes/pki/ca.crt",
        "- --root-ca-file\n    - /a/b.crt",
    );
    assert_eq!(edited, expected);
    let removed = set(MANIFEST, "root-ca-file", None).unwrap();
    let expected = MANIFEST.replace(
        "    - --root-ca-file\n    - /etc/kubernetes/pki/ca.crt\n",
        "",
    );
    assert_eq!(removed, expected);
}

#[test]
fn a_new_flag_comes_last_and_goes_again() {
    let edited = set(MANIFEST, "requestheader-client-ca-file", Some("/a/b.crt")).unwrap();
    assert!(edited.contains(
        "credentials=true\"\n    - \"--requestheader-client-ca-file=/a/b.crt\"\n    image"
    ));
    let removed = set(&edited, "requestheader-client-ca-file", None).unwrap();
    assert_eq!(removed, MANIFEST);
    assert_eq!(set(MANIFEST, "feature-gates", None).unwrap(), MANIFEST);
}

#[test]
fn a_manifest_in_json_and_one_with_windows_lines_keep_their_spelling() {
    let json = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"kcm"},"spec":{"containers":[{"name":"kube-controller-manager","command":["kube-controller-manager", "--root-ca-file=/a", "--v=2"]}]}}"#;
    let edited = set(json, "root-ca-file", Some("/b")).unwrap();
    assert_eq!(edited, json.replace("file=/a", "file=/b"));
    let more = set(json, "client-ca-file", Some("/c")).unwrap();
    assert_eq!(
        more,
        json.replace("\"--v=2\"", "\"--v=2\", \"--client-ca-file=/c\"")
    );
    assert_eq!(set(&more, "client-ca-file", None).unwrap(), json);
    let windows = MANIFEST.replace('\n', "\r\n");
    let more = set(&windows, "client-ca-file", Some("/c")).unwrap();
    assert_eq!(
        more,
        windows.replace(
            "client-ca-file=/etc/kubernetes/pki/ca.crt",
            "client-ca-file=/c"
        )
    );
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let twice = MANIFEST.replace(
        "    - --root-ca-file\n    - /etc",
        "    - --client-ca-file\n    - /etc",
    );
    let code = |result: Result<String, FlagEditError>| result.unwrap_err().code().to_owned();
    assert_eq!(
        code(set(&twice, "client-ca-file", Some("/c"))),
        "flag-repeated"
    );
    let script = MANIFEST.replace("    - kube-controller-manager\n", "    - sh\n    - -c\n");
    assert_eq!(
        code(set(&script, "client-ca-file", Some("/c"))),
        "flag-in-script"
    );
    for value in ["", "a b", "$(HOME)", "a\nb", "\"x\"", "é"] {
        assert_eq!(
            code(set(MANIFEST, "client-ca-file", Some(value))),
            "flag-value"
        );
    }
    let nobody = StaticPod::with_flags(MANIFEST.as_bytes(), "nobody", &[("v", Some("2"))]);
    assert_eq!(nobody.unwrap_err().code(), "no-container");
}

const UNIT: &str = "# by hand
[Unit]
Description=kube-controller-manager
[Service]
EnvironmentFile=-/etc/default/kcm
ExecStart=/usr/local/bin/kube-controller-manager \\
  --cluster-signing-cert-file=/var/lib/kubernetes/ca.pem \\
  # --root-ca-file=/not/this
  --root-ca-file /var/lib/kubernetes/ca.pem \\
  $KCM_ARGS \\
  --v=2
Restart=always
";

const ENVIRONMENT: &str =
    "KCM_ARGS=\"--client-ca-file=/var/lib/kubernetes/ca.pem --leader-elect\"\n";

fn unit(flag: &str, value: Option<&str>) -> Result<UnitTexts, FlagEditError> {
    texts().with_flags(&[(flag, value)])
}

fn texts() -> UnitTexts {
    UnitTexts {
        fragments: vec![UNIT.to_owned(), "[Service]\nNice=1\n".to_owned()],
        environments: vec![ENVIRONMENT.to_owned()],
    }
}

#[test]
fn flags_of_a_unit_are_set_on_continued_lines_and_in_environment_files() {
    let signer = unit(
        "cluster-signing-cert-file",
        Some("/var/lib/kubernetes/ca-signer.pem"),
    )
    .unwrap();
    let expected = UNIT.replace(
        "cert-file=/var/lib/kubernetes/ca.pem",
        "cert-file=/var/lib/kubernetes/ca-signer.pem",
    );
    assert_eq!(signer.fragments[0], expected);
    assert_eq!(signer.environments, texts().environments);
    let back = signer.with_flags(&[(
        "cluster-signing-cert-file",
        Some("/var/lib/kubernetes/ca.pem"),
    )]);
    assert_eq!(back.unwrap(), texts());
    let apart = unit("root-ca-file", Some("/b.pem")).unwrap();
    assert_eq!(
        apart.fragments[0],
        UNIT.replace(
            "--root-ca-file /var/lib/kubernetes/ca.pem",
            "--root-ca-file /b.pem"
        )
    );
    let environment = unit("client-ca-file", Some("/b.pem")).unwrap();
    assert_eq!(environment.fragments, texts().fragments);
    assert_eq!(
        environment.environments[0],
        ENVIRONMENT.replace("/var/lib/kubernetes/ca.pem", "/b.pem")
    );
}

#[test]
fn flags_of_a_unit_go_with_their_line_and_come_at_the_end() {
    let gone = unit("cluster-signing-cert-file", None).unwrap();
    let line = "  --cluster-signing-cert-file=/var/lib/kubernetes/ca.pem \\\n";
    assert_eq!(gone.fragments[0], UNIT.replace(line, ""));
    let gone = unit("v", None).unwrap();
    assert_eq!(gone.fragments[0], UNIT.replace(" \\\n  --v=2", ""));
    let more = unit("bind-address", Some("127.0.0.1")).unwrap();
    assert_eq!(
        more.fragments[0],
        UNIT.replace("--v=2", "--v=2 --bind-address=127.0.0.1")
    );
    assert_eq!(more.with_flags(&[("bind-address", None)]).unwrap(), texts());
    assert_eq!(unit("nothing", None).unwrap(), texts());
}

#[test]
fn the_drop_in_that_starts_the_component_is_the_one_that_changes() {
    let mut texts = texts();
    texts.fragments[1] =
        "[Service]\nExecStart=\nExecStart=/usr/bin/kube-controller-manager --v=3\n".to_owned();
    let edited = texts.clone().with_flags(&[("v", Some("4"))]).unwrap();
    assert_eq!(edited.fragments[0], UNIT);
    assert_eq!(
        edited.fragments[1],
        texts.fragments[1].replace("--v=3", "--v=4")
    );
}
