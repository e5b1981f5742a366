//! The file formats of a Kubernetes host: read, and edited without touching anything else.
//!
//! [`yaml`] and [`yaml_edit`] carry everything that is YAML or JSON; [`flags`] whatever was given
//! on a command line. All pure: text in, values or text out.

pub mod component_config;
pub mod flags;
pub mod kubeconfig;
pub mod kubelet_config;
pub mod path_map;
pub mod shell_words;
pub mod static_pod;
pub mod unit_file;
pub mod yaml;
