//! Certificates that are lost or wrong, made anew from a template that the plan carries.

use crate::kubeadm::{PKI, control_plane};
use crate::pki;
use crate::site::{Sites, plans};
use kubepki_core::plan::{KeyChoice, Origin, Plan, RenewRequest, Selection};
use kubepki_engine::execute::Brought;
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// A plan for the API server's certificate on cp2, like that of cp1.
fn plan(sites: &Sites, common_name: Option<&str>) -> Plan {
    let mut request = RenewRequest::new(Selection::Named(vec!["apiserver".to_owned()]));
    request.no_restart = true;
    let plan = sites.plan(&request).unwrap();
    let (_, _, of_cp2) = *plans(&plan)
        .iter()
        .find(|(_, host, _)| *host == "cp2")
        .unwrap();
    let mut plan = of_cp2.clone();
    plan.basis.clear();
    let issuance = &mut plan.issuances[0];
    issuance.origin = Origin::Template {
        certificate_pem: sites
            .site("cp1")
            .certificate(&format!("{PKI}/apiserver.crt"))
            .to_pem(),
        source: "apiserver on cp1".to_owned(),
        common_name: common_name.map(str::to_owned),
    };
    issuance.subject_alt_names = Some(vec!["DNS:cp2".to_owned(), "IP:10.0.0.2".to_owned()]);
    issuance.key = KeyChoice::Generate {
        key_type: "ecdsa:p384".to_owned(),
    };
    plan.with_id()
}

fn two() -> Sites {
    let names = ["cp1", "cp2"];
    Sites::new(
        ["10.0.0.1", "10.0.0.2"]
            .iter()
            .zip(names)
            .map(|(address, name)| control_plane(name, address, &names)),
    )
}

#[test]
fn what_is_lost_is_made_like_a_siblings_with_names_of_its_own() {
    let sites = two();
    let plan = plan(&sites, Some("kube-apiserver of cp2"));
    let site = sites.site("cp2");
    for ending in ["crt", "key"] {
        fs::remove_file(site.path(format!("{PKI}/apiserver.{ending}"))).unwrap();
    }
    site.carry(&plan, Brought::default()).unwrap();
    let new = site.certificate(&format!("{PKI}/apiserver.crt"));
    let sibling = sites
        .site("cp1")
        .certificate(&format!("{PKI}/apiserver.crt"));
    assert_eq!(new.subject().to_string(), "CN=kube-apiserver of cp2");
    let names: Vec<String> = new
        .subject_alt_names()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(names, ["DNS:cp2", "IP:10.0.0.2"]);
    assert_eq!(new.extended_key_usage(), sibling.extended_key_usage());
    assert_eq!(new.key_usage(), sibling.key_usage());
    new.verify_issued_by(pki::authorities().cluster.certificate())
        .unwrap();
    let mode = |path: &str| {
        let metadata = fs::metadata(site.path(path)).unwrap();
        metadata.permissions().mode() & 0o777
    };
    assert_eq!(mode(&format!("{PKI}/apiserver.crt")), 0o644);
    assert_eq!(mode(&format!("{PKI}/apiserver.key")), 0o600);
    let key = site.read(&format!("{PKI}/apiserver.key"));
    let half = kubepki_keys::public_half(&kubepki_sealed::Sealed::new(key)).unwrap();
    assert_eq!(half.public_key, *new.public_key());
}

#[test]
fn a_foreign_file_goes_as_a_whole_and_its_mode_stays() {
    let sites = two();
    let plan = plan(&sites, None);
    let site = sites.site("cp2");
    let path = site.path(format!("{PKI}/apiserver.crt"));
    fs::write(&path, "nonsense that somebody put here\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    fs::write(site.path(format!("{PKI}/apiserver.key")), "no key\n").unwrap();
    site.carry(&plan, Brought::default()).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("-----BEGIN CERTIFICATE-----"), "{text}");
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o640
    );
    let new = site.certificate(&format!("{PKI}/apiserver.crt"));
    assert_eq!(new.subject().to_string(), "CN=kube-apiserver");
    let key = site.read(&format!("{PKI}/apiserver.key"));
    let half = kubepki_keys::public_half(&kubepki_sealed::Sealed::new(key)).unwrap();
    assert_eq!(half.public_key, *new.public_key());
}
