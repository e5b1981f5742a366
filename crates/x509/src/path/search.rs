//! The search for a path: from the end entity towards what is trusted, in Go's order, with Go's
//! checks, within Go's budget.
//!
//! Go first collects every path whose dates, names and lengths hold, and then drops those whose
//! usages do not. Here the search ends at the first that holds in every way: the answer is the
//! same.

use super::{
    CertificationPath, PathQuery,
    error::{IssuerRejection, PathError},
    name_constraints::{Budget, Violation},
    reading::Reading,
};
use crate::{
    Certificate, GeneralName, IssuedByError, KeyUsage, Name, SignatureAlgorithm, SignatureError,
};

/// Go verifies no more signatures than that for one query.
const MAXIMUM_SIGNATURES: usize = 100;

pub(super) fn validate(query: &PathQuery<'_>) -> Result<CertificationPath, PathError> {
    let end_entity = Reading::new(query.certificate);
    let mut intermediates: Vec<Reading> = Vec::with_capacity(query.intermediates.len());
    for certificate in query.intermediates {
        let known = |reading: &Reading| reading.certificate == *certificate;
        if !intermediates.iter().any(known) {
            intermediates.push(Reading::new(certificate));
        }
    }
    // What is presented is read before anything is verified.
    for reading in std::iter::once(&end_entity).chain(&intermediates) {
        if let Some(reason) = &reading.malformed {
            return Err(PathError::Malformed {
                certificate: reading.certificate.clone(),
                reason: reason.clone(),
            });
        }
    }
    acceptable_by_itself(query, &end_entity)?;
    named_as_asked(query, &end_entity)?;
    if query.roots.contains(query.certificate) {
        usable(query, &[&end_entity])?;
        return Ok(CertificationPath {
            certificates: vec![query.certificate.clone()],
        });
    }
    let mut search = Search {
        query,
        intermediates: &intermediates,
        signatures: 0,
    };
    match search.extend(&mut vec![&end_entity]) {
        Found::Path(path) => Ok(path),
        Found::Unusable(error) | Found::Nothing(error) => Err(error),
    }
}

struct Search<'q> {
    query: &'q PathQuery<'q>,
    intermediates: &'q [Reading],
    signatures: usize,
}

/// What was found above a certificate.
enum Found {
    Path(CertificationPath),
    /// Paths that hold but for their usages.
    Unusable(PathError),
    Nothing(PathError),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Intermediate,
    TrustAnchor,
}

impl<'q> Search<'q> {
    /// Looks for issuers of the last certificate of `path`, and for theirs.
    fn extend(&mut self, path: &mut Vec<&'q Reading>) -> Found {
        let Some(subject) = path.last().copied() else {
            return Found::Nothing(PathError::TooManyCandidates { checked: 0 });
        };
        // As in Go, what happened last is what is told, whatever happened before.
        let mut error = None;
        let mut unusable = None;
        let mut rejected = Vec::new();
        for (role, candidate) in self.candidates(subject) {
            if is_in_path(candidate, path) {
                continue;
            }
            self.signatures += 1;
            if self.signatures > MAXIMUM_SIGNATURES {
                let checked = MAXIMUM_SIGNATURES;
                error = Some(PathError::TooManyCandidates { checked });
                continue;
            }
            if let Err(reason) = self.signed_by(subject, candidate) {
                rejected.push((candidate.certificate.clone(), reason));
                continue;
            }
            if let Err(reason) = acceptable(self.query, role, candidate, path) {
                error = Some(reason);
                continue;
            }
            path.push(candidate);
            let found = match role {
                Role::TrustAnchor => self.complete(path),
                Role::Intermediate => self.extend(path),
            };
            path.pop();
            match found {
                Found::Path(path) => return Found::Path(path),
                Found::Unusable(reason) => {
                    error = None;
                    unusable = unusable.or(Some(reason));
                }
                Found::Nothing(reason) => error = Some(reason),
            }
        }
        match (unusable, error) {
            (Some(error), _) => Found::Unusable(error),
            (None, Some(error)) => Found::Nothing(error),
            (None, None) => Found::Nothing(self.unknown(subject, rejected)),
        }
    }

    fn complete(&self, path: &[&Reading]) -> Found {
        match usable(self.query, path) {
            Ok(()) => Found::Path(CertificationPath {
                certificates: path.iter().map(|found| found.certificate.clone()).collect(),
            }),
            Err(error) => Found::Unusable(error),
        }
    }

    /// Everything that has the issuer's name: what is trusted before what is presented, and of
    /// each the likeliest first.
    fn candidates(&self, subject: &Reading) -> Vec<(Role, &'q Reading)> {
        let issuer = subject.certificate.issuer();
        let roots = self.query.roots.with_subject(issuer);
        let mut roots: Vec<_> = roots.map(|root| (Role::TrustAnchor, root)).collect();
        let intermediates = self.intermediates.iter();
        let mut intermediates: Vec<_> = intermediates
            .filter(|reading| reading.certificate.subject() == issuer)
            .map(|reading| (Role::Intermediate, reading))
            .collect();
        // Stable: of equally likely ones the first comes first.
        roots.sort_by_key(|(_, candidate)| likelihood(subject, candidate));
        intermediates.sort_by_key(|(_, candidate)| likelihood(subject, candidate));
        roots.append(&mut intermediates);
        roots
    }

    /// Whether `candidate` signed `subject`, and may sign anything.
    fn signed_by(&self, subject: &Reading, candidate: &Reading) -> Result<(), IssuerRejection> {
        if let Some(reason) = &candidate.malformed {
            return Err(IssuerRejection::Malformed(reason.clone()));
        }
        if !candidate.may_be_authority() {
            return Err(IssuerRejection::NotCertificateAuthority);
        }
        let usage = candidate.key_usage;
        // Without any bit it says nothing.
        if usage != KeyUsage::default() && !usage.contains(KeyUsage::KEY_CERT_SIGN) {
            return Err(IssuerRejection::MayNotSignCertificates(usage));
        }
        let algorithm = subject.certificate.signature_algorithm();
        if algorithm.is_weak() {
            return Err(IssuerRejection::WeakSignature(algorithm));
        }
        if !has_usual_salt(algorithm) {
            let (subject, key) = (&candidate.certificate, candidate.certificate.public_key());
            return Err(IssuerRejection::Signature(IssuedByError::Signature {
                subject: subject.subject().clone(),
                error: SignatureError::Unsupported {
                    algorithm,
                    key: key.algorithm(),
                },
            }));
        }
        self.query
            .signatures
            .check(&subject.certificate, &candidate.certificate)
            .map_err(IssuerRejection::Signature)
    }

    fn unknown(
        &self,
        subject: &Reading,
        mut rejected: Vec<(Certificate, IssuerRejection)>,
    ) -> PathError {
        let roots = self.query.roots.certificates();
        let issuer = subject.certificate.issuer();
        let spelling = roots
            .iter()
            .filter(|root| is_other_spelling(issuer, root.subject()))
            .map(|root| {
                let name = root.subject().clone();
                (root.clone(), IssuerRejection::OtherSpelling(name))
            });
        rejected.extend(spelling);
        PathError::UnknownAuthority {
            certificate: subject.certificate.clone(),
            trusted: roots.len(),
            rejected,
        }
    }
}

/// Smaller is likelier: identifiers agree, one is missing, they differ.
fn likelihood(subject: &Reading, candidate: &Reading) -> u8 {
    let (wanted, found) = (
        &subject.authority_key_identifier,
        &candidate.subject_key_identifier,
    );
    match (wanted == found, wanted.is_empty() || found.is_empty()) {
        (true, _) => 0,
        (false, true) => 1,
        (false, false) => 2,
    }
}

/// Whether a certificate of the same subject, key and names is in the path already: two CAs that
/// certify each other are no way out.
fn is_in_path(candidate: &Reading, path: &[&Reading]) -> bool {
    for member in path {
        let (found, known) = (&candidate.certificate, &member.certificate);
        if found.subject() != known.subject() || found.public_key() != known.public_key() {
            continue;
        }
        match (&candidate.subject_alt_name, &member.subject_alt_name) {
            (None, None) => return true,
            // Go looks no further here.
            (None, Some(_)) | (Some(_), None) => return false,
            (Some(found), Some(known)) if found == known => return true,
            _ => {}
        }
    }
    false
}

/// What must hold of any certificate.
fn acceptable_by_itself(query: &PathQuery<'_>, reading: &Reading) -> Result<(), PathError> {
    let certificate = || reading.certificate.clone();
    if !reading.unhandled.is_empty() {
        return Err(PathError::UnhandledCriticalExtension {
            certificate: certificate(),
            extensions: reading.unhandled.clone(),
        });
    }
    let validity = reading.certificate.validity();
    // In this order, and to the nanosecond: unlike `Validity::state`.
    if query.now < validity.not_before {
        return Err(PathError::NotYetValid {
            certificate: certificate(),
            now: query.now,
        });
    }
    if query.now > validity.not_after {
        return Err(PathError::Expired {
            certificate: certificate(),
            now: query.now,
        });
    }
    Ok(())
}

/// Whether `candidate`, whose key is the right one, may stand at the end of `path`.
fn acceptable(
    query: &PathQuery<'_>,
    role: Role,
    candidate: &Reading,
    path: &[&Reading],
) -> Result<(), PathError> {
    acceptable_by_itself(query, candidate)?;
    if let (Some(_), Some(end_entity)) = (&candidate.name_constraints, path.first()) {
        names_permitted(candidate, end_entity)?;
    }
    let authority = candidate
        .basic_constraints
        .is_some_and(|constraints| constraints.ca);
    if role == Role::Intermediate && !authority {
        return Err(PathError::NotAuthorizedToSign {
            certificate: candidate.certificate.clone(),
        });
    }
    let allowed = candidate
        .basic_constraints
        .and_then(|constraints| constraints.path_len_constraint);
    let found = path.len().saturating_sub(1);
    match allowed {
        Some(allowed) if usize::try_from(allowed).is_ok_and(|allowed| found > allowed) => {
            Err(PathError::TooManyIntermediates {
                certificate: candidate.certificate.clone(),
                allowed,
                found,
            })
        }
        _ => Ok(()),
    }
}

/// Whether the names of the end entity, and those of the CA itself, obey the CA's constraints.
/// Intermediates' names are not looked at.
fn names_permitted(authority: &Reading, end_entity: &Reading) -> Result<(), PathError> {
    let Some(constraints) = &authority.name_constraints else {
        return Ok(());
    };
    let mut budget = Budget::default();
    for holder in [end_entity, authority] {
        for name in &holder.names {
            constraints
                .check(name, &mut budget)
                .map_err(|violation| match violation {
                    Violation::Conflict(constraint) => PathError::NameConstraintViolated {
                        certificate: holder.certificate.clone(),
                        authority: authority.certificate.clone(),
                        name: name.clone(),
                        constraint,
                    },
                    Violation::TooManyComparisons => PathError::TooManyConstraints {
                        certificate: authority.certificate.clone(),
                    },
                })?;
        }
    }
    Ok(())
}

fn named_as_asked(query: &PathQuery<'_>, end_entity: &Reading) -> Result<(), PathError> {
    let Some(asked) = query.server_name else {
        return Ok(());
    };
    if asked.matches(&end_entity.names) {
        return Ok(());
    }
    let certificate = end_entity.certificate.clone();
    let only_common_name = match end_entity.subject_alt_name {
        None => certificate.subject().common_name(),
        Some(_) => None,
    };
    let only_common_name = only_common_name.filter(|name| asked.is_common_name(name));
    let found: Vec<GeneralName> = end_entity.names.clone();
    Err(PathError::NameMismatch {
        certificate,
        asked: asked.clone(),
        found,
        only_common_name,
    })
}

/// Whether every certificate of the path allows what it is presented for.
fn usable(query: &PathQuery<'_>, path: &[&Reading]) -> Result<(), PathError> {
    let Some(needed) = query.purpose.extended_key_usage() else {
        return Ok(());
    };
    let refuses = |reading: &&&Reading| !reading.allows(needed);
    match path.iter().find(refuses) {
        None => Ok(()),
        Some(reading) => Err(PathError::IncompatibleUsage {
            certificate: reading.certificate.clone(),
            needed,
            found: reading.extended_key_usage.clone(),
        }),
    }
}

/// Go verifies RSASSA-PSS only with a salt as long as the hash.
fn has_usual_salt(algorithm: SignatureAlgorithm) -> bool {
    match algorithm {
        SignatureAlgorithm::RsaPssSha256 { salt_length } => salt_length == 32,
        SignatureAlgorithm::RsaPssSha384 { salt_length } => salt_length == 48,
        SignatureAlgorithm::RsaPssSha512 { salt_length } => salt_length == 64,
        _ => true,
    }
}

/// Whether two names read the same and are not the same.
fn is_other_spelling(wanted: &Name, found: &Name) -> bool {
    wanted != found && wanted.to_string() == found.to_string()
}
