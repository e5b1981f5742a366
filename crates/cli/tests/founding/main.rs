//! `kubepki init` and `kubepki kubeconfig`, tested from outside: the real binary, what it makes judged
//! by OpenSSL and by Kubernetes' own programs.

#[cfg(test)]
mod components;
#[cfg(test)]
mod init_authorities;
#[cfg(test)]
mod init_files;
#[cfg(test)]
mod init_layouts;
#[cfg(test)]
mod init_refusals;
#[cfg(test)]
mod kubeconfig;
#[cfg(test)]
mod real_components;
#[cfg(test)]
mod support;
