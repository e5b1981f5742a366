//! Manifests of every kind of object that holds certificates.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::certificates::{CA, CLIENT, Made, SERVER, Wish, Workshop, wish};
use crate::cluster_servers::ControlPlane;

fn encoded(path: &Path) -> String {
    STANDARD.encode(fs_err::read(path).unwrap())
}

/// A Secret whose values are files.
fn secret(namespace: &str, name: &str, kind: &str, values: &[(&str, &Path)]) -> String {
    let mut text = format!(
        "---\napiVersion: v1\nkind: Secret\ntype: {kind}\n\
         metadata: {{name: {name}, namespace: {namespace}}}\ndata:\n"
    );
    for (key, path) in values {
        writeln!(text, "  {key}: {}", encoded(path)).unwrap();
    }
    text
}

fn keystore(workshop: &Workshop, made: &Made, name: &str, password: &str) -> std::path::PathBuf {
    let path = workshop.path().join(name);
    let output = Command::new("openssl")
        .args(["pkcs12", "-export", "-passout", &format!("pass:{password}")])
        .arg("-in")
        .arg(&made.certificate)
        .arg("-inkey")
        .arg(&made.key)
        .arg("-out")
        .arg(&path)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    path
}

/// Everything that there is to find, but for what the controllers make.
pub fn objects(plane: &ControlPlane) -> String {
    let workshop = &plane.workshop;
    let web = workshop.issue("web", &plane.authority, wish("/CN=web", SERVER));
    let other = workshop.authority("other-ca", wish("/CN=other-ca", CA));
    let foreign = workshop.issue("foreign", &other, wish("/CN=foreign", SERVER));
    let etcd_ca = workshop.authority("etcd-ca", wish("/CN=etcd-ca", CA));
    let etcd_client = workshop.issue("etcd-client", &etcd_ca, wish("/CN=prometheus", CLIENT));
    let expired = Wish {
        not_after: "20240101000000Z",
        ..wish("/CN=old", SERVER)
    };
    let expired = workshop.issue("expired", &plane.authority, expired);
    let store = keystore(workshop, &web, "store.p12", "beside");
    let locked = keystore(workshop, &web, "locked.p12", "unknown");
    fs_err::write(workshop.path().join("password"), "beside\n").unwrap();
    fs_err::write(
        workshop.path().join("junk"),
        "-----BEGIN CERTIFICATE-----\nAAAA\n",
    )
    .unwrap();
    let file = |name: &str| workshop.path().join(name);
    let admin = plane.kubeconfig(&format!(
        "{{client-certificate-data: {}, client-key-data: {}}}",
        encoded(&plane.admin.certificate),
        encoded(&plane.admin.key)
    ));
    let admin = admin.replace(
        "certificate-authority: ca.crt",
        &format!(
            "certificate-authority-data: {}",
            encoded(&plane.authority.certificate)
        ),
    );
    plane.write("embedded.conf", &admin);
    let jks: String = include_str!("../../../core/src/cluster/java_key_store.jks.base64")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .collect();
    fs_err::write(file("store.jks"), STANDARD.decode(jks).unwrap()).unwrap();

    let tls = "kubernetes.io/tls";
    let mut all = String::new();
    all += "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n";
    all += &secret(
        "shop",
        "web",
        tls,
        &[
            ("tls.crt", &web.certificate),
            ("tls.key", &web.key),
            ("ca.crt", &plane.authority.certificate),
        ],
    );
    all += &secret(
        "shop",
        "mismatch",
        "Opaque",
        &[("tls.crt", &foreign.certificate), ("tls.key", &web.key)],
    );
    all += &secret(
        "shop",
        "expired",
        tls,
        &[("tls.crt", &expired.certificate), ("tls.key", &expired.key)],
    );
    all += &secret(
        "shop",
        "stores",
        "Opaque",
        &[
            ("a.p12", &store),
            ("keystore-password", &file("password")),
            ("blob", &file("store.jks")),
        ],
    );
    all += &secret("shop", "locked", "Opaque", &[("a.p12", &locked)]);
    all += &secret("shop", "junk", "Opaque", &[("ca.crt", &file("junk"))]);
    all += &secret(
        "shop",
        "image",
        "kubernetes.io/dockerconfigjson",
        &[(".dockerconfigjson", &file("dockerconfig"))],
    );
    all += &secret(
        "shop",
        "kubeconfig",
        "Opaque",
        &[("value", &file("embedded.conf"))],
    );
    all += &secret(
        "monitoring",
        "etcd-certs",
        "Opaque",
        &[
            ("etcd-ca.crt", &etcd_ca.certificate),
            ("client.crt", &etcd_client.certificate),
            ("client.key", &etcd_client.key),
        ],
    );
    all += "---\napiVersion: v1\nkind: Secret\ntype: bootstrap.kubernetes.io/token\n\
        metadata: {name: bootstrap-token-abcdef, namespace: kube-system}\nstringData: {\
        token-id: abcdef, token-secret: '0123456789abcdef', expiration: '2098-01-01T00:00:00Z', \
        usage-bootstrap-authentication: 'true', usage-bootstrap-signing: 'true'}\n";
    all += &cluster_wide(plane);
    all = all.replacen(
        "---\napiVersion: v1\nkind: Secret",
        "---\napiVersion: v1\nkind: Namespace\n\
        metadata: {name: monitoring}\n---\napiVersion: v1\nkind: Secret",
        1,
    );
    all
}

/// What `kubeadm init --upload-certs` leaves: owned by the bootstrap token of this uid. Under the uid of
/// nobody kube-controller-manager would collect it as garbage within seconds.
pub fn uploaded_certificates(plane: &ControlPlane, token_uid: &str) -> String {
    let password = plane.folder().join("password");
    secret(
        "kube-system",
        "kubeadm-certs",
        "Opaque",
        &[("ca.crt", &password)],
    )
    .replace(
        "name: kubeadm-certs,",
        &format!(
            "name: kubeadm-certs, ownerReferences: [{{apiVersion: v1, kind: Secret, \
             name: bootstrap-token-abcdef, uid: {token_uid}, controller: true}}],"
        ),
    )
}

fn cluster_wide(plane: &ControlPlane) -> String {
    let ca = encoded(&plane.authority.certificate);
    let pem = fs_err::read_to_string(&plane.authority.certificate).unwrap();
    let indented = pem.replace('\n', "\n    ");
    let request = {
        let path = plane.folder().join("web.csr");
        encoded(&path)
    };
    format!(
        "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: bundle, namespace: shop}}\n\
         data:\n  trust.pem: |\n    {indented}\n\
         ---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: cluster-info, namespace: kube-public}}\n\
         data:\n  kubeconfig: |\n    apiVersion: v1\n    kind: Config\n    clusters:\n    - name: ''\n      \
         cluster: {{server: 'https://api:6443', certificate-authority-data: {ca}}}\n\
         ---\napiVersion: v1\nkind: Node\nmetadata: {{name: cp1, labels: {{node-role.kubernetes.io/master: ''}}}}\n\
         status: {{addresses: [{{type: InternalIP, address: 10.0.0.1}}, {{type: Hostname, address: cp1}}], \
         daemonEndpoints: {{kubeletEndpoint: {{Port: 10250}}}}, nodeInfo: {{kubeletVersion: v1.20.2}}}}\n\
         ---\napiVersion: certificates.k8s.io/v1\nkind: CertificateSigningRequest\nmetadata: {{name: pending}}\n\
         spec: {{signerName: kubernetes.io/kubelet-serving, request: {request}, usages: [server auth]}}\n\
         ---\napiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingWebhookConfiguration\n\
         metadata: {{name: policy}}\nwebhooks:\n- name: policy.example.com\n  sideEffects: None\n  \
         admissionReviewVersions: [v1]\n  failurePolicy: Ignore\n  \
         clientConfig: {{caBundle: {ca}, service: {{namespace: shop, name: hook, port: 8443}}}}\n  \
         rules: [{{apiGroups: [example.com], apiVersions: [v1], operations: [CREATE], resources: [widgets]}}]\n\
         ---\napiVersion: v1\nkind: Service\nmetadata: {{name: hook, namespace: shop}}\n\
         spec: {{ports: [{{name: https, port: 8443, targetPort: 9443}}]}}\n\
         ---\napiVersion: v1\nkind: Endpoints\nmetadata: {{name: hook, namespace: shop}}\n\
         subsets: [{{addresses: [{{ip: 10.9.9.9}}], ports: [{{name: https, port: 9443}}]}}]\n\
         ---\napiVersion: apiregistration.k8s.io/v1\nkind: APIService\nmetadata: {{name: v1.wares.example.com}}\n\
         spec: {{group: wares.example.com, version: v1, groupPriorityMinimum: 100, versionPriority: 100, \
         insecureSkipTLSVerify: true, service: {{namespace: shop, name: wares}}}}\n\
         ---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{name: web, namespace: shop}}\n\
         spec: {{tls: [{{hosts: [web.example.com], secretName: web}}], \
         rules: [{{host: web.example.com}}]}}\n\
         ---\napiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\n\
         metadata: {{name: certificates.cert-manager.io}}\nspec:\n  group: cert-manager.io\n  scope: Namespaced\n  \
         names: {{kind: Certificate, plural: certificates, singular: certificate}}\n  \
         conversion: {{strategy: Webhook, webhook: {{conversionReviewVersions: [v1], clientConfig: \
         {{caBundle: {ca}, url: 'https://convert.example.com/x'}}}}}}\n  \
         versions: [{{name: v1, served: true, storage: true, schema: {{openAPIV3Schema: {{type: object, \
         x-kubernetes-preserve-unknown-fields: true}}}}}}]\n"
    )
}
