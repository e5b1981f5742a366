//! What both layouts have in common: the operator, the clients, and looking for what must be nowhere.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Instant;

use anyhow::{Result, bail, ensure};
use kubepki_lab::{ClosedLoop, Cluster, Doors, Host, Output, Record, SshAccess, copies_below};
use sha2::{Digest, Sha256};

/// What is rotated, one after the other.
pub fn asked(otherwise: &str) -> Vec<String> {
    let asked = std::env::var("KUBEPKI_ROTATE").unwrap_or_else(|_| otherwise.to_owned());
    let words = asked.split(',').filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}

/// Does something while clients ask; what they saw.
pub fn watched(
    cluster: &Cluster,
    doors: &Doors,
    what: &str,
    work: impl FnOnce() -> Result<()>,
) -> Result<Vec<Record>> {
    let clients = ClosedLoop::through(cluster, doors)?;
    let start = Instant::now();
    let done = work();
    println!("--- {what}: {:.0} s", start.elapsed().as_secs_f64());
    let records = clients.finish(cluster)?;
    for record in &records {
        let (longest, all) = record.longest_and_all_gaps();
        println!(
            "  {:5} {} answered ({} after a new connection), {} refused, {} watches broken, \
             longest gap {longest:.1} s of {all:.1} s in {}",
            record.client,
            record.good,
            record.again,
            record.refused().count(),
            record.broken_watches(),
            record.gaps.len(),
        );
        for (at, why) in record.failed.iter().take(8) {
            println!("        {at:.1} {why}");
        }
    }
    done?;
    Ok(records)
}

/// `kubepki rotate …` over SSH.
pub fn operate(access: &SshAccess, words: &[&str]) -> Result<String> {
    let words = [&["rotate"], words].concat();
    let done = access.kubepki(&words)?;
    println!(
        "$ kubepki {}\n{}{}",
        words.join(" "),
        done.stdout,
        done.stderr
    );
    succeeded(&done)?;
    Ok(done.stdout)
}

/// Fails with what a program said.
pub fn succeeded(output: &Output) -> Result<()> {
    if !output.success() {
        bail!(
            "exit status {}:\n{}{}",
            output.status,
            output.stdout,
            output.stderr
        );
    }
    Ok(())
}

/// Digests of all files below these, by host and path.
pub fn digests(hosts: &[Host], places: &[&str]) -> Result<BTreeMap<(String, String), [u8; 32]>> {
    let mut found = BTreeMap::new();
    for host in hosts {
        for place in places {
            of(host, &host.path(place), place, &mut found)?;
        }
    }
    Ok(found)
}

fn of(
    host: &Host,
    path: &Path,
    place: &str,
    found: &mut BTreeMap<(String, String), [u8; 32]>,
) -> Result<()> {
    let Ok(kind) = path.symlink_metadata() else {
        return Ok(());
    };
    if kind.is_file() {
        let digest = Sha256::digest(fs_err::read(path)?);
        found.insert((host.name().to_owned(), place.to_owned()), digest.into());
    } else if kind.is_dir() {
        for entry in fs_err::read_dir(path)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            of(host, &entry.path(), &format!("{place}/{name}"), found)?;
        }
    }
    Ok(())
}

/// Fails with what differs.
pub fn same(
    before: &BTreeMap<(String, String), [u8; 32]>,
    now: &BTreeMap<(String, String), [u8; 32]>,
) -> Result<()> {
    let names = before.keys().chain(now.keys()).collect::<BTreeSet<_>>();
    let differs: Vec<String> = names
        .into_iter()
        .filter(|name| before.get(*name) != now.get(*name))
        .map(|(host, path)| format!("{host} {path}"))
        .collect();
    ensure!(differs.is_empty(), "not as before: {}", differs.join(", "));
    Ok(())
}

/// No file of a host holds one of these bodies.
pub fn known_to_no_file(hosts: &[Host], folders: &[&str], bodies: &[&str]) -> Result<()> {
    for host in hosts {
        let mut found = BTreeSet::new();
        for folder in folders {
            copies_below(&host.path(folder), bodies, &mut found)?;
        }
        ensure!(
            found.is_empty(),
            "{}: an old root lies in {found:?}",
            host.name()
        );
    }
    Ok(())
}
