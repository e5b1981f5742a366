//! Plans that name what is not this host's PKI are refused before anything is read or written.

use crate::client::{Agent, renewal};
use crate::support::Tree;
use kubepki_core::founding::DeclaredLayout;
use kubepki_core::model::{ComponentKind, Holder, KubeconfigUser, RunsAs};
use kubepki_core::plan::{
    BasisFile, ComponentAction, Origin, Plan, Restoration, Signer, TakeUp, TrustUpdate,
};
use kubepki_fleet::session::{HostSession, SigningOrder};
use std::path::PathBuf;

const REFUSED: &str = "plan-outside-discovery";

fn files(certificate: &str, key: &str) -> Holder {
    Holder::Files {
        certificate: certificate.into(),
        key: Some(key.into()),
    }
}

/// Where certificate and key of the plan's only issuance go.
fn to(plan: &mut Plan, certificate: &str, key: &str) {
    plan.issuances[0].destination = files(certificate, key);
}

/// A host with things that are none of the PKI's business.
fn host() -> Tree {
    let tree = Tree::kubeadm().expired(30).build();
    tree.write_with_mode("/etc/shadow", "root:$6$secret:19000:0:99999:7:::\n", 0o600);
    tree.write_with_mode("/root/.ssh/authorized_keys", "ssh-ed25519 AAAA\n", 0o600);
    tree.write_with_mode(
        "/etc/ssl/private/web.key",
        "a key of somebody else\n",
        0o600,
    );
    tree.write("/etc/kubernetes/pki/other.pem", "not known to anybody\n");
    tree.write("/etc/kubernetes/other.conf", "not a kubeconfig\n");
    tree.symlink("/etc/kubernetes/pki/sub", "/etc");
    tree.symlink("/etc/kubernetes/pki/dangling.crt", "/etc/cron.d/new");
    tree
}

type Edit = (&'static str, fn(&mut Plan));

const EDITS: [Edit; 32] = [
    ("what an archive brings back beside requests", |plan| {
        plan.issuances[0].signer = Signer::Request {
            directory: "/etc/kubernetes/pki".into(),
        };
        plan.restoration = Some(Restoration {
            archive: "/var/lib/kubepki/backups/x.tar".into(),
            paths: vec!["/etc/kubernetes/pki/other.pem".into()],
            undoes: None,
        });
    }),
    ("shadow as certificate", |plan| {
        to(plan, "/etc/shadow", "/etc/kubernetes/pki/apiserver.key");
    }),
    ("shadow as key", |plan| {
        to(plan, "/etc/kubernetes/pki/apiserver.crt", "/etc/shadow");
    }),
    ("authorized keys", |plan| {
        to(plan, "/root/.ssh/authorized_keys", "/root/.ssh/id.key");
    }),
    ("a dotted way out", |plan| {
        let path = "/etc/kubernetes/pki/../../shadow";
        to(plan, path, "/etc/kubernetes/pki/apiserver.key");
    }),
    ("a dotted way back in", |plan| {
        let path = "/etc/kubernetes/pki/../pki/apiserver.crt";
        to(plan, path, "/etc/kubernetes/pki/apiserver.key");
    }),
    ("a relative path", |plan| {
        to(
            plan,
            "etc/kubernetes/pki/apiserver.crt",
            "/etc/kubernetes/pki/apiserver.key",
        );
    }),
    ("a folder that is a link", |plan| {
        let path = "/etc/kubernetes/pki/sub/new.crt";
        to(plan, path, "/etc/kubernetes/pki/apiserver.key");
    }),
    ("a link that leads nowhere", |plan| {
        let path = "/etc/kubernetes/pki/dangling.crt";
        to(plan, path, "/etc/kubernetes/pki/apiserver.key");
    }),
    ("a file beside that nobody names", |plan| {
        let path = "/etc/kubernetes/pki/other.pem";
        to(plan, path, "/etc/kubernetes/pki/apiserver.key");
    }),
    ("a new file of another kind", |plan| {
        let path = "/etc/kubernetes/pki/new.sh";
        to(plan, path, "/etc/kubernetes/pki/apiserver.key");
    }),
    ("a new certificate in a folder of the system", |plan| {
        to(plan, "/etc/new.crt", "/etc/new.key");
    }),
    ("a manifest", |plan| {
        let path = "/etc/kubernetes/manifests/new.yaml";
        to(plan, path, "/etc/kubernetes/pki/apiserver.key");
    }),
    ("a known manifest as a certificate", |plan| {
        let path = "/etc/kubernetes/manifests/etcd.yaml";
        to(plan, path, "/etc/kubernetes/pki/apiserver.key");
    }),
    ("a kubeconfig", |plan| {
        plan.issuances[0].destination = Holder::Kubeconfig {
            path: "/etc/kubernetes/other.conf".into(),
            user: "u".to_owned(),
        };
    }),
    ("a certificate store", |plan| {
        plan.issuances[0].destination = Holder::CertificateStore {
            link: "/var/lib/kubelet/pki/kubelet-client-current.pem".into(),
            target: Some("/etc/shadow".into()),
        };
    }),
    ("a copy", |plan| {
        plan.issuances[0].copies = vec!["/etc/shadow".into()];
    }),
    ("a kubeconfig to point", |plan| {
        plan.issuances[0].point_kubeconfig = Some(KubeconfigUser {
            path: "/etc/shadow".into(),
            user: "u".to_owned(),
        });
    }),
    ("where it is taken from", |plan| {
        let Origin::Certificate { holder, .. } = &mut plan.issuances[0].origin else {
            return;
        };
        *holder = files(
            "/etc/kubernetes/pki/apiserver.crt",
            "/etc/ssl/private/web.key",
        );
    }),
    ("the signer's key", |plan| {
        let Signer::Authority { key, .. } = &mut plan.issuances[0].signer else {
            return;
        };
        *key = "/etc/ssl/private/web.key".into();
    }),
    ("a key that is no authority's", |plan| {
        let Signer::Authority { key, .. } = &mut plan.issuances[0].signer else {
            return;
        };
        *key = "/etc/kubernetes/pki/sa.key".into();
    }),
    ("the signer's certificate", |plan| {
        let Signer::Authority { certificate, .. } = &mut plan.issuances[0].signer else {
            return;
        };
        *certificate = "/etc/shadow".into();
    }),
    ("a folder for requests", |plan| {
        plan.issuances[0].signer = Signer::Request {
            directory: "/root/.ssh".into(),
        };
    }),
    ("a folder with signed ones", |plan| {
        plan.issuances[0].signer = Signer::Installed {
            directory: "/etc/ssl/private".into(),
            authority: None,
        };
    }),
    ("an authority to check with", |plan| {
        plan.issuances[0].signer = Signer::Installed {
            directory: "/etc/kubernetes/pki".into(),
            authority: Some("/etc/shadow".into()),
        };
    }),
    ("a bundle to embed", |plan| {
        plan.trust_updates = vec![TrustUpdate {
            kubeconfig: "/etc/kubernetes/admin.conf".into(),
            cluster: "kubernetes".to_owned(),
            bundle: "/etc/shadow".into(),
        }];
    }),
    ("a kubeconfig to change", |plan| {
        plan.trust_updates = vec![TrustUpdate {
            kubeconfig: "/etc/kubernetes/other.conf".into(),
            cluster: "kubernetes".to_owned(),
            bundle: "/etc/kubernetes/pki/ca.crt".into(),
        }];
    }),
    ("an archive", |plan| {
        plan.restoration = Some(Restoration {
            archive: "/etc/shadow".into(),
            paths: vec!["/etc/kubernetes/pki/apiserver.crt".into()],
            undoes: None,
        });
    }),
    ("what an archive brings back", |plan| {
        plan.restoration = Some(Restoration {
            archive: "/var/lib/kubepki/backups/x.tar".into(),
            paths: vec!["/etc/shadow".into()],
            undoes: None,
        });
    }),
    ("a folder of static pods", |plan| {
        plan.static_pod_folders = vec!["/etc".into()];
    }),
    ("a component's manifest", |plan| {
        plan.components = vec![ComponentAction {
            component: ComponentKind::Etcd,
            runs_as: RunsAs::StaticPod {
                manifest: "/etc/cron.d/x".into(),
                container: "etcd".to_owned(),
            },
            take_up: TakeUp::Restart,
            reasons: Vec::new(),
            parks: Vec::new(),
        }];
    }),
    ("what it was made from", |plan| {
        plan.basis.push(BasisFile {
            path: "/etc/shadow".into(),
            sha256: Some("00".repeat(32)),
        });
    }),
];

#[test]
fn a_plan_cannot_name_what_is_not_pki() {
    let tree = host();
    let mut agent = Agent::on(&tree);
    let plan = renewal(&agent.look(), &tree, &["apiserver"]);
    assert_eq!(plan.issuances.len(), 1);
    let before = tree.snapshot();
    for (case, edit) in EDITS {
        let mut edited = plan.clone();
        edit(&mut edited);
        assert_ne!(edited, plan, "{case}");
        let edited = edited.with_id();
        for outcome in [
            agent.carry(&edited).map(drop),
            agent.session.prepare(&edited).map(drop),
        ] {
            let error = outcome.expect_err(case);
            assert_eq!(error.code, REFUSED, "{case}: {error}");
            assert!(!error.message.contains("$6$"), "{case}: {error}");
        }
        tree.assert_unchanged(&before);
        assert!(!tree.exists("/var/lib/kubepki/journal"), "{case}");
    }
    // The plan itself is fine.
    agent.carry(&plan).unwrap();
    tree.assert_pair(
        "/etc/kubernetes/pki/apiserver.crt",
        "/etc/kubernetes/pki/apiserver.key",
    );
}

#[test]
fn a_known_name_that_is_a_link_to_something_else_is_refused() {
    let tree = host();
    tree.symlink("/etc/kubernetes/pki/apiserver.crt", "/etc/shadow");
    let sound = Tree::kubeadm().expired(30).build();
    let (mut agent, mut of_sound) = (Agent::on(&tree), Agent::on(&sound));
    agent.look();
    let mut plan = renewal(&of_sound.look(), &sound, &["apiserver"]);
    plan.basis = Vec::<BasisFile>::new();
    let before = tree.snapshot();
    let error = agent.carry(&plan.with_id()).unwrap_err();
    assert_eq!(error.code, REFUSED, "{error}");
    tree.assert_unchanged(&before);
}

#[test]
fn a_link_from_known_to_known_is_followed() {
    let tree = Tree::kubeadm().expired(30).build();
    let path = "/etc/kubernetes/pki/front-proxy-client.crt";
    tree.rename(path, "/srv/pki/client.crt");
    tree.symlink(path, "/srv/pki/client.crt");
    let mut agent = Agent::on(&tree);
    let plan = renewal(&agent.look(), &tree, &["front-proxy-client"]);
    agent.carry(&plan).unwrap();
    tree.assert_pair(
        "/srv/pki/client.crt",
        "/etc/kubernetes/pki/front-proxy-client.key",
    );
}

#[test]
fn a_new_file_beside_a_known_one_is_within_bounds() {
    let tree = host();
    let mut agent = Agent::on(&tree);
    let mut plan = renewal(&agent.look(), &tree, &["apiserver"]);
    plan.issuances[0].destination = files(
        "/etc/kubernetes/pki/apiserver-new.crt",
        "/etc/kubernetes/pki/apiserver-new.key",
    );
    agent.carry(&plan.with_id()).unwrap();
    tree.assert_pair(
        "/etc/kubernetes/pki/apiserver-new.crt",
        "/etc/kubernetes/pki/apiserver-new.key",
    );
}

#[test]
fn requests_go_below_the_folder_with_certificates() {
    let tree = host();
    let mut agent = Agent::on(&tree);
    let mut plan = renewal(&agent.look(), &tree, &["apiserver"]);
    plan.issuances[0].signer = Signer::Request {
        directory: PathBuf::from("/etc/kubernetes/pki/requests"),
    };
    agent.carry(&plan.with_id()).unwrap();
    assert!(tree.exists("/etc/kubernetes/pki/requests/apiserver.csr"));
}

#[test]
fn nothing_is_signed_with_what_is_no_authority_of_the_host() {
    let tree = host();
    let mut agent = Agent::on(&tree);
    let plan = renewal(&agent.look(), &tree, &["apiserver"]);
    for key in ["/etc/kubernetes/pki/sa.key", "/etc/ssl/private/web.key"] {
        let mut issuance = plan.issuances[0].clone();
        issuance.signer = Signer::Elsewhere {
            host: "cp1".to_owned(),
            name: "ca".to_owned(),
            certificate: "/etc/kubernetes/pki/ca.crt".into(),
            key: key.into(),
            fingerprint_sha256: "00".repeat(32),
        };
        let order = SigningOrder {
            host: "cp2".to_owned(),
            issuance,
            old_certificate_pem: None,
            request_pem: String::new(),
        };
        let error = agent.session.sign(&[order]).unwrap_err();
        assert_eq!(error.code, REFUSED, "{error}");
    }
}

#[test]
fn another_folder_for_certificates_is_no_way_to_other_files() {
    let tree = host();
    let mut agent = Agent::on(&tree);
    let plan = renewal(&agent.look(), &tree, &["apiserver"]);
    for folder in ["/etc", "/root/.ssh", "/etc/ssl/private", "relative"] {
        let mut edited = plan.clone();
        to(
            &mut edited,
            "/root/.ssh/authorized_keys",
            "/etc/ssl/private/web.key",
        );
        let mut request = crate::client::carry_request(&edited.with_id());
        request.pki_folder = folder.into();
        let outcome = agent.session.carry(&request, &crate::client::Silent);
        let code = outcome.unwrap_err().code;
        assert!([REFUSED, "usage"].contains(&code.as_str()), "{code}");
    }
}

#[test]
fn a_declared_layout_is_no_way_to_other_files() {
    let tree = host();
    let mut agent = Agent::on(&tree);
    let layout = "\
apiVersion: kubepki.dev/v1alpha1
kind: Layout
authorities:
- {name: house, subject: {commonName: kubernetes}, certificate: ca.crt, key: ca.key}
certificates:
- {name: web, signer: house, subject: {commonName: web}, usages: [serverAuth], certificate: other.pem, key: /etc/ssl/private/web.key}
- {name: login, signer: house, subject: {commonName: x}, usages: [clientAuth], certificate: /root/.ssh/new.pem, key: /root/.ssh/new-key.pem}
kubeconfigs:
- {name: other, signer: house, subject: {commonName: x}, file: /etc/kubernetes/other.conf, server: \"https://127.0.0.1:6443\"}
";
    let layout = DeclaredLayout::from_yaml(layout).unwrap();
    agent.session.declare(&layout).unwrap();
    let look = agent.look();
    assert!(look.inventory.declared.is_some());
    let plan = renewal(&look, &tree, &["apiserver"]);
    let before = tree.snapshot();
    for (certificate, key) in [
        (
            "/etc/kubernetes/pki/other.pem",
            "/etc/kubernetes/pki/apiserver.key",
        ),
        (
            "/etc/kubernetes/pki/apiserver.crt",
            "/etc/ssl/private/web.key",
        ),
        ("/root/.ssh/new.pem", "/root/.ssh/new-key.pem"),
    ] {
        let mut edited = plan.clone();
        to(&mut edited, certificate, key);
        let error = agent.carry(&edited.with_id()).unwrap_err();
        assert_eq!(error.code, REFUSED, "{certificate}: {error}");
    }
    let mut edited = plan.clone();
    edited.issuances[0].point_kubeconfig = Some(KubeconfigUser {
        path: "/etc/kubernetes/other.conf".into(),
        user: "x".to_owned(),
    });
    let error = agent.carry(&edited.with_id()).unwrap_err();
    assert_eq!(error.code, REFUSED, "{error}");
    tree.assert_unchanged(&before);
}
