//! Clusters whose authorities have ended, or lost their keys.

use anyhow::{Result, bail};
use kubepki_lab::together;

use crate::case::{Case, broken};
use crate::field::Field;
use crate::symptoms::{no_api, no_kubelet};

const LONG_AGO: i64 = 365;

pub const CASES: &[Case] = &[
    broken("authorities-expired", authorities_expired, nothing_works)
        .authorities_change()
        .ends(the_key_is_what_it_was),
    broken(
        "authority-expired-and-its-key-lost",
        authority_lost,
        nothing_works,
    )
    .flags(&["--new-ca"])
    .authorities_change()
    .ends(the_key_is_another)
    .by_default(),
];

const CA: &str = "/etc/kubernetes/pki/ca";
const KEPT: &str = "/root/ca-before.crt";

fn authorities_expired(field: &Field<'_>) -> Result<()> {
    keep_authority(field)?;
    field.cluster.age_files_with_authorities(LONG_AGO)?;
    field.reboot(&field.hosts)
}

/// It was only ever on the machine of somebody who has left.
fn authority_lost(field: &Field<'_>) -> Result<()> {
    keep_authority(field)?;
    field.cluster.age_files_with_authorities(LONG_AGO)?;
    together(&field.control_planes, |host| {
        host.shell(&format!("rm {CA}.key"))
    })?;
    field.reboot(&field.hosts)
}

fn keep_authority(field: &Field<'_>) -> Result<()> {
    together(&field.hosts, |host| {
        host.shell(&format!("cp {CA}.crt {KEPT}"))
    })
    .map(drop)
}

fn nothing_works(field: &Field<'_>) -> Result<String> {
    Ok(no_api(field, &field.control_planes)? + "\n" + &no_kubelet(&field.hosts)?)
}

fn the_key_is_what_it_was(field: &Field<'_>) -> Result<()> {
    if keys(field)?.iter().any(|(before, now)| before != now) {
        bail!("the CA has another key");
    }
    Ok(())
}

fn the_key_is_another(field: &Field<'_>) -> Result<()> {
    let keys = keys(field)?;
    if keys.iter().any(|(before, now)| before == now) {
        bail!("the CA has the key that was lost");
    }
    let mut now: Vec<&String> = keys.iter().map(|(_, now)| now).collect();
    now.dedup();
    if now.len() != 1 {
        bail!("hosts trust different CAs");
    }
    Ok(())
}

/// Each host's CA: its public key before and now.
fn keys(field: &Field<'_>) -> Result<Vec<(String, String)>> {
    together(&field.hosts, |host| {
        let key = |file: &str| host.shell(&format!("openssl x509 -in {file} -noout -pubkey"));
        Ok((key(KEPT)?, key(&format!("{CA}.crt"))?))
    })
}
