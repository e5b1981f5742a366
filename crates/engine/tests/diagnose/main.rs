//! The doctor's judgement on whole clusters in memory: kubeadm's shape, found by real discovery, broken
//! in one place at a time.

#[cfg(test)]
mod api;
#[cfg(test)]
mod breakages;
#[cfg(test)]
mod broken_files;
#[cfg(test)]
mod broken_names;
#[cfg(test)]
mod broken_time;
#[cfg(test)]
mod broken_trust;
#[cfg(test)]
mod healthy;
#[cfg(test)]
mod kubeadm;
#[cfg(test)]
mod machine;
#[cfg(test)]
mod manifests;
#[cfg(test)]
mod pki;
#[cfg(test)]
mod processes;
#[cfg(test)]
mod selection;
