//! What a host refuses to take from another, and what the holder of a CA key refuses to sign.

use crate::cluster::{expire_cluster_authority, worker};
use crate::kubeadm::control_plane;
use crate::pki::{CLIENT, Wish, authorities};
use crate::site::{Issued, STORE, Sites, plans};
use jiff::SignedDuration;
use kubepki_core::plan::{Issuance, Plan, RenewRequest, Selection, Signer};
use kubepki_engine::execute::{Brought, ExecuteError, Order, prepare, sign};
use kubepki_keys::{KeyType, PrivateKey, sign_request};
use kubepki_x509::{Certificate, CertificationRequestInfo, Name};

fn cluster() -> (Sites, Plan) {
    let sites = Sites::new([control_plane("cp1", "10.0.0.1", &["cp1"]), worker("w1")]);
    let request = RenewRequest::new(Selection::Named(vec!["kubelet-client".to_owned()]));
    let plan = sites.plan(&request).unwrap();
    let (_, _, plan) = *plans(&plan).last().unwrap();
    let plan = plan.clone();
    (sites, plan)
}

fn order(sites: &Sites, issuance: &Issuance, request_pem: String) -> Order {
    Order {
        host: "w1".to_owned(),
        issuance: issuance.clone(),
        old_certificate_pem: sites.old(sites.site("w1"), issuance),
        request_pem,
    }
}

fn request(subject: &Name, key: &PrivateKey) -> String {
    let request = CertificationRequestInfo {
        subject: subject.clone(),
        public_key: key.public_key().clone(),
        extensions: Vec::new(),
    };
    sign_request(&request, key).unwrap().to_pem()
}

fn key() -> PrivateKey {
    PrivateKey::generate(KeyType::EcdsaP256).unwrap()
}

fn refused(result: Result<impl Sized, ExecuteError>, code: &str, words: &str) {
    let error = result.err().unwrap();
    assert_eq!(error.code(), code, "{error}");
    assert!(error.to_string().contains(words), "{error}");
}

#[test]
fn a_request_contributes_its_key_and_nothing_else() {
    let (sites, plan) = cluster();
    let issuance = &plan.issuances[0];
    let old = sites.site("w1").certificate(STORE);
    let key = key();
    // It asks for no extension at all, and another could ask for any.
    let order = order(&sites, issuance, request(old.subject(), &key));
    let (_, chain) = sign(&sites.site("cp1").host(), &[order]).unwrap().remove(0);
    assert_eq!(chain[0].subject(), old.subject());
    assert_eq!(chain[0].extended_key_usage(), old.extended_key_usage());
    assert_eq!(chain[0].public_key(), key.public_key());
    assert!(!chain[0].is_ca());
    assert_ne!(chain[0].serial_number(), old.serial_number());
}

#[test]
fn the_holder_of_a_ca_key_refuses_what_the_plan_does_not_say() {
    let (sites, plan) = cluster();
    let host = sites.site("cp1").host();
    let issuance = &plan.issuances[0];
    let old = sites.site("w1").certificate(STORE);
    let other = Name::common("system:masters", &["system:masters"]);
    let ask = |order: Order| sign(&host, &[order]);

    let order_for = |text: String| order(&sites, issuance, text);
    let wrong = order_for(request(&other, &key()));
    refused(ask(wrong), "order-refused", "expected O=system:nodes");

    let mut torn = request(old.subject(), &key());
    torn = torn.replace("-----END", "AAAA\n-----END");
    refused(ask(order_for(torn)), "order-refused", "w1");

    let mut forged = order_for(request(&other, &key()));
    let masters = authorities()
        .cluster
        .issue(&Wish::new("system:masters", CLIENT, &[]));
    forged.old_certificate_pem = Some(masters.pem());
    refused(ask(forged), "plan", "expected sha256");

    let mut without = order_for(request(old.subject(), &key()));
    without.old_certificate_pem = None;
    refused(ask(without), "plan", "no certificate");

    let mut changed = order_for(request(old.subject(), &key()));
    if let Signer::Elsewhere {
        fingerprint_sha256,
        certificate,
        key,
        ..
    } = &mut changed.issuance.signer
    {
        *fingerprint_sha256 = "00".repeat(32);
        *certificate = "/etc/kubernetes/pki/etcd/ca.crt".into();
        *key = "/etc/kubernetes/pki/etcd/ca.key".into();
    }
    refused(ask(changed), "authority-changed", "make a new plan");

    let mut itself = order_for(request(old.subject(), &key()));
    itself.issuance.signer = Signer::ItsOwnKey;
    refused(ask(itself), "order-refused", "authority of this host");

    let ca_key = sites.site("cp1").read("/etc/kubernetes/pki/ca.key");
    let ca_key = PrivateKey::from_pem(&kubepki_sealed::Sealed::new(ca_key)).unwrap();
    let own = order_for(request(old.subject(), &ca_key));
    refused(ask(own), "order-refused", "the CA's own key");
}

/// Carries the plan out with a chain in the place of what was signed.
fn with(
    sites: &Sites,
    plan: &Plan,
    forge: impl Fn(Vec<Certificate>, &Sites) -> Vec<Certificate>,
) -> Result<(), ExecuteError> {
    let mut brought = sites.brought("w1", plan, &Issued::new());
    for (_, chain) in &mut brought.certificates {
        *chain = forge(std::mem::take(chain), sites);
    }
    sites.site("w1").carry(plan, brought).map(|_| ())
}

#[test]
fn a_host_checks_what_it_is_brought_whoever_sends_it() {
    let (sites, plan) = cluster();
    let old = sites.site("w1").snapshot();
    let mismatch = |result, words: &str| refused(result, "brought-mismatch", words);

    mismatch(
        with(&sites, &plan, |_, sites| {
            vec![sites.site("w1").certificate(STORE)]
        }),
        "made here",
    );

    // Signed by another CA of the same name, for the right key.
    let foreign = &authorities().foreign;
    let mut brought = sites.brought("w1", &plan, &Issued::new());
    let (name, right) = brought.certificates.remove(0);
    let template = kubepki_x509::CertificateTemplate {
        serial_number: kubepki_keys::random_serial(),
        validity: right[0].validity(),
        subject: right[0].subject().clone(),
        public_key: right[0].public_key().clone(),
        extensions: right[0].extensions().to_vec(),
    };
    let issuer_key =
        PrivateKey::from_pem(&kubepki_sealed::Sealed::new(foreign.key().into())).unwrap();
    let issuer = kubepki_keys::Issuer::new(foreign.certificate().clone(), issuer_key).unwrap();
    let wrong = issuer.issue(&template).unwrap();
    brought.certificates.push((name, vec![wrong]));
    mismatch(
        sites.site("w1").carry(&plan, brought).map(|_| ()),
        "expected one of /etc/kubernetes/pki/ca.crt",
    );

    refused(
        with(&sites, &plan, |_, _| Vec::new()),
        "certificate-not-brought",
        "expected one from cp1",
    );

    // The key was made in a session that has ended.
    let certificates = sites.brought("w1", &plan, &Issued::new()).certificates;
    let lost = Brought {
        prepared: None,
        certificates,
        keys: Vec::new(),
    };
    refused(
        sites.site("w1").carry(&plan, lost).map(|_| ()),
        "key-gone",
        "make a new request",
    );

    let mut other = plan.clone();
    other.verb = "rescue".to_owned();
    let brought = sites.brought("w1", &plan, &Issued::new());
    refused(
        sites
            .site("w1")
            .carry(&other.with_id(), brought)
            .map(|_| ()),
        "prepared-for-other-plan",
        "prepare this plan first",
    );

    // The dates that the plan says, to the second.
    let mut longer = plan.clone();
    longer.issuances[0].not_after += SignedDuration::from_hours(24);
    let longer = longer.with_id();
    let prepared = prepare(&sites.site("w1").host(), &longer).unwrap();
    let (_, made) = prepared.requests().remove(0);
    let order = order(&sites, &plan.issuances[0], made.to_pem());
    let certificates = sign(&sites.site("cp1").host(), &[order]).unwrap();
    let brought = Brought {
        prepared: Some(prepared),
        certificates,
        keys: Vec::new(),
    };
    mismatch(
        sites.site("w1").carry(&longer, brought).map(|_| ()),
        "the plan says",
    );

    assert_eq!(
        sites.site("w1").snapshot(),
        old,
        "nothing of it was written"
    );
    with(&sites, &plan, |chain, _| chain).unwrap();
}

#[test]
fn a_plan_whose_basis_has_changed_is_not_prepared() {
    let (sites, plan) = cluster();
    let target = sites
        .site("w1")
        .path("/var/lib/kubelet/pki/kubelet-client-2026-02-21-12-00-00.pem");
    let text = std::fs::read_to_string(&target).unwrap();
    std::fs::write(&target, format!("# touched\n{text}")).unwrap();
    refused(
        prepare(&sites.site("w1").host(), &plan),
        "world-changed",
        "changed after the plan was made",
    );
}

#[test]
fn a_ca_that_is_handed_over_must_be_the_same_ca() {
    let mut machines = vec![control_plane("cp1", "10.0.0.1", &["cp1"]), worker("w1")];
    machines.iter_mut().for_each(expire_cluster_authority);
    let sites = Sites::new(machines);
    let mut request = RenewRequest::new(Selection::All);
    request.renew_expired_ca = true;
    let plan = sites.plan(&request).unwrap();
    let all = plans(&plan);
    let (_, _, of_worker) = all
        .iter()
        .find(|(stage, host, _)| *stage == 1 && *host == "w1")
        .unwrap();
    let give = |certificate: &Certificate| {
        let brought = Brought {
            prepared: None,
            certificates: vec![("ca".to_owned(), vec![certificate.clone()])],
            keys: Vec::new(),
        };
        sites.site("w1").carry(of_worker, brought).map(|_| ())
    };
    let expired = authorities().cluster.again(-4000, -9);
    refused(
        give(expired.certificate()),
        "brought-mismatch",
        "it has expired already",
    );
    refused(
        give(authorities().foreign.certificate()),
        "brought-mismatch",
        "another key",
    );
    refused(
        give(authorities().etcd.certificate()),
        "brought-mismatch",
        "expected CN=kubernetes",
    );
    let leaf = sites.site("w1").certificate(STORE);
    refused(give(&leaf), "brought-mismatch", "expected a CA certificate");
    give(authorities().cluster.certificate()).unwrap();
}
