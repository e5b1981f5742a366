# A host as RKE 1 sets it up (github.com/rancher/rke, packages pki and cluster): docker containers
# started through a script, one CA for everything but the front proxy, one kube-node certificate,
# kubeconfigs that name files. The programs come from the host's own /usr, which stands for RKE's
# images; everything else is as RKE runs it.

ssl=/etc/kubernetes/ssl
etcd=kube-etcd-$(echo "$IP" | tr . -)
server=https://127.0.0.1:6443

authority $ssl/kube-ca /CN=kube-ca
authority $ssl/kube-apiserver-requestheader-ca /CN=kube-apiserver-requestheader-ca
[ -s $ssl/kube-service-account-token-key.pem ] ||
    openssl genrsa -out $ssl/kube-service-account-token-key.pem 2048 2>/dev/null

both=serverAuth,clientAuth
names="DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local,DNS:$NODE,IP:$IP,IP:127.0.0.1,IP:10.43.0.1"
made_by_rke() { leaf "$ssl/$1.pem" "$ssl/$1-key.pem" "$ssl/$2" "$3" $both "${4:-}"; }
made_by_rke kube-apiserver kube-ca /CN=system:kube-apiserver "$names"
made_by_rke $etcd kube-ca /CN=system:kube-etcd "$names"
made_by_rke kube-node kube-ca /O=system:nodes/CN=system:node
made_by_rke kube-controller-manager kube-ca /CN=system:kube-controller-manager
made_by_rke kube-scheduler kube-ca /CN=system:kube-scheduler
made_by_rke kube-proxy kube-ca /CN=system:kube-proxy
made_by_rke kube-admin kube-ca /O=system:masters/CN=kube-admin
made_by_rke kube-apiserver-proxy-client kube-apiserver-requestheader-ca /CN=kube-apiserver-proxy-client
for name in node controller-manager scheduler proxy admin; do
    kubeconfig $ssl/kubecfg-kube-$name.yaml $ssl/kube-ca.pem kube-$name-local \
        $ssl/kube-$name.pem $ssl/kube-$name-key.pem named $server
done

# An image that holds links and the script alone.
docker image inspect lab/rke >/dev/null 2>&1 || {
    image=/root/rke-image
    mkdir -p $image/opt/rke-tools $image/tmp $image/etc $image/usr
    for folder in bin sbin lib lib64; do ln -sfn usr/$folder $image/$folder; done
    printf '#!/bin/sh\nexec "$@"\n' >$image/opt/rke-tools/entrypoint.sh
    chmod 755 $image/opt/rke-tools/entrypoint.sh
    tar -C $image -c . | docker import -c 'ENV PATH=/usr/local/bin:/usr/sbin:/usr/bin' - lab/rke >/dev/null
}

# container NAME DOCKER-FLAGS -- COMMAND...: made anew
container() {
    name=$1
    shift
    docker rm --force "$name" >/dev/null 2>&1 || true
    options=
    while [ "$1" != -- ]; do options="$options $1"; shift; done
    shift
    docker create --name "$name" --net host --restart always -v /usr:/usr:ro \
        -v /etc/kubernetes:/etc/kubernetes:z $options lab/rke "$@" >/dev/null
}

script=/opt/rke-tools/entrypoint.sh
container etcd -v /var/lib/etcd:/var/lib/rancher/etcd/:z -- \
    /usr/local/bin/etcd --name="etcd-$NODE" --data-dir=/var/lib/rancher/etcd/of-rke \
    --client-cert-auth=true --peer-client-cert-auth=true \
    --advertise-client-urls="https://$IP:2379" --listen-client-urls=https://0.0.0.0:2379 \
    --initial-advertise-peer-urls="https://$IP:2380" --listen-peer-urls=https://0.0.0.0:2380 \
    --initial-cluster="etcd-$NODE=https://$IP:2380" --initial-cluster-token=etcd-cluster-1 \
    --trusted-ca-file=$ssl/kube-ca.pem --peer-trusted-ca-file=$ssl/kube-ca.pem \
    --cert-file=$ssl/$etcd.pem --key-file=$ssl/$etcd-key.pem \
    --peer-cert-file=$ssl/$etcd.pem --peer-key-file=$ssl/$etcd-key.pem
container kube-apiserver -- $script kube-apiserver --bind-address=0.0.0.0 --secure-port=6443 \
    --advertise-address="$IP" --authorization-mode=Node,RBAC --allow-privileged=true \
    --service-cluster-ip-range=10.43.0.0/16 --client-ca-file=$ssl/kube-ca.pem \
    --etcd-cafile=$ssl/kube-ca.pem --etcd-certfile=$ssl/kube-node.pem \
    --etcd-keyfile=$ssl/kube-node-key.pem --etcd-servers="https://$IP:2379" \
    --kubelet-client-certificate=$ssl/kube-apiserver.pem \
    --kubelet-client-key=$ssl/kube-apiserver-key.pem \
    --proxy-client-cert-file=$ssl/kube-apiserver-proxy-client.pem \
    --proxy-client-key-file=$ssl/kube-apiserver-proxy-client-key.pem \
    --requestheader-allowed-names=kube-apiserver-proxy-client \
    --requestheader-client-ca-file=$ssl/kube-apiserver-requestheader-ca.pem \
    --requestheader-extra-headers-prefix=X-Remote-Extra- \
    --requestheader-group-headers=X-Remote-Group --requestheader-username-headers=X-Remote-User \
    --service-account-issuer=rke --service-account-lookup=true \
    --service-account-key-file=$ssl/kube-service-account-token-key.pem \
    --service-account-signing-key-file=$ssl/kube-service-account-token-key.pem \
    --tls-cert-file=$ssl/kube-apiserver.pem --tls-private-key-file=$ssl/kube-apiserver-key.pem
container kube-controller-manager -- $script kube-controller-manager --leader-elect=true \
    --kubeconfig=$ssl/kubecfg-kube-controller-manager.yaml --root-ca-file=$ssl/kube-ca.pem \
    --service-account-private-key-file=$ssl/kube-service-account-token-key.pem \
    --service-cluster-ip-range=10.43.0.0/16 --use-service-account-credentials=true
container kube-scheduler -- $script kube-scheduler --leader-elect=true \
    --kubeconfig=$ssl/kubecfg-kube-scheduler.yaml
mount --make-rshared /
mkdir -p /opt/cni /var/lib/cni /var/log/containers /var/log/pods
# RKE says --privileged; the lab's machine may lack capabilities that docker would then ask for.
container kubelet --pid host --cap-add SYS_ADMIN --cap-add NET_ADMIN --cap-add SYS_PTRACE --cap-add SYSLOG \
    --security-opt seccomp=unconfined --device /dev/kmsg -v /etc/cni:/etc/cni:ro,z -v /var/lib/cni:/var/lib/cni:z \
    -v /etc/resolv.conf:/etc/resolv.conf -v /sys:/sys:rprivate -v /dev:/host/dev:rprivate \
    -v /var/lib/docker:/var/lib/docker:rw,rslave,z -v /var/lib/kubelet:/var/lib/kubelet:shared,z \
    -v /run:/run:rprivate -v /var/run:/var/run:rw,rprivate -v /var/log/containers:/var/log/containers:z \
    -v /var/log/pods:/var/log/pods:z -- \
    $script kubelet --address=0.0.0.0 --hostname-override="$NODE" --anonymous-auth=false \
    --authorization-mode=Webhook --authentication-token-webhook=true \
    --client-ca-file=$ssl/kube-ca.pem --kubeconfig=$ssl/kubecfg-kube-node.yaml \
    --cgroup-driver=cgroupfs --fail-swap-on=false --network-plugin=cni \
    --cni-conf-dir=/etc/cni/net.d --cni-bin-dir=/usr/lib/cni --image-gc-high-threshold=100 \
    --eviction-hard=nodefs.available\<0%,nodefs.inodesFree\<0%,imagefs.available\<0% \
    --resolv-conf=/etc/resolv.conf --root-dir=/var/lib/kubelet --volume-plugin-dir=/var/lib/kubelet/volumeplugins
