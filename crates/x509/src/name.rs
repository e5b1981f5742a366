//! Distinguished names (RFC 5280 §4.1.2.4), kept verbatim.
//!
//! A [`Name`] is its DER: order, repeated attributes (Kubernetes groups are repeated `O`), string
//! types and multi-valued RDNs are exactly as found, and two names are equal when their bytes are,
//! which is how Go's verifier chains certificates. Reading attributes never changes the name.
//!
//! Not here: RFC 5280 §7.1 comparison rules (case folding, white space); no Kubernetes component
//! applies them.

mod attribute;

use std::{fmt, sync::Arc};

pub use attribute::Attribute;

use crate::{
    ObjectIdentifier,
    asn1::{DerError, Element, Reader, tag, tlv},
    oid,
};

/// A distinguished name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    der: Arc<[u8]>,
}

impl Name {
    /// Reads a `Name`; the bytes are kept as they are.
    pub fn from_der(der: &[u8]) -> Result<Self, DerError> {
        let mut reader = Reader::new(der);
        let name = reader.expect(tag::SEQUENCE, WHAT)?;
        reader.finish(WHAT)?;
        Self::from_element(&name)
    }

    pub(crate) fn from_element(element: &Element<'_>) -> Result<Self, DerError> {
        walk(&mut element.reader(), &mut (), |()| (), |(), _, _| ())?;
        Ok(Self {
            der: element.der.into(),
        })
    }

    /// A name of one RDN for each attribute, in the order given.
    ///
    /// Values are written as PrintableString where Go's `encoding/asn1` would do so, otherwise as
    /// UTF8String; `DC` and `emailAddress` as IA5String where they can be.
    pub fn from_attributes(attributes: &[(ObjectIdentifier, &str)]) -> Self {
        Self::from_rdns(attributes.iter().map(|attribute| vec![*attribute]))
    }

    /// The name that Go's `pkix.Name{CommonName, Organization}` makes, and so kubeadm's: one RDN
    /// with every organization (a SET, sorted as DER demands), then one with the common name.
    /// Empty parts are left out.
    pub fn common(common_name: &str, organizations: &[&str]) -> Self {
        let organizations = organizations
            .iter()
            .map(|value| (oid::ORGANIZATION_NAME, *value))
            .collect();
        let common_name = Some((oid::COMMON_NAME, common_name)).filter(|(_, cn)| !cn.is_empty());
        Self::from_rdns([organizations, common_name.into_iter().collect()])
    }

    /// A name of the RDNs given; empty RDNs are left out.
    pub fn from_rdns<'a>(rdns: impl IntoIterator<Item = Vec<(ObjectIdentifier, &'a str)>>) -> Self {
        let mut contents = Vec::new();
        for rdn in rdns.into_iter().filter(|rdn| !rdn.is_empty()) {
            let mut encoded: Vec<_> = rdn
                .iter()
                .map(|(oid, value)| attribute::encode(oid, value))
                .collect();
            // X.690 §11.6: the elements of a SET OF are in ascending order of their encodings.
            encoded.sort();
            contents.extend(tlv(tag::SET, &encoded.concat()));
        }
        Self {
            der: tlv(tag::SEQUENCE, &contents).into(),
        }
    }

    /// The name as it was found.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Every RDN with its attributes, in order.
    pub fn rdns(&self) -> Vec<Vec<Attribute>> {
        let mut rdns: Vec<Vec<Attribute>> = Vec::new();
        let mut reader = Reader::new(&self.der);
        if let Ok(name) = reader.expect(tag::SEQUENCE, WHAT) {
            // The bytes were read once before they became a name.
            let _ = walk(
                &mut name.reader(),
                &mut rdns,
                |rdns| rdns.push(Vec::new()),
                |rdns, oid, value| {
                    if let Some(rdn) = rdns.last_mut() {
                        rdn.push(Attribute::read(oid, &value));
                    }
                },
            );
        }
        rdns
    }

    /// The last common name: the most specific one, and the one that Go reads.
    pub fn common_name(&self) -> Option<String> {
        self.values(&oid::COMMON_NAME).pop()
    }

    /// Every organization, in order: what Kubernetes takes as groups.
    pub fn organizations(&self) -> Vec<String> {
        self.values(&oid::ORGANIZATION_NAME)
    }

    /// Every value of one attribute type, in order.
    pub fn values(&self, oid: &ObjectIdentifier) -> Vec<String> {
        let attributes = self.rdns().into_iter().flatten();
        attributes
            .filter(|attribute| attribute.oid == *oid)
            .map(|found| found.value)
            .collect()
    }

    /// Whether there are no attributes at all.
    pub fn is_empty(&self) -> bool {
        self.rdns().iter().all(Vec::is_empty)
    }
}

/// `O=system:masters, CN=kubernetes-admin`: every RDN in the order of the certificate, the
/// attributes of a multi-valued RDN joined by `+`, special and unprintable characters escaped as
/// in RFC 4514.
impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rdns = self.rdns();
        let shown = rdns.iter().map(|rdn| {
            rdn.iter()
                .map(Attribute::to_string)
                .collect::<Vec<_>>()
                .join("+")
        });
        formatter.write_str(&shown.collect::<Vec<_>>().join(", "))
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Name({self})")
    }
}

const WHAT: &str = "name";

/// Calls `begin` for each RDN and `each` for each attribute in it. Reading a name only to know
/// that it is one allocates nothing this way.
fn walk<T>(
    reader: &mut Reader<'_>,
    visited: &mut T,
    begin: impl Fn(&mut T),
    each: impl Fn(&mut T, ObjectIdentifier, Element<'_>),
) -> Result<(), DerError> {
    while !reader.is_empty() {
        let rdn = reader.expect(tag::SET, "relative distinguished name")?;
        let mut rdn = rdn.reader();
        begin(visited);
        while !rdn.is_empty() {
            let (oid, value) = attribute::parts(&rdn.expect(tag::SEQUENCE, "attribute")?)?;
            each(visited, oid, value);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn organizations_share_one_sorted_set_as_in_go() {
        let name = Name::common("admin", &["zeta", "a"]);
        let organizations = "31173008060355040a130161300b060355040a13047a657461";
        let common_name = "310e300c0603550403130561646d696e";
        assert_eq!(
            hex::encode(name.der()),
            format!("3029{organizations}{common_name}")
        );
        assert_eq!(name.to_string(), "O=a+O=zeta, CN=admin");
        assert_eq!(name.organizations(), ["a", "zeta"]);
        assert_eq!(name.common_name().as_deref(), Some("admin"));
    }

    #[test]
    fn string_types_are_those_that_go_picks() {
        for (value, tag) in [
            ("system:masters", tag::PRINTABLE_STRING),
            ("", tag::PRINTABLE_STRING),
            ("host@1700000000", tag::UTF8_STRING),
            ("a*b", tag::UTF8_STRING),
            ("a&b", tag::UTF8_STRING),
            ("under_score", tag::UTF8_STRING),
            ("straße", tag::UTF8_STRING),
        ] {
            let name = Name::from_attributes(&[(oid::COMMON_NAME, value)]);
            let attribute = name.rdns().remove(0).remove(0);
            assert_eq!(
                (attribute.der.first(), attribute.value.as_str()),
                (Some(&tag), value)
            );
        }
    }

    #[test]
    fn repeated_attributes_keep_their_order() {
        let attributes = [
            (oid::ORGANIZATION_NAME, "z"),
            (oid::ORGANIZATION_NAME, "a"),
            (oid::COMMON_NAME, "first"),
            (oid::COMMON_NAME, "second"),
        ];
        let name = Name::from_attributes(&attributes);
        assert_eq!(name.to_string(), "O=z, O=a, CN=first, CN=second");
        assert_eq!(name.common_name().as_deref(), Some("second"));
        assert_eq!(Name::from_der(name.der()), Ok(name));
    }

    #[test]
    fn nothing_in_a_name_can_forge_output() {
        let name = Name::from_attributes(&[(oid::COMMON_NAME, " a,b\nO=x\u{202e}+\u{1b}[2J ")]);
        let shown = name.to_string();
        assert_eq!(shown, "CN=\\ a\\,b\\0AO=x\\E2\\80\\AE\\+\\1B[2J\\ ");
    }

    #[test]
    fn odd_string_types_are_readable() {
        for (value, text) in [
            ("1e0400410042", "AB"),
            ("1c0400000041", "A"),
            ("1402e441", "äA"),
            ("0c02ff41", "\u{fffd}A"),
            ("020101", "#020101"),
        ] {
            let value = hex::decode(value).unwrap();
            let attribute = [oid::COMMON_NAME.der(), value].concat();
            let rdn = tlv(tag::SET, &tlv(tag::SEQUENCE, &attribute));
            let name = Name::from_der(&tlv(tag::SEQUENCE, &rdn)).unwrap();
            assert_eq!(name.common_name().as_deref(), Some(text));
        }
    }
}
