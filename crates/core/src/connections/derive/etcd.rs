//! etcd: members among each other, and everybody who reads and writes it.
//!
//! etcd asks no client for its name unless told so; but a client certificate that has names has to be
//! its bearer's (`checkCertSAN`). A member with `trusted-ca-file` demands a certificate of everybody.
//! <https://etcd.io/docs/v3.5/op-guide/security/>

use super::address::{Url, members};
use super::builder::Builder;
use super::host::Host;
use super::scene::{Scene, elsewhere, system_trust};
use crate::connections::{
    AskedName, Connection, ConnectionKind, Held, Identity, Party, Place, SlotId, Use,
};
use crate::model::ComponentKind::Etcd;
use crate::model::role::AuthorityName;

const PEERS: &str = "etcd's members among each other: elections and replication";

/// A client of etcd.
pub(super) struct Caller<'a> {
    pub(super) host: Option<Host<'a>>,
    pub(super) party: Party,
    /// Its end of the id.
    pub(super) end: String,
    pub(super) kind: ConnectionKind,
    pub(super) serves: String,
    pub(super) presents: Option<SlotId>,
    pub(super) trusts: Option<SlotId>,
    /// Whom it calls, and what makes it so.
    pub(super) urls: Vec<(Url, Place)>,
}

/// A member as a client calls it: its end of the id, its host, and by which URLs.
type Server<'a> = (String, Option<Host<'a>>, Vec<(Url, Place)>);

/// Members among each other. A member is also verified by its own trust: it has the others'.
pub(super) fn peers(builder: &mut Builder, scene: &Scene<'_>) {
    let secured = |host: &Host<'_>| host.says(Etcd, "peer-cert-file");
    for host in scene.running(Etcd).filter(secured) {
        for other in scene.running(Etcd).filter(secured) {
            peer(builder, &host, &other);
        }
        let cluster = members(host.list(Etcd, "initial-cluster").into_iter());
        for (member, url) in cluster {
            let is_known = scene.meant(&url.host, Some(host), Etcd).is_some();
            if is_known || !url.tls {
                continue;
            }
            let server = elsewhere(Etcd, Some(&member));
            let mut connection = Connection::between(
                format!("etcd@{}->etcd@{member}", host.name()),
                ConnectionKind::EtcdPeer,
                PEERS,
                host.party(Etcd),
                server.clone(),
            );
            connection.client_presents = peer_client(builder, &host);
            connection.client_trusts = peer_trust(builder, &host);
            connection.server_trusts = Some(scene.unknown_trust(builder, &server, &url));
            connection.names = asked(&[(url.clone(), host.flag(Etcd, "initial-cluster"))]);
            connection.address = Some((url.host, url.port));
            builder.connect(connection);
        }
    }
}

fn peer(builder: &mut Builder, from: &Host<'_>, to: &Host<'_>) {
    let mut connection = Connection::between(
        format!("etcd@{}->etcd@{}", from.name(), to.name()),
        ConnectionKind::EtcdPeer,
        PEERS,
        from.party(Etcd),
        to.party(Etcd),
    );
    let urls = advertised(to, "initial-advertise-peer-urls");
    connection.client_presents = peer_client(builder, from);
    connection.client_trusts = peer_trust(builder, from);
    connection.server_presents = presents(builder, to, ("peer-cert-file", "peer-key-file"));
    connection.server_trusts = if to.says(Etcd, "peer-trusted-ca-file") {
        to.trusts(builder, Etcd, "peer-trusted-ca-file", AuthorityName::Etcd)
    } else {
        let demanded = truth(to, "peer-client-cert-auth");
        demanded.then(|| peer_trust(builder, to)).flatten()
    };
    connection.names = asked(&urls);
    connection.identity = identity(to, "peer-cert-allowed-cn", "peer-cert-allowed-hostname");
    let skipped = [
        "experimental-peer-skip-client-san-verification",
        "peer-skip-client-san-verification",
    ];
    if !skipped.iter().any(|flag| truth(to, flag)) {
        connection.client_names = coming_from(from);
    }
    connection.address = urls.first().map(|(url, _)| (url.host.clone(), url.port));
    builder.connect(connection);
}

fn peer_client(builder: &mut Builder, host: &Host<'_>) -> Option<SlotId> {
    presents(
        builder,
        host,
        ("peer-client-cert-file", "peer-client-key-file"),
    )
    .or_else(|| presents(builder, host, ("peer-cert-file", "peer-key-file")))
}

fn peer_trust(builder: &mut Builder, host: &Host<'_>) -> Option<SlotId> {
    let flag = "peer-trusted-ca-file";
    let named = host.trusts(builder, Etcd, flag, AuthorityName::Etcd);
    named.or_else(|| {
        let own = presents(builder, host, ("peer-cert-file", "peer-key-file"));
        let held = system_trust(builder, host, own);
        Some(host.by_flag(builder, Etcd, flag, Use::Trust, held))
    })
}

fn presents(builder: &mut Builder, host: &Host<'_>, flags: (&str, &str)) -> Option<SlotId> {
    host.presents(builder, Etcd, flags, Some(AuthorityName::Etcd))
}

/// One connection for each member that the client calls.
pub(super) fn call(builder: &mut Builder, scene: &Scene<'_>, caller: &Caller<'_>) {
    let mut servers: Vec<Server<'_>> = Vec::new();
    for (url, by) in &caller.urls {
        let meant = scene.meant(&url.host, caller.host, Etcd);
        let end = match meant {
            Some(host) => scene.end("etcd", host.name()),
            None if caller.urls.len() > 1 => format!("etcd@{}", url.host),
            None => "etcd".to_owned(),
        };
        match servers.iter_mut().find(|(other, _, _)| *other == end) {
            Some((_, _, urls)) => urls.push((url.clone(), by.clone())),
            None => servers.push((end, meant, vec![(url.clone(), by.clone())])),
        }
    }
    for (end, host, urls) in servers {
        match &host {
            Some(host) => member(builder, caller, end, host, &urls),
            None => stranger(builder, scene, caller, end, &urls),
        }
    }
}

/// A client that calls this member, by which name is not known.
pub(super) fn call_member(
    builder: &mut Builder,
    scene: &Scene<'_>,
    caller: &Caller<'_>,
    host: &Host<'_>,
) {
    member(builder, caller, scene.end("etcd", host.name()), host, &[]);
}

fn member(
    builder: &mut Builder,
    caller: &Caller<'_>,
    end: String,
    host: &Host<'_>,
    urls: &[(Url, Place)],
) {
    let mut connection = between(caller, &end, host.party(Etcd), urls);
    connection.server_presents = serving(builder, host);
    connection.server_trusts = client_trust(builder, host);
    connection.identity = identity(
        host,
        "client-cert-allowed-cn",
        "client-cert-allowed-hostname",
    );
    connection.client_names = caller.host.iter().flat_map(coming_from).collect();
    builder.connect(connection);
}

fn stranger(
    builder: &mut Builder,
    scene: &Scene<'_>,
    caller: &Caller<'_>,
    end: String,
    urls: &[(Url, Place)],
) {
    let party = elsewhere(Etcd, urls.first().map(|(url, _)| url.host.as_str()));
    let mut connection = between(caller, &end, party.clone(), urls);
    let url = urls.first().map(|(url, _)| url);
    connection.server_trusts = url.map(|url| scene.unknown_trust(builder, &party, url));
    builder.connect(connection);
}

fn between(caller: &Caller<'_>, end: &str, server: Party, urls: &[(Url, Place)]) -> Connection {
    let mut connection = Connection::between(
        format!("{}->{end}", caller.end),
        caller.kind,
        caller.serves.clone(),
        caller.party.clone(),
        server,
    );
    connection.client_presents = caller.presents;
    connection.client_trusts = caller.trusts;
    connection.names = asked(urls);
    connection.address = urls.first().map(|(url, _)| (url.host.clone(), url.port));
    connection
}

/// etcd's own HTTP gateway (`/v3`, and `/health` of old): it calls the member with the member's own
/// serving certificate, whom it believes without asking.
pub(super) fn gateway(builder: &mut Builder, scene: &Scene<'_>) {
    for host in scene.running(Etcd) {
        let trusts = client_trust(builder, &host);
        let own = ["enable-grpc-gateway", "experimental-enable-grpc-gateway"];
        let off = |flag: &&str| {
            let component = host.component(Etcd);
            component.and_then(|etcd| etcd.flags.boolean(flag)) == Some(false)
        };
        if trusts.is_none() || own.iter().any(off) {
            continue;
        }
        let end = scene.end("etcd", host.name());
        let mut connection = Connection::between(
            format!("etcd gateway->{end}"),
            ConnectionKind::EtcdClient,
            "etcd's HTTP gateway, which presents the member's serving certificate",
            host.party(Etcd),
            host.party(Etcd),
        );
        if scene.hosts.len() > 1 {
            connection.id = format!("etcd gateway@{}->{end}", host.name());
        }
        connection.client_presents =
            presents(builder, &host, ("client-cert-file", "client-key-file"))
                .or_else(|| serving(builder, &host));
        connection.server_presents = serving(builder, &host);
        connection.server_trusts = trusts;
        connection.client_names = coming_from(&host);
        builder.connect(connection);
    }
}

/// etcd's serving certificate; with `auto-tls` it makes one for itself.
pub(super) fn serving(builder: &mut Builder, host: &Host<'_>) -> Option<SlotId> {
    let named = presents(builder, host, ("cert-file", "key-file"));
    let made = || truth(host, "auto-tls");
    named.or_else(|| made().then(|| host.in_memory(builder, Etcd)))
}

fn client_trust(builder: &mut Builder, host: &Host<'_>) -> Option<SlotId> {
    let flag = "trusted-ca-file";
    let named = host.trusts(builder, Etcd, flag, AuthorityName::Etcd);
    named.or_else(|| {
        if !truth(host, "client-cert-auth") {
            return None;
        }
        let own = serving(builder, host);
        let held = system_trust(builder, host, own);
        Some(host.by_flag(builder, Etcd, flag, Use::Trust, held))
    })
}

/// The client slot of somebody who has no certificate where etcd demands one.
pub(super) fn without_certificate(
    builder: &mut Builder,
    scene: &Scene<'_>,
    host: &Host<'_>,
    component: crate::model::ComponentKind,
    flag: &str,
) -> Option<SlotId> {
    let demanded = scene
        .running(Etcd)
        .any(|etcd| etcd.says(Etcd, "trusted-ca-file") || truth(&etcd, "client-cert-auth"));
    demanded.then(|| {
        let reason = "no client certificate is named, and etcd demands one".to_owned();
        host.by_flag(
            builder,
            component,
            flag,
            Use::Present,
            Held::Missing(reason),
        )
    })
}

fn identity(host: &Host<'_>, common_name: &str, host_name: &str) -> Option<Identity> {
    let names = |flag: &str| -> Vec<String> {
        let component = host.component(Etcd);
        component.map_or_else(Vec::new, |etcd| {
            etcd.flags.list(flag).map(str::to_owned).collect()
        })
    };
    let common_names = names(common_name);
    let host_names: Vec<_> = names(host_name)
        .iter()
        .filter_map(|name| name.parse().ok())
        .collect();
    let flag = match (common_names.is_empty(), host_names.is_empty()) {
        (true, true) => return None,
        (false, _) => common_name,
        (true, false) => host_name,
    };
    Some(Identity {
        common_names,
        organizations: Vec::new(),
        privileged: Vec::new(),
        host_names,
        demanded_by: host.flag(Etcd, flag),
    })
}

/// Where a client of this host may come from.
fn coming_from(host: &Host<'_>) -> Vec<AskedName> {
    let by = host.flag(Etcd, "initial-advertise-peer-urls");
    let mut names: Vec<String> = host.names().into_iter().collect();
    names.extend(["127.0.0.1", "::1", "localhost"].map(ToOwned::to_owned));
    names
        .iter()
        .filter_map(|name| {
            Some(AskedName {
                name: name.parse().ok()?,
                asked_by: by.clone(),
            })
        })
        .collect()
}

/// The TLS URLs that a member advertises, with the flag that says so.
pub(super) fn advertised(host: &Host<'_>, flag: &'static str) -> Vec<(Url, Place)> {
    let place = host.flag(Etcd, flag);
    let urls = host.urls(Etcd, flag).into_iter();
    urls.map(|url| (url, place.clone())).collect()
}

/// The names that a client asks for, each once.
pub(super) fn asked(urls: &[(Url, Place)]) -> Vec<AskedName> {
    let mut names: Vec<AskedName> = Vec::new();
    for (url, by) in urls {
        if let Some(name) = url.server_name()
            && !names.iter().any(|asked| asked.name == name)
        {
            names.push(AskedName {
                name,
                asked_by: by.clone(),
            });
        }
    }
    names
}

fn truth(host: &Host<'_>, flag: &str) -> bool {
    let component = host.component(Etcd);
    component.and_then(|etcd| etcd.flags.boolean(flag)) == Some(true)
}
