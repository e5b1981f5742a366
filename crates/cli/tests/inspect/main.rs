//! The command line, tested from outside: the real binary on inputs made by OpenSSL.

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
