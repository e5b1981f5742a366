//! kube-controller-manager's signing file, split off while the CA file holds two certificates, and joined
//! again: it signs with exactly one.

use super::draft::Draft;
use super::error::LowerError;
use super::scene::Scene;
use crate::layouts::component_files::AUTHORITY_KEY_PAIRS;
use crate::model::{Component, ComponentKind};
use crate::plan::file_edit::{FileEdit, FlagSetting};
use crate::rotation::root::Root;
use crate::rotation::successor::{is_signer, signer};
use std::path::Path;

const KIND: ComponentKind = ComponentKind::KubeControllerManager;

/// Its flags name a file of its own, with the certificate that signs now alone.
pub(super) fn split(scene: &Scene<'_>, draft: &mut Draft<'_>) -> Result<(), LowerError> {
    let root = Root::KubernetesCa;
    let component = component(draft)?;
    let own = scene.own(draft.host, root)?;
    let is_installed = scene.installed.contains(&(draft.host.to_owned(), root));
    let mut set = Vec::new();
    for (flag, value) in signing_flags(component) {
        let Some(path) = component.host_path(flag) else {
            continue;
        };
        let Some(shared) = own.iter().find(|own| own.certificate_path == path) else {
            continue;
        };
        let pem = match is_installed {
            true => scene.new_one(root)?.pem.clone(),
            false => shared.issuing().map(|it| it.to_pem()).unwrap_or_default(),
        };
        draft.bundle(signer(&path), pem, Some(path));
        set.push(FlagSetting {
            flag: flag.to_owned(),
            value: Some(signer(Path::new(value)).display().to_string()),
        });
    }
    flags(draft, component, set);
    Ok(())
}

/// Its flags name the CA file again.
pub(super) fn join(scene: &Scene<'_>, draft: &mut Draft<'_>) -> Result<(), LowerError> {
    let component = component(draft)?;
    let own = scene.own(draft.host, Root::KubernetesCa)?;
    let mut set = Vec::new();
    for flag in AUTHORITY_KEY_PAIRS.iter().map(|row| row.certificate) {
        // What an earlier round of this plan split off is not in the inventory yet.
        let Some((value, path)) = component.flags.one(flag).zip(component.host_path(flag)) else {
            continue;
        };
        let shared = own
            .iter()
            .find(|own| own.certificate_path == path || signer(&own.certificate_path) == path);
        let Some(shared) = shared else { continue };
        let name = shared.certificate_path.file_name().unwrap_or_default();
        let is_split = is_signer(&path)
            || scene
                .touched
                .contains(&(draft.host.to_owned(), signer(&shared.certificate_path)));
        if is_split {
            let joined = Path::new(value).with_file_name(name);
            set.push(FlagSetting {
                flag: flag.to_owned(),
                value: Some(joined.display().to_string()),
            });
        }
    }
    flags(draft, component, set);
    Ok(())
}

fn signing_flags(component: &Component) -> impl Iterator<Item = (&'static str, &str)> {
    AUTHORITY_KEY_PAIRS
        .iter()
        .filter(|row| row.component == KIND)
        .filter_map(|row| Some((row.certificate, component.flags.one(row.certificate)?)))
}

fn component<'a>(draft: &Draft<'a>) -> Result<&'a Component, LowerError> {
    let found = draft.inventory.component(KIND);
    found.ok_or_else(|| LowerError::NoComponent {
        host: draft.host.to_owned(),
        component: KIND,
    })
}

fn flags(draft: &mut Draft<'_>, component: &Component, set: Vec<FlagSetting>) {
    if !set.is_empty() {
        draft.edit(FileEdit::Flags {
            component: KIND,
            runs_as: component.runs_as.clone(),
            set,
        });
    }
}
