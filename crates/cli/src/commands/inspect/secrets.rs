//! Opens private keys and PKCS#12 files for inspect: what `kubepki-core` asks, `kubepki-keys`
//! answers, and the user's passwords stand in between.

use crate::context::{Context, host_error};
use crate::error::CliError;
use crate::output;
use kubepki_adapters::host::LocalHost;
use kubepki_core::inspect::{
    OpenedKey, OpenedPkcs12, Pkcs12Certificate, Pkcs12Key, SecretProblem, Secrets, Source,
};
use kubepki_engine::ports::HostRead as _;
use kubepki_keys::pkcs12::{self, Pkcs12Error};
use kubepki_keys::{KeyError, PublicHalf};
use kubepki_sealed::{Sealed, danger};
use kubepki_x509::pem::PemBlock;
use std::path::Path;
use std::sync::Mutex;

/// The user's passwords and the room that uses them.
pub struct Keys<'a> {
    context: &'a Context,
    from_file: Option<Sealed>,
    /// The last password that worked; held while the user is being asked, so that questions come
    /// one at a time.
    typed: Mutex<Option<Sealed>>,
}

/// How often a user may mistype.
const ATTEMPTS: usize = 3;
/// A password file is one line.
const PASSWORD_FILE_LIMIT: u64 = 64 * 1024;

impl<'a> Keys<'a> {
    /// Reads the password file, when there is one. It is the user's, not the inspected host's.
    pub fn new(context: &'a Context, password_file: Option<&Path>) -> Result<Self, CliError> {
        let from_file = match password_file {
            None => None,
            Some(path) => {
                let path = std::path::absolute(path)?;
                let contents = LocalHost::live()
                    .read(&path, PASSWORD_FILE_LIMIT)
                    .map_err(|error| host_error(&error))?;
                Some(output::first_line(danger::open(&contents).to_vec()))
            }
        };
        Ok(Self {
            context,
            from_file,
            typed: Mutex::new(None),
        })
    }

    /// Asks until a password works or the user gives up.
    fn ask(&self, der: &[u8], source: &Source) -> Result<pkcs12::Contents, SecretProblem> {
        let mut typed = self
            .typed
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(last) = &*typed
            && let Ok(contents) = pkcs12::open(der, last)
        {
            return Ok(contents);
        }
        for _ in 0..ATTEMPTS {
            let asked = output::password(&format!("Password of {source}")).map_err(|error| {
                SecretProblem {
                    code: error.code().into(),
                    message: error.message().into(),
                }
            })?;
            let Some(password) = asked else {
                return Err(needs_password());
            };
            match pkcs12::open(der, &password) {
                Ok(contents) => {
                    *typed = Some(password);
                    return Ok(contents);
                }
                Err(Pkcs12Error::WrongPassword) => self.context.note("wrong password"),
                Err(error) => return Err(pkcs12_problem(&error)),
            }
        }
        Err(pkcs12_problem(&Pkcs12Error::WrongPassword))
    }
}

impl Secrets for Keys<'_> {
    fn public_half_of_block(&self, block: &PemBlock) -> Result<OpenedKey, SecretProblem> {
        opened(kubepki_keys::public_half_of_block(block))
    }

    fn public_half_of_der(&self, der: &Sealed) -> Result<OpenedKey, SecretProblem> {
        opened(kubepki_keys::public_half(der))
    }

    fn is_pkcs12(&self, der: &[u8]) -> bool {
        pkcs12::is_pkcs12(der)
    }

    fn open_pkcs12(&self, der: &[u8], source: &Source) -> Result<OpenedPkcs12, SecretProblem> {
        let without = Sealed::new(Vec::new());
        let password = self.from_file.as_ref().unwrap_or(&without);
        let contents = match pkcs12::open(der, password) {
            Ok(contents) => contents,
            Err(Pkcs12Error::WrongPassword) if self.from_file.is_none() => self.ask(der, source)?,
            Err(error) => return Err(pkcs12_problem(&error)),
        };
        let certificates = contents
            .certificates
            .into_iter()
            .map(|bag| Pkcs12Certificate {
                certificate: bag.certificate.map_err(|error| error.to_string()),
                friendly_name: bag.friendly_name,
            });
        let keys = contents.keys.into_iter().map(|bag| Pkcs12Key {
            key: opened(bag.public_half),
            friendly_name: bag.friendly_name,
        });
        Ok(OpenedPkcs12 {
            certificates: certificates.collect(),
            keys: keys.collect(),
        })
    }
}

/// What the user can do about a problem.
pub fn hint(code: &str) -> Option<&'static str> {
    match code {
        "password-needed" => Some("give the password with --password-file FILE"),
        "pkcs12-wrong-password" => Some("the password is the first line of the --password-file"),
        _ => None,
    }
}

fn needs_password() -> SecretProblem {
    SecretProblem {
        code: "password-needed".into(),
        message: "this PKCS#12 file needs a password, and there is no terminal to ask on".into(),
    }
}

fn opened(half: Result<PublicHalf, KeyError>) -> Result<OpenedKey, SecretProblem> {
    match half {
        Ok(PublicHalf {
            public_key,
            encoding,
        }) => Ok(OpenedKey {
            public_key,
            encoding: encoding.to_string(),
        }),
        Err(error) => Err(SecretProblem {
            code: error.code().into(),
            message: error.to_string(),
        }),
    }
}

fn pkcs12_problem(error: &Pkcs12Error) -> SecretProblem {
    SecretProblem {
        code: error.code().into(),
        message: error.to_string(),
    }
}
