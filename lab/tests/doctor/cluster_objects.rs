//! Breakages of objects in the API: copies of the cluster's CA, tokens, requests, Secrets.
//!
//! kube-controller-manager puts some of them right at once; it is held up by a signal meanwhile.

use crate::breakage::{Breakage, broken};

/// All of them need the API.
pub const BREAKAGES: &[Breakage] = &[
    broken(
        "a-namespace-with-a-stale-root-ca",
        "authority imposter /CN=kubernetes
         kill -STOP $(pgrep -o kube-controller)
         kubectl create configmap kube-root-ca.crt -n kube-public --dry-run=client -o yaml \
             --from-file=ca.crt=$SCRATCH/imposter.crt | kubectl replace -f -",
        &[("root-ca-stale", "ConfigMap kube-public/kube-root-ca.crt data[ca.crt]")],
    )
    .mended_by(
        "kubectl create configmap kube-root-ca.crt -n kube-public --dry-run=client -o yaml \
             --from-file=ca.crt=$PKI/ca.crt | kubectl replace -f -
         kill -CONT $(pgrep -o kube-controller)",
    ),
    broken(
        "cluster-info-with-a-stale-ca",
        "authority imposter /CN=kubernetes
         kubectl get configmap -n kube-public cluster-info -o json >$SCRATCH/before.json
         kubectl get configmap -n kube-public cluster-info -o 'jsonpath={.data.kubeconfig}' \
             >$SCRATCH/kubeconfig
         embed $SCRATCH/kubeconfig certificate-authority-data $SCRATCH/imposter.crt
         kubectl create configmap cluster-info -n kube-public --dry-run=client -o yaml \
             --from-file=kubeconfig=$SCRATCH/kubeconfig | kubectl replace -f -",
        &[("cluster-info-stale", "ConfigMap kube-public/cluster-info data[kubeconfig]")],
    )
    .mended_by(
        "sed -i '/resourceVersion/d' $SCRATCH/before.json; kubectl replace -f $SCRATCH/before.json",
    ),
    broken(
        "a-token-secret-with-a-stale-ca",
        "authority imposter /CN=kubernetes
         secret=$(kubectl get secret -n default -o name | head -n 1)
         echo $secret >$SCRATCH/secret
         kill -STOP $(pgrep -o kube-controller)
         kubectl patch -n default $secret --type merge \
             -p \"{\\\"data\\\":{\\\"ca.crt\\\":\\\"$(base64 -w0 $SCRATCH/imposter.crt)\\\"}}\"",
        &[("token-secret-stale", "Secret default/* data[ca.crt]")],
    )
    .mended_by(
        "kubectl patch -n default $(cat $SCRATCH/secret) --type merge \
             -p \"{\\\"data\\\":{\\\"ca.crt\\\":\\\"$(base64 -w0 $PKI/ca.crt)\\\"}}\"
         kill -CONT $(pgrep -o kube-controller)",
    ),
    broken(
        "a-token-signed-by-an-unknown-key",
        "encode() { base64 -w0 | tr '+/' '-_' | tr -d =; }
         secret=$(kubectl get secret -n default -o name | head -n 1)
         echo $secret >$SCRATCH/secret
         kubectl get -n default $secret -o 'jsonpath={.data.token}' >$SCRATCH/token
         claims=$(base64 -d $SCRATCH/token | cut -d. -f2)
         head=$(printf '{\"alg\":\"RS256\",\"kid\":\"x\"}' | encode)
         signature=$(printf %s $head.$claims | openssl dgst -sha256 -sign $(other_key) | encode)
         kubectl patch -n default $secret --type merge \
             -p \"{\\\"data\\\":{\\\"token\\\":\\\"$(printf %s $head.$claims.$signature | base64 -w0)\\\"}}\"",
        &[("token-secret-stale", "Secret default/*")],
    )
    .mended_by(
        "kubectl patch -n default $(cat $SCRATCH/secret) --type merge \
             -p \"{\\\"data\\\":{\\\"token\\\":\\\"$(cat $SCRATCH/token)\\\"}}\"",
    ),
    broken(
        "a-request-for-a-serving-certificate-that-waits",
        "openssl req -new -key $(other_key) -subj /O=system:nodes/CN=system:node:cp1 \
             -addext subjectAltName=DNS:cp1 -out $SCRATCH/request
         printf '{\"apiVersion\":\"certificates.k8s.io/v1\",\"kind\":\"CertificateSigningRequest\",
             \"metadata\":{\"name\":\"csr-waits\"},\"spec\":{\"signerName\":\"kubernetes.io/kubelet-serving\",
             \"usages\":[\"digital signature\",\"key encipherment\",\"server auth\"],\"request\":\"%s\"}}' \
             $(base64 -w0 $SCRATCH/request) >$SCRATCH/request.json
         command kubectl --kubeconfig /etc/kubernetes/kubelet.conf create -f $SCRATCH/request.json",
        &[("request-pending", "CertificateSigningRequest csr-waits")],
    )
    .later()
    .mended_by("kubectl delete csr csr-waits"),
    broken(
        "a-secret-with-an-expired-certificate",
        "again $PKI/apiserver.crt key=$(other_key) names=DNS:shop.example start=-375 end=-10 out=$SCRATCH/tls.crt
         kubectl create secret tls shop -n default --cert $SCRATCH/tls.crt --key $(other_key)",
        &[("secret-expires", "Secret default/shop data[tls.crt]")],
    )
    .mended_by("kubectl delete secret shop -n default"),
    broken(
        "a-secret-with-a-key-of-another",
        "again $PKI/apiserver.crt key=$(other_key) names=DNS:shop.example out=$SCRATCH/tls.crt
         kubectl create secret generic shop -n default --type kubernetes.io/tls \
             --from-file=tls.crt=$SCRATCH/tls.crt --from-file=tls.key=$PKI/apiserver.key",
        &[("secret-key-mismatch", "Secret default/shop data[tls.crt]")],
    )
    .mended_by("kubectl delete secret shop -n default"),
    broken(
        "an-aggregated-servers-trust-in-an-old-front-proxy",
        "authority former /CN=kubernetes
         kubectl get configmap -n kube-system extension-apiserver-authentication -o json >$SCRATCH/before.json
         kubectl get configmap -n kube-system extension-apiserver-authentication \
             -o 'jsonpath={.data.client-ca-file}' >$SCRATCH/bundle
         cat $SCRATCH/former.crt >>$SCRATCH/bundle
         kubectl patch configmap -n kube-system extension-apiserver-authentication --type merge \
             -p \"$(printf '{\"data\":{\"client-ca-file\":\"%s\"}}' \"$(awk -v ORS='\\\\n' 1 $SCRATCH/bundle)\")\"",
        &[("former-ca-copy", "ConfigMap kube-system/extension-apiserver-authentication data[client-ca-file]")],
    )
    .merely_told()
    .mended_by("kubectl delete configmap -n kube-system extension-apiserver-authentication"),
];
