//! Certificates that are lost on a hand-made host: made anew after profiles by role, where the user asks
//! for it; the host's flags tell names and addresses, and where they do not, nothing is made.

use crate::kubeasz::master;
use crate::maker::assert_renews;

const SSL: &str = "/etc/kubernetes/ssl";

#[test]
fn what_is_lost_is_made_after_its_roles_profile() {
    let tree = master();
    for name in ["kubernetes", "aggregator-proxy"] {
        tree.remove(format!("{SSL}/{name}.pem"));
        tree.remove(format!("{SSL}/{name}-key.pem"));
    }
    // Without being asked, nobody guesses what a certificate said.
    let run = tree.kubepki(&["renew", "apiserver", "--yes"]).expect(1);
    assert!(run.stderr.contains("there is no certificate"), "{run}");
    // The names of a server are not guessed either.
    let run = tree
        .kubepki(&["renew", "apiserver", "--profiles", "builtin", "--yes"])
        .expect(1);
    assert!(
        run.stderr.contains("needs {address}") || run.stderr.contains("needs {serviceIp}"),
        "{run}"
    );
    tree.replace(
        "/etc/systemd/system/kube-apiserver.service",
        "--tls-cert-file",
        "--advertise-address=10.77.0.11 --service-cluster-ip-range=10.68.0.0/16 --tls-cert-file",
    );
    tree.kubepki(&["renew", "all", "--profiles", "builtin", "--yes"])
        .expect(0);
    for name in ["kubernetes", "aggregator-proxy"] {
        let certificate = format!("{SSL}/{name}.pem");
        tree.assert_pair(&certificate, &format!("{SSL}/{name}-key.pem"));
        tree.assert_signed(&certificate, &format!("{SSL}/ca.pem"));
    }
    let names = tree.row("apiserver")["subjectAltNames"].to_string();
    for name in [
        "DNS:cp1",
        "DNS:kubernetes.default.svc",
        "IP:10.68.0.1",
        "IP:10.77.0.11",
    ] {
        assert!(names.contains(name), "{name} in {names}");
    }
    assert_eq!(
        tree.row("front-proxy-client")["subject"],
        "CN=front-proxy-client"
    );
    assert_renews(&tree);
}

#[test]
fn a_users_profile_is_stronger_and_its_mistakes_are_told() {
    let tree = master();
    let file = tree.scratch().join("profiles.yaml");
    let write = |role: &str| {
        let text = format!("apiVersion: kubepki.dev/v1alpha1\nkind: Profiles\nprofiles:\n{role}");
        std::fs::write(&file, text).unwrap();
    };
    let renew = |tree: &crate::support::Tree| {
        tree.kubepki(&[
            "renew",
            "front-proxy-client",
            "--profiles",
            file.to_str().unwrap(),
            "--yes",
        ])
    };
    tree.remove(format!("{SSL}/aggregator-proxy.pem"));
    write("- role: front-proxy-client\n  commonName: aggregator\n  usages: [codeSigning]\n");
    let run = renew(&tree).expect(1);
    assert!(run.stderr.contains("codeSigning"), "{run}");
    write(
        "- role: front-proxy-client\n  commonName: aggregator\n  organizations: [k8s]\n  usages: [clientAuth]\n",
    );
    renew(&tree).expect(0);
    assert_eq!(
        tree.row("front-proxy-client")["subject"],
        "O=k8s, CN=aggregator"
    );
}
