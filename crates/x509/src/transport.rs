//! How values of this room travel: as standard base64 of their DER (RFC 4648 §4), nothing parsed is
//! sent, and what arrives is read anew.

use crate::{Certificate, Name, PublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

fn decoded<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    STANDARD.decode(&text).map_err(D::Error::custom)
}

macro_rules! travels {
    ($type:ty, $from:ident, $der:expr) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let der: fn(&$type) -> &[u8] = $der;
                serializer.serialize_str(&STANDARD.encode(der(self)))
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let der = decoded(deserializer)?;
                <$type>::$from(&der).map_err(D::Error::custom)
            }
        }
    };
}

travels!(Certificate, from_der, |certificate| certificate.der());
travels!(Name, from_der, |name| name.der());
travels!(PublicKey, from_spki_der, |key| key.spki_der());
