//! Extensions of the certificates that kubeadm makes, in the order in which Go writes them.
//!
//! After "PKI certificates and requirements" and kubeadm's `pkiutil`: CAs have digitalSignature,
//! keyEncipherment and keyCertSign and their own common name as DNS name; leafs have
//! digitalSignature and keyEncipherment whatever their key, and basic constraints that say they
//! are no CA. All of it is accepted by `openssl verify -x509_strict`.

use crate::{
    BasicConstraints, Certificate, ExtendedKeyUsage, Extension, GeneralName, KeyUsage, Name,
    PublicKey, oid,
};

/// Extensions of a CA: a root without `issuer`, an intermediate with one.
pub fn ca(
    common_name: &str,
    public_key: &PublicKey,
    path_len_constraint: Option<u32>,
    issuer: Option<&Certificate>,
) -> Vec<Extension> {
    let usages = KeyUsage::DIGITAL_SIGNATURE | KeyUsage::KEY_ENCIPHERMENT | KeyUsage::KEY_CERT_SIGN;
    let mut extensions = vec![
        Extension::key_usage(usages),
        Extension::basic_constraints(BasicConstraints {
            ca: true,
            path_len_constraint,
        }),
        Extension::subject_key_identifier(&public_key.sha1_key_identifier()),
    ];
    extensions.extend(authority(issuer));
    // kubeadm names the CA in itself because newer verifiers look at alternative names only.
    if let Ok(name) = format!("DNS:{common_name}").parse() {
        extensions.push(Extension::subject_alt_name(&[name], false));
    }
    extensions
}

/// Extensions of a server or client certificate.
pub fn leaf(
    subject: &Name,
    purposes: &[ExtendedKeyUsage],
    names: &[GeneralName],
    issuer: &Certificate,
) -> Vec<Extension> {
    let mut extensions = requested(subject, purposes, names);
    let constraints = BasicConstraints {
        ca: false,
        path_len_constraint: None,
    };
    let before_names = extensions
        .iter()
        .take_while(|found| found.oid != oid::SUBJECT_ALT_NAME)
        .count();
    let about_issuer = [
        Some(Extension::basic_constraints(constraints)),
        authority(Some(issuer)),
    ];
    extensions.splice(
        before_names..before_names,
        about_issuer.into_iter().flatten(),
    );
    extensions
}

/// Extensions that a request for such a certificate asks for: what the subject can know.
pub fn requested(
    subject: &Name,
    purposes: &[ExtendedKeyUsage],
    names: &[GeneralName],
) -> Vec<Extension> {
    let usages = KeyUsage::DIGITAL_SIGNATURE | KeyUsage::KEY_ENCIPHERMENT;
    let mut extensions = vec![Extension::key_usage(usages)];
    if !purposes.is_empty() {
        extensions.push(Extension::extended_key_usage(purposes));
    }
    if !names.is_empty() {
        // RFC 5280 §4.1.2.6: critical if there is no subject.
        extensions.push(Extension::subject_alt_name(names, subject.is_empty()));
    }
    extensions
}

fn authority(issuer: Option<&Certificate>) -> Option<Extension> {
    let identifier = issuer?.subject_key_identifier()?;
    Some(Extension::authority_key_identifier(&identifier))
}
