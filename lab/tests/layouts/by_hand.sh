# A control plane as "the hard way" leaves it: programs under systemd, flags that name every file.
# SSL, ETCD and CONF are the folders; FORM says whether kubeconfigs embed or name their files, and
# whether certificate and key of some share a file.

server=https://127.0.0.1:6443
case $FORM in
    apart) etcd_key=$ETCD/server-key.pem scheduler_key=$SSL/kube-scheduler-key.pem kind=embedded ;;
    together) etcd_key=$ETCD/server.pem scheduler_key=$SSL/kube-scheduler.pem kind=named ;;
esac

authority "$SSL/ca" /C=US/O=Kubernetes/OU=CA/CN=Kubernetes
authority "$SSL/front-proxy-ca" "/CN=front proxy by hand"
authority "$ETCD/ca" "/CN=etcd by hand"
[ -s "$SSL/etcd-ca.pem" ] || cp "$ETCD/ca.pem" "$SSL/etcd-ca.pem"
[ -s "$SSL/service-account-key.pem" ] || {
    openssl genrsa -out "$SSL/service-account-key.pem" 2048 2>/dev/null
    openssl rsa -in "$SSL/service-account-key.pem" -pubout -out "$SSL/service-account.pem" 2>/dev/null
}

both=serverAuth,clientAuth
here="DNS:$NODE,DNS:localhost,IP:$IP,IP:127.0.0.1"
leaf "$ETCD/server.pem" "$etcd_key" "$ETCD/ca" "/O=etcd/CN=$NODE" $both "$here"
leaf "$ETCD/peer.pem" "$ETCD/peer-key.pem" "$ETCD/ca" "/O=etcd/CN=$NODE" $both "$here"
leaf "$SSL/etcd-client.pem" "$SSL/etcd-client-key.pem" "$ETCD/ca" /CN=kube-apiserver clientAuth
leaf "$SSL/kubernetes.pem" "$SSL/kubernetes-key.pem" "$SSL/ca" /C=US/O=Kubernetes/CN=kubernetes \
    serverAuth "$here,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local,IP:10.32.0.1"
leaf "$SSL/kubelet-client.pem" "$SSL/kubelet-client-key.pem" "$SSL/ca" \
    /O=system:masters/CN=kube-apiserver clientAuth
leaf "$SSL/aggregator.pem" "$SSL/aggregator-key.pem" "$SSL/front-proxy-ca" /CN=aggregator clientAuth
leaf "$SSL/kube-controller-manager.pem" "$SSL/kube-controller-manager-key.pem" "$SSL/ca" \
    /O=system:kube-controller-manager/CN=system:kube-controller-manager clientAuth
leaf "$SSL/kube-scheduler.pem" "$scheduler_key" "$SSL/ca" \
    /O=system:kube-scheduler/CN=system:kube-scheduler clientAuth
leaf "$SSL/admin.pem" "$SSL/admin-key.pem" "$SSL/ca" /O=system:masters/CN=admin clientAuth
leaf "$SSL/$NODE.pem" "$SSL/$NODE-key.pem" "$SSL/ca" "/O=system:nodes/CN=system:node:$NODE" $both "$here"

kubeconfig "$CONF/kube-controller-manager.kubeconfig" "$SSL/ca.pem" system:kube-controller-manager \
    "$SSL/kube-controller-manager.pem" "$SSL/kube-controller-manager-key.pem" $kind $server
kubeconfig "$CONF/kube-scheduler.kubeconfig" "$SSL/ca.pem" system:kube-scheduler \
    "$SSL/kube-scheduler.pem" "$scheduler_key" $kind $server
kubeconfig "$CONF/admin.kubeconfig" "$SSL/ca.pem" admin "$SSL/admin.pem" "$SSL/admin-key.pem" $kind $server
kubeconfig "$CONF/node.kubeconfig" "$SSL/ca.pem" "system:node:$NODE" \
    "$SSL/$NODE.pem" "$SSL/$NODE-key.pem" named $server

# unit NAME TYPE FLAGS...
unit() {
    name=$1 type=$2
    shift 2
    cat >"/etc/systemd/system/$name.service" <<UNIT
[Unit]
Description=$name
[Service]
Type=$type
ExecStart=$(command -v "$name") \\
$(for flag; do printf '  %s \\\n' "$flag"; done)

Restart=always
RestartSec=1
StartLimitInterval=0
UNIT
}

unit etcd notify --name="$NODE" --data-dir=/var/lib/etcd/member-by-hand \
    --cert-file="$ETCD/server.pem" --key-file="$etcd_key" \
    --peer-cert-file="$ETCD/peer.pem" --peer-key-file="$ETCD/peer-key.pem" \
    --trusted-ca-file="$ETCD/ca.pem" --peer-trusted-ca-file="$ETCD/ca.pem" \
    --client-cert-auth --peer-client-cert-auth \
    --listen-client-urls="https://$IP:2379,https://127.0.0.1:2379" \
    --advertise-client-urls="https://$IP:2379" --listen-peer-urls="https://$IP:2380" \
    --initial-advertise-peer-urls="https://$IP:2380" --initial-cluster="$NODE=https://$IP:2380"
unit kube-apiserver notify --advertise-address="$IP" --authorization-mode=Node,RBAC \
    --allow-privileged=true --client-ca-file="$SSL/ca.pem" --etcd-cafile="$SSL/etcd-ca.pem" \
    --etcd-certfile="$SSL/etcd-client.pem" --etcd-keyfile="$SSL/etcd-client-key.pem" \
    --etcd-servers=https://127.0.0.1:2379 --kubelet-certificate-authority="$SSL/ca.pem" \
    --kubelet-client-certificate="$SSL/kubelet-client.pem" \
    --kubelet-client-key="$SSL/kubelet-client-key.pem" \
    --requestheader-client-ca-file="$SSL/front-proxy-ca.pem" \
    --requestheader-allowed-names=aggregator --requestheader-extra-headers-prefix=X-Remote-Extra- \
    --requestheader-group-headers=X-Remote-Group --requestheader-username-headers=X-Remote-User \
    --proxy-client-cert-file="$SSL/aggregator.pem" --proxy-client-key-file="$SSL/aggregator-key.pem" \
    --service-account-issuer=https://kubernetes.default.svc.cluster.local \
    --service-account-key-file="$SSL/service-account.pem" \
    --service-account-signing-key-file="$SSL/service-account-key.pem" \
    --service-cluster-ip-range=10.32.0.0/24 --secure-port=6443 \
    --tls-cert-file="$SSL/kubernetes.pem" --tls-private-key-file="$SSL/kubernetes-key.pem"
unit kube-controller-manager simple --bind-address=127.0.0.1 --leader-elect=false \
    --kubeconfig="$CONF/kube-controller-manager.kubeconfig" \
    --authentication-kubeconfig="$CONF/kube-controller-manager.kubeconfig" \
    --authorization-kubeconfig="$CONF/kube-controller-manager.kubeconfig" \
    --cluster-signing-cert-file="$SSL/ca.pem" --cluster-signing-key-file="$SSL/ca-key.pem" \
    --root-ca-file="$SSL/ca.pem" --service-cluster-ip-range=10.32.0.0/24 \
    --service-account-private-key-file="$SSL/service-account-key.pem" \
    --use-service-account-credentials=true
unit kube-scheduler simple --bind-address=127.0.0.1 --leader-elect=false \
    --kubeconfig="$CONF/kube-scheduler.kubeconfig" \
    --authentication-kubeconfig="$CONF/kube-scheduler.kubeconfig" \
    --authorization-kubeconfig="$CONF/kube-scheduler.kubeconfig"
cat >"$CONF/kubelet.yaml" <<KUBELET
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $SSL/ca.pem}}
authorization: {mode: Webhook}
cgroupDriver: cgroupfs
failSwapOn: false
tlsCertFile: $SSL/$NODE.pem
tlsPrivateKeyFile: $SSL/$NODE-key.pem
imageGCHighThresholdPercent: 100
evictionHard: {nodefs.available: "0%", nodefs.inodesFree: "0%", imagefs.available: "0%"}
KUBELET
rm -rf /etc/systemd/system/kubelet.service.d
unit kubelet simple --config="$CONF/kubelet.yaml" --kubeconfig="$CONF/node.kubeconfig" \
    --container-runtime=remote --container-runtime-endpoint=unix:///run/containerd/containerd.sock
systemctl daemon-reload
