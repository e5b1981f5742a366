//! What discovery finds beside kubeadm's own files, and the connections that come of it.

#[cfg(test)]
mod clients;
#[cfg(test)]
#[expect(dead_code, reason = "the doctor's tests use more of it")]
#[path = "../diagnose/kubeadm.rs"]
mod kubeadm;
#[cfg(test)]
#[expect(dead_code, reason = "the doctor's tests use more of it")]
#[path = "../diagnose/machine.rs"]
mod machine;
#[cfg(test)]
#[path = "../diagnose/manifests.rs"]
mod manifests;
#[cfg(test)]
#[expect(dead_code, reason = "the doctor's tests use more of it")]
#[path = "../diagnose/pki.rs"]
mod pki;
#[cfg(test)]
mod successors;
