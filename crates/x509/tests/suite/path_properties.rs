//! What must hold of any PKI: the search finds a path exactly when there is one, nothing but time
//! and trust decides, and memory changes nothing.

use kubepki_x509::{
    Certificate, ExtendedKeyUsage, KeyUsage, oid,
    path::{self, CertificatePool, CertificationPath, PathError, PathQuery, Purpose, ServerName},
};

use crate::{
    path_cases::{Case, Side},
    path_random::{self, Chance, Keys},
    path_workshop::now,
};

const PKIS: u64 = 1500;

fn judged(
    case: &Case,
    intermediates: &[Certificate],
    roots: &CertificatePool,
    signatures: &dyn path::SignatureCheck,
    now: jiff::Timestamp,
) -> Result<CertificationPath, PathError> {
    let (purpose, server_name) = match &case.side {
        Side::Client => (Purpose::ClientAuth, None),
        Side::Server(name) => (
            Purpose::ServerAuth,
            Some(name.parse::<ServerName>().unwrap()),
        ),
    };
    path::validate(&PathQuery {
        certificate: &case.leaf.certificate,
        intermediates,
        roots,
        now,
        purpose,
        server_name: server_name.as_ref(),
        signatures,
    })
}

#[test]
fn a_path_is_found_exactly_if_there_is_one() {
    let keys = Keys::new();
    let mut valid = 0;
    for seed in 0..PKIS {
        let case = path_random::case(&keys, seed);
        let found = case.validate();
        let exists = exists(&case);
        assert_eq!(found.is_ok(), exists, "{}: {found:?}", case.name);
        if let Ok(path) = found {
            valid += 1;
            let path = path.certificates;
            assert_eq!(path[0], case.leaf.certificate);
            assert!(case.roots.contains(path.last().unwrap()), "{}", case.name);
            assert!(is_valid(&case, &path), "{}", case.name);
        }
    }
    // Otherwise the property says nothing.
    assert!(
        (PKIS / 10..PKIS).contains(&valid),
        "{valid} of {PKIS} valid"
    );
}

#[test]
fn more_trust_never_hurts_and_order_never_matters() {
    let keys = Keys::new();
    let mut chance = Chance::new(7);
    for seed in 0..PKIS / 3 {
        let case = path_random::case(&keys, seed);
        let other = path_random::case(&keys, seed + PKIS);
        let pool = CertificatePool::new(case.roots.iter().cloned());
        let now = now();
        let memo = path::SignatureMemo::new();
        let alone = judged(&case, &case.intermediates, &pool, &path::Uncached, now);
        for _ in 0..2 {
            let remembered = judged(&case, &case.intermediates, &pool, &memo, now);
            assert_eq!(remembered, alone, "{}", case.name);
        }

        let mut intermediates = case.intermediates.clone();
        intermediates.extend(other.intermediates);
        let end = intermediates.len();
        for first in 0..end {
            intermediates.swap(first, chance.below(end));
        }
        let shuffled = judged(&case, &intermediates, &pool, &memo, now);
        assert_eq!(shuffled.is_ok(), alone.is_ok(), "{}", case.name);

        let more = case
            .roots
            .iter()
            .chain(&other.roots)
            .chain(&case.intermediates);
        let more: CertificatePool = more.cloned().collect();
        if alone.is_ok() {
            let trusting = judged(&case, &case.intermediates, &more, &memo, now);
            assert!(trusting.is_ok(), "{}: {trusting:?}", case.name);
        }
        let nobody = judged(
            &case,
            &case.intermediates,
            &CertificatePool::default(),
            &memo,
            now,
        );
        assert!(nobody.is_err(), "{}", case.name);
    }
}

/// Whether any sequence of certificates is a path: all of them are tried.
fn exists(case: &Case) -> bool {
    fn extend(case: &Case, path: &mut Vec<Certificate>) -> bool {
        if is_valid(case, path) {
            return true;
        }
        let all = case.roots.iter().chain(&case.intermediates);
        let next: Vec<_> = all.filter(|next| follows(next, path)).cloned().collect();
        for next in next {
            path.push(next);
            let found = extend(case, path);
            path.pop();
            if found {
                return true;
            }
        }
        false
    }
    extend(case, &mut vec![case.leaf.certificate.clone()])
}

fn follows(next: &Certificate, path: &[Certificate]) -> bool {
    let last = path.last().unwrap();
    let same = |known: &Certificate| {
        known.subject() == next.subject()
            && known.public_key() == next.public_key()
            && known.extension(&oid::SUBJECT_ALT_NAME) == next.extension(&oid::SUBJECT_ALT_NAME)
    };
    last.issuer() == next.subject() && !path.iter().any(same)
}

/// The rules, once more and in no order: of a whole path.
fn is_valid(case: &Case, path: &[Certificate]) -> bool {
    let now = now();
    let leaf = &path[0];
    let trusted = case.roots.contains(path.last().unwrap());
    let mut middle = path.iter().skip(1).take(path.len().saturating_sub(2));
    let presented = middle.all(|certificate| case.intermediates.contains(certificate));
    let named = match &case.side {
        Side::Client => true,
        Side::Server(name) => leaf
            .subject_alt_names()
            .contains(&format!("DNS:{name}").parse().unwrap()),
    };
    let usage = match case.side {
        Side::Client => ExtendedKeyUsage::ClientAuth,
        Side::Server(_) => ExtendedKeyUsage::ServerAuth,
    };
    let each = path.iter().enumerate().all(|(index, certificate)| {
        let version_1 = certificate.version() == 1;
        let usages = certificate.extended_key_usage().unwrap_or_default();
        let validity = certificate.validity();
        let understood = !certificate
            .extensions()
            .iter()
            .any(|found| found.critical && found.oid.to_string() == "1.2.3.4");
        let usable = usages.is_empty()
            || usages.contains(&usage)
            || usages.contains(&ExtendedKeyUsage::AnyExtendedKeyUsage);
        let basic = certificate.basic_constraints();
        let signs = certificate
            .key_usage()
            .is_none_or(|usage| usage.contains(KeyUsage::KEY_CERT_SIGN));
        let authority = match index {
            0 => true,
            _ if version_1 => index + 1 == path.len(),
            _ => basic.is_some_and(|basic| basic.ca) && signs,
        };
        let length = basic.and_then(|basic| basic.path_len_constraint);
        let short = length.is_none_or(|length| index <= 1 + usize::try_from(length).unwrap());
        validity.not_before <= now
            && now <= validity.not_after
            && understood
            && usable
            && authority
            && (index == 0 || short)
            && (index == 0 || permits(certificate, leaf))
    });
    let linked = path.windows(2).all(|pair| {
        !pair[0].signature_algorithm().is_weak() && pair[0].verify_issued_by(&pair[1]).is_ok()
    });
    trusted && presented && named && each && linked
}

/// The only constraints there are permit `test` or `b`.
fn permits(authority: &Certificate, leaf: &Certificate) -> bool {
    let Some(constraints) = authority.extension(&oid::NAME_CONSTRAINTS) else {
        return true;
    };
    let permitted = if constraints.value.ends_with(b"test") {
        "test"
    } else {
        "b"
    };
    let mut names = leaf.subject_alt_names();
    names.extend(authority.subject_alt_names());
    names
        .iter()
        .map(ToString::to_string)
        .filter_map(|name| name.strip_prefix("DNS:").map(str::to_owned))
        .all(|name| name == permitted || name.ends_with(&format!(".{permitted}")))
}
