//! Kubernetes' own formats: kubeconfigs, manifests, service-account tokens.

use super::support::{NOW, Workplace, base64, codes, kinds};
use serde_json::{Value, json};

fn pki() -> Workplace {
    let here = Workplace::new();
    here.ca("ca", "/CN=kubernetes");
    here.server("web", "ca");
    here
}

fn kubeconfig(cluster: &str, user: &str) -> String {
    format!(
        "# a comment\napiVersion: v1\nkind: Config\ncurrent-context: admin@one\n\
         clusters:\n- name: one\n  cluster:\n    server: https://10.0.0.1:6443\n    {cluster}\n\
         contexts:\n- name: admin@one\n  context:\n    cluster: one\n    user: admin\n\
         users:\n- name: admin\n  user:\n    {user}\n"
    )
}

#[test]
fn a_kubeconfig_with_everything_embedded() {
    let here = pki();
    here.write(
        "admin.conf",
        kubeconfig(
            &format!("certificate-authority-data: {}", here.base64("ca.crt")),
            &format!(
                "client-certificate-data: {}\n    client-key-data: {}",
                here.base64("web.crt"),
                here.base64("web.key")
            ),
        ),
    );
    let (value, outcome) = here.json(&["admin.conf"]);
    let items = value["items"].as_array().unwrap();
    assert_eq!(
        kinds(items),
        ["Kubeconfig", "Certificate", "Certificate", "PrivateKey"]
    );
    assert_eq!(
        items[0],
        json!({
            "kind": "Kubeconfig",
            "location": {"path": "admin.conf", "index": 1},
            "currentContext": "admin@one",
            "contexts": [{"name": "admin@one", "cluster": "one", "user": "admin"}],
            "clusters": [{
                "name": "one", "server": "https://10.0.0.1:6443",
                "certificateAuthorityData": true, "insecureSkipTlsVerify": false,
            }],
            "users": [{
                "name": "admin", "credentials": ["client-certificate-data", "client-key-data"],
            }],
            "findings": [],
        })
    );
    assert_eq!(
        items[2]["location"],
        json!({
            "path": "admin.conf", "index": 3, "object": "user admin",
            "pointer": "/users/0/user/client-certificate-data",
        })
    );
    assert_eq!(items[2]["signedBy"]["location"]["object"], "cluster one");
    assert_eq!(items[2]["keyMatches"], true);
    assert_eq!(outcome.code, 0);
}

#[test]
fn a_kubeconfig_that_names_files() {
    let here = pki();
    here.write(
        "etc/admin.conf",
        kubeconfig(
            "certificate-authority: ../ca.crt\n    insecure-skip-tls-verify: true",
            "client-certificate: ../web.crt\n    client-key: missing.key\n    token: not-a-jwt",
        ),
    );
    let (value, outcome) = here.json(&["etc/admin.conf"]);
    let items = value["items"].as_array().unwrap();
    assert_eq!(kinds(items), ["Kubeconfig", "Certificate", "Certificate"]);
    assert_eq!(codes(&items[0]), ["insecure-skip-tls-verify"]);
    assert_eq!(items[0]["users"][0]["clientCertificate"], "../web.crt");
    assert_eq!(
        items[2]["location"],
        json!({"path": "etc/../web.crt", "namedBy": "etc/admin.conf", "index": 1})
    );
    let error = &value["errors"][0];
    assert_eq!(error["code"], "not-found");
    assert_eq!(error["location"], "etc/missing.key");
    assert_eq!(
        error["details"],
        json!([{"label": "named by", "value": "etc/admin.conf"}])
    );
    assert_eq!(outcome.code, 1);
    assert!(
        !outcome.stdout.contains("not-a-jwt"),
        "what is no JWT is a secret all the same"
    );
}

#[test]
fn a_broken_field_does_not_hide_the_others() {
    let here = pki();
    here.write(
        "admin.conf",
        kubeconfig(
            "certificate-authority-data: '%%%'",
            &format!("client-certificate-data: {}", here.base64("web.crt")),
        ),
    );
    let (value, outcome) = here.json(&["admin.conf"]);
    assert_eq!(
        kinds(value["items"].as_array().unwrap()),
        ["Kubeconfig", "Certificate"]
    );
    assert_eq!(value["errors"][0]["code"], "base64-malformed");
    assert_eq!(value["errors"][0]["location"], "admin.conf (cluster one)");
    assert_eq!(outcome.code, 1);
}

#[test]
fn secrets_in_yaml_and_json() {
    let here = pki();
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
        "metadata": {
            "name": "web", "namespace": "prod",
            "annotations": {"last-applied": here.text("ca.crt")},
        },
        "data": {
            "tls.crt": here.base64("web.crt"), "tls.key": here.base64("web.key"),
            "ca.crt": here.base64("ca.crt"), "other": base64(b"just text, long enough to be base64"),
        },
    });
    here.write("secret.json", secret.to_string());
    let yaml = format!(
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: web\n  namespace: prod\n\
         data:\n  tls.crt: {}\n  tls.key: >-\n    {}\n  ca.crt: \"{}\"\n",
        here.base64("web.crt"),
        here.base64("web.key"),
        here.base64("ca.crt"),
    );
    here.write("secret.yaml", yaml);
    for file in ["secret.json", "secret.yaml"] {
        let items = here.items(&[file]);
        assert_eq!(
            kinds(&items),
            ["Certificate", "PrivateKey", "Certificate"],
            "{file}"
        );
        assert_eq!(
            items[0]["location"],
            json!({
                "path": file, "index": 1, "pointer": "/data/tls.crt",
                "object": "Secret prod/web",
            })
        );
        assert_eq!(items[0]["keyMatches"], true, "{file}");
        assert_eq!(
            items[0]["signedBy"]["location"]["pointer"], "/data/ca.crt",
            "{file}"
        );
    }
}

#[test]
fn lists_documents_and_every_other_kind() {
    let here = pki();
    let indented = here.text("ca.crt").replace('\n', "\n        ");
    here.write(
        "all.yaml",
        format!(
            "apiVersion: v1\nkind: List\nitems:\n\
             - apiVersion: v1\n  kind: ConfigMap\n  metadata: {{name: kube-root-ca.crt}}\n  \
             data:\n    ca.crt: |\n        {indented}\n\
             - apiVersion: certificates.k8s.io/v1\n  kind: CertificateSigningRequest\n  \
             metadata: {{name: csr-1}}\n  spec:\n    request: {}\n  status:\n    certificate: {}\n\
             ---\n\
             apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingWebhookConfiguration\n\
             metadata: {{name: hook}}\nwebhooks:\n- name: a\n  clientConfig:\n    caBundle: {}\n",
            here.base64("web.csr"),
            here.base64("web.crt"),
            here.base64("ca.crt"),
        ),
    );
    let items = here.items(&["all.yaml"]);
    let seen: Vec<_> = items
        .iter()
        .map(|item| {
            let location = &item["location"];
            [&item["kind"], &location["object"], &location["pointer"]].map(|v| v.as_str().unwrap())
        })
        .collect();
    assert_eq!(
        seen,
        [
            [
                "Certificate",
                "ConfigMap kube-root-ca.crt",
                "/0/items/0/data/ca.crt"
            ],
            [
                "CertificationRequest",
                "CertificateSigningRequest csr-1",
                "/0/items/1/spec/request"
            ],
            [
                "Certificate",
                "CertificateSigningRequest csr-1",
                "/0/items/1/status/certificate"
            ],
            [
                "Certificate",
                "ValidatingWebhookConfiguration hook",
                "/1/webhooks/0/clientConfig/caBundle"
            ],
        ]
    );
}

#[test]
fn a_kubeconfig_inside_a_config_map() {
    let here = pki();
    let inner = kubeconfig(
        &format!("certificate-authority-data: {}", here.base64("ca.crt")),
        "{}",
    );
    let object = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cluster-info"},
        "data": {"kubeconfig": inner},
    });
    here.write("cluster-info.json", object.to_string());
    let items = here.items(&["cluster-info.json"]);
    assert_eq!(kinds(&items), ["Kubeconfig", "Certificate"]);
    assert_eq!(
        items[1]["location"]["object"],
        "ConfigMap cluster-info, cluster one"
    );
    assert_eq!(
        items[1]["location"]["pointer"],
        "/data/kubeconfig/clusters/0/cluster/certificate-authority-data"
    );
}

#[test]
fn a_manifest_without_anything_says_so() {
    let here = pki();
    here.write(
        "pod.yaml",
        "apiVersion: v1\nkind: Pod\nmetadata: {name: x}\nspec: {}\n",
    );
    let (value, outcome) = here.json(&["pod.yaml"]);
    assert_eq!(value["errors"][0]["code"], "nothing-found");
    assert_eq!(outcome.code, 1);
    here.write("broken.yaml", "apiVersion: v1\nkind: [\n");
    let (value, _) = here.json(&["broken.yaml"]);
    assert_eq!(value["errors"][0]["code"], "yaml-syntax");
}

fn token(here: &Workplace, header: &Value, claims: &Value, key: &str) -> String {
    let signed = format!(
        "{}.{}",
        url(header.to_string().as_bytes()),
        url(claims.to_string().as_bytes())
    );
    here.write("signed", &signed);
    let signature = here.openssl(&format!("dgst -sha256 -sign {key} signed"));
    let signature = if header["alg"] == "ES256" {
        raw_ecdsa(&signature)
    } else {
        signature
    };
    format!("{signed}.{}", url(&signature))
}

fn url(bytes: &[u8]) -> String {
    base64(bytes)
        .trim_end_matches('=')
        .replace('+', "-")
        .replace('/', "_")
}

/// Two integers out of DER, as JWS wants them.
fn raw_ecdsa(der: &[u8]) -> Vec<u8> {
    let fixed = |integer: &[u8]| {
        let mut octets = vec![0; 32usize.saturating_sub(integer.len())];
        octets.extend(&integer[integer.len().saturating_sub(32)..]);
        octets
    };
    let r_length = usize::from(der[3]);
    let (r, s) = (&der[4..4 + r_length], &der[6 + r_length..]);
    [fixed(r), fixed(s)].concat()
}

#[test]
fn service_account_tokens_and_the_key_that_signed_them() {
    let here = Workplace::new();
    here.key("sa", "rsa:2048");
    here.key("other", "rsa:2048");
    here.key("ec", "ec:P-256");
    for key in ["sa", "other", "ec"] {
        here.openssl(&format!("pkey -in {key}.key -pubout -out {key}.pub"));
    }
    let claims = json!({
        "iss": "https://kubernetes.default.svc", "aud": ["api"],
        "sub": "system:serviceaccount:kube-system:default",
        "iat": 1_780_000_000, "nbf": 1_780_000_000, "exp": 1_780_300_000,
        "kubernetes.io": {"namespace": "kube-system"},
    });
    let text = token(
        &here,
        &json!({"alg": "RS256", "kid": "abc"}),
        &claims,
        "sa.key",
    );
    here.write("token", format!("{text}\n"));
    let (value, outcome) = here.json(&["token", "other.pub", "sa.pub"]);
    let item = &value["items"][0];
    assert_eq!(item["kind"], "Token");
    assert_eq!(item["subject"], "system:serviceaccount:kube-system:default");
    assert_eq!(item["audiences"], json!(["api"]));
    assert_eq!(item["notAfter"], "2026-06-01T07:46:40Z");
    assert_eq!(item["claims"], claims);
    assert_eq!(item["keyId"], "abc");
    assert_eq!(item["signedBy"]["location"]["path"], "sa.pub");
    assert_eq!(codes(item), [""; 0]);
    assert_eq!(outcome.code, 0);
    let signature = text.rsplit('.').next().unwrap();
    assert!(
        !outcome.stdout.contains(signature),
        "a whole token is a password"
    );

    let (value, outcome) = here.json(&["token", "other.pub", "--now", "2026-06-02"]);
    assert_eq!(value["items"][0]["signedBy"], Value::Null);
    assert_eq!(
        (codes(&value["items"][0]), outcome.code),
        (vec!["expired"], 4)
    );

    let text = token(
        &here,
        &json!({"alg": "ES256"}),
        &json!({"sub": "x"}),
        "ec.key",
    );
    here.write("token", text);
    let item = &here.items(&["token", "sa.key", "ec.key"])[0];
    assert_eq!(item["signedBy"]["location"]["path"], "ec.key");
    assert_eq!(codes(item), ["never-expires"]);
}

#[test]
fn a_token_in_a_kubeconfig() {
    let here = pki();
    here.key("sa", "rsa:2048");
    let text = token(
        &here,
        &json!({"alg": "RS256"}),
        &json!({"sub": "me"}),
        "sa.key",
    );
    here.write(
        "admin.conf",
        kubeconfig("tls-server-name: x", &format!("token: {text}")),
    );
    let outcome = here.kubepki(&["inspect", "admin.conf", "-o", "json", "--now", NOW], b"");
    let value: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(
        kinds(value["items"].as_array().unwrap()),
        ["Kubeconfig", "Token"]
    );
    assert_eq!(
        value["items"][1]["location"]["pointer"],
        "/users/0/user/token"
    );
    assert_eq!(
        value["items"][0]["users"][0]["credentials"],
        json!(["token"])
    );
}
