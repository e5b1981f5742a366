//! What distributions keep that see to their certificates themselves (k3s, RKE2, k0s, MicroK8s):
//! looked at by their tables, beside what flags name, to be shown.

use super::authorities::{key_state, read_certificates};
use super::entries::{Entries, FileEntry, file_entry};
use super::kubeconfigs;
use super::reader::Reader;
use kubepki_core::formats::path_map::PathMap;
use kubepki_core::formats::yaml;
use kubepki_core::layouts::vendors::{VENDORS, VendorLayout};
use kubepki_core::model::{Authority, KeyState};
use kubepki_sealed::danger;
use std::path::{Path, PathBuf};

/// Adds every distribution's authorities and certificates that are there.
pub(super) fn find(
    reader: &mut Reader<'_>,
    authorities: &mut Vec<Authority>,
    entries: &mut Entries,
) {
    for vendor in VENDORS {
        let base = base(reader, vendor);
        if reader.symlink_metadata(&base).is_none() {
            continue;
        }
        find_authorities(reader, vendor, &base, authorities);
        find_entries(reader, vendor, &base, entries);
    }
}

/// The service-account keys of distributions.
pub(super) fn service_account_keys(reader: &mut Reader<'_>) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for vendor in VENDORS {
        let path = base(reader, vendor).join(vendor.service_account_key);
        if reader.symlink_metadata(&path).is_some() {
            found.push(path);
        }
    }
    found
}

/// The folder that the tables begin in: `data-dir` of the vendor's configuration, else the usual.
fn base(reader: &mut Reader<'_>, vendor: &VendorLayout) -> PathBuf {
    let configured = vendor.configuration.and_then(|path| {
        let path = Path::new(path);
        reader.symlink_metadata(path)?;
        let contents = reader.optional(path)?;
        let text = yaml::text_of(danger::open(&contents)).ok()?;
        let documents = yaml::parse(text).ok()?;
        let folder = documents.first()?.root().get("data-dir")?.to_text()?;
        Some(PathBuf::from(folder)).filter(|folder| folder.is_absolute())
    });
    configured.unwrap_or_else(|| PathBuf::from(vendor.base))
}

fn find_authorities(
    reader: &mut Reader<'_>,
    vendor: &VendorLayout,
    base: &Path,
    authorities: &mut Vec<Authority>,
) {
    for row in vendor.authorities {
        let certificate_path = with_ending(base, row.file_base, "crt");
        if reader.symlink_metadata(&certificate_path).is_none() {
            continue;
        }
        let real_path = reader.real_path(&certificate_path);
        let known = authorities
            .iter()
            .any(|other| reader.real_path(&other.certificate_path) == real_path);
        if known {
            continue;
        }
        let (certificates, problem) = read_certificates(reader, &certificate_path);
        let key_path = with_ending(base, row.file_base, "key");
        let key = match reader.symlink_metadata(&key_path) {
            Some(_) => key_state(reader, &key_path),
            None => KeyState::Absent,
        };
        let is_taken = authorities.iter().any(|other| other.name == row.name);
        authorities.push(Authority {
            name: match is_taken {
                true => certificate_path.display().to_string(),
                false => row.name.to_owned(),
            },
            role: row.authority.role(),
            also_known_as: Vec::new(),
            certificate_path,
            certificates,
            key_path: Some(key_path),
            key,
            used_by: Vec::new(),
            problem,
        });
    }
}

fn find_entries(
    reader: &mut Reader<'_>,
    vendor: &VendorLayout,
    base: &Path,
    entries: &mut Entries,
) {
    for row in vendor.certificates {
        let file_base = vendor.named(row.file_base);
        let (certificate, key) = match Path::new(&file_base).extension() {
            Some(_) => (base.join(&file_base), base.join(&file_base)),
            None => (
                with_ending(base, &file_base, "crt"),
                with_ending(base, &file_base, "key"),
            ),
        };
        if reader.symlink_metadata(&certificate).is_none() || entries.holds(reader, &certificate) {
            continue;
        }
        let name = match Path::new(&file_base)
            .file_stem()
            .and_then(|stem| stem.to_str())
        {
            Some(stem) if !entries.has(stem) => stem.to_owned(),
            _ => certificate.display().to_string(),
        };
        let entry = file_entry(
            reader,
            FileEntry {
                name,
                role: row.role,
                certificate,
                key: Some(key),
                used_by: Vec::new(),
                expected_authority: Some(row.authority.to_owned()),
                required: false,
                kubeconfig: None,
            },
        );
        entries.add(reader, entry);
    }
    let on_host = PathMap::of_host();
    for row in vendor.kubeconfigs {
        let path = base.join(row.path);
        if reader.symlink_metadata(&path).is_none() || entries.of_kubeconfig(&path).is_some() {
            continue;
        }
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .filter(|name| !entries.has(name))
            .map_or_else(|| path.display().to_string(), ToOwned::to_owned);
        kubeconfigs::note_trust(reader, &path, None, entries);
        if let Some(mut entry) = kubeconfigs::entry(
            reader,
            name,
            kubeconfigs::Named::by_nobody(&path, row.role, &on_host),
        ) {
            entry.expected_authority = Some(row.authority.to_owned());
            entries.add(reader, entry);
        }
    }
}

fn with_ending(base: &Path, file_base: &str, ending: &str) -> PathBuf {
    base.join(format!("{file_base}.{ending}"))
}
