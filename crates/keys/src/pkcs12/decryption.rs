//! Password-based decryption in PKCS#12 files: PBES2 (RFC 8018) and the RFC 7292 appendix C ones.
//!
//! RC4 is not supported; nothing has written it for decades. Not here: whether the outcome makes
//! sense, which the caller knows.

use aws_lc_rs::cipher::{
    AES_128, AES_128_KEY_LEN, AES_192, AES_192_KEY_LEN, AES_256, AES_256_KEY_LEN, Algorithm as Aes,
    DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey,
};
use aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY;
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::pbkdf2;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockCipherDecrypt, BlockModeDecrypt, InnerIvInit, KeyInit};
use const_oid::ObjectIdentifier;
use der::Sequence;
use der::asn1::{AnyRef, OctetStringRef};
use spki::AlgorithmIdentifierRef;
use zeroize::Zeroizing;

use super::Pkcs12Error;
use super::password::{Password, Purpose};

/// Decrypts `encrypted`. Padding that is not right means a wrong password, or damage where the
/// integrity of the file is already known.
pub(super) fn decrypt(
    algorithm: &AlgorithmIdentifierRef<'_>,
    encrypted: &[u8],
    password: &Password,
) -> Result<Zeroizing<Vec<u8>>, Pkcs12Error> {
    let parameters = algorithm
        .parameters
        .ok_or_else(|| Pkcs12Error::malformed("encryption without parameters"))?;
    if algorithm.oid == PBES2 {
        pbes2(parameters, encrypted, password)
    } else {
        let cipher = LegacyCipher::from_pkcs12(algorithm.oid)?;
        let parameters: Pkcs12PbeParams<'_> =
            parameters.decode_as().map_err(Pkcs12Error::malformed)?;
        let derive = |purpose, length| {
            let salt = parameters.salt.as_bytes();
            let digest = &SHA1_FOR_LEGACY_USE_ONLY;
            password.pkcs12(digest, purpose, salt, parameters.iterations, length)
        };
        let key = derive(Purpose::Encryption, cipher.key_length())?;
        let vector = derive(Purpose::InitializationVector, LEGACY_BLOCK)?;
        cipher.decrypt(&key, &vector, encrypted)
    }
}

/// PBKDF2's parameters (RFC 8018 A.2), for encryption and for PBMAC1.
#[derive(Sequence)]
pub(super) struct Pbkdf2Params<'a> {
    pub(super) salt: &'a OctetStringRef,
    pub(super) iterations: u32,
    pub(super) key_length: Option<u32>,
    prf: Option<AlgorithmIdentifierRef<'a>>,
}

impl<'a> Pbkdf2Params<'a> {
    /// Reads them from the identifier of a key derivation function.
    pub(super) fn from_function(
        function: &AlgorithmIdentifierRef<'a>,
    ) -> Result<Self, Pkcs12Error> {
        if function.oid != PBKDF2 {
            return Err(Pkcs12Error::Unsupported {
                purpose: "key derivation",
                algorithm: function.oid,
            });
        }
        function
            .parameters
            .ok_or_else(|| Pkcs12Error::malformed("PBKDF2 without parameters"))?
            .decode_as()
            .map_err(Pkcs12Error::malformed)
    }

    pub(super) fn derive(
        &self,
        password: &Password,
        length: usize,
    ) -> Result<Zeroizing<Vec<u8>>, Pkcs12Error> {
        let function = self.prf.map_or(HMAC_WITH_SHA1, |prf| prf.oid);
        let algorithm = match function {
            HMAC_WITH_SHA1 => pbkdf2::PBKDF2_HMAC_SHA1,
            HMAC_WITH_SHA256 => pbkdf2::PBKDF2_HMAC_SHA256,
            HMAC_WITH_SHA384 => pbkdf2::PBKDF2_HMAC_SHA384,
            HMAC_WITH_SHA512 => pbkdf2::PBKDF2_HMAC_SHA512,
            algorithm => {
                return Err(Pkcs12Error::Unsupported {
                    purpose: "pseudo-random function",
                    algorithm,
                });
            }
        };
        password.pbkdf2(algorithm, self.salt.as_bytes(), self.iterations, length)
    }
}

/// RFC 7292 appendix C.
#[derive(Sequence)]
struct Pkcs12PbeParams<'a> {
    salt: &'a OctetStringRef,
    iterations: u32,
}

/// RFC 8018 A.4.
#[derive(Sequence)]
struct Pbes2Params<'a> {
    key_derivation: AlgorithmIdentifierRef<'a>,
    encryption: AlgorithmIdentifierRef<'a>,
}

fn pbes2(
    parameters: AnyRef<'_>,
    encrypted: &[u8],
    password: &Password,
) -> Result<Zeroizing<Vec<u8>>, Pkcs12Error> {
    let parameters: Pbes2Params<'_> = parameters.decode_as().map_err(Pkcs12Error::malformed)?;
    let derivation = Pbkdf2Params::from_function(&parameters.key_derivation)?;
    let vector = parameters
        .encryption
        .parameters
        .ok_or_else(|| Pkcs12Error::malformed("cipher without an initialization vector"))?
        .decode_as::<&OctetStringRef>()
        .map_err(Pkcs12Error::malformed)?
        .as_bytes();
    let (aes, key_length) = match parameters.encryption.oid {
        AES_128_CBC => (&AES_128, AES_128_KEY_LEN),
        AES_192_CBC => (&AES_192, AES_192_KEY_LEN),
        AES_256_CBC => (&AES_256, AES_256_KEY_LEN),
        DES_EDE3_CBC => {
            let cipher = LegacyCipher::TripleDes;
            let key = derivation.derive(password, cipher.key_length())?;
            return cipher.decrypt(&key, vector, encrypted);
        }
        algorithm => return Err(unsupported_cipher(algorithm)),
    };
    let key = derivation.derive(password, key_length)?;
    decrypt_aes(aes, &key, vector, encrypted)
}

fn decrypt_aes(
    aes: &'static Aes,
    key: &[u8],
    vector: &[u8],
    encrypted: &[u8],
) -> Result<Zeroizing<Vec<u8>>, Pkcs12Error> {
    let vector: [u8; 16] = vector
        .try_into()
        .map_err(|_| Pkcs12Error::malformed("initialization vector of another length"))?;
    let mut buffer = Zeroizing::new(encrypted.to_vec());
    let length = UnboundCipherKey::new(aes, key)
        .and_then(PaddedBlockDecryptingKey::cbc_pkcs7)
        .and_then(|key| {
            let context = DecryptionContext::Iv128(FixedLength::from(vector));
            Ok(key.decrypt(&mut buffer, context)?.len())
        })
        .map_err(|_| Pkcs12Error::WrongPassword)?;
    buffer.truncate(length);
    Ok(buffer)
}

/// Ciphers that only old files use; all have blocks of eight octets.
#[derive(Debug, Clone, Copy)]
enum LegacyCipher {
    TripleDes,
    TwoKeyTripleDes,
    Rc2 { key_length: usize },
}

const LEGACY_BLOCK: usize = 8;

impl LegacyCipher {
    fn from_pkcs12(algorithm: ObjectIdentifier) -> Result<Self, Pkcs12Error> {
        match algorithm {
            PBE_WITH_SHA_AND_3_KEY_TRIPLE_DES_CBC => Ok(Self::TripleDes),
            PBE_WITH_SHA_AND_2_KEY_TRIPLE_DES_CBC => Ok(Self::TwoKeyTripleDes),
            PBE_WITH_SHA_AND_128_BIT_RC2_CBC => Ok(Self::Rc2 { key_length: 16 }),
            PBE_WITH_SHA_AND_40_BIT_RC2_CBC => Ok(Self::Rc2 { key_length: 5 }),
            _ => Err(unsupported_cipher(algorithm)),
        }
    }

    fn key_length(self) -> usize {
        match self {
            Self::TripleDes => 24,
            Self::TwoKeyTripleDes => 16,
            Self::Rc2 { key_length } => key_length,
        }
    }

    fn decrypt(
        self,
        key: &[u8],
        vector: &[u8],
        encrypted: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Pkcs12Error> {
        match self {
            Self::TripleDes => decrypt_cbc::<des::TdesEde3>(key, vector, encrypted),
            Self::TwoKeyTripleDes => decrypt_cbc::<des::TdesEde2>(key, vector, encrypted),
            Self::Rc2 { .. } => decrypt_cbc::<rc2::Rc2>(key, vector, encrypted),
        }
    }
}

fn decrypt_cbc<C: BlockCipherDecrypt + KeyInit>(
    key: &[u8],
    vector: &[u8],
    encrypted: &[u8],
) -> Result<Zeroizing<Vec<u8>>, Pkcs12Error> {
    let another_length = || Pkcs12Error::malformed("initialization vector of another length");
    let cipher = C::new_from_slice(key).map_err(|_| another_length())?;
    let decryptor =
        cbc::Decryptor::inner_iv_slice_init(cipher, vector).map_err(|_| another_length())?;
    let mut buffer = Zeroizing::new(encrypted.to_vec());
    let length = decryptor
        .decrypt_padded::<Pkcs7>(&mut buffer)
        .map_err(|_| Pkcs12Error::WrongPassword)?
        .len();
    buffer.truncate(length);
    Ok(buffer)
}

fn unsupported_cipher(algorithm: ObjectIdentifier) -> Pkcs12Error {
    Pkcs12Error::Unsupported {
        purpose: "encryption",
        algorithm,
    }
}

const fn oid(text: &str) -> ObjectIdentifier {
    ObjectIdentifier::new_unwrap(text)
}

const PBES2: ObjectIdentifier = oid("1.2.840.113549.1.5.13");
const PBKDF2: ObjectIdentifier = oid("1.2.840.113549.1.5.12");
const HMAC_WITH_SHA1: ObjectIdentifier = oid("1.2.840.113549.2.7");
pub(super) const HMAC_WITH_SHA256: ObjectIdentifier = oid("1.2.840.113549.2.9");
pub(super) const HMAC_WITH_SHA384: ObjectIdentifier = oid("1.2.840.113549.2.10");
pub(super) const HMAC_WITH_SHA512: ObjectIdentifier = oid("1.2.840.113549.2.11");
const AES_128_CBC: ObjectIdentifier = oid("2.16.840.1.101.3.4.1.2");
const AES_192_CBC: ObjectIdentifier = oid("2.16.840.1.101.3.4.1.22");
const AES_256_CBC: ObjectIdentifier = oid("2.16.840.1.101.3.4.1.42");
const DES_EDE3_CBC: ObjectIdentifier = oid("1.2.840.113549.3.7");
const PBE_WITH_SHA_AND_3_KEY_TRIPLE_DES_CBC: ObjectIdentifier = oid("1.2.840.113549.1.12.1.3");
const PBE_WITH_SHA_AND_2_KEY_TRIPLE_DES_CBC: ObjectIdentifier = oid("1.2.840.113549.1.12.1.4");
const PBE_WITH_SHA_AND_128_BIT_RC2_CBC: ObjectIdentifier = oid("1.2.840.113549.1.12.1.5");
const PBE_WITH_SHA_AND_40_BIT_RC2_CBC: ObjectIdentifier = oid("1.2.840.113549.1.12.1.6");
