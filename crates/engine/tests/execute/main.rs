//! Plans of a whole cluster, carried out on hosts in folders: keys that stay, requests that travel,
//! CA certificates that are handed over, and crashes at every effect of it.

#![allow(
    dead_code,
    reason = "hosts in memory are shared with the tests of the doctor"
)]

#[cfg(test)]
mod brought;
#[cfg(test)]
mod cluster;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod edits;
#[cfg(test)]
#[path = "../diagnose/kubeadm.rs"]
mod kubeadm;
#[cfg(test)]
#[path = "../diagnose/machine.rs"]
mod machine;
#[cfg(test)]
#[path = "../diagnose/manifests.rs"]
mod manifests;
#[cfg(test)]
#[path = "../diagnose/pki.rs"]
mod pki;
#[cfg(test)]
mod planned;
#[cfg(test)]
mod site;
#[cfg(test)]
mod templates;
