# What the hand-made clusters of these tests are made of: certificates by `openssl ca`, which alone
# lets one choose both dates. FROM and UNTIL are days from now. Keys and requests that are there are
# used again, so that the same certificates can be made once more with other dates.

made=/root/made
mkdir -p "$made"
cat >"$made/openssl.cnf" <<'CONFIGURATION'
[ca]
default_ca=here
[here]
new_certs_dir=/root/made
database=/root/made/index
policy=any
unique_subject=no
copy_extensions=none
rand_serial=yes
default_md=sha256
[any]
commonName=optional
organizationName=optional
organizationalUnitName=optional
countryName=optional
[req]
distinguished_name=none
string_mask=utf8only
[none]
CONFIGURATION

day() { date -u -d "$1 days" +%Y%m%d%H%M%SZ; }

# sign REQUEST INTO EXTENSIONS FROM UNTIL SIGNER...
sign() {
    request=$1 into=$2 from=$4 until=$5
    printf '%b\n' "$3" >"$made/extensions"
    shift 5
    : >"$made/index"
    openssl ca -batch -notext -preserveDN -config "$made/openssl.cnf" -in "$request" \
        -out "$into" -startdate "$(day "$from")" -enddate "$(day "$until")" \
        -extfile "$made/extensions" "$@" 2>"$made/log" || { cat "$made/log" >&2; exit 1; }
}

# key FILE
key() {
    [ -s "$1" ] || (umask 077 && mkdir -p "$(dirname "$1")" &&
        openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1")
}

# authority BASE SUBJECT: BASE.pem and BASE-key.pem, once
authority() {
    [ -s "$1.pem" ] && return
    mkdir -p "$(dirname "$1")"
    key "$1-key.pem"
    openssl req -new -config "$made/openssl.cnf" -key "$1-key.pem" -subj "$2" -out "$made/request"
    sign "$made/request" "$1.pem" \
        'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash' \
        -800 3650 -selfsign -keyfile "$1-key.pem"
}

# leaf CERTIFICATE KEY AUTHORITY SUBJECT USAGES [NAMES]: both may be one file
leaf() {
    mkdir -p "$(dirname "$1")"
    own=$2
    [ "$1" != "$2" ] || own=$made/$(echo "$1" | tr / _)
    key "$own"
    openssl req -new -config "$made/openssl.cnf" -key "$own" -subj "$4" -out "$made/request"
    extensions="basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature,keyEncipherment\nextendedKeyUsage=$5\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid"
    [ -z "${6:-}" ] || extensions="$extensions\nsubjectAltName=$6"
    sign "$made/request" "$made/leaf" "$extensions" "$FROM" "$UNTIL" \
        -cert "$3.pem" -keyfile "$3-key.pem"
    cat "$made/leaf" >"$1"
    if [ "$1" = "$2" ]; then cat "$own" >>"$1" && chmod 600 "$1"; fi
}

# kubeconfig FILE AUTHORITY USER CERTIFICATE KEY embedded|named SERVER
kubeconfig() {
    mkdir -p "$(dirname "$1")"
    if [ "$6" = embedded ]; then
        trust="certificate-authority-data: $(base64 -w0 "$2")"
        certificate="client-certificate-data: $(base64 -w0 "$4")"
        private="client-key-data: $(base64 -w0 "$5")"
    else
        trust="certificate-authority: $2"
        certificate="client-certificate: $4"
        private="client-key: $5"
    fi
    (umask 077 && cat >"$1" <<KUBECONFIG
apiVersion: v1
kind: Config
clusters:
- name: by-hand
  cluster:
    $trust
    server: $7
contexts:
- name: default
  context: {cluster: by-hand, user: $3}
current-context: default
users:
- name: $3
  user:
    $certificate
    $private
KUBECONFIG
    )
}
