//! From Ansible's connection variables to how a host is reached.
//!
//! <https://docs.ansible.com/ansible/latest/inventory_guide/connection_details.html>

use super::super::{destination, name_of};
use super::groups::Variables;
use crate::cluster_document::{Become, ClusterHost, Reach};

/// What ssh is to be told in its own configuration, and what to write there.
const FOR_SSH_CONFIG: &[(&str, &str)] = &[
    ("ansible_ssh_common_args", "the same options"),
    ("ansible_ssh_extra_args", "the same options"),
    ("ansible_ssh_private_key_file", "IdentityFile"),
    ("ansible_private_key_file", "IdentityFile"),
];

pub(super) fn host(
    name: &str,
    variables: &Variables,
    user: Option<&str>,
    notices: &mut Vec<String>,
) -> ClusterHost {
    let mut first = |names: &[&str]| -> Option<String> {
        let value = names.iter().find_map(|it| Some((it, variables.get(*it)?)));
        let (variable, value) = value.filter(|(_, value)| !value.is_empty())?;
        if value.contains("{{") {
            notices.push(format!(
                "{variable} of {name} is a template, which only Ansible can fill in: take \
                 `ansible-inventory --list` instead"
            ));
            return None;
        }
        Some(value.clone())
    };
    let address = first(&["ansible_host", "ansible_ssh_host"]);
    let login = first(&["ansible_user", "ansible_ssh_user"]);
    let port = first(&["ansible_port", "ansible_ssh_port"]);
    let connection = first(&["ansible_connection"]);
    let becomes = first(&["ansible_become"]);
    let method = first(&["ansible_become_method"]);
    let address = address.as_deref().unwrap_or(name);
    let login = user.or(login.as_deref());
    let mut host = ClusterHost::by_ssh(
        name_of(name),
        destination(login, address, port.and_then(|port| port.parse().ok())),
    );
    match connection.as_deref() {
        Some("local") => {
            host.reach = Reach {
                local: true,
                ..Reach::default()
            };
        }
        Some("docker" | "community.docker.docker") => {
            let words = ["docker", "exec", "-i", address];
            host.reach = Reach {
                command: Some(words.map(str::to_owned).to_vec()),
                ..Reach::default()
            };
        }
        _ => {}
    }
    let is_on =
        |value: &str| ["true", "yes", "1", "on"].contains(&value.to_ascii_lowercase().as_str());
    match method.as_deref() {
        None | Some("sudo" | "ansible.builtin.sudo") => {}
        Some(other) => notices.push(format!(
            "{name} becomes root by {other}; kubepki knows `sudo -n` and logins of root"
        )),
    }
    if becomes.as_deref().is_some_and(is_on) && login != Some("root") {
        host.becomes = Some(Become::Sudo);
    }
    for (variable, what) in FOR_SSH_CONFIG {
        if variables
            .get(*variable)
            .is_some_and(|value| !value.is_empty())
        {
            notices.push(format!(
                "{variable} of {name} is for ssh: put {what} into ~/.ssh/config"
            ));
        }
    }
    host
}
