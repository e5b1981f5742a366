//! What a rotation is about: which hosts, which roots, and what was wished for.

use super::look::World;
use super::standing;
use crate::args::{OldKeyChoice, RestartChoice, RootChoice, RotationWish, roots as typed_roots};
use crate::commands::backup::protection;
use crate::commands::fleet::document::{SelectedHosts, selected};
use crate::commands::fleet::everybody;
use crate::commands::rescue::hosts::this_one;
use crate::context::{Context, host_error};
use crate::error::CliError;
use kubepki_adapters::host::LocalHost;
use kubepki_core::rotation::plan::{GivenAuthority, GivenKey, RestartWorkloads};
use kubepki_core::rotation::{OldKey, Picture, Root, RootPicture, RotationRequest};
use kubepki_engine::ports::{FILE_LIMIT, HostRead};
use kubepki_engine::transit::public_sha256;
use kubepki_sealed::danger;
use std::path::{Path, PathBuf};

/// Every host of the cluster: a rotation leaves none out.
pub fn hosts(context: &Context) -> Result<SelectedHosts, CliError> {
    let Some(hosts) = selected(context)? else {
        return this_one(context);
    };
    let flags = context.fleet();
    if !flags.hosts.is_empty() || !flags.role.is_empty() {
        return Err(
            CliError::usage("a rotation is of the whole cluster: no host can be left out")
                .hint("leave --hosts and --role away"),
        );
    }
    everybody(&hosts)
}

/// The roots that are meant: those that were typed, else those that are being rotated.
pub fn roots(picture: &Picture, typed: &[RootChoice]) -> Result<Vec<Root>, CliError> {
    let known: Vec<Root> = picture.roots.iter().map(|root| root.root).collect();
    let moving = standing::under_way(picture);
    if typed.is_empty() {
        if moving.is_empty() {
            return Err(CliError::usage("nothing is being rotated")
                .detail("can be rotated", listed(&known))
                .hint("say what is to be rotated, e.g. `kubepki rotate plan kubernetes-ca`"));
        }
        return Ok(moving);
    }
    let means_all = typed.contains(&RootChoice::All);
    let roots = typed_roots(typed);
    let (roots, unknown): (Vec<Root>, Vec<Root>) =
        roots.into_iter().partition(|root| known.contains(root));
    if roots.is_empty() || (!means_all && !unknown.is_empty()) {
        return Err(CliError::new(
            "no-such-root",
            format!("this cluster shows no {}", listed(&unknown)),
        )
        .detail("found", listed(&known)));
    }
    let others: Vec<Root> = moving
        .into_iter()
        .filter(|root| !roots.contains(root))
        .collect();
    if !others.is_empty() {
        return Err(CliError::new(
            "other-rotation",
            format!("another rotation is under way: {}", listed(&others)),
        )
        .hint("end it first with `kubepki rotate run`, or take it back with `kubepki rotate back --to start`"));
    }
    Ok(roots)
}

fn listed(roots: &[Root]) -> String {
    let names: Vec<&str> = roots.iter().map(|root| root.as_str()).collect();
    names.join(", ")
}

/// What is asked of the planner. What was begun with a downtime is ended as such, whatever was typed:
/// hosts may be left that believe nobody on the others.
pub fn request(
    hosts: &SelectedHosts,
    wish: &RotationWish,
    world: &World,
    roots: &[Root],
) -> Result<RotationRequest, CliError> {
    let picture = &world.picture;
    let default = RotationRequest::new(roots.iter().copied());
    let batch = hosts
        .batch
        .map_or(default.batch, |batch| batch.of(picture.hosts.len()));
    Ok(RotationRequest {
        key_type: wish.key_type.map(|key| key.to_string()),
        end: wish.validity,
        subject: wish.subject.clone(),
        given: given(wish, picture, roots)?,
        by_request: by_request(wish, roots)?,
        restart_workloads: match wish.restart_workloads {
            RestartChoice::Auto => RestartWorkloads::Auto,
            RestartChoice::List => RestartWorkloads::List,
            RestartChoice::None => RestartWorkloads::None,
        },
        acknowledged: wish
            .acknowledge
            .iter()
            .map(|copy| match copy.as_str() {
                "all" => "*".to_owned(),
                copy => copy.to_owned(),
            })
            .collect(),
        batch,
        old_key: old_key(wish)?,
        offline: wish.offline || world.is_swap_under_way(roots),
        ..default
    })
}

/// What becomes of the old private keys; a recipient that is none is told before anything is begun.
fn old_key(wish: &RotationWish) -> Result<OldKey, CliError> {
    let recipients = &wish.old_key_recipient;
    match wish.old_key {
        OldKeyChoice::Seal if recipients.is_empty() => Err(CliError::usage(
            "--old-key seal needs somebody who can open it: --old-key-recipient RECIPIENT",
        )
        .hint("`age-keygen` makes an identity and prints its recipient, age1…")),
        OldKeyChoice::Seal => {
            protection(recipients)?;
            Ok(OldKey::Seal {
                recipients: recipients.clone(),
            })
        }
        _ if !recipients.is_empty() => Err(CliError::usage(
            "--old-key-recipient says for whom --old-key seal encrypts",
        )),
        OldKeyChoice::Keep => Ok(OldKey::Keep),
        OldKeyChoice::Destroy => Ok(OldKey::Destroy),
    }
}

fn given(
    wish: &RotationWish,
    picture: &Picture,
    roots: &[Root],
) -> Result<Option<GivenAuthority>, CliError> {
    let Some(certificate) = &wish.new_ca else {
        return Ok(None);
    };
    let [root] = roots else {
        return Err(
            CliError::usage("--new-ca is the successor of one root").detail("typed", listed(roots))
        );
    };
    if root.authority().is_none() {
        return Err(CliError::usage(
            "a service-account key is no CA: --new-ca says nothing of it",
        ));
    }
    let path = std::path::absolute(certificate)?;
    let read = LocalHost::live()
        .read(&path, FILE_LIMIT)
        .map_err(|error| host_error(&error))?;
    let certificate_pem = String::from_utf8_lossy(danger::open(&read)).into_owned();
    let key = match &wish.new_ca_key {
        Some(text) => key_place(text)?,
        None => key_asked_for(picture.root(*root))?,
    };
    let given = GivenAuthority {
        root: *root,
        certificate_pem,
        key,
    };
    if let GivenKey::WithOperator { path } = &given.key {
        is_key_of(&given, path)?;
    }
    Ok(Some(given))
}

/// Whether only a request is to be made.
fn by_request(wish: &RotationWish, roots: &[Root]) -> Result<bool, CliError> {
    if wish.new_ca_csr.is_none() {
        return Ok(false);
    }
    match roots {
        [root] if root.authority().is_some() => Ok(true),
        _ => Err(
            CliError::usage("--new-ca-csr asks for the certificate of one CA")
                .detail("typed", listed(roots)),
        ),
    }
}

/// Told here, before anything is asked of a host.
fn is_key_of(given: &GivenAuthority, path: &Path) -> Result<(), CliError> {
    let contents = LocalHost::live()
        .read(path, FILE_LIMIT)
        .map_err(|error| host_error(&error))?;
    let found = public_sha256(&contents)
        .map_err(|error| CliError::new(error.code(), format!("{}: {error}", path.display())))?;
    let expected = given.public_key_sha256();
    // A file without a certificate is refused by the planner, with its reason.
    match expected.is_empty() || found == expected {
        true => Ok(()),
        false => Err(CliError::new(
            "key-mismatch",
            format!(
                "{} is the private key of sha256:{found}, expected that of the given certificate, sha256:{expected}",
                path.display()
            ),
        )),
    }
}

/// `HOST:PATH`, or a path of this machine.
fn key_place(text: &str) -> Result<GivenKey, CliError> {
    Ok(match text.split_once(':') {
        Some((host, path)) if !host.contains('/') => GivenKey::OnHost {
            host: host.to_owned(),
            path: PathBuf::from(path),
        },
        _ => GivenKey::WithOperator {
            path: std::path::absolute(text)?,
        },
    })
}

/// The key of the request that waits.
fn key_asked_for(root: Option<&RootPicture>) -> Result<GivenKey, CliError> {
    if let Some(request) = root.and_then(|root| root.request.as_ref()) {
        return Ok(GivenKey::OnHost {
            host: request.host.clone(),
            path: request.key_path.clone(),
        });
    }
    Err(CliError::usage(
        "no request waits for this certificate: say where its key lies with --new-ca-key",
    )
    .hint("HOST:PATH for a control plane's file, PATH for one of this machine"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::rotate::scene::half_way;

    #[test]
    fn without_a_word_what_is_being_rotated_is_meant() {
        let mut picture = half_way();
        assert_eq!(roots(&picture, &[]).unwrap(), [Root::KubernetesCa]);
        picture.roots[0].position = kubepki_core::rotation::Position::AtRest;
        assert_eq!(roots(&picture, &[]).unwrap_err().code(), "usage");
        assert_eq!(
            roots(&picture, &[RootChoice::All]).unwrap(),
            [Root::KubernetesCa]
        );
        assert_eq!(
            roots(&picture, &[RootChoice::EtcdCa]).unwrap_err().code(),
            "no-such-root"
        );
    }

    #[test]
    fn a_second_rotation_is_refused() {
        let mut picture = half_way();
        let mut second = picture.roots[0].clone();
        second.root = Root::EtcdCa;
        second.position = kubepki_core::rotation::Position::AtRest;
        picture.roots.push(second);
        let error = roots(&picture, &[RootChoice::EtcdCa]).unwrap_err();
        assert_eq!(error.code(), "other-rotation");
        assert_eq!(
            roots(&picture, &[RootChoice::All]).unwrap(),
            [Root::KubernetesCa, Root::EtcdCa]
        );
    }

    #[test]
    fn a_key_lies_on_a_host_or_here() {
        assert_eq!(
            key_place("cp2:/root/ca.key").unwrap(),
            GivenKey::OnHost {
                host: "cp2".to_owned(),
                path: PathBuf::from("/root/ca.key")
            }
        );
        for path in ["/root/ca.key", "/root/with:colon.key"] {
            assert_eq!(
                key_place(path).unwrap(),
                GivenKey::WithOperator {
                    path: PathBuf::from(path)
                }
            );
        }
        let picture = half_way();
        let error = key_asked_for(picture.root(Root::KubernetesCa)).unwrap_err();
        assert_eq!(error.code(), "usage");
    }
}
