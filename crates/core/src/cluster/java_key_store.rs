//! Java KeyStores (JKS, and JCEKS as far as it is alike): certificates, which lie in them in the
//! clear; private keys stay as they are, encrypted.
//!
//! The format is that of the comment in `engineStore` of OpenJDK's `JavaKeyStore` and
//! `JceKeyStore`: big-endian numbers, texts with a length of two bytes. Its digest at the end can
//! only be checked with the password, which is not asked for.
//! <https://github.com/openjdk/jdk/blob/jdk-21%2B35/src/java.base/share/classes/sun/security/provider/JavaKeyStore.java>

use kubepki_x509::Certificate;

/// What is in a Java KeyStore.
#[derive(Clone, Debug, Default)]
pub struct JavaKeyStore {
    /// In file order.
    pub entries: Vec<JavaKeyStoreEntry>,
    /// Why it could not be read to its end, when it could not.
    pub problem: Option<String>,
}

/// One entry of a Java KeyStore.
#[derive(Clone, Debug)]
pub struct JavaKeyStoreEntry {
    /// Its name.
    pub alias: String,
    /// The trusted certificate, or the private key's chain, its own first.
    pub certificates: Vec<Certificate>,
    /// Whether there is a private key.
    pub has_key: bool,
    /// A certificate that could not be read.
    pub problem: Option<String>,
}

/// Whether the bytes begin as a Java KeyStore does.
pub fn is_java_key_store(bytes: &[u8]) -> bool {
    bytes.starts_with(&JKS) || bytes.starts_with(&JCEKS)
}

const JKS: [u8; 4] = [0xfe, 0xed, 0xfe, 0xed];
const JCEKS: [u8; 4] = [0xce, 0xce, 0xce, 0xce];
const PRIVATE_KEY: u32 = 1;
const TRUSTED_CERTIFICATE: u32 = 2;
const SECRET_KEY: u32 = 3;

impl JavaKeyStore {
    /// Reads as far as it goes; bytes that are no Java KeyStore have a problem and no entries.
    pub fn read(bytes: &[u8]) -> Self {
        let mut store = Self::default();
        if let Err(problem) = store.read_entries(bytes) {
            store.problem = Some(problem);
        }
        store
    }

    fn read_entries(&mut self, bytes: &[u8]) -> Result<(), String> {
        if !is_java_key_store(bytes) {
            return Err("no Java KeyStore".to_owned());
        }
        let mut rest = Bytes(bytes.get(4..).unwrap_or_default());
        let version = rest.number()?;
        if !matches!(version, 1 | 2) {
            return Err(format!("Java KeyStore of unknown version {version}"));
        }
        let count = rest.number()?;
        for _ in 0..count {
            let tag = rest.number()?;
            let alias = rest.text()?;
            rest.take(8)?; // when it was made
            let chain = match tag {
                PRIVATE_KEY => {
                    let length = rest.number()?;
                    rest.take(length as usize)?;
                    rest.number()?
                }
                TRUSTED_CERTIFICATE => 1,
                SECRET_KEY => {
                    // a serialized Java object, whose length is written nowhere
                    return Err(format!(
                        "what lies behind the secret key {alias:?} cannot be read"
                    ));
                }
                other => return Err(format!("an entry of unknown kind {other}")),
            };
            let mut entry = JavaKeyStoreEntry {
                alias,
                certificates: Vec::new(),
                has_key: tag == PRIVATE_KEY,
                problem: None,
            };
            for _ in 0..chain {
                if version == 2 {
                    rest.text()?; // X.509
                }
                let length = rest.number()?;
                match Certificate::from_der(rest.take(length as usize)?) {
                    Ok(certificate) => entry.certificates.push(certificate),
                    Err(error) => entry.problem = Some(error.to_string()),
                }
            }
            self.entries.push(entry);
        }
        Ok(())
    }
}

/// What is left to read.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self
            .0
            .split_at_checked(count)
            .ok_or("the Java KeyStore is cut off")?;
        self.0 = rest;
        Ok(taken)
    }

    fn number(&mut self) -> Result<u32, String> {
        let octets = self.take(4)?.iter();
        Ok(octets.fold(0, |number, octet| number << 8 | u32::from(*octet)))
    }

    /// Java's modified UTF-8, which differs from UTF-8 only in what no alias has.
    fn text(&mut self) -> Result<String, String> {
        let octets = self.take(2)?.iter();
        let length = octets.fold(0, |number, octet| number << 8 | usize::from(*octet));
        Ok(String::from_utf8_lossy(self.take(length)?).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    /// Made by keytool of OpenJDK 17: see the file beside it for how.
    fn of_keytool() -> Vec<u8> {
        let text: String = include_str!("java_key_store.jks.base64")
            .lines()
            .filter(|line| !line.starts_with('#'))
            .collect();
        STANDARD.decode(text).unwrap()
    }

    #[test]
    fn chains_and_trusted_certificates_are_read_without_a_password() {
        let store = JavaKeyStore::read(&of_keytool());
        assert_eq!(store.problem, None);
        let seen: Vec<_> = store
            .entries
            .iter()
            .map(|entry| {
                let subjects: Vec<_> = entry
                    .certificates
                    .iter()
                    .map(|certificate| certificate.subject().to_string())
                    .collect();
                (entry.alias.as_str(), entry.has_key, subjects)
            })
            .collect();
        assert_eq!(seen.len(), 2);
        assert!(seen.contains(&("root", false, vec!["CN=kafka-ca".to_owned()])));
        assert!(seen.contains(&("broker", true, vec!["CN=broker.example.com".to_owned()])));
    }

    #[test]
    fn one_that_is_cut_off_or_not_one_says_so() {
        let bytes = of_keytool();
        for length in 0..bytes.len() {
            let store = JavaKeyStore::read(&bytes[..length]);
            // the digest at the end is not looked at
            assert!(
                store.problem.is_some() || length >= bytes.len() - 20,
                "{length}"
            );
        }
        let mut secret_key = JCEKS.to_vec();
        secret_key.extend([0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 3, 0, 1, b'k']);
        secret_key.extend([0; 8]);
        let problem = JavaKeyStore::read(&secret_key).problem.unwrap();
        assert!(problem.contains("secret key \"k\""), "{problem}");
    }

    #[test]
    fn a_hostile_count_costs_nothing() {
        let mut bytes = JKS.to_vec();
        bytes.extend([0, 0, 0, 2, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1, 0, 0]);
        bytes.extend([0; 8]);
        bytes.extend([0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]);
        let store = JavaKeyStore::read(&bytes);
        assert!(store.problem.is_some() && store.entries.is_empty());
    }
}
