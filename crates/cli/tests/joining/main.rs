//! The hosts of a cluster, what a joining host is given, and the kubeconfigs of people, through the
//! binary.

#[cfg(test)]
mod hosts;
#[cfg(test)]
mod kubeconfigs;
#[cfg(test)]
mod node;
#[cfg(test)]
mod place;
