//! Who calls etcd: the API server, the health check, and whoever else was given a certificate of
//! etcd's authority, in a file (Calico, Prometheus, a backup's job) or in a Secret.

use super::address::Url;
use super::builder::Builder;
use super::etcd::{Caller, call, call_member, serving, without_certificate};
use super::host::Host;
use super::scene::{Scene, elsewhere, system_trust};
use crate::connections::{
    Connection, ConnectionKind, Held, KeyMatch, Party, Place, Slot, SlotId, Use,
};
use crate::layouts::Reload;
use crate::model::ComponentKind::{Etcd, KubeApiserver};
use crate::model::cluster::{ApiCertificate, BundlePurpose};
use crate::model::role::AuthorityName;
use crate::model::{Entry, Role, TrustFile};
use kubepki_x509::Certificate;
use std::path::Path;

pub(super) fn find(builder: &mut Builder, scene: &Scene<'_>) {
    for host in scene.running(KubeApiserver) {
        api_server(builder, scene, host);
    }
    for host in &scene.hosts {
        health_check(builder, scene, *host);
        for client in &host.inventory.etcd_clients {
            files(
                builder,
                scene,
                *host,
                &client.credential,
                client.trust.as_ref(),
            );
        }
    }
    in_secrets(builder, scene);
}

fn api_server<'a>(builder: &mut Builder, scene: &Scene<'a>, host: Host<'a>) {
    let place = host.flag(KubeApiserver, "etcd-servers");
    let urls = host.urls(KubeApiserver, "etcd-servers").into_iter();
    let urls: Vec<(Url, Place)> = urls.map(|url| (url, place.clone())).collect();
    let Some((first, _)) = urls.first() else {
        return;
    };
    let flags = ("etcd-certfile", "etcd-keyfile");
    let presents = host
        .presents(builder, KubeApiserver, flags, Some(AuthorityName::Etcd))
        .or_else(|| without_certificate(builder, scene, &host, KubeApiserver, flags.0));
    let server = scene.meant(&first.host, Some(host), Etcd);
    let server = server.and_then(|etcd| serving(builder, &etcd));
    let flag = "etcd-cafile";
    let trusts = host
        .trusts(builder, KubeApiserver, flag, AuthorityName::Etcd)
        .unwrap_or_else(|| {
            let held = system_trust(builder, &host, server);
            host.by_flag(builder, KubeApiserver, flag, Use::Trust, held)
        });
    let caller = Caller {
        host: Some(host),
        party: host.party(KubeApiserver),
        end: scene.end("kube-apiserver", host.name()),
        kind: ConnectionKind::ApiserverToEtcd,
        serves: "everything that the API server stores".to_owned(),
        presents,
        trusts: Some(trusts),
        urls,
    };
    call(builder, scene, &caller);
}

/// kubeadm's certificate for `etcdctl` and the liveness probes of old.
fn health_check<'a>(builder: &mut Builder, scene: &Scene<'a>, host: Host<'a>) {
    let mut entries = host.inventory.entries.iter();
    let found = entries.find(|entry| entry.role == Role::EtcdHealthcheckClient);
    let Some(entry) = found.filter(|entry| entry.required || !entry.chain.is_empty()) else {
        return;
    };
    if host.component(Etcd).is_none() {
        return;
    }
    let party = host.somebody("the health check of etcd");
    let presents = entry_slot(builder, &host, &party, entry);
    let bundle = entry.holder.path().with_file_name("ca.crt");
    let trusts = bundle_slot(builder, &host, &party, &bundle);
    let place = host.file(entry.holder.path());
    let caller = Caller {
        host: Some(host),
        party,
        end: scene.end("etcd-healthcheck", host.name()),
        kind: ConnectionKind::EtcdHealthcheck,
        serves: "health checks and backups of etcd (etcdctl)".to_owned(),
        presents: Some(presents),
        trusts,
        urls: vec![(local(host), place)],
    };
    call(builder, scene, &caller);
}

/// The member on this host, as one calls it from there.
fn local(host: Host<'_>) -> Url {
    let urls = host.urls(Etcd, "listen-client-urls");
    let is_loopback = |url: &&Url| super::address::is_loopback(&url.host);
    urls.iter()
        .find(is_loopback)
        .or(urls.first())
        .cloned()
        .unwrap_or(Url {
            tls: true,
            host: "127.0.0.1".to_owned(),
            port: 2379,
        })
}

fn files<'a>(
    builder: &mut Builder,
    scene: &Scene<'a>,
    host: Host<'a>,
    entry: &Entry,
    trust: Option<&TrustFile>,
) {
    let path = entry.holder.path();
    let party = host.somebody(format!("the owner of {}", path.display()));
    let presents = entry_slot(builder, &host, &party, entry);
    let trusts = trust.map(|trust| trust_slot(builder, &host, &party, trust));
    let end = scene.end(&path.display().to_string(), host.name());
    whoever(builder, scene, Some(host), party, end, (presents, trusts));
}

fn in_secrets(builder: &mut Builder, scene: &Scene<'_>) {
    let Some(cluster) = scene.cluster else { return };
    for certificate in &cluster.certificates {
        let object = certificate.object.clone().whole();
        let bundle = cluster.bundles.iter().find(|bundle| {
            bundle.purpose == BundlePurpose::EtcdClient && bundle.object.clone().whole() == object
        });
        let Some(leaf) = certificate.chain.first() else {
            continue;
        };
        if bundle.is_none() && !is_of_etcd(scene, leaf) {
            continue;
        }
        let party = Party {
            name: format!("the users of {object}"),
            host: None,
            component: None,
        };
        let presents = secret_slot(builder, &party, certificate);
        let trusts = bundle.map(|bundle| {
            let place = Place::Api(bundle.object.clone());
            let slot = slot(&party, place, Use::Trust, Some(AuthorityName::Etcd));
            builder.slot(slot, |builder| match &bundle.problem {
                Some(problem) => Held::Unusable(problem.clone()),
                None => builder.trust(&bundle.certificates),
            })
        });
        whoever(
            builder,
            scene,
            None,
            party,
            object.to_string(),
            (presents, trusts),
        );
    }
}

fn secret_slot(builder: &mut Builder, party: &Party, certificate: &ApiCertificate) -> SlotId {
    let place = Place::Api(certificate.object.clone());
    let slot = slot(party, place, Use::Present, Some(AuthorityName::Etcd));
    builder.slot(slot, |_| {
        let key = match certificate.key_matches {
            Some(true) => KeyMatch::Matches,
            Some(false) => KeyMatch::Differs,
            None => KeyMatch::Unknown("no key that can be read is beside it".to_owned()),
        };
        super::builder::credential(&certificate.chain, key)
    })
}

/// Whether etcd's authority signed a client's certificate; the members' own are no clients.
fn is_of_etcd(scene: &Scene<'_>, leaf: &Certificate) -> bool {
    let authorities = scene
        .hosts
        .iter()
        .flat_map(|host| &host.inventory.authorities);
    let etcds = authorities
        .filter(|authority| authority.role == Role::EtcdCa && authority.also_known_as.is_empty());
    etcds
        .flat_map(|authority| &authority.certificates)
        .any(|ca| leaf != ca && leaf.verify_issued_by(ca).is_ok())
}

/// A client that calls any member: which, and by which name, is not known.
fn whoever(
    builder: &mut Builder,
    scene: &Scene<'_>,
    from: Option<Host<'_>>,
    party: Party,
    end: String,
    (presents, trusts): (SlotId, Option<SlotId>),
) {
    let own = from.filter(|host| host.component(Etcd).is_some());
    let etcd = own.or_else(|| scene.running(Etcd).next());
    let caller = Caller {
        host: from,
        party,
        end,
        kind: ConnectionKind::EtcdClient,
        serves: "monitoring, networking or backups that use etcd directly".to_owned(),
        presents: Some(presents),
        trusts,
        urls: Vec::new(),
    };
    match etcd {
        Some(etcd) => call_member(builder, scene, &caller, &etcd),
        None => nameless(builder, scene, &caller),
    }
}

fn nameless(builder: &mut Builder, scene: &Scene<'_>, caller: &Caller<'_>) {
    let api_server = scene.running(KubeApiserver).next();
    let known = api_server.map(|host| host.urls(KubeApiserver, "etcd-servers"));
    let url = known.into_iter().flatten().next().unwrap_or(Url {
        tls: true,
        host: "etcd".to_owned(),
        port: 2379,
    });
    let server = elsewhere(Etcd, None);
    let mut connection = Connection::between(
        format!("{}->etcd", caller.end),
        caller.kind,
        caller.serves.clone(),
        caller.party.clone(),
        server.clone(),
    );
    connection.client_presents = caller.presents;
    connection.client_trusts = caller.trusts;
    connection.server_trusts = Some(scene.unknown_trust(builder, &server, &url));
    builder.connect(connection);
}

/// The slot of a certificate that no flag names.
pub(super) fn entry_slot(
    builder: &mut Builder,
    host: &Host<'_>,
    party: &Party,
    entry: &Entry,
) -> SlotId {
    let certificate = entry.holder.path();
    let mut slot = slot(party, host.file(certificate), Use::Present, None);
    slot.authority = AuthorityName::ALL
        .into_iter()
        .find(|name| Some(name.as_str()) == entry.expected_authority.as_deref());
    slot.key_place = entry
        .holder
        .key_path()
        .filter(|key| *key != certificate)
        .map(|key| host.file(key));
    slot.renewable_as = host.renewable_as(entry);
    builder.slot(slot, |_| host.held_entry(entry, None))
}

/// The slot of a bundle beside a certificate, when the host has it.
fn bundle_slot(
    builder: &mut Builder,
    host: &Host<'_>,
    party: &Party,
    path: &Path,
) -> Option<SlotId> {
    let mut authorities = host.inventory.authorities.iter();
    let found = authorities.find(|authority| authority.certificate_path == path)?;
    let slot = slot(
        party,
        host.file(path),
        Use::Trust,
        Some(AuthorityName::Etcd),
    );
    Some(builder.slot(slot, |builder| host.held_authority(builder, found)))
}

/// The slot of a file with CA certificates.
pub(super) fn trust_slot(
    builder: &mut Builder,
    host: &Host<'_>,
    party: &Party,
    file: &TrustFile,
) -> SlotId {
    let slot = slot(party, host.file(&file.path), Use::Trust, None);
    builder.slot(slot, |builder| match &file.problem {
        None if !file.certificates.is_empty() => builder.trust(&file.certificates),
        problem => {
            let missing = format!("{} does not exist", file.path.display());
            host.nothing_in(&file.path, problem.clone(), missing)
        }
    })
}

/// A slot of somebody who reads it when it starts.
pub(super) fn slot(
    party: &Party,
    place: Place,
    purpose: Use,
    authority: Option<AuthorityName>,
) -> Slot {
    Slot {
        party: party.clone(),
        flag: None,
        place,
        key_place: None,
        purpose,
        reload: Reload::Restart,
        authority,
        renewable_as: None,
    }
}
