//! What a rotation proves and changes in a real API: whom servers accept, what is published, bundles
//! in every kind of object, the Lease of who rotates.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kubepki_adapters::clock::SystemClock;
use kubepki_adapters::host::LocalHost;
use kubepki_adapters::kube::ClusterClient;
use kubepki_adapters::tls::RustlsProbe;
use kubepki_core::model::ObjectReference;
use kubepki_core::rotation::{ApiChange, ProbeTarget, Root, TargetKind};
use kubepki_engine::ports::{Clock, ClusterChange, Progress};
use kubepki_engine::rotation::prove::{self, Found, ProbeAuthority, ProveError};
use kubepki_engine::rotation::{ChangeError, ChangePorts, change, leaders, published};
use kubepki_x509::pem;

use crate::certificates::{CA, Made, wish};
use crate::cluster_servers::ControlPlane;
use crate::tls_server::TIMEOUT;

pub struct Silent;

impl Progress for Silent {
    fn say(&self, _: &str) {}
}

pub fn client(plane: &ControlPlane) -> ClusterClient {
    let kubeconfig = ControlPlane::sealed(&plane.kubeconfig_of(&plane.admin));
    ClusterClient::new(&kubeconfig, plane.folder(), None).unwrap()
}

pub fn changed(cluster: &dyn ClusterChange, one: &ApiChange) -> Result<String, ChangeError> {
    let ports = ChangePorts {
        cluster,
        clock: &SystemClock,
        progress: &Silent,
    };
    change(&ports, one)
}

pub fn fingerprint(made: &Made) -> String {
    hex::encode(made.read().fingerprint_sha256())
}

pub fn pem_of(made: &[&Made]) -> String {
    made.iter().map(|made| made.read().to_pem()).collect()
}

/// Tries clients of an authority at one server.
pub fn tried(
    made: &Made,
    (kind, port): (TargetKind, u16),
    accepted: bool,
    names: &[&str],
) -> Result<Found, ProveError> {
    let print = fingerprint(made);
    let authority = ProbeAuthority {
        certificate: &made.certificate,
        key: &made.key,
        fingerprint_sha256: &print,
    };
    let target = target(kind, port);
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    prove::clients(
        &LocalHost::live(),
        &RustlsProbe::new(),
        &authority,
        &[target],
        accepted,
        &names,
        TIMEOUT,
        SystemClock.now(),
    )
}

pub fn target(kind: TargetKind, port: u16) -> ProbeTarget {
    ProbeTarget {
        name: "the server".to_owned(),
        kind,
        host: "127.0.0.1".to_owned(),
        port,
        root: Root::KubernetesCa,
    }
}

fn port(plane: &ControlPlane) -> u16 {
    plane.url.rsplit_once(':').unwrap().1.parse().unwrap()
}

#[test]
#[ignore = "needs etcd and kube-apiserver: cargo xtask test --tier integration"]
fn whom_a_real_api_server_accepts_is_told_by_throwaway_clients() {
    let plane = ControlPlane::start();
    let other = plane
        .workshop
        .authority("other", wish("/CN=kubernetes", CA));
    let at = |kind| (kind, port(&plane));
    let is_so = |made: &Made, kind, accepted, names: &[&str]| {
        let found = tried(made, at(kind), accepted, names).unwrap();
        (found.ok, found.found)
    };
    let kubernetes = TargetKind::Kubernetes;
    let proxy = TargetKind::FrontProxy;
    let front = ["front-proxy-client"];
    for (made, kind, accepted, names, so, words) in [
        (
            &plane.authority,
            kubernetes,
            true,
            &front[..],
            true,
            "1 of 1 servers accept",
        ),
        (
            &plane.authority,
            kubernetes,
            false,
            &front,
            false,
            "accepts it (HTTP 200)",
        ),
        (
            &other,
            kubernetes,
            false,
            &front,
            true,
            "1 of 1 servers refuse",
        ),
        (
            &other,
            kubernetes,
            true,
            &front,
            false,
            "refuses it (HTTP 401)",
        ),
        (
            &plane.front_proxy,
            kubernetes,
            false,
            &front,
            true,
            "refuse",
        ),
        (&plane.front_proxy, proxy, true, &front, true, "accept"),
        (&other, proxy, false, &front, true, "refuse"),
        // whose name is not allowed is no front proxy, whoever signed it
        (&plane.front_proxy, proxy, true, &[], false, "HTTP 401"),
    ] {
        let (ok, found) = is_so(made, kind, accepted, names);
        assert_eq!(ok, so, "{found}");
        assert!(found.contains(words), "{found}");
    }

    let served = |made: &Made| {
        let targets = [target(kubernetes, port(&plane))];
        let now = SystemClock.now();
        prove::served(&RustlsProbe::new(), &made.read(), &targets, TIMEOUT, now)
    };
    assert!(served(&plane.authority).ok);
    let found = served(&other);
    assert!(
        !found.ok && found.found.contains("presents CN=kube-apiserver"),
        "{}",
        found.found
    );

    let print = fingerprint(&other);
    let mixed = ProbeAuthority {
        certificate: &plane.authority.certificate,
        key: &plane.authority.key,
        fingerprint_sha256: &print,
    };
    let error = prove::clients(
        &LocalHost::live(),
        &RustlsProbe::new(),
        &mixed,
        &[],
        true,
        &[],
        TIMEOUT,
        SystemClock.now(),
    )
    .unwrap_err();
    assert_eq!(error.code(), "probe-other-authority");
}

#[test]
#[ignore = "needs etcd and kube-apiserver: cargo xtask test --tier integration"]
fn what_a_real_controller_manager_publishes_is_awaited() {
    let mut plane = ControlPlane::start();
    let next = plane
        .workshop
        .authority("ca-next", wish("/CN=kubernetes@2", CA));
    plane.manage();
    let cluster = client(&plane);
    let [old, new] = [&plane.authority, &next].map(|made| vec![fingerprint(made)]);
    let found = |holds: &[String], lacks: &[String]| {
        let found = published::published(&cluster, holds, lacks).unwrap();
        (found.ok, found.found)
    };
    plane.until("every namespace has the CA and a token", |plane| {
        let maps = plane.ask("get configmaps -A");
        let secrets = plane.ask("get secrets -A");
        let namespaces = plane.ask("get namespaces -o name").lines().count();
        namespaces > 3
            && maps.matches("kube-root-ca.crt").count() == namespaces
            && secrets.matches("default-token").count() == namespaces
    });
    assert!(found(&old, &new).0);
    let (ok, words) = found(&new, &[]);
    assert!(!ok && words.contains("kube-root-ca.crt lacks"), "{words}");

    // kube-controller-manager with both: the proof comes true by itself
    plane.write("both.crt", &pem_of(&[&plane.authority, &next]));
    let both = plane.folder().join("both.crt");
    let accounts = plane.accounts.key.clone();
    plane.manage_anew(&both, &accounts);
    let all = [old.clone(), new.clone()].concat();
    plane.until("both are published", |_| found(&all, &[]).0);
    let (ok, words) = found(&new, &old);
    assert!(!ok && words.contains("still holds"), "{words}");
    let (_, words) = found(&all, &[]);
    assert!(words.contains("token Secrets hold it"), "{words}");

    plane.create("apiVersion: v1\nkind: Namespace\nmetadata: {name: new}\n");
    plane.until("the new namespace has both", |_| found(&all, &[]).0);
}

fn webhooks(bundle: &str) -> String {
    let hook = |name: &str, bundle: &str| {
        format!(
            "- {{name: {name}, sideEffects: None, admissionReviewVersions: [v1], failurePolicy: Ignore, \
             clientConfig: {{caBundle: {bundle}, url: 'https://127.0.0.1:1/'}}}}\n"
        )
    };
    format!(
        "apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingWebhookConfiguration\n\
         metadata: {{name: policy}}\nwebhooks:\n{}{}---\n\
         apiVersion: apiregistration.k8s.io/v1\nkind: APIService\nmetadata: {{name: v1.shop.example}}\n\
         spec: {{group: shop.example, version: v1, groupPriorityMinimum: 10, versionPriority: 10, \
         caBundle: {bundle}, service: {{name: api, namespace: default}}}}\n",
        hook("one.example.com", bundle),
        hook("two.example.com", bundle)
    )
}

#[test]
#[ignore = "needs etcd and kube-apiserver: cargo xtask test --tier integration"]
fn bundles_of_a_real_api_are_changed_only_from_what_is_expected() {
    let plane = ControlPlane::start();
    let next = plane
        .workshop
        .authority("ca-next", wish("/CN=kubernetes@2", CA));
    let foreign = plane.workshop.authority("foreign", wish("/CN=foreign", CA));
    let cluster = client(&plane);
    let [old, both, new] = [
        pem_of(&[&plane.authority]),
        pem_of(&[&plane.authority, &next]),
        pem_of(&[&next]),
    ];
    let kubeconfig = |pem: &str| {
        let data = STANDARD.encode(pem);
        format!(
            "apiVersion: v1\nkind: Config\nclusters:\n- cluster:\n    certificate-authority-data: {data}\n    \
             server: https://cp:6443\n  name: \"\"\ncontexts: null\ncurrent-context: \"\"\nusers: null\n"
        )
    };
    let indented = |text: &str| text.replace('\n', "\n    ");
    let secret = STANDARD.encode(format!(
        "{}users:\n- name: x\n  user: {{token: topsecret}}\n",
        kubeconfig(&old)
            .replace("name: \"\"", "name: here")
            .replace("users: null\n", "")
    ));
    plane.create(&format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: cluster-info, namespace: kube-public}}\n\
         data:\n  other: kept\n  kubeconfig: |\n    {}\n---\n\
         apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: bundle, namespace: default}}\n\
         data:\n  other: kept\n  ca.crt: |\n    {}\n---\n\
         apiVersion: v1\nkind: Secret\nmetadata: {{name: trust, namespace: default}}\n\
         data: {{ca.crt: {}, config: {secret}, password: cGFzcw==}}\n---\n{}",
        indented(&kubeconfig(&old)),
        indented(&old),
        STANDARD.encode(&old),
        webhooks(&STANDARD.encode(&old)),
    ));
    let objects = [
        ObjectReference::namespaced("ConfigMap", "kube-public", "cluster-info")
            .at("data[kubeconfig]"),
        ObjectReference::namespaced("ConfigMap", "default", "bundle").at("data[ca.crt]"),
        ObjectReference::namespaced("Secret", "default", "trust").at("data[ca.crt]"),
        ObjectReference::namespaced("Secret", "default", "trust").at("data[config].clusters[here]"),
        ObjectReference::cluster_wide("ValidatingWebhookConfiguration", "policy")
            .at("webhooks[two.example.com].clientConfig.caBundle"),
        ObjectReference::cluster_wide("APIService", "v1.shop.example").at("spec.caBundle"),
    ];
    let write = |object: &ObjectReference, pem: &str, expected: &[&str]| {
        changed(
            &cluster,
            &ApiChange::WriteBundle {
                object: object.clone(),
                pem: pem.to_owned(),
                expected: expected.iter().map(|&it| it.to_owned()).collect(),
            },
        )
    };
    for object in &objects {
        let written = write(object, &both, &[&old]).unwrap();
        assert_eq!(written, format!("{object}: written"));
        let again = write(object, &both, &[&old]).unwrap();
        assert_eq!(again, format!("{object}: nothing to do"));
        // what is expected may lie there in another order, what is written has its own
        let turned = pem_of(&[&next, &plane.authority]);
        assert!(write(object, &turned, &[]).unwrap().ends_with("written"));
        let error = write(object, &pem_of(&[&foreign]), &[&old]).unwrap_err();
        assert_eq!(error.code(), "api-object-changed", "{error}");
        let said = error.to_string();
        assert!(
            said.contains("CN=kubernetes@2") && said.contains("CN=kubernetes ("),
            "{said}"
        );
        assert!(
            write(object, &new, &[&old, &both])
                .unwrap()
                .ends_with("written")
        );
    }
    // everything else stays
    let map = plane.ask("get configmap bundle -o jsonpath={.data}");
    assert!(map.contains("kept"), "{map}");
    let decoded = |path: &str| {
        let found = plane.ask(&format!("get secret trust -o jsonpath={path}"));
        String::from_utf8(STANDARD.decode(found).unwrap()).unwrap()
    };
    assert_eq!(decoded("{.data.password}"), "pass");
    let config = decoded("{.data.config}");
    assert!(
        config.contains("topsecret") && config.contains(&STANDARD.encode(&new)),
        "{config}"
    );
    assert_eq!(decoded("{.data.ca\\.crt}"), new);
    let first = plane.ask(
        "get validatingwebhookconfiguration policy -o jsonpath={.webhooks[0].clientConfig.caBundle}",
    );
    assert_eq!(
        first,
        STANDARD.encode(&old),
        "the other webhook was not meant"
    );
    let info =
        plane.ask("get configmap cluster-info -n kube-public -o jsonpath={.data.kubeconfig}");
    assert!(
        info.contains(&STANDARD.encode(&new)) && info.contains("https://cp:6443"),
        "{info}"
    );
    let read = pem::certificates(new.as_bytes()).unwrap();
    assert_eq!(read, [next.read()]);

    for (object, code) in [
        (
            ObjectReference::namespaced("Secret", "default", "trust").at("data[password]"),
            "api-object-changed",
        ),
        (
            ObjectReference::namespaced("Secret", "default", "trust").at("type"),
            "api-object-not-ours",
        ),
        (
            ObjectReference::namespaced("Pod", "default", "x").at("data[ca.crt]"),
            "api-object-not-ours",
        ),
        (
            ObjectReference::namespaced("Secret", "../x", "x").at("data[ca.crt]"),
            "api-object-not-ours",
        ),
        (
            ObjectReference::namespaced("ConfigMap", "default", "gone").at("data[ca.crt]"),
            "api-not-found",
        ),
    ] {
        let error = write(&object, &new, &[&old]).unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        assert!(!error.to_string().contains("pass\""), "{error}");
    }
}

#[test]
#[ignore = "needs etcd and kube-apiserver: cargo xtask test --tier integration"]
fn a_real_lease_is_held_by_one_and_objects_are_made_anew() {
    let plane = ControlPlane::start();
    let cluster = client(&plane);
    let hold = |holder: &str, seconds| {
        changed(
            &cluster,
            &ApiChange::HoldLease {
                holder: holder.to_owned(),
                duration_seconds: seconds,
            },
        )
    };
    let release = |holder: &str| {
        let holder = holder.to_owned();
        changed(&cluster, &ApiChange::ReleaseLease { holder }).unwrap()
    };
    assert!(release("a").contains("there is none"));
    assert!(hold("a", 60).unwrap().contains("held by a"));
    assert!(hold("a", 60).unwrap().contains("renewed"));
    let error = hold("b", 60).unwrap_err();
    assert_eq!(error.code(), "rotation-held");
    assert!(error.to_string().contains("held by a until 2"), "{error}");
    assert!(release("b").contains("not held by b"));
    assert!(release("a").contains("released"));
    assert!(hold("b", 2).unwrap().contains("held by b"));
    // who does not renew it loses it
    plane.until("the Lease runs out", |_| match hold("c", 60) {
        Ok(words) => words.contains("taken over from b"),
        Err(error) => {
            assert_eq!(error.code(), "rotation-held", "{error}");
            false
        }
    });
    assert_eq!(hold("b", 60).unwrap_err().code(), "rotation-held");

    let now = SystemClock.now();
    let lease = |name: &str, at: jiff::Timestamp| {
        let time = at.strftime("%Y-%m-%dT%H:%M:%S.%6fZ");
        plane.create(&format!(
            "apiVersion: coordination.k8s.io/v1\nkind: Lease\n\
             metadata: {{name: {name}, namespace: kube-system}}\n\
             spec: {{holderIdentity: cp1_0d3c, leaseDurationSeconds: 15, renewTime: '{time}'}}\n"
        ));
    };
    lease("kube-scheduler", now);
    lease(
        "kube-controller-manager",
        now - jiff::SignedDuration::from_mins(5),
    );
    let holder = |name| leaders::holder(&cluster, name, now).unwrap();
    assert_eq!(holder("kube-scheduler").as_deref(), Some("cp1"));
    assert_eq!(holder("kube-controller-manager"), None, "it has run out");
    assert_eq!(holder("nobody"), None);

    let name = "extension-apiserver-authentication";
    let object = ObjectReference::namespaced("ConfigMap", "kube-system", name);
    let uid = || {
        plane.ask(&format!(
            "get configmap {name} -n kube-system -o jsonpath={{.metadata.uid}}"
        ))
    };
    plane.until("the API server has made it", |_| !uid().is_empty());
    let before = uid();
    let words = changed(&cluster, &ApiChange::Recreate { object }).unwrap();
    assert!(words.contains("made anew"), "{words}");
    assert!(!uid().is_empty() && uid() != before);
    let object = ObjectReference::namespaced("ConfigMap", "kube-system", "kubeadm-config");
    let error = changed(&cluster, &ApiChange::Recreate { object }).unwrap_err();
    assert_eq!(error.code(), "api-object-not-ours");
}
