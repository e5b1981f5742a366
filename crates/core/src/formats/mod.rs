//! The file formats of a Kubernetes host: read, and edited without touching anything else.
//!
//! [`yaml`] and [`yaml_edit`] carry everything that is YAML or JSON; [`flags`] whatever was given
//! on a command line. All pure: text in, values or text out.

pub mod component_config;
pub mod docker_container;
pub mod flag_edit;
pub mod flags;
pub mod kubeadm_configuration;
pub mod kubeconfig;
pub mod kubeconfig_edit;
pub mod kubelet_config;
pub mod path_map;
pub mod pem_edit;
pub mod shell_words;
pub mod sni_key_pair;
pub mod static_pod;
mod static_pod_edit;
pub mod unit_file;
pub mod unit_file_edit;
pub mod yaml;
mod yaml_builder;
mod yaml_compare;
pub mod yaml_edit;
mod yaml_spelling;
mod yaml_splice;
