//! Flags of static pods that name what no volume mounts: the component sees no such file, though the
//! host may well have one under that path.

use super::draft::{Draft, Ledger};
use super::scene::Scene;
use crate::connections::Place;
use crate::findings::code;
use crate::layouts::component_files::{
    AUTHORITY_KEY_PAIRS, KEY_PAIRS, KUBECONFIGS, SERVICE_ACCOUNT_KEYS, TRUST_BUNDLES,
};
use crate::model::{Component, ComponentKind, RunsAs, Severity};
use std::path::Path;

/// Findings about flags whose file is in no volume.
pub(super) fn check(scene: &Scene<'_>, ledger: &mut Ledger) {
    for host in scene.evidence.hosts {
        for component in &host.inventory.components {
            let RunsAs::StaticPod { manifest, .. } = &component.runs_as else {
                continue;
            };
            for flag in file_flags(component.kind) {
                for path in unmounted(component, flag) {
                    let place = Place::Flag {
                        host: host.inventory.host.clone(),
                        component: component.kind,
                        flag: flag.to_owned(),
                    };
                    let message = format!("names {path}, which no volume of its pod mounts");
                    // It may lie in an image that somebody built, so it is not certain.
                    let draft = Draft::new(code::MISSING, Severity::Warning, &place, message).mend(
                        format!(
                            "name a file that is mounted, or mount it, in {}",
                            manifest.display()
                        ),
                    );
                    ledger.add(draft);
                }
            }
        }
    }
}

fn unmounted<'a>(component: &'a Component, flag: &'a str) -> impl Iterator<Item = &'a str> {
    let values = component.flags.all(flag);
    values.filter(|path| Path::new(path).is_absolute() && !component.mounts.covers(Path::new(path)))
}

/// Every flag of a component that names a file of the PKI, each once.
fn file_flags(kind: ComponentKind) -> Vec<&'static str> {
    let pairs = KEY_PAIRS
        .iter()
        .filter(|pair| pair.component == kind)
        .flat_map(|pair| [pair.certificate, pair.key]);
    let bundles = TRUST_BUNDLES
        .iter()
        .filter(|bundle| bundle.component == kind)
        .map(|bundle| bundle.flag);
    let authorities = AUTHORITY_KEY_PAIRS
        .iter()
        .filter(|pair| pair.component == kind)
        .flat_map(|pair| [pair.certificate, pair.key]);
    let keys = SERVICE_ACCOUNT_KEYS
        .iter()
        .filter(|key| key.component == kind)
        .map(|key| key.flag);
    let kubeconfigs = KUBECONFIGS
        .iter()
        .filter(|kubeconfig| kubeconfig.component == kind)
        .map(|kubeconfig| kubeconfig.flag);
    let mut flags: Vec<&str> = pairs
        .chain(bundles)
        .chain(authorities)
        .chain(keys)
        .chain(kubeconfigs)
        .collect();
    flags.sort_unstable();
    flags.dedup();
    flags
}
