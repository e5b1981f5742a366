//! Real etcd members with TLS: asked, made to give leadership away, saved and started again from what
//! was saved.

use std::fs::File;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use kubepki_adapters::etcd::LocalEtcd;
use kubepki_core::rotation::TargetKind;
use kubepki_engine::ports::{
    Endpoint, EtcdAccess, EtcdError, EtcdErrorKind, EtcdMember, EtcdPrograms, EtcdTarget,
    Expectation,
};
use kubepki_x509::path::CertificatePool;

use crate::certificates::{CA, CLIENT, Made, Workshop, wish};
use crate::rotation_real::tried;

const BOTH: &str = "extendedKeyUsage=serverAuth,clientAuth\n\
                    subjectAltName=DNS:localhost,IP:127.0.0.1";

struct Stopped(Child);

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Cluster {
    workshop: Workshop,
    authority: Made,
    client: Made,
    ports: Vec<(u16, u16)>,
    running: Vec<Stopped>,
}

fn assets() -> PathBuf {
    // names the folder of etcd
    std::env::var_os("KUBEBUILDER_ASSETS")
        .map(PathBuf::from)
        .unwrap()
}

impl Cluster {
    fn start(members: usize) -> Self {
        let workshop = Workshop::new();
        let authority = workshop.authority("ca", wish("/CN=etcd-ca", CA));
        let server = workshop.issue("server", &authority, wish("/CN=etcd", BOTH));
        let client = workshop.issue("client", &authority, wish("/CN=client", CLIENT));
        // all are held until all are known
        let listeners: Vec<_> = (0..members * 2)
            .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
            .collect();
        let free: Vec<u16> = listeners
            .iter()
            .map(|listener| listener.local_addr().unwrap().port())
            .collect();
        drop(listeners);
        let ports: Vec<_> = free.chunks(2).map(|pair| (pair[0], pair[1])).collect();
        let peers: Vec<_> = ports
            .iter()
            .enumerate()
            .map(|(index, (_, peer))| format!("m{index}=https://127.0.0.1:{peer}"))
            .collect();
        let [ca, crt, key] = [&authority.certificate, &server.certificate, &server.key]
            .map(|path| path.display().to_string());
        let running = ports.iter().enumerate().map(|(index, (port, peer))| {
            let log = File::create(workshop.path().join(format!("m{index}.log"))).unwrap();
            let flags = format!(
                "name=m{index} data-dir=m{index}.etcd initial-cluster={} \
                 listen-client-urls=https://127.0.0.1:{port} advertise-client-urls=https://127.0.0.1:{port} \
                 listen-peer-urls=https://127.0.0.1:{peer} \
                 initial-advertise-peer-urls=https://127.0.0.1:{peer} \
                 cert-file={crt} key-file={key} trusted-ca-file={ca} client-cert-auth=true \
                 peer-cert-file={crt} peer-key-file={key} peer-trusted-ca-file={ca} \
                 peer-client-cert-auth=true",
                peers.join(",")
            );
            let child = Command::new(assets().join("etcd"))
                .args(flags.split_whitespace().map(|flag| format!("--{flag}")))
                .current_dir(workshop.path())
                .stdout(log.try_clone().unwrap())
                .stderr(log)
                .spawn();
            Stopped(child.unwrap())
        });
        let running = running.collect();
        let cluster = Self {
            authority,
            client,
            ports,
            running,
            workshop,
        };
        cluster.until("there is a leader", |cluster| {
            (0..members).all(|index| {
                let status = cluster
                    .member(index, &cluster.client)
                    .and_then(|it| it.status());
                status.is_ok_and(|status| status.leader != 0)
            })
        });
        cluster
    }

    fn member(&self, index: usize, client: &Made) -> Result<Box<dyn EtcdMember>, EtcdError> {
        self.member_trusting(index, client, &self.authority)
    }

    fn member_trusting(
        &self,
        index: usize,
        client: &Made,
        authority: &Made,
    ) -> Result<Box<dyn EtcdMember>, EtcdError> {
        let endpoint = Endpoint {
            host: "127.0.0.1".to_owned(),
            port: self.ports[index].0,
            server_name: None,
        };
        let expectation = Expectation {
            roots: CertificatePool::new(authority.chain()),
            names: Vec::new(),
            now: Timestamp::now(),
        };
        LocalEtcd::new().connect(&EtcdTarget {
            endpoint: &endpoint,
            expectation: Some(&expectation),
            identity: Some(&client.identity()),
        })
    }

    fn until(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(120);
        while !condition(self) {
            let log = fs_err::read_to_string(self.workshop.path().join("m0.log"));
            assert!(
                Instant::now() < deadline,
                "{what}: {}",
                log.unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

#[test]
#[ignore = "needs etcd and kube-apiserver: cargo xtask test --tier integration"]
fn a_real_snapshot_is_saved_checked_and_started() {
    let cluster = Cluster::start(1);
    let member = cluster.member(0, &cluster.client).unwrap();
    let pid = cluster.running[0].0.id();
    // an API server's bootstrap is what fills it elsewhere; here a second member's worth of keys
    let folder = cluster.workshop.path().join("snapshots");
    fs_err::create_dir(&folder).unwrap();
    let etcd = LocalEtcd::new();
    assert!(etcd.free_bytes(&folder).unwrap() > 0);
    let path = folder.join("a.db");
    let saved = etcd.save(&*member, &path).unwrap();
    assert!(saved.hash_matches && saved.bytes % 512 == 32, "{saved:?}");
    let metadata = fs_err::metadata(&path).unwrap();
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    assert_eq!(metadata.len(), saved.bytes);
    assert!(etcd.save(&*member, &path).is_err(), "it lies there already");

    let programs = etcd.programs(pid).unwrap();
    assert_eq!(programs.etcd, Path::new(&format!("/proc/{pid}/exe")));
    let proof = folder.join("proof");
    let scratch = etcd.scratch(&path, &proof, &programs).unwrap();
    let mode = fs_err::metadata(&proof).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    let revision = scratch.member().status().unwrap().revision;
    let live = member.status().unwrap();
    assert_eq!(revision, live.revision);
    assert_eq!(
        scratch.member().count(revision).unwrap(),
        member.count(revision).unwrap()
    );
    drop(scratch);
    assert!(!proof.exists(), "nothing of it is left");

    // damage is seen
    let mut bytes = fs_err::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    struct Damaged<'a>(&'a dyn EtcdMember, &'a [u8]);
    impl EtcdMember for Damaged<'_> {
        fn status(&self) -> Result<kubepki_engine::ports::EtcdStatus, EtcdError> {
            self.0.status()
        }
        fn members(&self) -> Result<Vec<kubepki_engine::ports::EtcdPeer>, EtcdError> {
            self.0.members()
        }
        fn move_leader(&self, to: u64) -> Result<(), EtcdError> {
            self.0.move_leader(to)
        }
        fn count(&self, revision: i64) -> Result<u64, EtcdError> {
            self.0.count(revision)
        }
        fn snapshot(
            &self,
            take: &mut dyn FnMut(&[u8]) -> Result<(), String>,
        ) -> Result<(), EtcdError> {
            take(self.1).map_err(|detail| EtcdError::new("x", detail))
        }
    }
    let damaged = etcd.save(&Damaged(&*member, &bytes), &folder.join("b.db"));
    assert!(!damaged.unwrap().hash_matches);
    let cut = etcd.save(
        &Damaged(&*member, &bytes[..bytes.len() - 100]),
        &folder.join("c.db"),
    );
    assert!(!cut.unwrap().hash_matches);

    let nowhere = EtcdPrograms {
        etcd: folder.join("nothing"),
        restore: None,
    };
    let error = etcd.scratch(&path, &folder.join("proof"), &nowhere);
    assert_eq!(error.err().unwrap().kind, EtcdErrorKind::NotRunnable);
    let error = member.count(live.revision + 1_000_000).unwrap_err();
    assert!(error.detail.contains("future revision"), "{error}");
}

#[test]
#[ignore = "needs etcd and kube-apiserver: cargo xtask test --tier integration"]
fn a_real_leader_gives_its_place_away_and_strangers_are_refused() {
    let cluster = Cluster::start(3);
    let member = cluster.member(0, &cluster.client).unwrap();
    let members = member.members().unwrap();
    let mut names: Vec<_> = members.iter().map(|peer| peer.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["m0", "m1", "m2"]);
    let leader = member.status().unwrap().leader;
    let at = (0..3).find(|index| {
        let status = cluster
            .member(*index, &cluster.client)
            .unwrap()
            .status()
            .unwrap();
        status.member == leader
    });
    let leading = cluster.member(at.unwrap(), &cluster.client).unwrap();
    let next = members.iter().find(|peer| peer.id != leader).unwrap();
    leading.move_leader(next.id).unwrap();
    cluster.until("another leads", |_| {
        leading
            .status()
            .is_ok_and(|status| status.leader == next.id)
    });
    assert!(
        leading.move_leader(next.id).is_err(),
        "it does not lead any more"
    );

    let other = cluster.workshop.authority("other", wish("/CN=etcd-ca", CA));
    let stranger = cluster
        .workshop
        .issue("stranger", &other, wish("/CN=client", CLIENT));
    let refused = cluster.member(0, &stranger).and_then(|it| it.status());
    assert!(refused.is_err());
    let error = cluster.member_trusting(0, &cluster.client, &other);
    let error = error.err().unwrap().to_string();
    assert!(error.contains("certificate is not accepted"), "{error}");

    let (port, peer) = cluster.ports[0];
    for (kind, port) in [(TargetKind::Etcd, port), (TargetKind::EtcdPeer, peer)] {
        for (made, accepted) in [(&cluster.authority, true), (&other, false)] {
            let found = tried(made, (kind, port), accepted, &[]).unwrap();
            assert!(found.ok, "{kind:?} {accepted}: {}", found.found);
            let found = tried(made, (kind, port), !accepted, &[]).unwrap();
            assert!(!found.ok, "{kind:?} {accepted}: {}", found.found);
        }
    }
}
