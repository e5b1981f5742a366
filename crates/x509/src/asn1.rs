//! A small reader and writer of ASN.1 tag-length-value elements (X.690), private to this crate.
//!
//! Reading is tolerant on purpose: lengths longer than they need to be and indefinite lengths are
//! accepted, because certificates found on hosts were not all written by DER encoders, and what is
//! read here is shown, compared and carried over verbatim. Writing is strict DER.
//!
//! Not here: any meaning. What an element is for is said by the caller, in `what`.

mod reader;
mod time;
mod writer;

pub(crate) use reader::{Element, Reader};
pub(crate) use time::{parse_time, time_der};
pub(crate) use writer::{bit_string, explicit, integer_u64, null, octet_string, sequence, tlv};

/// Universal and context tags that this crate meets, as their first identifier octet.
pub(crate) mod tag {
    pub(crate) const BOOLEAN: u8 = 0x01;
    pub(crate) const INTEGER: u8 = 0x02;
    pub(crate) const BIT_STRING: u8 = 0x03;
    pub(crate) const OCTET_STRING: u8 = 0x04;
    pub(crate) const NULL: u8 = 0x05;
    pub(crate) const OBJECT_IDENTIFIER: u8 = 0x06;
    pub(crate) const UTF8_STRING: u8 = 0x0c;
    pub(crate) const NUMERIC_STRING: u8 = 0x12;
    pub(crate) const PRINTABLE_STRING: u8 = 0x13;
    pub(crate) const TELETEX_STRING: u8 = 0x14;
    pub(crate) const IA5_STRING: u8 = 0x16;
    pub(crate) const UTC_TIME: u8 = 0x17;
    pub(crate) const GENERALIZED_TIME: u8 = 0x18;
    pub(crate) const VISIBLE_STRING: u8 = 0x1a;
    pub(crate) const UNIVERSAL_STRING: u8 = 0x1c;
    pub(crate) const BMP_STRING: u8 = 0x1e;
    pub(crate) const SEQUENCE: u8 = 0x30;
    pub(crate) const SET: u8 = 0x31;

    /// `[number]`, primitive: IMPLICIT over a primitive type.
    pub(crate) const fn context(number: u8) -> u8 {
        0x80 | number
    }

    /// `[number]`, constructed: EXPLICIT, or IMPLICIT over a constructed type.
    pub(crate) const fn context_constructed(number: u8) -> u8 {
        0xa0 | number
    }
}

/// What is wrong with bytes that should have been DER.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DerError {
    /// The bytes end before the element does.
    #[error("{what}: ends at byte {offset}, before it is complete")]
    Truncated {
        /// Field that was being read, in RFC 5280 words.
        what: &'static str,
        /// Where the bytes end.
        offset: usize,
    },
    /// Another element stands where this one belongs.
    #[error("{what}: expected tag 0x{expected:02x} at byte {offset}, found 0x{found:02x}")]
    UnexpectedTag {
        /// Field that was being read, in RFC 5280 words.
        what: &'static str,
        /// Where the element starts.
        offset: usize,
        /// Tag that the field has.
        expected: u8,
        /// Tag that is there.
        found: u8,
    },
    /// A length that no reader can follow.
    #[error("{what}: unusable length at byte {offset}")]
    Length {
        /// Field that was being read, in RFC 5280 words.
        what: &'static str,
        /// Where the element starts.
        offset: usize,
    },
    /// Bytes are left over where the structure ends.
    #[error("{what}: {count} unexpected bytes at byte {offset}")]
    Trailing {
        /// Structure that has ended.
        what: &'static str,
        /// Where the left-over bytes start.
        offset: usize,
        /// How many they are.
        count: usize,
    },
    /// The element is there but its contents make no sense.
    #[error("{what}: {reason} at byte {offset}")]
    Value {
        /// Field that was being read, in RFC 5280 words.
        what: &'static str,
        /// Where the element starts.
        offset: usize,
        /// What is wrong with it.
        reason: &'static str,
    },
}
