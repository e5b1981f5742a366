//! The tables: complete, without contradiction, and the names that kubeadm prints.

use kubepki_core::layouts::component_files::KEY_PAIRS;
use kubepki_core::layouts::{CommonNameRule, KUBEADM, OrganizationRule};
use kubepki_core::model::role::AuthorityName;
use std::collections::BTreeSet;

#[test]
fn names_are_those_of_kubeadm_certs() {
    let certificates = KUBEADM
        .certificates
        .iter()
        .map(|certificate| certificate.name);
    let kubeconfigs = KUBEADM
        .kubeconfigs
        .iter()
        .filter(|kubeconfig| kubeconfig.known_to_kubeadm_certs);
    let names: BTreeSet<&str> = certificates
        .chain(kubeconfigs.map(|kubeconfig| kubeconfig.name))
        .collect();
    let sorted: Vec<&str> = names.into_iter().collect();
    let check_expiration = [
        "admin.conf",
        "apiserver",
        "apiserver-etcd-client",
        "apiserver-kubelet-client",
        "controller-manager.conf",
        "etcd-healthcheck-client",
        "etcd-peer",
        "etcd-server",
        "front-proxy-client",
        "scheduler.conf",
        "super-admin.conf",
    ];
    assert_eq!(sorted, check_expiration);
    let authorities = KUBEADM
        .authorities
        .iter()
        .map(|authority| authority.name.as_str());
    assert_eq!(
        authorities.collect::<Vec<_>>(),
        ["ca", "etcd-ca", "front-proxy-ca"]
    );
}

#[test]
fn certificates_are_told_one_by_one() {
    let lines = KUBEADM.certificates.iter().map(|certificate| {
        let usages: Vec<String> = certificate.usages.iter().map(ToString::to_string).collect();
        let organization = |minor| {
            certificate
                .subject
                .organization
                .in_minor(minor)
                .unwrap_or("-")
        };
        format!(
            "{} {} {} {} {}→{} {} {}",
            certificate.file_base,
            certificate.authority,
            certificate.role,
            certificate.subject.common_name.on_node("NODE"),
            organization(20),
            organization(29),
            usages.join("+"),
            certificate.subject_alt_names.len(),
        )
    });
    insta::assert_snapshot!(lines.collect::<Vec<_>>().join("\n"), @r"
    apiserver ca apiserver-serving kube-apiserver -→- serverAuth 9
    apiserver-etcd-client etcd-ca apiserver-etcd-client kube-apiserver-etcd-client system:masters→- clientAuth 0
    apiserver-kubelet-client ca apiserver-kubelet-client kube-apiserver-kubelet-client system:masters→kubeadm:cluster-admins clientAuth 0
    etcd/healthcheck-client etcd-ca etcd-healthcheck-client kube-etcd-healthcheck-client system:masters→- clientAuth 0
    etcd/peer etcd-ca etcd-peer NODE -→- serverAuth+clientAuth 6
    etcd/server etcd-ca etcd-server NODE -→- serverAuth+clientAuth 6
    front-proxy-client front-proxy-ca front-proxy-client front-proxy-client -→- clientAuth 0
    ");
}

#[test]
fn the_flag_table_and_the_layout_agree() {
    for row in KEY_PAIRS {
        let Some(name) = row.kubeadm_name else {
            continue;
        };
        let certificate = KUBEADM.certificate(name).unwrap();
        assert_eq!(certificate.role, row.role, "{name}");
        assert_eq!(Some(certificate.authority), row.authority, "{name}");
    }
    for name in AuthorityName::ALL {
        assert!(KUBEADM.authority(name).is_some());
    }
    let node = KUBEADM.kubeconfig("kubelet.conf").unwrap().subject.unwrap();
    assert_eq!(node.common_name, CommonNameRule::SystemNode);
    assert_eq!(node.organization, OrganizationRule::Fixed("system:nodes"));
}
