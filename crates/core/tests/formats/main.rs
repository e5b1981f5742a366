//! Reading and editing the formats of a host, against files that kubeadm wrote and against
//! whatever proptest thinks of.

#[cfg(test)]
mod command_lines;
#[cfg(test)]
mod flag_edits;
#[cfg(test)]
mod kubeadm_files;
#[cfg(test)]
mod kubeconfig;
#[cfg(test)]
mod layouts;
#[cfg(test)]
mod pem_edit;
#[cfg(test)]
mod plain;
#[cfg(test)]
mod static_pod;
#[cfg(test)]
mod yaml_edit;
#[cfg(test)]
mod yaml_properties;
