//! Contents that are PEM text: every block on its own, good ones beside broken ones.

use super::contents::Collector;
use super::der;
use super::item::Object;
use crate::model::{Finding, Severity};
use kubepki_sealed::danger;
use kubepki_x509::pem::{self, PemBlock};
use kubepki_x509::{CertificationRequest, pkcs7};

/// What every PEM block begins with.
pub(super) const BEGIN: &str = "-----BEGIN ";

/// Adds every block. One that can be read but not by Kubernetes components gets a finding.
pub(super) fn read(collector: &mut Collector<'_>, text: &[u8]) {
    let file = pem::parse(text);
    let (notices, problems): (Vec<_>, Vec<_>) = file
        .problems
        .iter()
        .partition(|problem| problem.is_notice());
    for block in &file.blocks {
        let first = collector.found.items.len();
        read_block(collector, block);
        for notice in notices
            .iter()
            .filter(|notice| notice.offset == block.span.start)
        {
            let finding = Finding::new(notice.code(), Severity::Warning, notice.to_string());
            for item in collector.found.items.iter_mut().skip(first) {
                item.findings.push(finding.clone());
            }
        }
    }
    for problem in problems {
        collector.problem(problem.code(), &problem.to_string());
    }
}

fn read_block(collector: &mut Collector<'_>, block: &PemBlock) {
    let label = block.label.as_str();
    if label == "PRIVATE KEY" || label.ends_with(" PRIVATE KEY") {
        let opened = collector.secrets.public_half_of_block(block);
        return collector.add_private_key(opened);
    }
    let contents = danger::open(&block.contents);
    match label {
        _ if block.is_certificate() => match block.certificate() {
            Some(Ok(certificate)) => collector.add(Object::Certificate(certificate)),
            Some(Err(error)) => collector.problem(error.code(), &error.to_string()),
            None => collector.pass_over(label),
        },
        "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST" => {
            match CertificationRequest::from_der(contents) {
                Ok(request) => collector.add(Object::CertificationRequest(Box::new(request))),
                Err(error) => collector.problem("request-malformed", &error.to_string()),
            }
        }
        "PUBLIC KEY" | "RSA PUBLIC KEY" => match der::public_key(contents) {
            Some(key) => collector.add(Object::PublicKey(key)),
            None => collector.problem("public-key-malformed", "malformed public key"),
        },
        "PKCS7" | "CMS" => match pkcs7::certificates(contents) {
            Ok(certificates) => der::add_all(collector, certificates),
            Err(error) => collector.problem("pkcs7-malformed", &error.to_string()),
        },
        _ => collector.pass_over(label),
    }
}
