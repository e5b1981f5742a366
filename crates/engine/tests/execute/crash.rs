//! A crash at every effect of a run whose certificates came from another host: what the next run
//! finds is the old host or the new one, and finishing it needs nothing from outside.

use crate::cluster::{expire_cluster_authority, worker};
use crate::edits;
use crate::kubeadm::control_plane;
use crate::pki;
use crate::site::{CA, Issued, STORE, Site, Sites, plans};
use kubepki_core::plan::{Plan, RenewRequest, Selection};
use kubepki_core::rotation::Phase;
use kubepki_engine::apply;
use kubepki_engine::execute::{Brought, Settled, execute_brought, resume};
use kubepki_engine::fault_injection::{FaultingHost, Faults, Mode};
use kubepki_engine::ports::{HostRead, HostWrite};
use kubepki_x509::Certificate;

/// Each effect before and after, and in the middle where it has one.
fn points(faults: &Faults) -> Vec<(usize, Mode)> {
    let mut points = Vec::new();
    for (index, effect) in faults.effects().iter().enumerate() {
        points.push((index + 1, Mode::Before));
        points.push((index + 1, Mode::After));
        if effect.is_tearable {
            points.push((index + 1, Mode::Torn));
        }
    }
    points
}

fn run(site: &Site, host: &dyn HostWrite, plan: &Plan, brought: Brought) -> bool {
    let before = site.inventory();
    site.executed(host, |execution| {
        execute_brought(execution, &before, plan, brought).is_ok()
    })
}

/// Finishes or takes back what a crash left; whether it went forward.
fn recovered(site: &Site, point: &str) -> Option<bool> {
    let host = site.host();
    let found = apply::interrupted(&host).unwrap()?;
    let settled = site.executed(&host, |execution| resume(execution, &found));
    match settled.unwrap_or_else(|error| panic!("{point}: {error}")) {
        Settled::RolledBack => Some(false),
        Settled::Finished(_) => Some(true),
        Settled::Closed => panic!("{point}: closed"),
    }
}

/// Kills the run of `plan` at each of its effects.
fn at_every_effect(
    site: &Site,
    plan: &Plan,
    brought: impl Fn(&Site) -> Brought,
    is_new: impl Fn(&Site, &str),
) {
    let old = site.snapshot();
    let counted = site.copied();
    let faults = Faults::counting();
    let host = FaultingHost::new(counted.host(), faults.clone());
    assert!(run(&counted, &host, plan, brought(&counted)));
    is_new(&counted, "undisturbed");
    let points = points(&faults);
    let (mut ended_old, mut ended_new) = (0, 0);
    for (at, mode) in &points {
        let point = format!("{mode:?} {at} {:?}", faults.effects()[at - 1]);
        let crashed = site.copied();
        let faults = Faults::in_process(*at, *mode);
        let host = FaultingHost::new(crashed.host(), faults.clone());
        let is_done = run(&crashed, &host, plan, brought(&crashed));
        assert!(!is_done && faults.is_dead(), "{point}");
        let forward = recovered(&crashed, &point);
        let now = crashed.snapshot();
        match (now == old, forward) {
            (true, None | Some(false)) => ended_old += 1,
            (false, None | Some(true)) => {
                is_new(&crashed, &point);
                ended_new += 1;
            }
            (is_old, forward) => panic!("{point}: old {is_old}, carried on {forward:?}"),
        }
        let left: Vec<_> = now
            .keys()
            .filter(|path| path.to_string_lossy().contains(".kubepki"))
            .collect();
        assert!(left.is_empty(), "{point}: {left:?}");
        assert_eq!(recovered(&crashed, &point), None, "{point}");
    }
    println!(
        "{}: {} points, {ended_old} ended old, {ended_new} ended new",
        site.name,
        points.len()
    );
    assert!(ended_old > 5 && ended_new > 5, "{ended_old} {ended_new}");
}

fn pair_matches(site: &Site, point: &str) -> Certificate {
    let certificate = site.certificate(STORE);
    let half = kubepki_keys::public_half(&kubepki_sealed::Sealed::new(site.read(STORE)));
    assert_eq!(
        half.unwrap().public_key,
        *certificate.public_key(),
        "{point}"
    );
    certificate
}

#[test]
fn a_crash_of_a_run_with_certificates_signed_elsewhere_leaves_the_old_or_the_new_host() {
    let sites = Sites::new([control_plane("cp1", "10.0.0.1", &["cp1"]), worker("w1")]);
    let plan = sites.plan(&RenewRequest::new(Selection::All)).unwrap();
    let (_, _, plan) = *plans(&plan).last().unwrap();
    let old = sites.site("w1").certificate(STORE);
    at_every_effect(
        sites.site("w1"),
        plan,
        |_| sites.brought("w1", plan, &Issued::new()),
        |site, point| {
            let new = pair_matches(site, point);
            assert_ne!(new, old, "{point}");
            assert_eq!(new.subject(), old.subject(), "{point}");
        },
    );
}

#[test]
fn a_crash_of_a_run_that_hands_over_a_ca_leaves_the_old_or_the_new_one_everywhere() {
    let mut machines = vec![
        control_plane("cp1", "10.0.0.1", &["cp1", "cp2"]),
        control_plane("cp2", "10.0.0.2", &["cp1", "cp2"]),
    ];
    expire_cluster_authority(&mut machines[1]);
    // A second file with the same CA, as a hand-made cluster has it.
    let expired = machines[1].text(CA);
    machines[1].write("/etc/kubernetes/pki/client-ca.crt", expired);
    machines[1].edit(
        "/etc/kubernetes/manifests/kube-apiserver.yaml",
        "--client-ca-file=/etc/kubernetes/pki/ca.crt",
        "--client-ca-file=/etc/kubernetes/pki/client-ca.crt",
    );
    let sites = Sites::new(machines);
    let mut request = RenewRequest::new(Selection::All);
    request.renew_expired_ca = true;
    let plan = sites.plan(&request).unwrap();
    let all = plans(&plan);
    let (_, host, plan) = all[0];
    assert_eq!((host, plan.issuances.len()), ("cp2", 1));
    at_every_effect(
        sites.site("cp2"),
        plan,
        |_| sites.brought("cp2", plan, &Issued::new()),
        |site, point| {
            for path in [CA, "/etc/kubernetes/pki/client-ca.crt"] {
                let found = site.certificate(path);
                assert!(found.validity().not_after > pki::now(), "{point}: {path}");
            }
        },
    );
}

#[test]
fn a_crash_of_a_run_with_every_kind_of_file_edit_leaves_the_old_or_the_new_host() {
    let site = edits::site();
    let key = pki::key_pem(&pki::key());
    let plan = edits::plan(&site, edits::every_kind(), Phase::TrustBoth);
    at_every_effect(
        &site,
        &plan,
        |_| edits::brought(&key),
        |site, point| {
            assert_eq!(site.read(CA), edits::both().into_bytes(), "{point}");
            for path in ["ca-next.key", "ca.key"] {
                assert_eq!(
                    site.read(&edits::pki(path)),
                    key.as_bytes(),
                    "{point}: {path}"
                );
            }
            let private = kubepki_sealed::Sealed::new(site.read(&edits::pki("sa-next.key")));
            let half = kubepki_keys::public_half(&private).unwrap();
            let public = site.read(&edits::pki("sa-next.pub"));
            assert_eq!(public, half.public_key.to_pem().into_bytes(), "{point}");
            assert!(!site.path(edits::pki("ca-old.key")).exists(), "{point}");
        },
    );
}

#[test]
fn a_plan_that_only_takes_up_is_journaled_and_carried_on() {
    let sites = Sites::new([control_plane("cp1", "10.0.0.1", &["cp1"])]);
    let site = sites.site("cp1");
    let mut request = RenewRequest::new(Selection::All);
    request.force = true;
    let renewal = sites.plan(&request).unwrap();
    let (_, _, renewal) = plans(&renewal)[0];
    let plan = Plan {
        issuances: Vec::new(),
        trust_updates: Vec::new(),
        file_edits: Vec::new(),
        rotation: None,
        basis: Vec::new(),
        ..renewal.clone()
    }
    .with_id();
    assert!(!plan.is_empty() && !plan.components.is_empty());
    let old = site.snapshot();
    let faults = Faults::counting();
    let counted = site.copied();
    let host = FaultingHost::new(counted.host(), faults.clone());
    assert!(run(&counted, &host, &plan, Brought::default()));
    let backups = counted.path("/var/lib/kubepki/backups");
    let saved = std::fs::read_dir(backups).map_or(0, Iterator::count);
    assert_eq!(saved, 0, "what writes nothing has nothing to bring back");
    for (at, mode) in points(&faults) {
        let point = format!("{mode:?} {at} {:?}", faults.effects()[at - 1]);
        let crashed = site.copied();
        let faults = Faults::in_process(at, mode);
        let host = FaultingHost::new(crashed.host(), faults);
        run(&crashed, &host, &plan, Brought::default());
        recovered(&crashed, &point);
        assert_eq!(crashed.snapshot(), old, "{point}");
        assert!(apply::interrupted(&crashed.host()).unwrap().is_none());
    }
    assert!(!site.host().is_live());
}
