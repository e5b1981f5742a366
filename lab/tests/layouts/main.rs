//! Clusters that kubeadm did not make, or not all of: the hard way under systemd, with its files where
//! they usually are and moved as a whole; kubeadm with an etcd of its own making; RKE 1 in docker. On
//! each the status finds everything, the doctor has nothing to say, and with everything expired one
//! command brings it back.
//!
//! `KUBEPKI_LAB_USE=NAME` takes a lab of that name and leaves it up, for work on one of them.

mod by_hand;
mod cluster;
mod external_etcd;
mod rke;
