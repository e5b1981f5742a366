//! Clusters with files that are valid, and in the wrong place.

use anyhow::{Context, Result, bail};
use kubepki_lab::Host;

use crate::case::{Case, broken};
use crate::field::Field;
use crate::symptoms::{no_api, no_etcd};

pub const CASES: &[Case] = &[
    broken(
        "certificates-of-a-neighbour",
        certificates_of_a_neighbour,
        |field| {
            let second = std::slice::from_ref(field.control_plane(2)?);
            Ok(no_etcd(second)? + "\n" + &no_api(field, second)?)
        },
    )
    .by_default(),
    broken(
        "two-apiservers-lost-their-names",
        |field| lost_names(field, two(field)?),
        |field| no_api(field, two(field)?),
    )
    .ends(|field| names_are_back(field, &[])),
    broken(
        "every-apiserver-lost-its-names",
        |field| lost_names(field, &field.control_planes),
        |field| no_api(field, &field.control_planes),
    )
    .ends(|field| names_are_back(field, &[KNOWN_TO_NOBODY])),
    // An API server publishes the CAs that it finds, and they stay beside its own.
    broken("foreign-authorities", foreign_authorities, |field| {
        let hosts = [
            field.control_plane(2)?.clone(),
            field.control_plane(3)?.clone(),
        ];
        no_api(field, &hosts)
    })
    .authorities_change(),
];

const LEAFS: &str = "apiserver apiserver-kubelet-client apiserver-etcd-client front-proxy-client \
    etcd/server etcd/peer etcd/healthcheck-client";

/// Somebody copied a folder.
fn certificates_of_a_neighbour(field: &Field<'_>) -> Result<()> {
    let (first, second) = (field.control_plane(1)?, field.control_plane(2)?);
    for leaf in LEAFS.split_whitespace() {
        for end in ["crt", "key"] {
            let path = format!("/etc/kubernetes/pki/{leaf}.{end}");
            fs_err::write(second.path(&path), fs_err::read(first.path(&path))?)?;
        }
    }
    field.restart(std::slice::from_ref(second), &["etcd", "kube-apiserver"])
}

/// No file of any host has this name when all serving certificates have lost it.
const KNOWN_TO_NOBODY: &str = "DNS:lb.lab.internal";

const WITH_NAMES: &str = "/root/apiserver-with-names.crt";

fn two<'a>(field: &'a Field<'_>) -> Result<&'a [Host]> {
    let two = field.control_planes.get(..2);
    two.context("fewer than two control planes")
}

/// Issued by hand, with openssl and no names.
fn lost_names(field: &Field<'_>, hosts: &[Host]) -> Result<()> {
    field.shell(
        &field.control_planes,
        &format!("cp $PKI/apiserver.crt {WITH_NAMES}"),
    )?;
    field.shell(hosts, "again $PKI/apiserver.crt names=")?;
    field.restart(hosts, &["kube-apiserver"])
}

fn names_are_back(field: &Field<'_>, but_for: &[&str]) -> Result<()> {
    for host in &field.control_planes {
        let names = |file: &str| -> Result<Vec<String>> {
            let seen = host.shell(&format!(". /root/break.sh; names {file}"))?;
            let mut names: Vec<String> = seen.trim().split(',').map(str::to_owned).collect();
            names.retain(|name| !but_for.contains(&name.as_str()));
            names.sort();
            Ok(names)
        };
        let (before, now) = (
            names(WITH_NAMES)?,
            names("/etc/kubernetes/pki/apiserver.crt")?,
        );
        if before != now {
            bail!("{} had {before:?} and has {now:?}", host.name());
        }
    }
    Ok(())
}

/// In the middle of a rotation that nobody finished: another cluster's CA on one control plane, the
/// wrong one of its own CAs for etcd on another.
fn foreign_authorities(field: &Field<'_>) -> Result<()> {
    let (second, third) = (field.control_plane(2)?, field.control_plane(3)?);
    field.shell(
        std::slice::from_ref(second),
        "authority foreign /CN=kubernetes; cat $SCRATCH/foreign.crt >$PKI/ca.crt",
    )?;
    field.restart(std::slice::from_ref(second), &["kube-apiserver"])?;
    field.shell(
        std::slice::from_ref(third),
        "cat $PKI/front-proxy-ca.crt >$PKI/etcd/ca.crt",
    )?;
    field.restart(std::slice::from_ref(third), &["etcd", "kube-apiserver"])
}
