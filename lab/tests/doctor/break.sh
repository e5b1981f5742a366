# What the breakages are made of. Sourced on a host by every one of them; sh, with openssl 3.

PKI=/etc/kubernetes/pki
STORE=/var/lib/kubelet/pki
LINK=$STORE/kubelet-client-current.pem
SCRATCH=/root/scratch
mkdir -p $SCRATCH

# kube-apiserver and kubelet read their files again once a minute, counted from their start (v1.20
# does so some 1.5 s after each full minute). What is broken only on disk is not to be caught by that.
away_from_polls() {
    hertz=$(getconf CLK_TCK)
    while :; do
        near=no
        for pid in $(pgrep '^(kube-apiserver|kubelet)$'); do
            started=$(sed 's/.*) //' /proc/$pid/stat 2>/dev/null | cut -d' ' -f20)
            near=$near$(awk -v hertz="$hertz" -v started="${started:-0}" \
                '{ age = ($1 - started / hertz) % 60; if (age > 54 || age < 3.5) print "yes" }' /proc/uptime)
        done
        [ $near = no ] && return
        sleep 0.2
    done
}

# What a certificate says, in the form that issuing takes
subject() { openssl x509 -in "$1" -noout -subject -nameopt compat | sed 's/^subject=//'; }
names() {
    openssl x509 -in "$1" -noout -ext subjectAltName 2>/dev/null |
        sed -n 's/IP Address/IP/g; s/^ *\(\(DNS\|IP\):.*\)/\1/p' | tr -d ' '
}
usages() {
    openssl x509 -in "$1" -noout -ext extendedKeyUsage 2>/dev/null |
        sed -n 's/TLS Web Server Authentication/serverAuth/; s/TLS Web Client Authentication/clientAuth/; s/^ *\(.*Auth\)$/\1/p' |
        tr -d ' '
}

# again FILE [name=value …]: issues FILE's certificate once more, with the same subject, names and
# usages, but for what is named: ca (path without .crt and .key), key (a file; FILE's own otherwise),
# subject, names, usages, start, end (days from now), digest, out.
again() {
    file=$1; shift
    ca=; key=${file%.crt}.key; subject=$(subject "$file"); names=$(names "$file"); usages=$(usages "$file")
    start=-0; end=360; digest=sha256; out=$file; more=
    case $(openssl x509 -in "$file" -noout -issuer -nameopt compat) in
        *etcd-ca) ca=$PKI/etcd/ca ;;
        *front-proxy-ca) ca=$PKI/front-proxy-ca ;;
        *) ca=$PKI/ca ;;
    esac
    for setting; do eval "${setting%%=*}=\${setting#*=}"; done
    {
        echo 'keyUsage=critical,digitalSignature,keyEncipherment'
        echo 'authorityKeyIdentifier=keyid'
        [ -z "$usages" ] || echo "extendedKeyUsage=$usages"
        [ -z "$names" ] || echo "subjectAltName=$names"
        [ -z "$more" ] || echo "$more"
    } >$SCRATCH/extensions
    sign "$ca" "$key" "$subject" "$start" "$end" "$digest" "$out"
}

# sign CA KEY SUBJECT START END DIGEST OUT, with $SCRATCH/extensions; in place, so the mode stays
sign() {
    rm -f $SCRATCH/index* $SCRATCH/request
    : >$SCRATCH/index
    printf '[ca]\ndefault_ca=a\n[a]\ndatabase=%s/index\nrand_serial=yes\nnew_certs_dir=%s\npolicy=p\nunique_subject=no\n[p]\nCN=optional\nO=optional\n[req]\ndistinguished_name=d\nstring_mask=default\n[d]\n' \
        $SCRATCH $SCRATCH >$SCRATCH/config
    openssl req -new -config $SCRATCH/config -key "$2" -subj "$3" -out $SCRATCH/request
    openssl ca -batch -notext -preserveDN -config $SCRATCH/config -cert "$1.crt" -keyfile "$1.key" -md "$6" \
        -startdate "$(date -u -d "$4 days" +%Y%m%d%H%M%SZ)" -enddate "$(date -u -d "$5 days" +%Y%m%d%H%M%SZ)" \
        -extfile $SCRATCH/extensions -in $SCRATCH/request -out $SCRATCH/issued 2>$SCRATCH/errors ||
        { cat $SCRATCH/errors >&2; return 1; }
    cat $SCRATCH/issued >"$7"
}

# authority NAME SUBJECT [START END]: another CA, as $SCRATCH/NAME.crt and .key
authority() {
    [ -e $SCRATCH/"$1".key ] || openssl genrsa -out $SCRATCH/"$1".key 2048 2>/dev/null
    self_signed "$1" $SCRATCH/"$1".key "$2" "${3:--1}" "${4:-3600}"
}

# self_signed NAME KEY SUBJECT START END: as $SCRATCH/NAME.crt
self_signed() {
    printf 'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,digitalSignature,keyEncipherment\nsubjectKeyIdentifier=hash\n' \
        >$SCRATCH/extensions
    # names as Go writes them, in PrintableString: others would be other names
    printf '[req]\ndistinguished_name=d\nstring_mask=default\n[d]\n' >$SCRATCH/config
    openssl req -x509 -new -config $SCRATCH/config -key "$2" -subj "$3" -days 1 -out $SCRATCH/itself.crt
    cp "$2" $SCRATCH/itself.key
    # with its own dates, which `req` cannot set
    sign $SCRATCH/itself "$2" "$3" "$4" "$5" sha256 $SCRATCH/"$1".crt
}

# other_key [BITS]: a key that nobody else has
other_key() {
    [ -e $SCRATCH/other"${1:-2048}".key ] || openssl genrsa -out $SCRATCH/other"${1:-2048}".key "${1:-2048}" 2>/dev/null
    echo $SCRATCH/other"${1:-2048}".key
}

# What a kubeconfig embeds, and putting something else there.
embedded() { sed -n "s/^ *$2: //p" "$1" | head -n 1 | base64 -d; }
embed() { sed -i "s|^\( *$2:\) .*|\1 $(base64 -w0 "$3")|" "$1"; }

# user FILE [name=value …]: issues a kubeconfig's embedded client certificate again
user() {
    kubeconfig=$1; shift
    embedded "$kubeconfig" client-certificate-data >$SCRATCH/user.crt
    embedded "$kubeconfig" client-key-data >$SCRATCH/user.key
    again $SCRATCH/user.crt "$@"
    embed "$kubeconfig" client-certificate-data $SCRATCH/user.crt
}

# flag MANIFEST FLAG VALUE: sets a component's flag; the kubelet starts it again
flag() {
    sed "s|^\( *- --$2=\).*|\1$3|" /etc/kubernetes/manifests/"$1".yaml >/etc/kubernetes/."$1".yaml
    mv /etc/kubernetes/."$1".yaml /etc/kubernetes/manifests/"$1".yaml
}

kubectl() { command kubectl --kubeconfig /etc/kubernetes/admin.conf --request-timeout=10s "$@"; }

# await CONDITION: until it is so, for some 90 s
await() {
    tries=0
    until eval "$1" >/dev/null 2>&1; do
        tries=$((tries + 1))
        [ $tries -lt 300 ] || { echo "waited in vain for: $1" >&2; return 1; }
        sleep 0.3
    done
}

# anew COMPONENT: a static pod that is again what it was before can be left alone by the kubelet, which
# knows it by a hash of its contents; a label makes it another.
anew() {
    sed -e '/^    turn: /d' -e "s|^  labels:|  labels:\n    turn: t$(date +%s%N)|" \
        /etc/kubernetes/manifests/"$1".yaml >/etc/kubernetes/."$1".yaml
    mv /etc/kubernetes/."$1".yaml /etc/kubernetes/manifests/"$1".yaml
}

# A new API server starts beside the old one, which would take half a minute to end.
end_api_server() { kill -KILL $(pgrep -o kube-apiserver); }

# runs PROGRAM FLAG=VALUE: whether a process of it was started so
runs() { pgrep -f "^$1 .*--$2( |\$)" >/dev/null; }

api_answers() { kubectl get --raw /readyz; }

# What pods find as ca.crt in the default namespace.
ca_of_pods() { kubectl get configmap -n default kube-root-ca.crt -o 'jsonpath={.data.ca\.crt}'; }

# All nodes are Ready.
ready() {
    await "kubectl get nodes --no-headers | grep -q ' Ready '"
    await "! kubectl get nodes --no-headers | grep -q NotReady"
}
