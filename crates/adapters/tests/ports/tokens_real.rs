//! Token Secrets and workloads of a real API while the trust and the service-account key change.

use jiff::Timestamp;
use kubepki_core::model::ObjectReference;
use kubepki_core::rotation::{ApiChange, FreshTrust, Restart, StaleTokens, StaleWorkload};
use kubepki_engine::ports::{ClusterErrorKind, ClusterRead};
use kubepki_engine::rotation::{rollout, workloads};
use kubepki_sealed::danger;
use serde_json::{Value, json};

use crate::certificates::{CA, Made, wish};
use crate::cluster_servers::ControlPlane;
use crate::rotation_real::{changed, client, fingerprint, pem_of};

fn key_of(made: &Made) -> String {
    hex::encode(made.read().public_key().sha256())
}

/// Whether a token of a Secret is accepted.
fn works(plane: &ControlPlane, token: &str) -> bool {
    let kubeconfig = ControlPlane::sealed(&plane.kubeconfig(&format!("{{token: {token}}}")));
    let folder = plane.folder();
    let client = kubepki_adapters::kube::ClusterClient::new(&kubeconfig, folder, None).unwrap();
    match client.object("/api/v1/namespaces/default") {
        Ok(_) => true,
        Err(error) => error.kind == ClusterErrorKind::Forbidden,
    }
}

fn token(plane: &ControlPlane, secret: &str) -> String {
    use base64::Engine as _;
    let words = format!("get secret {secret} -o jsonpath={{.data.token}}");
    let decoded = base64::engine::general_purpose::STANDARD.decode(plane.ask(&words));
    String::from_utf8(decoded.unwrap()).unwrap()
}

fn listed(plane: &ControlPlane) -> Vec<String> {
    let words = "get serviceaccount default -o jsonpath={.secrets[*].name}";
    plane
        .ask(words)
        .split_whitespace()
        .map(str::to_owned)
        .collect()
}

#[test]
#[ignore = "needs etcd and kube-apiserver: cargo xtask test --tier integration"]
fn every_account_of_a_real_api_gets_a_second_token_before_the_old_one_goes() {
    let mut plane = ControlPlane::start();
    plane.manage();
    let cluster = client(&plane);
    plane.until("the default account has a token", |plane| {
        listed(plane).len() == 1 && !token(plane, &listed(plane)[0]).is_empty()
    });
    let old_name = listed(&plane).remove(0);
    let old = token(&plane, &old_name);
    assert!(works(&plane, &old));
    // somebody's own, which no account lists
    plane.create(
        "apiVersion: v1\nkind: Secret\ntype: kubernetes.io/service-account-token\n\
         metadata: {name: mine, annotations: {kubernetes.io/service-account.name: default}}\n",
    );
    plane.until("it is filled", |plane| !token(plane, "mine").is_empty());
    let trust = plane.authority.certificate.clone();
    let next = plane.accounts_next.key.clone();
    plane.manage_anew(&trust, &next);
    let key_sha256 = key_of(&plane.accounts_next);
    let add = ApiChange::AddTokenSecrets {
        key_sha256: key_sha256.clone(),
    };
    let drop = ApiChange::DropTokenSecrets {
        key_sha256: key_sha256.clone(),
    };
    // nothing goes before there is another
    assert_eq!(
        changed(&cluster, &drop).unwrap_err().code(),
        "token-secrets-in-use"
    );
    let words = changed(&cluster, &add).unwrap();
    assert!(words.contains("Secret default/mine"), "{words}");
    let now = listed(&plane);
    assert_eq!((now.len(), &now[1]), (2, &old_name), "{now:?}");
    let new = token(&plane, &now[0]);
    assert!(works(&plane, &new) && works(&plane, &old));
    let words = changed(&cluster, &add).unwrap();
    assert!(words.contains("0 made now"), "{words}");

    // a pod that mounts the old one keeps it
    plane.create(&format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: holding}}\n\
         spec: {{automountServiceAccountToken: false, \
         containers: [{{name: a, image: x, volumeMounts: [{{name: t, mountPath: /t}}]}}], \
         volumes: [{{name: t, secret: {{secretName: {old_name}}}}}]}}\n"
    ));
    let error = changed(&cluster, &drop).unwrap_err();
    let said = error.to_string();
    assert!(
        said.contains(&old_name) && said.contains("Pod holding"),
        "{said}"
    );
    assert!(works(&plane, &old));
    let found = workloads::stale(
        &cluster,
        &FreshTrust {
            key_sha256: Some(key_sha256),
            ..FreshTrust::default()
        },
    )
    .unwrap();
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].reason.contains("which the old key signed"));
    plane.ask("delete pod holding --grace-period=0 --force");
    let words = changed(&cluster, &drop).unwrap();
    assert!(
        words.contains("1 token Secrets of the old key deleted"),
        "{words}"
    );
    assert_eq!(listed(&plane), now[..1]);
    plane.until("the old token is refused", |plane| !works(plane, &old));
    assert!(works(&plane, &new));
    assert!(!token(&plane, "mine").is_empty(), "it is somebody else's");
}

/// Says of a pod what a kubelet would.
fn run(plane: &ControlPlane, pod: &str, started: Timestamp) {
    let mut object: Value =
        serde_json::from_str(&plane.ask(&format!("get pod {pod} -o json"))).unwrap();
    let started = started.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let container = object["spec"]["containers"][0]["name"].clone();
    object["status"] = json!({
        "phase": "Running",
        "startTime": started,
        "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": started}],
        "containerStatuses": [{
            "name": container, "image": "x", "imageID": "", "ready": true, "started": true,
            "restartCount": 0, "state": {"running": {"startedAt": started}}
        }],
    });
    plane.write("status.json", &object.to_string());
    let done = plane.ask(&format!(
        "replace --raw /api/v1/namespaces/default/pods/{pod}/status -f status.json"
    ));
    assert!(done.contains("containerStatuses"), "{pod}: {done}");
}

fn names(found: &[StaleWorkload]) -> Vec<String> {
    found.iter().map(|it| it.object.to_string()).collect()
}

#[test]
#[ignore = "needs etcd and kube-apiserver: cargo xtask test --tier integration"]
fn workloads_of_a_real_api_that_read_their_trust_too_early_are_restarted() {
    let mut plane = ControlPlane::start();
    let next = plane
        .workshop
        .authority("ca-next", wish("/CN=kubernetes@2", CA));
    plane.manage();
    let cluster = client(&plane);
    plane.until("the default account has a token", |plane| {
        listed(plane).len() == 1
    });
    let deployment = |name: &str, annotations: &str| {
        format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}, annotations: {{{annotations}}}}}\n\
             spec: {{replicas: 1, selector: {{matchLabels: {{app: {name}}}}}, template: {{metadata: \
             {{labels: {{app: {name}}}}}, spec: {{containers: [{{name: a, image: x}}]}}}}}}\n---\n"
        )
    };
    plane.create(&format!(
        "{}{}{}apiVersion: v1\nkind: Pod\nmetadata: {{name: bare}}\nspec: {{containers: [{{name: a, image: x}}]}}\n---\n\
         apiVersion: v1\nkind: Pod\nmetadata: {{name: deaf}}\n\
         spec: {{automountServiceAccountToken: false, containers: [{{name: a, image: x}}]}}\n",
        deployment("shop", ""),
        deployment("idle", ""),
        deployment("left", "kubepki.dev/restart: never"),
    ));
    let pods = |plane: &ControlPlane| -> Vec<String> {
        let found = plane.ask("get pods -o jsonpath={.items[*].metadata.name}");
        found.split_whitespace().map(str::to_owned).collect()
    };
    plane.until("the pods are there", |plane| pods(plane).len() == 5);
    let early = Timestamp::now();
    for pod in pods(&plane) {
        run(&plane, &pod, early - jiff::SignedDuration::from_mins(1));
    }
    let wanted = FreshTrust {
        holds: vec![fingerprint(&plane.authority), fingerprint(&next)],
        ..FreshTrust::default()
    };
    let stale = || workloads::stale(&cluster, &wanted).unwrap();
    // not published yet: all of them
    let found = stale();
    let expected = [
        "Deployment default/idle",
        "Deployment default/left",
        "Deployment default/shop",
        "Pod default/bare",
    ];
    assert_eq!(names(&found), expected, "{found:#?}");
    assert!(found[0].reason.contains("it lacks"), "{}", found[0].reason);

    plane.write("both.crt", &pem_of(&[&plane.authority, &next]));
    let both = plane.folder().join("both.crt");
    let accounts = plane.accounts.key.clone();
    plane.manage_anew(&both, &accounts);
    let published = |_: &ControlPlane| {
        kubepki_engine::rotation::published::published(&cluster, &wanted.holds, &[])
            .unwrap()
            .ok
    };
    plane.until("both are published", published);
    let found = stale();
    assert_eq!(names(&found), expected, "{found:#?}");
    assert!(
        found[0].reason.contains("which holds it since 2"),
        "{}",
        found[0].reason
    );
    let restart = |name: &str| {
        let of = found.iter().find(|it| it.object.name == name);
        of.unwrap().restart.clone()
    };
    assert_eq!(restart("left"), Restart::OptedOut);
    assert!(matches!(restart("bare"), Restart::ByOwner { why } if why.contains("no controller")));

    // what may be restarted is restarted, and is fresh
    let rolling = found.iter().filter(|it| it.restart == Restart::Rolling);
    let changes: Vec<ApiChange> = rolling
        .map(|workload| ApiChange::RestartWorkload {
            object: workload.object.clone(),
            mark: "2026-11-22".to_owned(),
        })
        .collect();
    assert_eq!(changes.len(), 2);
    let before = pods(&plane);
    for one in &changes {
        assert!(changed(&cluster, one).unwrap().ends_with("being restarted"));
        assert!(
            changed(&cluster, one)
                .unwrap()
                .ends_with("restarted already")
        );
    }
    let rolled = || rollout::rolled_out(&cluster).unwrap();
    assert!(!rolled().ok);
    plane.until("new pods replace the old ones", |plane| {
        for pod in pods(plane).iter().filter(|pod| !before.contains(pod)) {
            run(
                plane,
                pod,
                Timestamp::now() + jiff::SignedDuration::from_secs(5),
            );
        }
        let names = names(&stale());
        // nobody ends old pods here: no kubelet
        for pod in &before {
            let ends = plane.ask(&format!(
                "get pod {pod} -o jsonpath={{.metadata.deletionTimestamp}}"
            ));
            if !ends.is_empty() {
                plane.ask(&format!("delete pod {pod} --grace-period=0 --force"));
            }
        }
        rolled().ok && names == ["Deployment default/left", "Pod default/bare"]
    });
    assert!(
        rolled().found.contains("2 restarted workloads"),
        "{}",
        rolled().found
    );
    // the same, found and done at once
    let at_once = |holds: &[String]| {
        let change = ApiChange::RestartStaleWorkloads {
            holds: holds.to_vec(),
            key_sha256: None,
            projected: StaleTokens::None,
            mark: "2026-11-23".to_owned(),
        };
        changed(&cluster, &change).unwrap()
    };
    let words = at_once(&wanted.holds);
    assert!(words.starts_with("0 workloads"), "{words}");
    assert!(words.contains("Deployment default/left ("), "{words}");
    assert!(words.contains("Pod default/bare ("), "{words}");
    let words = at_once(&["00".repeat(32)]);
    assert!(words.starts_with("2 workloads"), "{words}");
    assert!(!rolled().ok);
    let gone = ObjectReference::namespaced("Deployment", "default", "gone");
    let error = changed(
        &cluster,
        &ApiChange::RestartWorkload {
            object: gone,
            mark: "x".to_owned(),
        },
    );
    assert_eq!(error.unwrap_err().code(), "api-not-found");
    let json = cluster.object("/apis/apps/v1/namespaces/default/deployments/shop");
    let json = json.unwrap();
    let text = std::str::from_utf8(danger::open(&json)).unwrap();
    assert!(text.contains("kubepki.dev/restarted-at"), "{text}");
}
