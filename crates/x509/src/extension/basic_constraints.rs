//! `BasicConstraints` (RFC 5280 §4.2.1.9).

use crate::asn1::{DerError, Reader, integer_u64, sequence, tag, tlv};

/// Whether the subject is a CA, and how many CAs may follow it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BasicConstraints {
    /// Whether the subject is a CA.
    pub ca: bool,
    /// How many non-self-issued intermediate CAs may follow in a certification path.
    pub path_len_constraint: Option<u32>,
}

impl BasicConstraints {
    /// Reads an extension value.
    pub fn from_der(der: &[u8]) -> Result<Self, DerError> {
        let mut fields = Reader::new(der).expect(tag::SEQUENCE, WHAT)?.reader();
        let ca = fields.optional(tag::BOOLEAN, "cA")?;
        let ca = ca
            .map(|found| found.boolean("cA"))
            .transpose()?
            .unwrap_or(false);
        let path_len_constraint = fields
            .optional(tag::INTEGER, "pathLenConstraint")?
            .map(|found| found.unsigned("pathLenConstraint"))
            .transpose()?
            // A path is never that long: the largest number that fits says the same.
            .map(|length| u32::try_from(length).unwrap_or(u32::MAX));
        Ok(Self {
            ca,
            path_len_constraint,
        })
    }

    /// Writes an extension value.
    pub fn der(&self) -> Vec<u8> {
        let ca = if self.ca {
            tlv(tag::BOOLEAN, &[0xff])
        } else {
            Vec::new()
        };
        let length = self
            .path_len_constraint
            .map(|length| integer_u64(length.into()));
        sequence(&[ca, length.unwrap_or_default()])
    }
}

const WHAT: &str = "basicConstraints";
