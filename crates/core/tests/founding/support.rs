//! Layouts and requests that the tests begin with.

use kubepki_core::founding::{
    ClusterParameters, Declarations, DeclaredLayout, Folders, FoundingRequest, declared_by_kubeadm,
};
use kubepki_core::plan::{EndRule, StartRule};
use std::path::PathBuf;

pub fn folders() -> Folders {
    Folders {
        certificates: PathBuf::from("/pki"),
        kubeconfigs: PathBuf::from("/conf"),
    }
}

pub fn kubeadm() -> Declarations {
    let cluster = ClusterParameters::new("cp1", [10, 0, 0, 5].into(), 34);
    declared_by_kubeadm(&cluster).checked(&folders()).unwrap()
}

pub fn layout(text: &str) -> DeclaredLayout {
    let head = "apiVersion: kubepki.dev/v1alpha1\nkind: Layout\n";
    DeclaredLayout::from_yaml(&format!("{head}{text}")).unwrap()
}

pub fn request() -> FoundingRequest {
    FoundingRequest {
        start: StartRule::default(),
        end: EndRule::default(),
        authority_end: "10y".parse().unwrap(),
        key_type: "rsa:2048".to_owned(),
        authority_key_type: "rsa:4096".to_owned(),
        service_account_key_type: "ecdsa:p256".to_owned(),
        only: Vec::new(),
        external: false,
        csr_dir: None,
        install: None,
    }
}
