//! A CA that somebody else made: whether it can become the successor, with evidence where it cannot.
//!
//! What is asked is what the programs that will live by it ask: Go's `crypto/x509` (RFC 5280 §4.2.1, and
//! extended key usages of authorities, which restrict what they issue), and kubeadm, which opens keys of
//! RSA and ECDSA only (`pkiutil.TryLoadKeyFromDisk`).
//!
//! An intermediate is trusted by itself: for Go a certificate in the pool of roots is an anchor whoever
//! signed it, and the root above it would let in whatever else it signs. What stands behind it in the
//! file is checked as its chain, and travels with what servers present.

use super::refusal::Refusal;
use super::request::{GivenAuthority, GivenKey};
use crate::rotation::picture::{Picture, RootPicture};
use crate::rotation::{Root, RotationRequest};
use jiff::Timestamp;
use kubepki_x509::{Certificate, ExtendedKeyUsage, KeyAlgorithm, KeyUsage, oid, pem};

/// Refuses what was given for this root, if anything was, unless it can be used.
pub(super) fn check(
    picture: &Picture,
    request: &RotationRequest,
    root: &RootPicture,
) -> Result<(), Refusal> {
    let Some(given) = request.given_for(root.root) else {
        return Ok(());
    };
    let unusable = |reason: String| Refusal::GivenUnusable {
        root: root.root,
        reason,
    };
    let chain = pem::certificates(given.certificate_pem.as_bytes())
        .map_err(|error| unusable(error.to_string()))?;
    let Some(certificate) = chain.first() else {
        return Err(unusable("there is no certificate in it".to_owned()));
    };
    let fingerprint = hex::encode(certificate.fingerprint_sha256());
    // One that an earlier phase of the same script puts there has no fingerprint yet.
    if let Some(new) = &root.new
        && !new.fingerprint_sha256.is_empty()
        && new.fingerprint_sha256 != fingerprint
    {
        return Err(Refusal::OtherRotation {
            root: root.root,
            found: new.name.clone(),
            expected: certificate.subject().to_string(),
        });
    }
    if root.new.is_none() {
        key(given, root)?;
        differs(certificate, &fingerprint, root).map_err(unusable)?;
    }
    signs(certificate, root.root).map_err(unusable)?;
    let mut below = certificate;
    for (index, above) in chain.iter().enumerate() {
        dates(above, picture.observed_at).map_err(unusable)?;
        if index > 0 {
            leads(below, above, index).map_err(unusable)?;
        }
        below = above;
    }
    Ok(())
}

/// The key lies where it can be used, and is the one that was asked for.
fn key(given: &GivenAuthority, root: &RootPicture) -> Result<(), Refusal> {
    if let GivenKey::OnHost { host, .. } = &given.key
        && !root.signing_keys.contains(host)
    {
        return Err(match root.signing_keys.is_empty() {
            true => external(root),
            false => Refusal::KeyHostSignsNot {
                root: root.root,
                host: host.clone(),
                signers: root.signing_keys.join(", "),
            },
        });
    }
    let found = given.public_key_sha256();
    match &root.request {
        Some(request) if request.public_key_sha256 != found => Err(Refusal::GivenUnusable {
            root: root.root,
            reason: format!(
                "its key is sha256:{found}, and the request that waits on {} is for sha256:{}",
                request.host, request.public_key_sha256
            ),
        }),
        _ => Ok(()),
    }
}

/// Nobody who was looked at holds the root's key.
pub(super) fn external(root: &RootPicture) -> Refusal {
    let first = root.old.first();
    Refusal::ExternalAuthority {
        root: root.root,
        name: first.map_or_else(|| "unknown".to_owned(), |first| first.name.clone()),
    }
}

fn differs(certificate: &Certificate, fingerprint: &str, root: &RootPicture) -> Result<(), String> {
    if root
        .old
        .iter()
        .any(|old| old.fingerprint_sha256 == fingerprint)
    {
        return Err("it is the one that is in use".to_owned());
    }
    // Whoever builds a path goes by names first, and would try the wrong one.
    let name = certificate.subject().to_string();
    match root.old.iter().any(|old| old.name == name) {
        true => Err(format!(
            "it is called {name} as the one that is in use, expected another name"
        )),
        false => Ok(()),
    }
}

/// Whether it may sign everything that this root signs.
fn signs(certificate: &Certificate, root: Root) -> Result<(), String> {
    let name = certificate.subject();
    if !certificate.is_ca() {
        return Err(format!(
            "{name} is no certification authority: its basic constraints say no CA:TRUE"
        ));
    }
    if let Some(usage) = certificate.key_usage()
        && !usage.contains(KeyUsage::KEY_CERT_SIGN)
    {
        return Err(format!(
            "the key usage of {name} is {}, expected keyCertSign among it",
            usage.names().join(", ")
        ));
    }
    match certificate.public_key().algorithm() {
        KeyAlgorithm::Rsa { bits } if bits < 2048 => {
            return Err(format!(
                "its key is RSA of {bits} bits, expected 2048 at least"
            ));
        }
        KeyAlgorithm::Rsa { .. } | KeyAlgorithm::EcdsaP256 | KeyAlgorithm::EcdsaP384 => {}
        other => {
            return Err(format!(
                "its key is {other}; kubeadm opens RSA and ECDSA keys only, and this program RSA, P-256 and P-384 of these"
            ));
        }
    }
    if certificate.extension(&oid::NAME_CONSTRAINTS).is_some() {
        return Err(format!(
            "{name} is constrained in the names that it may certify, and a cluster has names and addresses of its own"
        ));
    }
    uses(certificate, root)
}

/// Extended key usages of an authority restrict what it issues, for Go.
fn uses(certificate: &Certificate, root: Root) -> Result<(), String> {
    let Some(allowed) = certificate.extended_key_usage() else {
        return Ok(());
    };
    let needed: &[ExtendedKeyUsage] = match root {
        Root::FrontProxyCa => &[ExtendedKeyUsage::ClientAuth],
        _ => &[ExtendedKeyUsage::ServerAuth, ExtendedKeyUsage::ClientAuth],
    };
    if allowed.contains(&ExtendedKeyUsage::AnyExtendedKeyUsage) {
        return Ok(());
    }
    match needed.iter().find(|needed| !allowed.contains(needed)) {
        Some(lacking) => Err(format!(
            "{} may issue for {} only, and {root} issues for {lacking} as well",
            certificate.subject(),
            spelled(&allowed)
        )),
        None => Ok(()),
    }
}

fn spelled(usages: &[ExtendedKeyUsage]) -> String {
    let names: Vec<String> = usages.iter().map(ToString::to_string).collect();
    names.join(", ")
}

fn dates(certificate: &Certificate, now: Timestamp) -> Result<(), String> {
    let validity = certificate.validity();
    match validity.not_before > now || validity.not_after <= now {
        true => Err(format!(
            "{} is valid from {} to {}, and now is {now}",
            certificate.subject(),
            validity.not_before,
            validity.not_after
        )),
        false => Ok(()),
    }
}

/// Whether `above`, with so many authorities below it, may have signed `below`.
fn leads(below: &Certificate, above: &Certificate, depth: usize) -> Result<(), String> {
    if let Err(error) = below.verify_issued_by(above) {
        return Err(format!(
            "{} stands behind {} and did not sign it: {error}",
            above.subject(),
            below.subject()
        ));
    }
    let usage = above.key_usage();
    if !above.is_ca() || usage.is_some_and(|it| !it.contains(KeyUsage::KEY_CERT_SIGN)) {
        return Err(format!(
            "{}, which signed {}, is no certification authority",
            above.subject(),
            below.subject()
        ));
    }
    let most = above
        .basic_constraints()
        .and_then(|constraints| constraints.path_len_constraint);
    match most {
        Some(most) if usize::try_from(most).unwrap_or(usize::MAX) < depth => Err(format!(
            "the path length of {} is {most}, and it has {depth} below it that {}",
            above.subject(),
            match depth {
                1 => "is an authority",
                _ => "are authorities",
            },
        )),
        _ => Ok(()),
    }
}

/// The subject of who signed an intermediate that is given; `None` for a CA that signs itself.
pub(super) fn signed_by(given: &GivenAuthority) -> Option<String> {
    let chain = pem::certificates(given.certificate_pem.as_bytes()).ok()?;
    let first = chain.first().filter(|first| !first.is_self_signed())?;
    Some(first.issuer().to_string())
}

/// Certificates that servers send along: the given one and those above it, without the root, which
/// nobody needs to be sent. Empty for a CA that signs itself.
pub(in crate::rotation) fn sent_along(chain: &[Certificate]) -> Vec<Certificate> {
    let is_root = |certificate: &&Certificate| certificate.is_self_signed();
    chain
        .iter()
        .take_while(|certificate| !is_root(certificate))
        .cloned()
        .collect()
}
