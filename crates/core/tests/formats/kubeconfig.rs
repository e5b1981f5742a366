//! kubeconfigs: read, edited byte for byte, and written as kubeadm does.

use kubepki_core::formats::kubeconfig::{Kubeconfig, PublicMaterial};
use kubepki_core::formats::kubeconfig_edit::{NewCredentials, NewKubeconfig};
use kubepki_sealed::{Sealed, danger};
use proptest::prelude::*;
use std::path::Path;

const KUBELET: &str = include_str!("../fixtures/kubeadm-1.20/kubelet.conf");

/// Hand-edited in every way that people do.
const EDITED: &str = "# mine
apiVersion: v1
kind: Config
preferences: {}
current-context: work   # switch with care
clusters:
    - name: prod # the real one
      cluster:
          server: \"https://10.0.0.1:6443\"
          certificate-authority-data: |
              Y2E=
    - name: lab
      cluster: {server: 'https://127.0.0.1:6443', certificate-authority: pki/ca.crt}
    - name: open
      cluster: {server: https://127.0.0.1:7443, insecure-skip-tls-verify: true}
contexts:
    - {name: work, context: {cluster: prod, user: \"me\"}}
    - {name: play, context: {cluster: lab, user: files, namespace: x}}
    - {name: wild, context: {cluster: open, user: token}}
users:
    - name: me
      user:
          # renewed by hand in May
          client-key-data: b2xkIGtleQ==
          client-certificate-data: 'b2xk'
    - name: files
      user:
          client-certificate: pki/me.crt
          client-key: pki/me.key   # 0600
    - name: token
      user: {token: secret-token}
    - name: plugin
      user:
          exec: {command: aws, apiVersion: client.authentication.k8s.io/v1}
";

fn sealed(text: &str) -> Sealed {
    Sealed::new(text.as_bytes().to_vec())
}

fn opened(sealed: &Sealed) -> &str {
    std::str::from_utf8(danger::open(sealed)).unwrap()
}

fn parse(text: &str) -> Kubeconfig {
    Kubeconfig::parse(&sealed(text)).unwrap()
}

#[test]
fn the_kubelets_own_is_read() {
    let kubeconfig = parse(KUBELET);
    let user = kubeconfig.current_user().unwrap();
    assert_eq!(user.name, "system:node:cp1");
    let path = "/var/lib/kubelet/pki/kubelet-client-current.pem";
    let folder = Path::new("/etc/kubernetes");
    assert_eq!(
        user.client_certificate.as_ref().unwrap().path_from(folder),
        Some(path.into())
    );
    assert_eq!(
        user.client_key.as_ref().unwrap().path_from(folder),
        Some(path.into())
    );
    let cluster = kubeconfig.current_cluster().unwrap();
    assert_eq!(cluster.server.as_deref(), Some("https://10.77.0.1:6443"));
    let authority = cluster
        .certificate_authority
        .as_ref()
        .unwrap()
        .embedded()
        .unwrap();
    let certificates = kubepki_x509::pem::certificates(authority).unwrap();
    assert_eq!(
        certificates[0].subject().common_name().as_deref(),
        Some("kubernetes")
    );
    assert!(kubeconfig.client_key_data("system:node:cp1").is_err());
}

#[test]
fn a_hand_edited_one_is_read() {
    let kubeconfig = parse(EDITED);
    assert_eq!(kubeconfig.current().unwrap().name, "work");
    assert_eq!(kubeconfig.current_user().unwrap().name, "me");
    assert_eq!(kubeconfig.client_certificate_data("me").unwrap(), b"old");
    assert_eq!(
        opened(&kubeconfig.client_key_data("me").unwrap()),
        "old key"
    );
    let prod = kubeconfig.current_cluster().unwrap();
    assert_eq!(
        prod.certificate_authority,
        Some(PublicMaterial::Embedded(b"ca".to_vec()))
    );
    let lab = kubeconfig.cluster("lab").unwrap();
    let authority = lab.certificate_authority.as_ref().unwrap();
    assert_eq!(
        authority.path_from(Path::new("/home/me/.kube")),
        Some("/home/me/.kube/pki/ca.crt".into())
    );
    assert!(kubeconfig.cluster("open").unwrap().insecure_skip_tls_verify);
    assert_eq!(
        kubeconfig.user("token").unwrap().other_credentials,
        ["token"]
    );
    assert_eq!(
        kubeconfig.user("plugin").unwrap().other_credentials,
        ["exec"]
    );
}

#[test]
fn nothing_secret_is_ever_shown() {
    let kubeconfig = parse(EDITED);
    let shown = format!("{kubeconfig:?}");
    for secret in ["old key", "b2xkIGtleQ", "secret-token", "aws", "b2xk"] {
        assert!(!shown.contains(secret), "{secret}");
    }
    let broken = EDITED.replace("b2xkIGtleQ==", "b2xkIGtleQ=!");
    let error = Kubeconfig::parse(&sealed(&broken)).unwrap_err().to_string();
    assert_eq!(error, "client-key-data of user me is not base64");
}

#[test]
fn embedded_credentials_are_replaced_and_nothing_else() {
    let edited =
        Kubeconfig::set_client_certificate(&sealed(EDITED), "me", b"new", &sealed("new key"));
    let expected = EDITED
        .replace("b2xkIGtleQ==", "bmV3IGtleQ==")
        .replace("'b2xk'", "'bmV3'");
    assert_eq!(opened(&edited.unwrap()), expected);
}

#[test]
fn a_path_gives_way_to_data_and_data_to_a_path() {
    let edited =
        Kubeconfig::set_client_certificate(&sealed(EDITED), "files", b"new", &sealed("new key"))
            .unwrap();
    let expected = EDITED
        .replace(
            "client-certificate: pki/me.crt",
            "client-certificate-data: bmV3",
        )
        .replace("client-key: pki/me.key ", "client-key-data: bmV3IGtleQ== ");
    assert_eq!(opened(&edited), expected);

    let path = Path::new("/var/lib/kubelet/pki/kubelet-client-current.pem");
    let edited =
        Kubeconfig::set_client_certificate_file(&sealed(EDITED), "me", path, path).unwrap();
    let expected = EDITED
        .replace(
            "client-key-data: b2xkIGtleQ==",
            &format!("client-key: {}", path.display()),
        )
        .replace(
            "client-certificate-data: 'b2xk'",
            &format!("client-certificate: '{}'", path.display()),
        );
    assert_eq!(opened(&edited), expected);
    assert!(parse(opened(&edited)).client_key_data("me").is_err());
}

#[test]
fn credentials_are_added_beside_others() {
    let edited =
        Kubeconfig::set_client_certificate(&sealed(EDITED), "plugin", b"new", &sealed("k"))
            .unwrap();
    let expected = EDITED.replace(
        "          exec: {",
        "          client-certificate-data: bmV3\n          client-key-data: aw==\n          exec: {",
    );
    let found = parse(opened(&edited));
    assert_eq!(opened(&edited), expected);
    assert_eq!(found.user("plugin").unwrap().other_credentials, ["exec"]);
    let both = "users:\n- name: a\n  user:\n    client-key: /k\n    client-key-data: aw==\n    client-certificate-data: Yw==\n";
    let edited = Kubeconfig::set_client_certificate_file(
        &sealed(both),
        "a",
        Path::new("/c"),
        Path::new("/k2"),
    )
    .unwrap();
    assert_eq!(
        opened(&edited),
        "users:\n- name: a\n  user:\n    client-key: /k2\n    client-certificate: /c\n"
    );
}

#[test]
fn authorities_are_brought_up_to_date() {
    let edited = Kubeconfig::set_certificate_authority(&sealed(EDITED), "me", b"two cas").unwrap();
    let expected = EDITED.replace("|\n              Y2E=\n", "dHdvIGNhcw==\n");
    assert_eq!(opened(&edited), expected);
    let edited =
        Kubeconfig::set_certificate_authority_of_cluster(&sealed(EDITED), "lab", b"ca").unwrap();
    let expected = EDITED.replace(
        "certificate-authority: pki/ca.crt",
        "certificate-authority-data: Y2E=",
    );
    assert_eq!(opened(&edited), expected);
}

#[test]
fn what_is_not_there_is_refused() {
    let file = || sealed(EDITED);
    let nobody =
        Kubeconfig::set_client_certificate(&file(), "nobody", b"c", &sealed("k")).map(|_| ());
    assert_eq!(nobody.unwrap_err().to_string(), "users[nobody] not found");
    let nobody = Kubeconfig::set_certificate_authority(&file(), "nobody", b"c").map(|_| ());
    assert_eq!(
        nobody.unwrap_err().to_string(),
        "no context of user nobody in this kubeconfig"
    );
    let open = Kubeconfig::set_certificate_authority(&file(), "token", b"c")
        .map(|_| ())
        .unwrap_err();
    assert_eq!(open.code(), "kubeconfig-insecure-cluster");
    let pod = Kubeconfig::parse(&sealed("apiVersion: v1\nkind: Pod\n")).unwrap_err();
    assert_eq!(pod.code(), "not-a-kubeconfig");
    assert_eq!(
        Kubeconfig::parse(&sealed("")).unwrap_err().code(),
        "not-a-kubeconfig"
    );
    assert_eq!(
        Kubeconfig::parse(&sealed("a: [")).unwrap_err().code(),
        "yaml-syntax"
    );
}

#[test]
fn a_new_one_is_what_kubeadm_writes() {
    let old = parse(KUBELET);
    let authority = old
        .current_cluster()
        .unwrap()
        .certificate_authority
        .as_ref()
        .unwrap();
    let path = Path::new("/var/lib/kubelet/pki/kubelet-client-current.pem");
    let new = NewKubeconfig {
        cluster: "kubernetes",
        server: "https://10.77.0.1:6443",
        certificate_authority: authority.embedded().unwrap(),
        user: "system:node:cp1",
        credentials: NewCredentials::Files {
            certificate: path,
            key: path,
        },
    };
    assert_eq!(opened(&new.to_text()), KUBELET);
    let key = sealed("new key");
    let credentials = NewCredentials::Embedded {
        certificate: b"new",
        key: &key,
    };
    let embedded = NewKubeconfig {
        user: "kubernetes-admin",
        credentials,
        ..new
    }
    .to_text();
    let found = parse(opened(&embedded));
    assert_eq!(found.current().unwrap().name, "kubernetes-admin@kubernetes");
    assert_eq!(
        found.client_certificate_data("kubernetes-admin").unwrap(),
        b"new"
    );
    assert_eq!(
        opened(&found.client_key_data("kubernetes-admin").unwrap()),
        "new key"
    );
}

proptest! {
    #[test]
    fn what_was_put_in_is_what_is_read(
        user in "[ -~é]{1,20}",
        certificate in proptest::collection::vec(any::<u8>(), 1..200),
        key in proptest::collection::vec(any::<u8>(), 1..200),
        authority in proptest::collection::vec(any::<u8>(), 1..200),
    ) {
        let new = NewKubeconfig {
            cluster: "c: #",
            server: "https://[::1]:6443",
            certificate_authority: b"old",
            user: &user,
            credentials: NewCredentials::Embedded { certificate: b"old", key: &sealed("old") },
        };
        let file = new.to_text();
        let file = Kubeconfig::set_client_certificate(&file, &user, &certificate, &Sealed::new(key.clone())).unwrap();
        let file = Kubeconfig::set_certificate_authority(&file, &user, &authority).unwrap();
        let found = Kubeconfig::parse(&file).unwrap();
        prop_assert_eq!(found.client_certificate_data(&user).unwrap(), certificate);
        let found_key = found.client_key_data(&user).unwrap();
        prop_assert_eq!(danger::open(&found_key), key);
        let cluster = found.current_cluster().unwrap();
        prop_assert_eq!(cluster.certificate_authority.as_ref().unwrap().embedded().unwrap(), authority);
        prop_assert_eq!(&found.current_user().unwrap().name, &user);
    }

    #[test]
    fn nothing_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in any::<String>()) {
        let texts = [bytes, format!("users:\n- name: a\n  user: {text}").into_bytes(), text.into_bytes()];
        for text in texts {
            let file = Sealed::new(text);
            let _ = Kubeconfig::parse(&file);
            let _ = Kubeconfig::set_client_certificate(&file, "a", b"c", &sealed("k"));
            let _ = Kubeconfig::set_client_certificate_file(&file, "a", Path::new("/c"), Path::new("/k"));
        }
    }
}
