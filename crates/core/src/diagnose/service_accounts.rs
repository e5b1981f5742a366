//! Service-account keys: who signs tokens, and whether the API servers verify by the other half.
//! <https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/>

use super::draft::{Draft, Ledger};
use super::remedy;
use super::scene::{Scene, file, moment};
use crate::connections::Place;
use crate::findings::code;
use crate::model::{
    ComponentKind, Inventory, KeyState, ServiceAccountKey, ServiceAccountKeyContents, Severity,
};
use kubepki_x509::PublicKey;
use std::collections::BTreeMap;

/// A file with a key that signs.
struct Signing<'a> {
    place: Place,
    key: &'a PublicKey,
    by: ComponentKind,
}

/// A file with keys that verify.
struct Verifying<'a> {
    place: Place,
    keys: Vec<&'a PublicKey>,
}

/// Findings about service-account keys and tokens.
pub(super) fn check(scene: &Scene<'_>, ledger: &mut Ledger) {
    files(scene, ledger);
    let signing: Vec<Signing<'_>> = inventories(scene).flat_map(signers).collect();
    let verifying: Vec<(&str, Vec<Verifying<'_>>)> = inventories(scene)
        .map(|inventory| (inventory.host.as_str(), verifiers(inventory)))
        .collect();
    for (_, verifiers) in verifying
        .iter()
        .filter(|(_, verifiers)| !verifiers.is_empty())
    {
        for signer in &signing {
            let known = verifiers
                .iter()
                .any(|verifier| verifier.keys.contains(&signer.key));
            if !known {
                ledger.extend(unverified(scene, signer, verifiers, &signing, &verifying));
            }
        }
    }
    tokens(scene, ledger);
}

fn inventories<'a>(scene: &Scene<'a>) -> impl Iterator<Item = &'a Inventory> + use<'a> {
    scene.evidence.hosts.iter().map(|host| &host.inventory)
}

fn signers(inventory: &Inventory) -> Vec<Signing<'_>> {
    let mut found = Vec::new();
    for key in &inventory.service_account_keys {
        let ServiceAccountKeyContents::Private(KeyState::Present { public_key, .. }) =
            &key.contents
        else {
            continue;
        };
        for used in &key.used_by {
            if matches!(
                used.flag.as_str(),
                "service-account-private-key-file" | "service-account-signing-key-file"
            ) {
                found.push(Signing {
                    place: file(&inventory.host, &key.path),
                    key: public_key,
                    by: used.component,
                });
            }
        }
    }
    found
}

fn verifiers(inventory: &Inventory) -> Vec<Verifying<'_>> {
    inventory
        .service_account_keys
        .iter()
        .filter(|key| {
            key.used_by
                .iter()
                .any(|used| used.flag == "service-account-key-file")
        })
        .filter_map(|key| {
            let keys = match &key.contents {
                ServiceAccountKeyContents::Public(keys) => keys.iter().collect(),
                ServiceAccountKeyContents::Private(state) => {
                    state.public_key().into_iter().collect()
                }
                ServiceAccountKeyContents::Problem(_) => return None,
            };
            Some(Verifying {
                place: file(&inventory.host, &key.path),
                keys,
            })
        })
        .collect()
}

/// A key that signs and that an API server does not verify by: which of the two files is wrong? The
/// one that stands alone; of two that each stand alone the one that changed later.
fn unverified(
    scene: &Scene<'_>,
    signer: &Signing<'_>,
    verifiers: &[Verifying<'_>],
    signing: &[Signing<'_>],
    verifying: &[(&str, Vec<Verifying<'_>>)],
) -> Option<Draft> {
    let verifier = verifiers.first()?;
    let votes = |key: &PublicKey| {
        let signed: BTreeMap<&Place, ()> = signing
            .iter()
            .filter(|other| other.key == key)
            .map(|other| (&other.place, ()))
            .collect();
        let verified = verifying
            .iter()
            .flat_map(|(_, files)| files)
            .filter(|other| other.keys.contains(&key))
            .count();
        signed.len() + verified
    };
    let for_signer = votes(signer.key);
    let for_verifier = verifier
        .keys
        .iter()
        .map(|key| votes(key))
        .max()
        .unwrap_or(0);
    let signer_is_wrong = match for_signer.cmp(&for_verifier) {
        std::cmp::Ordering::Less => true,
        std::cmp::Ordering::Greater => false,
        std::cmp::Ordering::Equal => tokens_decide(scene, signer, verifier)
            .unwrap_or_else(|| is_younger(scene, &signer.place, &verifier.place)),
    };
    let (place, message) = if signer_is_wrong {
        (
            &signer.place,
            format!(
                "its public half is not in {}, by which kube-apiserver verifies tokens",
                scene.on_host(&verifier.place)
            ),
        )
    } else {
        (
            &verifier.place,
            format!(
                "does not hold the public half of {}, with which {} signs tokens",
                scene.on_host(&signer.place),
                signer.by
            ),
        )
    };
    let others: Vec<String> = [&signer.place, &verifier.place]
        .into_iter()
        .filter_map(|place| {
            Some(format!(
                "{place} changed at {}",
                moment(changed(scene, place)?)
            ))
        })
        .collect();
    let host = place.host().unwrap_or_default();
    Some(
        Draft::new(
            code::SERVICE_ACCOUNT_KEY_UNVERIFIED,
            Severity::Critical,
            place,
            message,
        )
        .fact(format!(
            "new tokens of {} are refused by the API server",
            signer.by
        ))
        .facts(others)
        .mend(if signer_is_wrong {
            remedy::restore(scene, place)
        } else {
            let Place::File { path, .. } = &signer.place else {
                return None;
            };
            remedy::on(
                scene,
                host,
                format!(
                    "openssl pkey -in {} -pubout >> {place}, then restart kube-apiserver",
                    path.display()
                ),
            )
        }),
    )
}

/// The keys that the scan was told, in its order: those of the host that it was started on.
fn told<'a>(scene: &Scene<'a>) -> Vec<&'a PublicKey> {
    let keys = inventories(scene)
        .take(1)
        .flat_map(|inventory| &inventory.service_account_keys);
    keys.flat_map(|key| match &key.contents {
        ServiceAccountKeyContents::Private(state) => state.public_key().into_iter().collect(),
        ServiceAccountKeyContents::Public(keys) => keys.iter().collect(),
        ServiceAccountKeyContents::Problem(_) => Vec::new(),
    })
    .collect()
}

/// Tokens that exist speak for the keys that verify them: whether the signing key is the wrong one.
fn tokens_decide(
    scene: &Scene<'_>,
    signer: &Signing<'_>,
    verifier: &Verifying<'_>,
) -> Option<bool> {
    let told = told(scene);
    let tokens = &scene.evidence.cluster?.token_secrets;
    let count = |wanted: &dyn Fn(&PublicKey) -> bool| {
        let tokens = tokens.iter().filter(|token| {
            let mut by = token.verified_by.iter();
            by.any(|index| told.get(*index).is_some_and(|key| wanted(key)))
        });
        tokens.count()
    };
    let by_signer = count(&|key| key == signer.key);
    let by_verifier = count(&|key| verifier.keys.contains(&key));
    (by_signer != by_verifier).then_some(by_verifier > by_signer)
}

fn changed(scene: &Scene<'_>, place: &Place) -> Option<jiff::Timestamp> {
    Some(scene.file_time(place.host()?, place.path()?)?.modified)
}

fn is_younger(scene: &Scene<'_>, signer: &Place, verifier: &Place) -> bool {
    match (changed(scene, signer), changed(scene, verifier)) {
        (Some(signer), Some(verifier)) => signer.duration_since(verifier) > super::loaded::SLACK,
        _ => false,
    }
}

/// Files that are missing, damaged or open to others.
fn files(scene: &Scene<'_>, ledger: &mut Ledger) {
    for inventory in inventories(scene) {
        for key in &inventory.service_account_keys {
            file_findings(scene, inventory, key, ledger);
        }
    }
}

fn file_findings(
    scene: &Scene<'_>,
    inventory: &Inventory,
    key: &ServiceAccountKey,
    ledger: &mut Ledger,
) {
    let place = file(&inventory.host, &key.path);
    let named = !key.used_by.is_empty();
    let draft = match &key.contents {
        ServiceAccountKeyContents::Problem(reason) if named => {
            let code = match inventory.files.get(&key.path) {
                Some(None) => code::MISSING,
                Some(Some(_)) => code::UNREADABLE,
                // Not to be read by this user: that is a gap.
                None => return,
            };
            Draft::new(code, Severity::Critical, &place, reason)
                .mend(remedy::restore(scene, &place))
        }
        ServiceAccountKeyContents::Private(KeyState::Unreadable(reason)) => {
            Draft::new(code::KEY_UNREADABLE, Severity::Warning, &place, reason)
                .mend(remedy::restore(scene, &place))
        }
        ServiceAccountKeyContents::Private(KeyState::Present { mode, .. }) if mode & 0o007 != 0 => {
            Draft::new(
                code::KEY_READABLE_BY_OTHERS,
                Severity::Warning,
                &place,
                format!("the key's mode is {mode:04o}, expected 0600"),
            )
            .mend(remedy::on(
                scene,
                &inventory.host,
                format!("chmod 600 {place}"),
            ))
        }
        _ => return,
    };
    ledger.add(draft);
}

/// Tokens in Secrets that no key of the cluster verifies.
fn tokens(scene: &Scene<'_>, ledger: &mut Ledger) {
    let Some(cluster) = scene.evidence.cluster else {
        return;
    };
    let verifying: Vec<&PublicKey> = inventories(scene)
        .flat_map(verifiers)
        .flat_map(|verifier| verifier.keys)
        .collect();
    if verifying.is_empty() {
        return;
    }
    let told = told(scene);
    let stale: Vec<_> = cluster
        .token_secrets
        .iter()
        .filter(|token| {
            let mut by = token.verified_by.iter();
            let verifies = by.any(|index| match told.get(*index) {
                Some(key) => verifying.contains(key),
                None => true,
            });
            token.has_token && !verifies
        })
        .collect();
    let blamed = inventories(scene).find_map(|inventory| {
        inventory
            .service_account_keys
            .iter()
            .map(|key| file(&inventory.host, &key.path))
            .find(|place| ledger.blames(place, Severity::Critical))
    });
    if let (Some(place), false) = (&blamed, stale.is_empty()) {
        let fact = format!("{} token Secrets are verified by no key", stale.len());
        ledger.append(place, &fact, None);
        return;
    }
    for token in stale {
        let place = Place::Api(token.object.clone());
        ledger.add(
            Draft::new(
                code::TOKEN_SECRET_STALE,
                Severity::Warning,
                &place,
                format!(
                    "its token (of ServiceAccount {}) is signed by none of the keys that the API servers verify by",
                    token.service_account
                ),
            )
            .facts(token.key_id.as_ref().map(|id| format!("its header names the key {id}")))
            .mend("delete the Secret and make a new one, or let its users take projected tokens"),
        );
    }
}
