//! Content for certificates that are lost or wrong: a sibling's on another host, else kubeadm's table.
//!
//! A template says what to certify: subject, names, usages. Nobody has signed one that is made here.

use super::names::Naming;
use crate::diagnose::HostEvidence;
use crate::layouts::kubeadm::{KUBEADM, OrganizationRule, RequiredCertificate};
use crate::model::Entry;
use kubepki_x509::{
    Certificate, CertificateTemplate, Name, SerialNumber, SignatureAlgorithm, Validity, profile,
};

/// Content for a certificate.
#[derive(Clone, Debug)]
pub struct Template {
    /// Subject, names, usages and extensions are its.
    pub certificate: Certificate,
    /// Where it comes from, to show.
    pub source: String,
}

/// The certificate of the same name and role on another host, when its content is right there.
pub fn sibling(
    hosts: &[HostEvidence],
    host: usize,
    entry: &Entry,
    is_sound: impl Fn(usize, &Entry, &Certificate) -> bool,
) -> Option<Template> {
    hosts
        .iter()
        .enumerate()
        .filter(|(index, _)| *index != host)
        .find_map(|(index, other)| {
            let found = other
                .inventory
                .entries
                .iter()
                .find(|other| other.role == entry.role && other.name == entry.name)?;
            let certificate = found.certificate()?;
            is_sound(index, found, certificate).then(|| Template {
                certificate: certificate.clone(),
                source: format!("{} on {}", found.holder, other.inventory.host),
            })
        })
}

/// A certificate of kubeadm's table, as it would be on this host.
pub fn profile(naming: &Naming<'_>, entry: &Entry, issuer: &Certificate) -> Option<Template> {
    let row = KUBEADM.certificate(&entry.name)?;
    let subject = subject(naming, row);
    let names = naming.demanded(&entry.name).unwrap_or_default();
    let template = CertificateTemplate {
        serial_number: SerialNumber::from_unsigned(&[1]),
        validity: Validity {
            not_before: issuer.validity().not_before,
            not_after: issuer.validity().not_after,
        },
        subject: subject.clone(),
        public_key: issuer.public_key().clone(),
        extensions: profile::leaf(&subject, row.usages, &names, issuer),
    };
    let algorithm = SignatureAlgorithm::EcdsaSha256;
    let tbs = template.tbs_der(issuer.subject(), algorithm).ok()?;
    let certificate = CertificateTemplate::assemble(&tbs, algorithm, &[0]).ok()?;
    Some(Template {
        certificate,
        source: "kubeadm's table".to_owned(),
    })
}

/// The subject by kubeadm's table; the organization as a control plane's clients have it now.
fn subject(naming: &Naming<'_>, row: &RequiredCertificate) -> Name {
    let common_name = row.subject.common_name.on_node(naming.own().node());
    // Which version this cluster is cannot be told from here; the older organization is taken by
    // every version, and etcd looks at none.
    let organization = match row.subject.organization {
        OrganizationRule::None => None,
        OrganizationRule::Fixed(name) => Some(name),
        OrganizationRule::ChangedIn129 { before, .. } => Some(before),
    };
    let organizations: Vec<&str> = organization.into_iter().collect();
    Name::common(&common_name, &organizations)
}
