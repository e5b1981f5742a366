# A whole cluster as "the hard way" leaves it: programs under systemd, and a PKI that was made on one
# machine and copied. etcd has hosts and an authority of its own, whose key lies on its first host alone.
# CONTROL_PLANES, MEMBERS and WORKERS are lists of NAME=ADDRESS, BALANCER the address of the API, ETCDS
# and PEERS etcd's URLs as clients and members are told them. What belongs to a host is left in
# /root/tree/NAME.
#
# The first control plane has its flags in its units, the second in environment files and the
# controller manager's signing flags in a drop-in, others as the first.

tree=/root/tree
rm -rf $tree
ca=$tree/authorities
authority $ca/ca /C=US/O=Kubernetes/OU=CA/CN=Kubernetes
authority $ca/front-proxy-ca "/CN=front proxy by hand"
authority $ca/etcd "/CN=etcd by hand"
openssl genrsa -out $ca/service-account-key.pem 2048 2>/dev/null
openssl rsa -in $ca/service-account-key.pem -pubout -out $ca/service-account.pem 2>/dev/null

both=serverAuth,clientAuth
kube=/var/lib/kubernetes
kubelets=/var/lib/kubelet
nodes=
for one in $CONTROL_PLANES $MEMBERS $WORKERS; do nodes="$nodes${nodes:+,}IP:${one#*=}"; done

# start UNIT TYPE FORM FLAGS...: what /etc/systemd/system of $place needs; FORM says where flags are
start() {
    unit=$1 type=$2 form=$3
    shift 3
    folder=$place/etc/systemd/system
    mkdir -p $folder
    program=/usr/local/bin/$unit
    [ $unit != kubelet ] || program=/usr/bin/kubelet
    printf '[Unit]\nDescription=%s\n\n[Service]\nType=%s\n' $unit $type >$folder/$unit.service
    case $form in
        unit)
            printf 'ExecStart=%s' $program
            for flag; do printf ' \\\n  %s' "$flag"; done
            printf '\n'
            ;;
        environment)
            mkdir -p $place/etc/default
            printf '%s_ARGS="%s"\n' "$(echo $unit | tr a-z- A-Z_)" "$*" >$place/etc/default/$unit
            printf 'EnvironmentFile=/etc/default/%s\nExecStart=%s $%s_ARGS\n' \
                $unit $program "$(echo $unit | tr a-z- A-Z_)"
            ;;
        drop-in)
            mkdir -p $folder/$unit.service.d
            printf '# flags of this site\n[Service]\nExecStart=\nExecStart=%s %s\n' \
                $program "$*" >$folder/$unit.service.d/10-flags.conf
            printf 'ExecStart=%s\n' $program
            ;;
    esac >>$folder/$unit.service
    printf 'Restart=always\nRestartSec=1\n\n[Install]\nWantedBy=multi-user.target\n' >>$folder/$unit.service
}

# kubelet NAME ADDRESS named|embedded
kubelet() {
    leaf $place$kubelets/$1.pem $place$kubelets/$1-key.pem $ca/ca "/O=system:nodes/CN=system:node:$1" \
        $both "DNS:$1,IP:$2"
    mkdir -p $place$kube
    cp $ca/ca.pem $place$kube/ca.pem
    case $3 in
        embedded)
            kubeconfig $place$kubelets/kubeconfig $ca/ca.pem "system:node:$1" \
                $place$kubelets/$1.pem $place$kubelets/$1-key.pem embedded https://$BALANCER
            ;;
        named)
            kubeconfig $place$kubelets/kubeconfig $kube/ca.pem "system:node:$1" \
                $kubelets/$1.pem $kubelets/$1-key.pem named https://$BALANCER
            ;;
    esac
    cat >$place$kubelets/kubelet-config.yaml <<KUBELET
kind: KubeletConfiguration
apiVersion: kubelet.config.k8s.io/v1beta1
authentication:
  anonymous:
    enabled: false
  webhook:
    enabled: true
  x509:
    clientCAFile: "$kube/ca.pem"
authorization:
  mode: Webhook
cgroupDriver: cgroupfs
failSwapOn: false
tlsCertFile: "$kubelets/$1.pem"
tlsPrivateKeyFile: "$kubelets/$1-key.pem"
imageGCHighThresholdPercent: 100
evictionHard: {nodefs.available: "0%", nodefs.inodesFree: "0%", imagefs.available: "0%"}
KUBELET
    start kubelet simple unit --config=$kubelets/kubelet-config.yaml --kubeconfig=$kubelets/kubeconfig \
        --container-runtime=remote --container-runtime-endpoint=unix:///run/containerd/containerd.sock
}

# control_plane NAME ADDRESS FORM
control_plane() {
    mkdir -p $place$kube
    cp $ca/ca.pem $ca/ca-key.pem $ca/front-proxy-ca.pem $ca/front-proxy-ca-key.pem \
        $ca/service-account.pem $ca/service-account-key.pem $place$kube
    cp $ca/etcd.pem $place$kube/etcd-ca.pem
    mine() { leaf $place$kube/$1.pem $place$kube/$1-key.pem $ca/$2 "$3" $4 "${5:-}"; }
    mine kubernetes ca /C=US/O=Kubernetes/CN=kubernetes serverAuth \
        "DNS:$1,DNS:localhost,IP:$2,IP:127.0.0.1,IP:${BALANCER%:*},DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local,IP:10.32.0.1"
    mine kubelet-client ca /O=system:masters/CN=kube-apiserver clientAuth
    mine etcd-client etcd /CN=kube-apiserver clientAuth
    mine aggregator front-proxy-ca /CN=aggregator clientAuth
    for name in kube-controller-manager kube-scheduler; do
        mine $name ca "/O=system:$name/CN=system:$name" clientAuth
        kubeconfig $place$kube/$name.kubeconfig $ca/ca.pem system:$name $place$kube/$name.pem \
            $place$kube/$name-key.pem embedded https://127.0.0.1:6443
        rm $place$kube/$name.pem $place$kube/$name-key.pem
    done
    mine admin ca /O=system:masters/CN=admin clientAuth
    kubeconfig $place$kube/admin.kubeconfig $ca/ca.pem admin $place$kube/admin.pem \
        $place$kube/admin-key.pem embedded https://127.0.0.1:6443
    start kube-apiserver notify $3 --advertise-address=$2 --authorization-mode=Node,RBAC \
        --allow-privileged=true --apiserver-count=2 --client-ca-file=$kube/ca.pem \
        --etcd-cafile=$kube/etcd-ca.pem --etcd-certfile=$kube/etcd-client.pem \
        --etcd-keyfile=$kube/etcd-client-key.pem --etcd-servers=$ETCDS \
        --kubelet-certificate-authority=$kube/ca.pem --kubelet-client-certificate=$kube/kubelet-client.pem \
        --kubelet-client-key=$kube/kubelet-client-key.pem \
        --requestheader-client-ca-file=$kube/front-proxy-ca.pem \
        --requestheader-allowed-names=aggregator --requestheader-extra-headers-prefix=X-Remote-Extra- \
        --requestheader-group-headers=X-Remote-Group --requestheader-username-headers=X-Remote-User \
        --proxy-client-cert-file=$kube/aggregator.pem --proxy-client-key-file=$kube/aggregator-key.pem \
        --service-account-issuer=https://kubernetes.default.svc.cluster.local \
        --service-account-key-file=$kube/service-account.pem \
        --service-account-signing-key-file=$kube/service-account-key.pem \
        --service-cluster-ip-range=10.32.0.0/24 --secure-port=6443 \
        --tls-cert-file=$kube/kubernetes.pem --tls-private-key-file=$kube/kubernetes-key.pem
    controllers=$3
    [ $3 = unit ] || controllers=drop-in
    start kube-controller-manager simple $controllers --bind-address=0.0.0.0 --leader-elect=true \
        --kubeconfig=$kube/kube-controller-manager.kubeconfig \
        --cluster-signing-cert-file=$kube/ca.pem --cluster-signing-key-file=$kube/ca-key.pem \
        --root-ca-file=$kube/ca.pem --service-account-private-key-file=$kube/service-account-key.pem \
        --service-cluster-ip-range=10.32.0.0/24 --use-service-account-credentials=true
    start kube-scheduler simple $3 --kubeconfig=$kube/kube-scheduler.kubeconfig --leader-elect=true
}

form=unit
for one in $CONTROL_PLANES; do
    place=$tree/${one%%=*}
    control_plane ${one%%=*} ${one#*=} $form
    kubelet ${one%%=*} ${one#*=} named
    [ $form = unit ] && form=environment || form=unit
done
for one in $WORKERS; do
    place=$tree/${one%%=*}
    kubelet ${one%%=*} ${one#*=} embedded
done
key=yes
for one in $MEMBERS; do
    name=${one%%=*} address=${one#*=} place=$tree/${one%%=*} ssl=/etc/etcd
    mkdir -p $place$ssl
    cp $ca/etcd.pem $place$ssl/ca.pem
    [ -z "$key" ] || cp $ca/etcd-key.pem $place$ssl/ca-key.pem
    key=
    here="DNS:$name,DNS:localhost,IP:$address,IP:127.0.0.1"
    leaf $place$ssl/server.pem $place$ssl/server-key.pem $ca/etcd "/O=etcd/CN=$name" $both "$here"
    leaf $place$ssl/peer.pem $place$ssl/peer-key.pem $ca/etcd "/O=etcd/CN=$name" $both "$here"
    start etcd notify unit
    cat >$place$ssl/etcd.env <<ENVIRONMENT
ETCD_NAME=$name
ETCD_DATA_DIR=/var/lib/etcd/by-hand
ETCD_CERT_FILE=$ssl/server.pem
ETCD_KEY_FILE=$ssl/server-key.pem
ETCD_TRUSTED_CA_FILE=$ssl/ca.pem
ETCD_CLIENT_CERT_AUTH=true
ETCD_PEER_CERT_FILE=$ssl/peer.pem
ETCD_PEER_KEY_FILE=$ssl/peer-key.pem
ETCD_PEER_TRUSTED_CA_FILE=$ssl/ca.pem
ETCD_PEER_CLIENT_CERT_AUTH=true
ETCD_LISTEN_CLIENT_URLS=https://$address:2379,https://127.0.0.1:2379
ETCD_ADVERTISE_CLIENT_URLS=https://$address:2379
ETCD_LISTEN_PEER_URLS=https://$address:2380
ETCD_INITIAL_ADVERTISE_PEER_URLS=https://$address:2380
ETCD_INITIAL_CLUSTER=$PEERS
ENVIRONMENT
    sed -i 's,^ExecStart,EnvironmentFile=/etc/etcd/etcd.env\nExecStart,' $place/etc/systemd/system/etcd.service
done
rm -rf $ca "$made"
