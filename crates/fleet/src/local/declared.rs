//! A layout that whoever asks declares: held against what a certificate, key or kubeconfig is called
//! before discovery looks at any of its files.
//!
//! It only tells where to look. What is found there and is what it should be may be named by a plan, as
//! what flags name; what is neither (a file that merely is called so, or nothing at all) may not.

use super::spelling::{KUBECONFIG_ENDINGS, PEM_ENDINGS, has_ending, is_plain};
use crate::session::SessionError;
use kubepki_core::founding::{Declarations, DeclaredLayout, Destination, Folders};
use kubepki_engine::ports::HostRead;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The layout with the paths that it has below this folder, each called as such a file is.
pub(super) fn declarations(
    host: &dyn HostRead,
    layout: &DeclaredLayout,
    pki_folder: &Path,
) -> Result<Declarations, SessionError> {
    let declared = layout
        .checked(&Folders::of(pki_folder.to_owned()))
        .map_err(|error| SessionError::new(error.code(), &error))?;
    for (path, is_kubeconfig) in files(&declared) {
        let is_called_so = |path: &Path| {
            if is_kubeconfig {
                has_ending(path, &KUBECONFIG_ENDINGS)
                    || has_ending(path, &["yaml", "yml"])
                    || path.ends_with(".kube/config")
            } else {
                has_ending(path, &PEM_ENDINGS) || has_ending(path, &["pub"])
            }
        };
        // A link counts by what is behind it.
        let real = host.canonicalize(path).ok();
        let is_fit = is_plain(path) && is_called_so(path);
        if !is_fit || !real.as_deref().is_none_or(is_called_so) {
            return Err(refused(path, is_kubeconfig));
        }
    }
    Ok(declared)
}

/// Every path that the layout names.
pub(super) fn paths(declared: &Declarations) -> BTreeSet<PathBuf> {
    files(declared).map(|(path, _)| path.to_owned()).collect()
}

/// Every file, and whether it is a kubeconfig.
fn files(declared: &Declarations) -> impl Iterator<Item = (&Path, bool)> {
    let authorities = declared.authorities.iter();
    let authorities = authorities.flat_map(|it| [it.certificate.as_path(), it.key.as_path()]);
    let keys = declared.service_account_keys.iter();
    let keys = keys.flat_map(|it| [it.private.as_path(), it.public.as_path()]);
    let leafs = declared.leafs.iter().flat_map(|leaf| {
        let is_kubeconfig = matches!(leaf.destination, Destination::Kubeconfig { .. });
        let paths = leaf.destination.paths().into_iter();
        paths.map(move |path| (path, is_kubeconfig))
    });
    let pem = authorities.chain(keys).map(|path| (path, false));
    pem.chain(leafs)
}

fn refused(path: &Path, is_kubeconfig: bool) -> SessionError {
    let (what, endings) = if is_kubeconfig {
        ("a kubeconfig", "conf, kubeconfig, yaml or .kube/config")
    } else {
        (
            "a certificate or key",
            "crt, pem, key, cer, cert, csr or pub",
        )
    };
    SessionError::new(
        "layout-path-refused",
        format_args!(
            "the layout names {} as {what}, expected an absolute path that ends in {endings}, also behind links",
            path.display()
        ),
    )
    .detail("location", path.display())
    .hint("the agent looks at no other files; name the file in a flag of the component, or work on the host itself")
}
