//! Connections: derived from what is on hosts and in the API, and verified both ways.

#[cfg(test)]
#[expect(dead_code, reason = "shared with the tests of rotations")]
mod authority;
#[cfg(test)]
mod by_api;
#[cfg(test)]
mod by_flags;
#[cfg(test)]
mod kubeadm;
#[cfg(test)]
mod machine;
#[cfg(test)]
mod mutations;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod together;
#[cfg(test)]
mod world;
