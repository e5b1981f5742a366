//! What a rotation is about: which hosts, which roots, and what was wished for.

use super::look::World;
use super::standing;
use crate::args::{RestartChoice, RootChoice, RotationWish, roots as typed_roots};
use crate::commands::fleet::document::{SelectedHosts, selected};
use crate::commands::fleet::everybody;
use crate::commands::rescue::hosts::this_one;
use crate::context::{Context, host_error};
use crate::error::CliError;
use kubepki_adapters::host::LocalHost;
use kubepki_core::rotation::plan::{GivenAuthority, RestartWorkloads};
use kubepki_core::rotation::{Picture, Root, RootPicture, RotationRequest};
use kubepki_engine::ports::{FILE_LIMIT, HostRead};
use kubepki_sealed::danger;
use std::path::PathBuf;

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
        offline: wish.offline || world.is_swap_under_way(roots),
        ..default
    })
}

fn given(
    wish: &RotationWish,
    picture: &Picture,
    roots: &[Root],
) -> Result<Option<GivenAuthority>, CliError> {
    let (Some(certificate), Some(key)) = (&wish.new_ca, &wish.new_ca_key) else {
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
    let (key_host, key_path) = key_place(key, picture.root(*root))?;
    Ok(Some(GivenAuthority {
        root: *root,
        certificate_pem,
        key_host,
        key_path,
    }))
}

/// `HOST:PATH`; without a host, the first that signs with the old one.
fn key_place(text: &str, root: Option<&RootPicture>) -> Result<(String, PathBuf), CliError> {
    if let Some((host, path)) = text.split_once(':') {
        return Ok((host.to_owned(), PathBuf::from(path)));
    }
    match root.and_then(|root| root.signing_keys.first()) {
        Some(host) => Ok((host.clone(), PathBuf::from(text))),
        None => Err(CliError::usage(
            "no host holds the old CA's key: say on which one the new key lies, as HOST:PATH",
        )),
    }
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
    fn a_key_lies_on_a_host() {
        let picture = half_way();
        let root = picture.root(Root::KubernetesCa);
        assert_eq!(
            key_place("cp2:/root/ca.key", root).unwrap(),
            ("cp2".to_owned(), PathBuf::from("/root/ca.key"))
        );
        assert_eq!(key_place("/root/ca.key", root).unwrap().0, "cp1");
        assert!(key_place("/root/ca.key", None).is_err());
    }
}
