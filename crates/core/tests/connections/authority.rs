//! Makes authorities and what they sign: valid for a year around [`NOW`], wrong only
//! where a test says so.

use jiff::{SignedDuration, Timestamp};
use kubepki_core::model::ObjectReference;
use kubepki_core::model::cluster::{ApiBundle, BundlePurpose};
use kubepki_keys::{Issuer, KeyType, PrivateKey, RsaSize, random_serial};
use kubepki_x509::{
    Certificate, CertificateTemplate, ExtendedKeyUsage, Name, PublicKey, Validity, profile,
};
use std::sync::atomic::{AtomicBool, Ordering};

/// When everything happens.
pub const NOW: Timestamp = Timestamp::constant(1_790_000_000, 0);

/// A CA.
pub struct Authority {
    issuer: Issuer,
    /// Presented behind a leaf: this CA's certificate, where it is not the one that is trusted.
    pub chain: Vec<Certificate>,
    /// What is trusted.
    pub anchor: Certificate,
    /// Above what is trusted, where that is an intermediate.
    pub above: Vec<Certificate>,
}

/// What a leaf is to say.
#[derive(Clone, Debug)]
pub struct Leaf {
    pub common_name: String,
    pub organization: Option<String>,
    pub usages: Vec<ExtendedKeyUsage>,
    pub names: Vec<String>,
    pub validity: Validity,
}

/// A leaf with its key's public half.
#[derive(Clone, Debug)]
pub struct Signed {
    pub chain: Vec<Certificate>,
    pub key: PublicKey,
    pub leaf: Leaf,
}

pub fn around_now() -> Validity {
    Validity {
        not_before: NOW - SignedDuration::from_hours(24 * 100),
        not_after: NOW + SignedDuration::from_hours(24 * 265),
    }
}

pub fn gone_by() -> Validity {
    Validity {
        not_before: NOW - SignedDuration::from_hours(24 * 365),
        not_after: NOW - SignedDuration::from_hours(1),
    }
}

/// Whether keys are RSA's, as kubeadm's, instead of P-256, which are made much faster.
pub static RSA: AtomicBool = AtomicBool::new(false);

fn key() -> PrivateKey {
    let key_type = match RSA.load(Ordering::Relaxed) {
        true => KeyType::Rsa(RsaSize::Bits2048),
        false => KeyType::EcdsaP256,
    };
    PrivateKey::generate(key_type).unwrap()
}

/// A key that is nobody's.
pub fn stray_key() -> PublicKey {
    key().public_key().clone()
}

impl Authority {
    pub fn root(common_name: &str) -> Self {
        let key = key();
        let extensions = profile::ca(common_name, key.public_key(), None, None);
        let template = template(Name::common(common_name, &[]), key.public_key(), extensions);
        let certificate = Issuer::self_signed(&template, &key).unwrap();
        Self {
            issuer: Issuer::new(certificate.clone(), key).unwrap(),
            chain: Vec::new(),
            anchor: certificate,
            above: Vec::new(),
        }
    }

    /// An intermediate CA: its root is what others trust.
    pub fn intermediate(common_name: &str) -> Self {
        let root = Self::root(&format!("{common_name} root"));
        let key = key();
        let issuer = Some(&root.anchor);
        let extensions = profile::ca(common_name, key.public_key(), Some(0), issuer);
        let template = template(Name::common(common_name, &[]), key.public_key(), extensions);
        let certificate = root.issuer.issue(&template).unwrap();
        Self {
            issuer: Issuer::new(certificate.clone(), key).unwrap(),
            chain: vec![certificate],
            anchor: root.anchor,
            above: Vec::new(),
        }
    }

    /// An intermediate CA that is trusted itself, its root not.
    pub fn intermediate_alone(common_name: &str) -> Self {
        let below = Self::intermediate(common_name);
        Self {
            anchor: below.issuer.certificate().clone(),
            above: vec![below.anchor.clone()],
            ..below
        }
    }

    /// One whose root allows none below it.
    pub fn below_a_path_of_none(common_name: &str) -> Self {
        let root_key = key();
        let name = format!("{common_name} root");
        let extensions = profile::ca(&name, root_key.public_key(), Some(0), None);
        let root = template(Name::common(&name, &[]), root_key.public_key(), extensions);
        let root = Issuer::self_signed(&root, &root_key).unwrap();
        let issuer = Issuer::new(root.clone(), root_key).unwrap();
        let own = key();
        let extensions = profile::ca(common_name, own.public_key(), None, Some(&root));
        let below = template(Name::common(common_name, &[]), own.public_key(), extensions);
        let certificate = issuer.issue(&below).unwrap();
        Self {
            issuer: Issuer::new(certificate.clone(), own).unwrap(),
            chain: vec![certificate.clone()],
            anchor: certificate,
            above: vec![root],
        }
    }

    /// A CA of this key, with what else its certificate says.
    pub fn like(
        common_name: &str,
        key: PrivateKey,
        extensions: Vec<kubepki_x509::Extension>,
    ) -> Certificate {
        let template = template(Name::common(common_name, &[]), key.public_key(), extensions);
        Issuer::self_signed(&template, &key).unwrap()
    }

    pub fn issue(&self, leaf: &Leaf) -> Signed {
        let key = key();
        let organizations: Vec<&str> = leaf.organization.as_deref().into_iter().collect();
        let subject = Name::common(&leaf.common_name, &organizations);
        let names: Vec<_> = leaf.names.iter().map(|name| general_name(name)).collect();
        let issuer = self.issuer.certificate();
        let extensions = profile::leaf(&subject, &leaf.usages, &names, issuer);
        let mut template = template(subject, key.public_key(), extensions);
        template.validity = leaf.validity;
        let mut chain = vec![self.issuer.issue(&template).unwrap()];
        chain.extend(self.chain.iter().cloned());
        Signed {
            chain,
            key: key.public_key().clone(),
            leaf: leaf.clone(),
        }
    }

    pub fn server(&self, common_name: &str, names: &[&str]) -> Signed {
        self.issue(&leaf(
            common_name,
            None,
            &[ExtendedKeyUsage::ServerAuth],
            names,
        ))
    }

    pub fn client(&self, common_name: &str, organization: Option<&str>) -> Signed {
        let usages = [ExtendedKeyUsage::ClientAuth];
        self.issue(&leaf(common_name, organization, &usages, &[]))
    }

    /// The certificate that it signs with: trusted itself where it is a root.
    pub fn issuing(&self) -> &Certificate {
        self.issuer.certificate()
    }
}

pub fn leaf(
    common_name: &str,
    organization: Option<&str>,
    usages: &[ExtendedKeyUsage],
    names: &[&str],
) -> Leaf {
    Leaf {
        common_name: common_name.to_owned(),
        organization: organization.map(str::to_owned),
        usages: usages.to_vec(),
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        validity: around_now(),
    }
}

fn general_name(name: &str) -> kubepki_x509::GeneralName {
    match name.parse::<std::net::IpAddr>() {
        Ok(address) => kubepki_x509::GeneralName::IpAddress(address),
        Err(_) => kubepki_x509::GeneralName::DnsName(name.to_owned()),
    }
}

fn template(
    subject: Name,
    public_key: &PublicKey,
    extensions: Vec<kubepki_x509::Extension>,
) -> CertificateTemplate {
    CertificateTemplate {
        serial_number: random_serial(),
        validity: Validity {
            not_before: NOW - SignedDuration::from_hours(24 * 400),
            not_after: NOW + SignedDuration::from_hours(24 * 3000),
        },
        subject,
        public_key: public_key.clone(),
        extensions,
    }
}

/// A bundle in the API.
pub fn bundle(
    purpose: BundlePurpose,
    object: ObjectReference,
    certificates: &[Certificate],
) -> ApiBundle {
    ApiBundle {
        object,
        purpose,
        certificates: certificates.to_vec(),
        problem: None,
    }
}
