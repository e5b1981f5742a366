//! Tests of the public API, in one binary: against the OpenSSL command line, against bytes chosen
//! by proptest, and against the oddities that hosts hold.
//!
//! The crate is pure; these tests are not. They run `openssl` in folders of their own.
//!
//! Each module is `cfg(test)`, which a test binary always is, so that Clippy knows its helpers for
//! tests too.

#[cfg(test)]
mod arbitrary_bytes;
#[cfg(test)]
mod certificates;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod openssl;
#[cfg(test)]
mod path_authorities;
#[cfg(test)]
mod path_cases;
#[cfg(test)]
mod path_constraints;
#[cfg(test)]
mod path_limits;
#[cfg(test)]
mod path_names;
#[cfg(test)]
mod path_openssl;
#[cfg(test)]
mod path_peers;
#[cfg(test)]
mod path_properties;
#[cfg(test)]
mod path_random;
#[cfg(test)]
mod path_real;
#[cfg(test)]
mod path_verdicts;
#[cfg(test)]
mod path_workshop;
#[cfg(test)]
mod pem_files;
#[cfg(test)]
mod pkcs7_files;
#[cfg(test)]
mod profiles;
#[cfg(test)]
mod reissued;
#[cfg(test)]
mod requests;
