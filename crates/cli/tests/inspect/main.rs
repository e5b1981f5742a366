//! The command line, tested from outside: the real binary on inputs made by OpenSSL.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on stops"
)]

mod findings;
mod formats;
mod human;
mod inputs;
mod kubernetes;
mod pkcs12;
mod relations;
mod servers;
mod support;
mod surface;
