//! Certificates carried in PKCS #7 or CMS `SignedData` (RFC 5652 §5), as `.p7b` files do.
//!
//! Whatever the structure signs is ignored; so are revocation lists and the obsolete kinds of
//! certificates. The order of the certificates is the file's, which need not be that of a chain.

use kubepki_sealed::danger;

use crate::{
    Certificate, CertificateError, DerError,
    asn1::{Reader, tag},
    oid, pem,
};

/// Why the certificates could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Pkcs7Error {
    /// The structure is not that of `SignedData`.
    #[error("not a readable PKCS #7 file: {0}")]
    Malformed(DerError),
    /// A certificate in it cannot be read.
    #[error("certificate {number} in PKCS #7: {error}")]
    Certificate {
        /// Which of the certificates, counted from 1.
        number: usize,
        /// What is wrong with it.
        error: CertificateError,
    },
    /// The text holds no PKCS #7 block.
    #[error("no PKCS #7 block found")]
    None,
}

impl Pkcs7Error {
    /// Stable name.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "pkcs7-malformed",
            Self::Certificate { error, .. } => error.code(),
            Self::None => "no-pkcs7",
        }
    }
}

/// Every certificate of a `SignedData` in DER or BER, in order.
pub fn certificates(der: &[u8]) -> Result<Vec<Certificate>, Pkcs7Error> {
    let found = certificate_elements(der).map_err(Pkcs7Error::Malformed)?;
    let certificates = found.into_iter().enumerate().map(|(index, der)| {
        Certificate::from_der(der).map_err(|error| Pkcs7Error::Certificate {
            number: index + 1,
            error,
        })
    });
    certificates.collect()
}

/// Every certificate of every PKCS #7 block in a PEM file, in order.
pub fn certificates_from_pem(bytes: &[u8]) -> Result<Vec<Certificate>, Pkcs7Error> {
    let file = pem::parse(bytes);
    let mut blocks = file
        .blocks
        .iter()
        .filter(|block| is_pkcs7_label(&block.label))
        .peekable();
    if blocks.peek().is_none() {
        return Err(Pkcs7Error::None);
    }
    let found = blocks.map(|block| certificates(danger::open(&block.contents)));
    Ok(found.collect::<Result<Vec<_>, _>>()?.concat())
}

/// Whether a PEM block with this label holds PKCS #7.
pub fn is_pkcs7_label(label: &str) -> bool {
    matches!(label, "PKCS7" | "PKCS #7 SIGNED DATA" | "CMS")
}

fn certificate_elements(der: &[u8]) -> Result<Vec<&[u8]>, DerError> {
    let mut content = Reader::new(der)
        .expect(tag::SEQUENCE, "contentInfo")?
        .reader();
    let kind = content.expect(tag::OBJECT_IDENTIFIER, "contentType")?;
    if kind.object_identifier("contentType")? != oid::CMS_SIGNED_DATA {
        return Err(kind.value_error("contentType", "not signedData"));
    }
    let content = content.expect(tag::context_constructed(0), "content")?;
    let mut signed = content
        .reader()
        .expect(tag::SEQUENCE, "signedData")?
        .reader();
    signed.expect(tag::INTEGER, "version")?;
    signed.expect(tag::SET, "digestAlgorithms")?;
    signed.expect(tag::SEQUENCE, "encapContentInfo")?;
    let mut found = Vec::new();
    if let Some(set) = signed.optional(tag::context_constructed(0), "certificates")? {
        let mut set = set.reader();
        while !set.is_empty() {
            let element = set.any("certificate")?;
            if element.tag == tag::SEQUENCE {
                found.push(element.der);
            }
        }
    }
    Ok(found)
}
