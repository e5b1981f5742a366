# An etcd under systemd that was there before kubeadm, with certificates of its own making, and
# kubeadm told to use it (https://kubernetes.io/docs/setup/production-environment/tools/kubeadm/high-availability/).

both=serverAuth,clientAuth
here="DNS:$NODE,DNS:localhost,IP:$IP,IP:127.0.0.1"
authority /etc/etcd/ssl/ca "/CN=etcd beside kubeadm"
leaf /etc/etcd/ssl/server.pem /etc/etcd/ssl/server-key.pem /etc/etcd/ssl/ca "/CN=$NODE" $both "$here"
leaf /etc/etcd/ssl/peer.pem /etc/etcd/ssl/peer-key.pem /etc/etcd/ssl/ca "/CN=$NODE" $both "$here"
# What kubeadm is given: a client, and the authority without its key.
pki=/etc/kubernetes/pki
leaf $pki/apiserver-etcd-client.crt $pki/apiserver-etcd-client.key /etc/etcd/ssl/ca \
    /CN=kube-apiserver-etcd-client clientAuth
mkdir -p $pki/etcd && cp /etc/etcd/ssl/ca.pem $pki/etcd/ca.crt

cat >/etc/systemd/system/etcd.service <<UNIT
[Service]
Type=notify
EnvironmentFile=/etc/etcd/etcd.env
ExecStart=/usr/local/bin/etcd
Restart=always
RestartSec=1
UNIT
cat >/etc/etcd/etcd.env <<ENVIRONMENT
ETCD_NAME=$NODE
ETCD_DATA_DIR=/var/lib/etcd/external
ETCD_CERT_FILE=/etc/etcd/ssl/server.pem
ETCD_KEY_FILE=/etc/etcd/ssl/server-key.pem
ETCD_TRUSTED_CA_FILE=/etc/etcd/ssl/ca.pem
ETCD_CLIENT_CERT_AUTH=true
ETCD_PEER_CERT_FILE=/etc/etcd/ssl/peer.pem
ETCD_PEER_KEY_FILE=/etc/etcd/ssl/peer-key.pem
ETCD_PEER_TRUSTED_CA_FILE=/etc/etcd/ssl/ca.pem
ETCD_PEER_CLIENT_CERT_AUTH=true
ETCD_LISTEN_CLIENT_URLS=https://$IP:2379,https://127.0.0.1:2379
ETCD_ADVERTISE_CLIENT_URLS=https://$IP:2379
ETCD_LISTEN_PEER_URLS=https://$IP:2380
ETCD_INITIAL_ADVERTISE_PEER_URLS=https://$IP:2380
ETCD_INITIAL_CLUSTER=$NODE=https://$IP:2380
ENVIRONMENT
systemctl daemon-reload
