//! Token Secrets while the service-account key changes.
//!
//! A token Secret is never signed again in place: the API server compares a token with its Secret, so
//! every pod that holds the old token would be refused at once (18 to 23 s measured). Instead each
//! ServiceAccount gets a second token Secret, listed first, which pods mount from their next start on;
//! the old one goes when nobody mounts it any more.
//! <https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#token-controller>

use super::change::ChangePorts;
use super::objects::{self, ChangeError, Metadata, body, of};
use super::token_list::{Account, TokenSecret, Users, accounts, mounted, token_secrets};
use crate::ports::ClusterErrorKind;
use crate::take_up::wait::until;
use kubepki_core::model::ObjectReference;
use kubepki_sealed::{Sealed, danger};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How long kube-controller-manager may take to fill all the new Secrets, or to prune old ones from
/// their ServiceAccounts.
const FILLED: Duration = Duration::from_secs(300);

/// How long pods that are being deleted are waited for: four times the usual grace period.
const ENDED: Duration = Duration::from_secs(120);

/// Marks the Secrets that were made here: with the first digits of the key that is to sign them.
pub const MADE_FOR: &str = "kubepki.dev/made-for-key";

/// How many names are said.
const NAMED: usize = 5;

/// Every ServiceAccount that lists a token Secret gets one of the new key, listed first.
pub(super) fn add(ports: &ChangePorts<'_>, key_sha256: &str) -> Result<String, ChangeError> {
    let mark = mark_of(key_sha256)?;
    let secrets = token_secrets(ports.cluster, key_sha256).map_err(of("token Secrets"))?;
    let accounts = accounts(ports.cluster).map_err(of("ServiceAccounts"))?;
    let mut made = 0;
    let mut waiting = Vec::new();
    let mut by_account: BTreeMap<(&str, &str), Vec<&TokenSecret>> = BTreeMap::new();
    for secret in &secrets {
        let of = (secret.namespace.as_str(), secret.account.as_str());
        by_account.entry(of).or_default().push(secret);
    }
    for account in &accounts {
        let of_it = by_account.get(&(&account.namespace, &account.name));
        let of_it = of_it.map(Vec::as_slice).unwrap_or_default();
        // Only what its pods are given; a Secret that somebody made for himself is his.
        let is_listed = |secret: &&&TokenSecret| account.secrets.contains(&secret.name);
        if !of_it.iter().any(|secret| is_listed(&secret)) {
            continue;
        }
        let listed_new = of_it.iter().filter(is_listed).find(|secret| secret.is_new);
        let prepared = listed_new.or_else(|| {
            of_it
                .iter()
                .find(|secret| secret.made_for.as_deref() == Some(mark))
        });
        let name = match prepared {
            Some(secret) => secret.name.clone(),
            None => {
                made += 1;
                create(ports, account, mark)?
            }
        };
        waiting.push((account, name));
    }
    if made > 0 {
        ports
            .progress
            .say(&format!("waiting for {made} token Secrets to be filled"));
    }
    filled(ports, key_sha256, &waiting)?;
    for (account, name) in &waiting {
        list_first(ports, account, name)?;
    }
    let unlisted = secrets
        .iter()
        .filter(|secret| !secret.is_new && !is_listed_anywhere(&accounts, secret));
    let unlisted: Vec<String> = unlisted.map(TokenSecret::to_string).collect();
    let mut words = format!(
        "{} ServiceAccounts list a token Secret of the new key first, {made} made now",
        waiting.len()
    );
    if !unlisted.is_empty() {
        words.push_str(&format!(
            "; {} token Secrets belong to no list and keep the old key's token, whoever uses them must be given another: {}",
            unlisted.len(),
            few(&unlisted)
        ));
    }
    Ok(words)
}

/// Token Secrets of the old key go, where their ServiceAccount lists one of the new key and no pod
/// mounts them.
pub(super) fn drop_old(ports: &ChangePorts<'_>, key_sha256: &str) -> Result<String, ChangeError> {
    mark_of(key_sha256)?;
    let secrets = token_secrets(ports.cluster, key_sha256).map_err(of("token Secrets"))?;
    let accounts = accounts(ports.cluster).map_err(of("ServiceAccounts"))?;
    let used = used(ports, &secrets)?;
    let mut dropped = BTreeSet::new();
    let mut kept = Vec::new();
    for secret in secrets.iter().filter(|secret| !secret.is_new) {
        let account = accounts.iter().find(|account| {
            account.namespace == secret.namespace && account.secrets.contains(&secret.name)
        });
        let Some(account) = account else { continue };
        let has_new = secrets.iter().any(|other| {
            other.is_new
                && other.namespace == account.namespace
                && account.secrets.contains(&other.name)
        });
        if !has_new {
            kept.push(format!("{secret} (its ServiceAccount has no other)"));
            continue;
        }
        let key = (secret.namespace.clone(), secret.name.clone());
        if let Some(users) = used.get(&key) {
            kept.push(format!("{secret} (mounted by {})", few(&users.pods)));
            continue;
        }
        let object = ObjectReference::namespaced("Secret", &secret.namespace, &secret.name);
        match ports.cluster.delete(&objects::path(&object)?, &secret.uid) {
            Ok(()) => {}
            Err(error) if error.kind == ClusterErrorKind::NotFound => {}
            Err(error) => return Err(of(&object)(error)),
        }
        dropped.insert(key);
    }
    pruned(ports, &dropped)?;
    if kept.is_empty() {
        return Ok(format!(
            "{} token Secrets of the old key deleted",
            dropped.len()
        ));
    }
    Err(ChangeError::TokensInUse {
        count: kept.len(),
        used: few(&kept),
    })
}

/// Who uses which Secrets. The pods of a workload that has just been restarted may still be ending, with
/// their token in hand until their grace period is over: these are waited for.
fn used(
    ports: &ChangePorts<'_>,
    secrets: &[TokenSecret],
) -> Result<BTreeMap<(String, String), Users>, ChangeError> {
    let is_of_the_old_key = |(namespace, name): &(String, String)| {
        let mut old = secrets.iter().filter(|secret| !secret.is_new);
        old.any(|it| it.namespace == *namespace && it.name == *name)
    };
    let mut last = None;
    // Who does not end in time is told by who asks.
    let _in_time = until(
        ports.clock,
        ports.progress,
        "pods that are ending",
        ENDED,
        |_| {
            let used = mounted(ports.cluster).map_err(|error| error.to_string())?;
            let ending = used.iter().find_map(|(secret, users)| {
                let goes = users.ending == users.pods.len() && is_of_the_old_key(secret);
                goes.then(|| format!("{} of {} is ending", few(&users.pods), secret.0))
            });
            last = Some(used);
            ending.map_or(Ok(()), Err)
        },
    );
    match last {
        Some(used) => Ok(used),
        None => mounted(ports.cluster).map_err(of("pods")),
    }
}

/// The first digits of a fingerprint: what a Secret is marked with.
fn mark_of(key_sha256: &str) -> Result<&str, ChangeError> {
    let is_hash = key_sha256.len() == 64 && hex::decode(key_sha256).is_ok();
    key_sha256
        .get(..16)
        .filter(|_| is_hash)
        .ok_or_else(|| ChangeError::NotOurs {
            object: "the service-account key".to_owned(),
            detail: "this is no SHA-256 of a public key".to_owned(),
        })
}

fn is_listed_anywhere(accounts: &[Account], secret: &TokenSecret) -> bool {
    accounts.iter().any(|account| {
        account.namespace == secret.namespace && account.secrets.contains(&secret.name)
    })
}

/// A new, empty one; its name. The name is a function of the key, so that asking twice makes one.
fn create(ports: &ChangePorts<'_>, account: &Account, mark: &str) -> Result<String, ChangeError> {
    let Account {
        namespace, name, ..
    } = account;
    let secret = format!(
        "{}-token-{}",
        shortened(name),
        mark.get(..10).unwrap_or(mark)
    );
    let object = ObjectReference::namespaced("Secret", namespace, &secret);
    let path = objects::path(&object)?;
    let (collection, _) = path.rsplit_once('/').unwrap_or_default();
    let made = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/service-account-token",
        "metadata": {
            "name": secret,
            "namespace": namespace,
            "annotations": {
                "kubernetes.io/service-account.name": name,
                "kubernetes.io/service-account.uid": account.uid,
                MADE_FOR: mark,
            },
        },
    });
    match ports.cluster.create(collection, &body(&made)) {
        Ok(_) => Ok(secret),
        Err(error) if error.kind == ClusterErrorKind::Conflict => Ok(secret),
        Err(error) => Err(of(&object)(error)),
    }
}

/// Names have at most 253 characters.
fn shortened(name: &str) -> &str {
    name.get(..230).unwrap_or(name)
}

/// Waits until every one holds a token that the new key signed.
fn filled(
    ports: &ChangePorts<'_>,
    key_sha256: &str,
    waiting: &[(&Account, String)],
) -> Result<(), ChangeError> {
    let wanted: BTreeSet<(&str, &str)> = waiting
        .iter()
        .map(|(account, name)| (account.namespace.as_str(), name.as_str()))
        .collect();
    let asked = || -> Result<(), String> {
        let secrets =
            token_secrets(ports.cluster, key_sha256).map_err(|error| error.to_string())?;
        let mut new = BTreeSet::new();
        for secret in &secrets {
            let key = (secret.namespace.as_str(), secret.name.as_str());
            if !wanted.contains(&key) {
                continue;
            }
            if secret.has_token && !secret.is_new {
                return Err(format!(
                    "{secret} was signed by another key: kube-controller-manager has not loaded the new one"
                ));
            }
            if secret.has_token {
                new.insert(key);
            }
        }
        match wanted.difference(&new).next() {
            None => Ok(()),
            Some((namespace, name)) => Err(format!(
                "{} of {} hold a token, Secret {namespace}/{name} does not",
                new.len(),
                wanted.len()
            )),
        }
    };
    until(ports.clock, ports.progress, "token Secrets", FILLED, |_| {
        asked()
    })
    .map_err(|late| ChangeError::TooLate {
        object: "token Secrets".to_owned(),
        detail: late.last,
        seconds: late.seconds,
    })
}

/// Lists a Secret first in its ServiceAccount: pods of Kubernetes before 1.24 mount the first.
fn list_first(ports: &ChangePorts<'_>, account: &Account, secret: &str) -> Result<(), ChangeError> {
    #[derive(Deserialize)]
    struct Listing {
        metadata: Metadata,
        #[serde(default)]
        secrets: Vec<Value>,
    }
    let object = ObjectReference::namespaced("ServiceAccount", &account.namespace, &account.name);
    let path = objects::path(&object)?;
    objects::change(ports.cluster, &object, || {
        let json = ports.cluster.object(&path).map_err(of(&object))?;
        let Listing { metadata, secrets } = serde_json::from_slice(danger::open(&json))
            .map_err(|error| objects::unreadable(&object, &error))?;
        let is_it = |entry: &Value| entry.get("name").and_then(Value::as_str) == Some(secret);
        if secrets.first().is_some_and(is_it) {
            return Ok(None);
        }
        let others = secrets.into_iter().filter(|entry| !is_it(entry));
        let all: Vec<Value> = std::iter::once(json!({ "name": secret }))
            .chain(others)
            .collect();
        let patch = json!({
            "metadata": { "resourceVersion": metadata.resource_version },
            "secrets": all,
        });
        Ok::<Option<Sealed>, ChangeError>(Some(body(&patch)))
    })
    .map(drop)
}

/// Waits until no ServiceAccount lists what was deleted.
fn pruned(
    ports: &ChangePorts<'_>,
    dropped: &BTreeSet<(String, String)>,
) -> Result<(), ChangeError> {
    if dropped.is_empty() {
        return Ok(());
    }
    let asked = || -> Result<(), String> {
        let accounts = accounts(ports.cluster).map_err(|error| error.to_string())?;
        let left = accounts.iter().find_map(|account| {
            let name = account
                .secrets
                .iter()
                .find(|name| dropped.contains(&(account.namespace.clone(), (*name).clone())))?;
            Some(format!(
                "ServiceAccount {}/{} still lists {name}",
                account.namespace, account.name
            ))
        });
        left.map_or(Ok(()), Err)
    };
    let what = "ServiceAccounts";
    until(ports.clock, ports.progress, what, FILLED, |_| asked()).map_err(|late| {
        ChangeError::TooLate {
            object: what.to_owned(),
            detail: late.last,
            seconds: late.seconds,
        }
    })
}

/// Some of many.
fn few(names: &[String]) -> String {
    let more = names.len().saturating_sub(NAMED);
    let mut said = names
        .iter()
        .take(NAMED)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    if more > 0 {
        said.push_str(&format!(" and {more} more"));
    }
    said
}
