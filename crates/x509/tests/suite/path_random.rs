//! Small PKIs by chance: few names and keys, so that there is always more than one candidate, and
//! every kind of flaw now and then.

use std::sync::Arc;

use kubepki_x509::{
    Certificate, ExtendedKeyUsage, Extension, KeyUsage, ObjectIdentifier, SignatureAlgorithm, oid,
};

use crate::{
    keys::Key,
    path_cases::{Case, Side},
    path_workshop::{Made, Profile, base, common},
};

/// A number after a number (xorshift): the same seed makes the same PKI.
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % end
    }

    pub fn percent(&mut self, share: usize) -> bool {
        self.below(100) < share
    }
}

/// Keys that all PKIs of a test share.
pub struct Keys(Vec<Arc<Key>>);

impl Keys {
    pub fn new() -> Self {
        Self((0..5).map(|_| Arc::new(Key::generate())).collect())
    }
}

pub fn case(keys: &Keys, seed: u64) -> Case {
    let mut chance = Chance::new(seed);
    // Somebody with a name and a key; mostly each name has its own.
    let somebody = |chance: &mut Chance| {
        let name = chance.below(4);
        let key = if chance.percent(75) {
            name
        } else {
            chance.below(5)
        };
        (format!("random {seed} {name}"), Arc::clone(&keys.0[key]))
    };
    let mut made: Vec<Made> = Vec::new();
    let (mut roots, mut intermediates) = (Vec::new(), Vec::new());
    let mut issuers = Vec::new();
    for _ in 0..3 + chance.below(6) {
        let (name, key) = somebody(&mut chance);
        let profile = authority(&mut chance, &name, &key);
        let self_signed = chance.percent(30);
        let issuer = if self_signed {
            (name, key)
        } else {
            somebody(&mut chance)
        };
        let certificate = signed(&mut chance, profile, &issuer);
        let certificate_der = certificate.certificate.clone();
        match chance.below(100) {
            0..35 => roots.push(certificate_der),
            35..85 => intermediates.push(certificate_der),
            _ => {
                roots.push(certificate_der.clone());
                intermediates.push(certificate_der);
            }
        }
        issuers.push(certificate.certificate.subject().clone());
        made.push(certificate);
    }
    let above = made[chance.below(made.len())].clone();
    let profile = leaf(&mut chance, &format!("random {seed} leaf"));
    let name = above.certificate.subject().common_name().unwrap();
    let leaf = signed(&mut chance, profile, &(name, Arc::clone(&above.key)));
    let side = match chance.below(10) {
        0..5 => Side::Client,
        5..9 => Side::Server("server.test".to_owned()),
        _ => Side::Server("other.test".to_owned()),
    };
    if chance.percent(3) {
        roots.push(leaf.certificate.clone());
    }
    Case {
        name: format!("random PKI {seed}"),
        side,
        leaf,
        intermediates: without_repeats(intermediates),
        roots: without_repeats(roots),
        expected: "",
    }
}

fn authority(chance: &mut Chance, name: &str, key: &Arc<Key>) -> Profile {
    let mut profile = Profile::authority(name).key(key);
    if chance.percent(5) {
        profile = profile.basic(false, None);
    } else if chance.percent(25) {
        profile = profile.basic(true, u32::try_from(chance.below(3)).ok());
    } else if chance.percent(3) {
        profile = profile.without(oid::BASIC_CONSTRAINTS);
    }
    if chance.percent(4) {
        profile = profile.with(Extension::key_usage(KeyUsage::CRL_SIGN));
    }
    if chance.percent(20) {
        profile = profile.without(oid::SUBJECT_KEY_IDENTIFIER);
    }
    if chance.percent(8) {
        profile = profile.names(&[["DNS:ca.test", "DNS:ca.b"][chance.below(2)]]);
    }
    if chance.percent(10) {
        let permitted = [base(["DNS:test", "DNS:b"][chance.below(2)])];
        profile = profile.constraints(chance.percent(50), &permitted, &[]);
    }
    flawed(chance, profile)
}

fn leaf(chance: &mut Chance, name: &str) -> Profile {
    let profile = match chance.below(10) {
        0 => Profile::leaf(name).names(&["DNS:server.test", "DNS:b"]),
        1 => Profile::leaf(name).without(oid::SUBJECT_ALT_NAME),
        _ => Profile::leaf(name),
    };
    flawed(chance, profile)
}

fn flawed(chance: &mut Chance, mut profile: Profile) -> Profile {
    use ExtendedKeyUsage::{AnyExtendedKeyUsage, ClientAuth, ServerAuth};
    match chance.below(100) {
        0..5 => profile = profile.dates(-48, -24),
        5..7 => profile = profile.dates(24, 48),
        7..9 => profile = profile.raw(ObjectIdentifier::new_unwrap("1.2.3.4"), true, &[5, 0]),
        9..12 => profile.tampered = true,
        12..14 => profile.version_1 = true,
        14..16 => profile.algorithm = SignatureAlgorithm::EcdsaSha1,
        _ => {}
    }
    match chance.below(100) {
        0..8 => profile = profile.usages(&[ServerAuth]),
        8..16 => profile = profile.usages(&[ClientAuth]),
        16..20 => profile = profile.usages(&[AnyExtendedKeyUsage]),
        _ => {}
    }
    profile
}

fn signed(chance: &mut Chance, profile: Profile, issuer: &(String, Arc<Key>)) -> Made {
    let (name, key) = issuer;
    let identifier = match chance.below(10) {
        0..2 => None,
        2 => Some(vec![7; 20]),
        _ => Some(key.public_key().sha1_key_identifier().to_vec()),
    };
    profile.signed(&common(name), key, identifier)
}

fn without_repeats(certificates: Vec<Certificate>) -> Vec<Certificate> {
    let mut kept: Vec<Certificate> = Vec::new();
    for certificate in certificates {
        if !kept.contains(&certificate) {
            kept.push(certificate);
        }
    }
    kept
}
