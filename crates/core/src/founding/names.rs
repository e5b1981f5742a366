//! Names and addresses as they are written: subject alternative names, key usages, and the first
//! address of a service network.

use super::layout::LayoutError;
use kubepki_x509::{ExtendedKeyUsage, GeneralName};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The address of the `kubernetes` Service: the first of the (first) service network, as
/// kube-apiserver takes it. `10.96.0.0/12` gives `10.96.0.1`. None for what is no network.
pub fn first_service_address(networks: &str) -> Option<IpAddr> {
    let (address, length) = networks.split(',').next()?.trim().split_once('/')?;
    let length: u32 = length.parse().ok()?;
    match address.parse().ok()? {
        // A network of one or two addresses has no room for a first one and others.
        IpAddr::V4(address) if length <= 30 => {
            let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
            Some(Ipv4Addr::from((u32::from(address) & mask) + 1).into())
        }
        IpAddr::V6(address) if length <= 126 => {
            let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
            Some(Ipv6Addr::from((u128::from(address) & mask) + 1).into())
        }
        _ => None,
    }
}

/// Reads subject alternative names; each once, DNS names before IP addresses as Go writes them.
pub(super) fn subject_alt_names(
    certificate: &str,
    texts: &[String],
) -> Result<Vec<GeneralName>, LayoutError> {
    let mut names: Vec<GeneralName> = Vec::with_capacity(texts.len());
    for text in texts {
        let name = text.parse().map_err(|source| LayoutError::GeneralName {
            name: certificate.to_owned(),
            source,
        })?;
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.sort_by_key(|name| match name {
        GeneralName::DnsName(_) => 0,
        GeneralName::Rfc822Name(_) => 1,
        GeneralName::IpAddress(_) => 2,
        _ => 3,
    });
    Ok(names)
}

/// Reads extended key usages.
pub(super) fn usages(
    certificate: &str,
    texts: &[String],
) -> Result<Vec<ExtendedKeyUsage>, LayoutError> {
    const NAMED: [ExtendedKeyUsage; 7] = [
        ExtendedKeyUsage::ServerAuth,
        ExtendedKeyUsage::ClientAuth,
        ExtendedKeyUsage::CodeSigning,
        ExtendedKeyUsage::EmailProtection,
        ExtendedKeyUsage::TimeStamping,
        ExtendedKeyUsage::OcspSigning,
        ExtendedKeyUsage::AnyExtendedKeyUsage,
    ];
    let usage = |text: &String| {
        let named = NAMED.into_iter().find(|usage| usage.to_string() == *text);
        named
            .or_else(|| text.parse().ok().map(ExtendedKeyUsage::from_oid))
            .ok_or_else(|| LayoutError::Usage {
                name: certificate.to_owned(),
                found: text.clone(),
            })
    };
    texts.iter().map(usage).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_address_of_a_service_network() {
        for (networks, expected) in [
            ("10.96.0.0/12", "10.96.0.1"),
            ("10.111.7.9/12", "10.96.0.1"),
            ("192.168.1.4/30", "192.168.1.5"),
            ("0.0.0.0/0", "0.0.0.1"),
            ("fd00:1234::/108", "fd00:1234::1"),
            ("10.32.0.0/24, fd00::/108", "10.32.0.1"),
        ] {
            let expected = expected.parse().unwrap();
            assert_eq!(
                first_service_address(networks),
                Some(expected),
                "{networks}"
            );
        }
        for nonsense in [
            "",
            "10.96.0.0",
            "10.96.0.0/31",
            "10.96.0.0/x",
            "a/8",
            "::/127",
            "1.2.3.4/64",
        ] {
            assert_eq!(first_service_address(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn names_are_given_once_with_dns_names_first() {
        let texts = ["10.0.0.1", "b", "IP:10.0.0.1", "DNS:a", "b"].map(str::to_owned);
        let names = subject_alt_names("x", &texts).unwrap();
        let shown: Vec<String> = names.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["DNS:b", "DNS:a", "IP:10.0.0.1"]);
    }

    #[test]
    fn usages_have_names_or_numbers() {
        let read = |text: &str| usages("x", &[text.to_owned()]);
        assert_eq!(read("clientAuth").unwrap(), [ExtendedKeyUsage::ClientAuth]);
        assert_eq!(
            read("1.3.6.1.5.5.7.3.1").unwrap(),
            [ExtendedKeyUsage::ServerAuth]
        );
        let error = read("client").unwrap_err();
        assert!(
            error
                .to_string()
                .contains("`client` is no extended key usage"),
            "{error}"
        );
    }
}
