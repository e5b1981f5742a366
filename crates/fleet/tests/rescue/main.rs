//! Rescue, on whole clusters: three control planes and two workers of kubeadm's shape, found by real
//! discovery, broken in the ways of the field. What is said and planned is asserted in values; then the
//! plan is carried out on folders that stand for the hosts, and what comes of it is judged by the doctor.
//!
//! Not here: what runs. Real processes are brought back in the lab.

#[cfg(test)]
#[path = "../../../engine/tests/diagnose/kubeadm.rs"]
#[expect(dead_code, reason = "shared with the doctor's tests")]
mod kubeadm;
#[cfg(test)]
#[path = "../../../engine/tests/diagnose/machine.rs"]
#[expect(dead_code, reason = "shared with the doctor's tests")]
mod machine;
#[cfg(test)]
#[path = "../../../engine/tests/diagnose/manifests.rs"]
mod manifests;
#[cfg(test)]
#[path = "../../../engine/tests/diagnose/pki.rs"]
#[expect(dead_code, reason = "shared with the doctor's tests")]
mod pki;

#[cfg(test)]
mod authorities;
#[cfg(test)]
mod expired;
#[cfg(test)]
mod folders;
#[cfg(test)]
mod healthy;
#[cfg(test)]
mod misplaced;
#[cfg(test)]
mod world;
