//! Name constraints (RFC 5280 §4.2.1.10) as Go checks them: on DNS names, IP addresses, mail
//! addresses and URIs. Constraints on other kinds of names are not understood, which matters only
//! where the extension is critical.
//!
//! A leading dot asks for at least one more label, in DNS constraints too. An empty constraint
//! covers everything. A leading dot in a *name* is dropped, a wildcard is a label like any other, as
//! in Go 1.19.

use std::{fmt, net::IpAddr};

use super::{error::Constraint, mailbox::Mailbox, uri};
use crate::{
    GeneralName,
    asn1::{Element, Reader, tag},
};

/// What a CA may certify and what it may not.
#[derive(Debug, Clone, Default)]
pub(super) struct NameConstraints {
    permitted: Vec<Subtree>,
    excluded: Vec<Subtree>,
    not_understood: bool,
}

/// One constraint.
#[derive(Debug, Clone)]
enum Subtree {
    Dns(String),
    Mail(String),
    Uri(String),
    Address { octets: Vec<u8>, mask: Vec<u8> },
}

/// Why a name is refused.
pub(super) enum Violation {
    Conflict(Constraint),
    TooManyComparisons,
}

/// How many more comparisons Go would make before it gives up.
pub(super) struct Budget(pub(super) usize);

impl Default for Budget {
    fn default() -> Self {
        Self(250_000)
    }
}

impl NameConstraints {
    /// Reads an extension value; the error says what is wrong with it.
    pub(super) fn from_der(der: &[u8]) -> Result<Self, String> {
        let malformed = |_| "its nameConstraints cannot be read".to_owned();
        let mut outer = Reader::new(der);
        let fields = outer.expect(tag::SEQUENCE, WHAT).map_err(malformed)?;
        outer.finish(WHAT).map_err(malformed)?;
        let mut fields = fields.reader();
        let permitted = fields.optional(tag::context_constructed(0), "permittedSubtrees");
        let permitted = permitted.map_err(malformed)?;
        let excluded = fields.optional(tag::context_constructed(1), "excludedSubtrees");
        let excluded = excluded.map_err(malformed)?;
        fields.finish(WHAT).map_err(malformed)?;
        let empty =
            |field: &Option<Element<'_>>| field.is_none_or(|field| field.contents.is_empty());
        if empty(&permitted) && empty(&excluded) {
            return Err("its nameConstraints are empty".to_owned());
        }
        let mut constraints = Self::default();
        for (field, excludes) in [(permitted, false), (excluded, true)] {
            let mut subtrees = match field {
                Some(field) => field.reader(),
                None => continue,
            };
            while !subtrees.is_empty() {
                let subtree = subtrees.expect(tag::SEQUENCE, "generalSubtree");
                let base = subtree.map_err(malformed)?.reader().any("base");
                match Subtree::from_base(&base.map_err(malformed)?)? {
                    None => constraints.not_understood = true,
                    Some(subtree) if excludes => constraints.excluded.push(subtree),
                    Some(subtree) => constraints.permitted.push(subtree),
                }
            }
        }
        Ok(constraints)
    }

    /// Whether every constraint is of a kind that Go compares.
    pub(super) fn is_understood(&self) -> bool {
        !self.not_understood
    }

    /// Whether the CA may certify `name`.
    pub(super) fn check(&self, name: &GeneralName, budget: &mut Budget) -> Result<(), Violation> {
        let Some(name) = Comparable::new(name)? else {
            return Ok(());
        };
        let same_kind = |subtrees: &'_ [Subtree]| -> Vec<Subtree> {
            let same = subtrees.iter().filter(|subtree| name.is_kind(subtree));
            same.cloned().collect()
        };
        let excluded = same_kind(&self.excluded);
        budget.spend(excluded.len())?;
        for subtree in excluded {
            if name.lies_in(&subtree)? {
                return Err(Constraint::Excluded(subtree.to_string()).into());
            }
        }
        let permitted = same_kind(&self.permitted);
        budget.spend(permitted.len())?;
        for subtree in &permitted {
            if name.lies_in(subtree)? {
                return Ok(());
            }
        }
        if permitted.is_empty() {
            return Ok(());
        }
        let permitted = permitted.iter().map(Subtree::to_string).collect();
        Err(Constraint::NotPermitted(permitted).into())
    }
}

impl Budget {
    fn spend(&mut self, comparisons: usize) -> Result<(), Violation> {
        let left = self.0.checked_sub(comparisons);
        self.0 = left.ok_or(Violation::TooManyComparisons)?;
        Ok(())
    }
}

impl From<Constraint> for Violation {
    fn from(constraint: Constraint) -> Self {
        Self::Conflict(constraint)
    }
}

impl Subtree {
    /// Reads a constraint; none if it is of a kind that Go does not compare.
    fn from_base(base: &Element<'_>) -> Result<Option<Self>, String> {
        let text = || match str::from_utf8(base.contents) {
            Ok(text) if text.is_ascii() => Ok(text.to_owned()),
            _ => Err("a name constraint is not ASCII".to_owned()),
        };
        let refused = |text: &str| {
            let text = crate::text::escaped(text, "");
            format!("its name constraint {text:?} constrains nothing that exists")
        };
        let domain = |text: &str| is_domain(text.strip_prefix('.').unwrap_or(text));
        Ok(Some(match base.tag {
            0x82 => match text()? {
                text if domain(&text) => Self::Dns(text),
                text => return Err(refused(&text)),
            },
            0x81 => match text()? {
                text if text.contains('@') && Mailbox::parse(&text).is_none() => {
                    return Err(refused(&text));
                }
                text if !text.contains('@') && !domain(&text) => return Err(refused(&text)),
                text => Self::Mail(text),
            },
            0x86 => match text()? {
                text if domain(&text) && text.parse::<IpAddr>().is_err() => Self::Uri(text),
                text => return Err(refused(&text)),
            },
            0x87 => {
                let length = base.contents.len();
                let (octets, mask) = base.contents.split_at(length / 2);
                if !matches!(length, 8 | 32) || !is_prefix_mask(mask) {
                    let shown = hex::encode(base.contents);
                    return Err(format!(
                        "its name constraint {shown} is no range of addresses"
                    ));
                }
                let (octets, mask) = (octets.to_vec(), mask.to_vec());
                Self::Address { octets, mask }
            }
            _ => return Ok(None),
        }))
    }
}

/// `DNS:.example.org`, `IP:10.0.0.0/8`.
impl fmt::Display for Subtree {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(text) => write!(formatter, "DNS:{}", crate::text::escaped(text, "")),
            Self::Mail(text) => write!(formatter, "email:{}", crate::text::escaped(text, "")),
            Self::Uri(text) => write!(formatter, "URI:{}", crate::text::escaped(text, "")),
            Self::Address { octets, mask } => {
                let length: u32 = mask.iter().map(|octet| octet.count_ones()).sum();
                let address = <[u8; 4]>::try_from(octets.as_slice()).map(IpAddr::from);
                let address =
                    address.or_else(|_| <[u8; 16]>::try_from(octets.as_slice()).map(IpAddr::from));
                match address {
                    Ok(address) => write!(formatter, "IP:{address}/{length}"),
                    Err(_) => write!(formatter, "IP:{}/{length}", hex::encode(octets)),
                }
            }
        }
    }
}

/// A name in the form in which it is compared.
enum Comparable<'a> {
    Dns(&'a str),
    Mail(Mailbox),
    Uri(&'a str),
    Address(Vec<u8>),
}

impl<'a> Comparable<'a> {
    /// None for kinds of names that are not compared. A name that cannot be read conflicts with
    /// any constraints, also with those on other kinds.
    fn new(name: &'a GeneralName) -> Result<Option<Self>, Violation> {
        Ok(Some(match name {
            GeneralName::DnsName(name) if is_domain(name) => Self::Dns(name),
            GeneralName::DnsName(_) => {
                return Err(Constraint::Incomparable("it is no domain name").into());
            }
            GeneralName::Rfc822Name(name) => match Mailbox::parse(name) {
                Some(mailbox) => Self::Mail(mailbox),
                None => return Err(Constraint::Incomparable("it is no mail address").into()),
            },
            GeneralName::UniformResourceIdentifier(uri) => Self::Uri(uri),
            GeneralName::IpAddress(IpAddr::V4(address)) => Self::Address(address.octets().to_vec()),
            GeneralName::IpAddress(IpAddr::V6(address)) => Self::Address(address.octets().to_vec()),
            _ => return Ok(None),
        }))
    }

    fn is_kind(&self, subtree: &Subtree) -> bool {
        matches!(
            (self, subtree),
            (Self::Dns(_), Subtree::Dns(_))
                | (Self::Mail(_), Subtree::Mail(_))
                | (Self::Uri(_), Subtree::Uri(_))
                | (Self::Address(_), Subtree::Address { .. })
        )
    }

    fn lies_in(&self, subtree: &Subtree) -> Result<bool, Violation> {
        Ok(match (self, subtree) {
            (Self::Dns(name), Subtree::Dns(constraint)) => domain_lies_in(name, constraint),
            (Self::Mail(mailbox), Subtree::Mail(constraint)) => match Mailbox::parse(constraint) {
                Some(other) if constraint.contains('@') => {
                    mailbox.local == other.local
                        && mailbox.domain.eq_ignore_ascii_case(&other.domain)
                }
                _ => domain_lies_in(&mailbox.domain, constraint),
            },
            (Self::Uri(uri), Subtree::Uri(constraint)) => {
                let host = uri_host(uri).map_err(Constraint::Incomparable)?;
                domain_lies_in(&host, constraint)
            }
            (Self::Address(address), Subtree::Address { octets, mask }) => {
                let mut pairs = address.iter().zip(octets).zip(mask);
                address.len() == octets.len()
                    && pairs.all(|((address, octet), mask)| address & mask == octet & mask)
            }
            _ => false,
        })
    }
}

/// The host of a URI if it is a domain: RFC 5280 has anything else refused.
fn uri_host(uri: &str) -> Result<String, &'static str> {
    let host = uri::host(uri)?;
    if host.is_empty() {
        return Err("a URI without a host cannot be compared with constraints");
    }
    let host = match host.contains(':') && !host.ends_with(']') {
        true => without_port(&host).ok_or("the host of the URI is neither name nor address")?,
        false => &host,
    };
    if (host.starts_with('[') && host.ends_with(']')) || host.parse::<IpAddr>().is_ok() {
        return Err("a URI with an IP address cannot be compared with constraints");
    }
    if !is_domain(host) {
        return Err("the host of the URI is no domain");
    }
    Ok(host.to_owned())
}

/// `host:port` or `[host]:port` without port and brackets, as Go's `net.SplitHostPort` reads it.
fn without_port(text: &str) -> Option<&str> {
    let (host, rest) = match text.strip_prefix('[') {
        Some(bracketed) => {
            let (host, rest) = bracketed.split_once(']')?;
            (
                host,
                rest.strip_prefix(':').filter(|port| !port.contains(':'))?,
            )
        }
        None => text
            .rsplit_once(':')
            .filter(|(host, _)| !host.contains(':'))?,
    };
    let brackets = host.contains('[') || rest.contains(['[', ']']);
    let unpaired = !text.starts_with('[') && host.contains(']');
    (!brackets && !unpaired).then_some(host)
}

/// Whether `text` is a domain name to Go: labels of visible ASCII characters, none of them empty
/// but one at the very left. The empty name is one.
pub(super) fn is_domain(text: &str) -> bool {
    if text.is_empty() {
        return true;
    }
    let text = text.strip_prefix('.').unwrap_or(text);
    text.split('.')
        .all(|label| !label.is_empty() && label.bytes().all(|octet| octet.is_ascii_graphic()))
}

fn domain_lies_in(name: &str, constraint: &str) -> bool {
    if constraint.is_empty() {
        return true;
    }
    let (constraint, below) = match constraint.strip_prefix('.') {
        Some(constraint) => (constraint, true),
        None => (constraint, false),
    };
    let mut labels = labels(name);
    let same = self::labels(constraint).all(|constraint| {
        labels
            .next()
            .is_some_and(|label| label.eq_ignore_ascii_case(constraint))
    });
    same && (!below || labels.next().is_some())
}

/// Labels from the right; none of the empty name.
fn labels(domain: &str) -> impl Iterator<Item = &str> {
    let domain = domain.strip_prefix('.').unwrap_or(domain);
    domain.rsplit('.').filter(|label| !label.is_empty())
}

/// Whether a mask is ones followed by zeros.
fn is_prefix_mask(mask: &[u8]) -> bool {
    let ones: u32 = mask.iter().map(|octet| octet.leading_ones()).sum();
    let bits: u32 = mask.iter().map(|octet| octet.count_ones()).sum();
    let after_first_zero = mask.iter().skip_while(|octet| **octet == 0xff).skip(1);
    ones == bits && after_first_zero.into_iter().all(|octet| *octet == 0)
}

const WHAT: &str = "nameConstraints";
