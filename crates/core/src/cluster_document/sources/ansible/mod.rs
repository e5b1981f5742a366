//! Hosts of an Ansible inventory, as kubespray is given one: INI, YAML, or the JSON that
//! `ansible-inventory --list` prints.
//!
//! Only what says how a host is reached is carried over. What lies beside an inventory (`group_vars`,
//! `ansible.cfg`) is not read: `ansible-inventory --list` folds the former in.
//! <https://docs.ansible.com/ansible/latest/inventory_guide/intro_inventory.html>

mod connection;
mod groups;
mod ini;
mod ranges;
mod tree;

use super::{FoundHosts, SourceError, found};
use crate::cluster_document::ClusterHost;
use std::collections::BTreeSet;

/// kubespray's groups, old spellings included, in the order in which their hosts are written.
const GROUPS: &[&str] = &[
    "kube_control_plane",
    "kube-control-plane",
    "kube-master",
    "kube_master",
    "etcd",
    "kube_node",
    "kube-node",
    "k8s_cluster",
    "k8s-cluster",
];
/// Hosts that connections pass through.
const BASTIONS: &[&str] = &["bastion", "bastions"];

/// The hosts of an inventory: those of kubespray's groups when there are any, else all.
pub fn from_ansible(text: &str, user: Option<&str>) -> Result<FoundHosts, SourceError> {
    let groups = match tree::parse(text)? {
        Some(groups) => groups,
        None => ini::parse(text)?,
    };
    let mut notices = Vec::new();
    let mut seen = BTreeSet::new();
    let mut names: Vec<&str> = GROUPS
        .iter()
        .flat_map(|group| groups.members(group))
        .filter(|host| seen.insert(*host))
        .collect();
    if names.is_empty() {
        names = groups.hosts().collect();
        if !names.is_empty() {
            notices.push(
                "no group of the inventory is one of kubespray's (kube_control_plane, etcd, \
                 kube_node): every host of it is taken"
                    .to_owned(),
            );
        }
    }
    let bastions: Vec<&str> = BASTIONS.iter().flat_map(|it| groups.members(it)).collect();
    if !bastions.is_empty() {
        names.retain(|name| !bastions.contains(name));
        notices.push(format!(
            "the hosts are reached through {}: say so to ssh, with ProxyJump in ~/.ssh/config",
            bastions.join(", ")
        ));
    }
    let hosts: Vec<ClusterHost> = names
        .into_iter()
        .map(|name| connection::host(name, &groups.variables_of(name), user, &mut notices))
        .collect();
    found(None, hosts, notices)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        let found = from_ansible(text, None).unwrap();
        let document = found.document.to_yaml().unwrap();
        assert!(
            crate::cluster_document::ClusterDocument::parse(&document).is_ok(),
            "{document}"
        );
        let hosts = found.document.hosts.iter();
        let hosts = hosts.map(|host| format!("{}: {host}", host.name));
        hosts.chain(found.notices).collect()
    }

    const INI: &str = "\
# the machines
localhost ansible_connection=local

[all]
alpha ansible_host=192.0.2.1 ip=10.3.0.1 etcd_member_name=etcd1   # first
beta  ansible_host=192.0.2.2 ansible_user=ubuntu ansible_port=2222
gamma[1:3] ansible_user=core
; delta is gone
[all:vars]
ansible_user = \"debian\"
ansible_become=yes

[kube-master]
alpha
[etcd:children]
kube-master
[kube-node]
beta
gamma[2:3]
[k8s-cluster:children]
kube-node
kube-master
calico-rr
[calico-rr]
";

    #[test]
    fn an_ini_inventory_of_old_spelling() {
        assert_eq!(
            shown(INI),
            [
                "alpha: ssh debian@192.0.2.1",
                "beta: ssh ssh://ubuntu@192.0.2.2:2222",
                "gamma2: ssh core@gamma2",
                "gamma3: ssh core@gamma3",
            ]
        );
    }

    const YAML: &str = "\
all:
  vars: {ansible_user: ops}
  hosts:
    m1: {ansible_host: fd00::1, ansible_ssh_port: 22022}
    m2: {ansible_host: '10.1.0.2', ansible_become: true}
    n[01:02]: {access_ip: 10.1.0.9}
  children:
    kube_control_plane: {hosts: {m1: , m2: }}
    kube_node: {hosts: {n01: , n02: {ansible_host: \"{{ lookup('x') }}\"}}}
    etcd: {children: {kube_control_plane: }}
    k8s_cluster: {children: {kube_control_plane: {}, kube_node: {vars: {ansible_user: worker}}}}
    bastion: {hosts: {jump: {ansible_host: 203.0.113.1}}}
";

    #[test]
    fn a_yaml_inventory() {
        assert_eq!(
            shown(YAML),
            [
                "m1: ssh ssh://ops@[fd00::1]:22022",
                "m2: ssh ops@10.1.0.2",
                "n01: ssh worker@n01",
                "n02: ssh worker@n02",
                "the hosts are reached through jump: say so to ssh, with ProxyJump in ~/.ssh/config",
                "ansible_host of n02 is a template, which only Ansible can fill in: take \
                 `ansible-inventory --list` instead",
            ]
        );
    }

    #[test]
    fn what_ansible_itself_lists() {
        let list = r#"{
          "_meta": {"hostvars": {"a": {"ansible_host": "10.0.0.1", "ansible_user": "root"},
                                 "b": {"ansible_connection": "docker"}}},
          "all": {"children": ["ungrouped", "etcd", "kube_node"]},
          "etcd": {"hosts": ["a"]}, "kube_node": {"hosts": ["b", "a"]}
        }"#;
        assert_eq!(shown(list), ["a: ssh root@10.0.0.1", "b: docker exec -i b"]);
    }

    #[test]
    fn without_kubesprays_groups_every_host_is_taken() {
        let shown = shown("[web]\nweb1\n[db]\ndb1:2022\n");
        assert_eq!(
            shown.get(..2).unwrap(),
            ["web1: ssh web1", "db1: ssh ssh://db1:2022"]
        );
        assert!(shown.get(2).unwrap().contains("every host"), "{shown:?}");
    }

    #[test]
    fn the_users_word_is_the_last() {
        let found = from_ansible("[etcd]\ne1 ansible_user=core\n", Some("root")).unwrap();
        assert_eq!(found.document.hosts[0].to_string(), "ssh root@e1");
    }

    #[test]
    fn what_is_no_inventory_is_refused_with_its_line() {
        for (text, expected) in [
            ("[etcd\ne1\n", "line 1: expected [group], found \"[etcd\""),
            (
                "[etcd]\ne[1:\n",
                "line 2: expected a range like [1:3], found \"e[1:\"",
            ),
            (
                "[a:b]\nx\n",
                "line 1: expected [group], [group:vars] or [group:children], found \"[a:b]\"",
            ),
            (
                "e[1:999999999]\n",
                "line 1: the range [1:999999999] has more than 65536 hosts",
            ),
            ("", "no host is named in it"),
            ("# nothing\n", "no host is named in it"),
        ] {
            let error = from_ansible(text, None).unwrap_err();
            assert_eq!(error.to_string(), expected);
        }
    }

    #[test]
    fn groups_that_hold_each_other_end() {
        let text = "[etcd:children]\nb\n[b:children]\netcd\n[b]\nx\n";
        assert_eq!(shown(text), ["x: ssh x"]);
    }
}
