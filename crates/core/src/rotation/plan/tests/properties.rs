//! Properties, on random clusters that are interrupted, meddled with and found half-done.

use super::builder::Cluster;
use super::levels::{go_on, is_finished, prefix, steps};
use super::words::words;
use crate::connections::Place;
use crate::model::ComponentKind::{KubeApiserver, KubeControllerManager};
use crate::rotation::picture::{
    Generation, Holds, Keeper, Picture, PlaceState, Purpose, RootPicture,
};
use crate::rotation::plan::{
    RotationRequest, next_phase, picture_after, place_positions, script_for, whole,
};
use crate::rotation::{Root, Script};
use proptest::prelude::*;
use proptest::sample::{Index, subsequence};

fn clusters() -> impl Strategy<Value = Cluster> {
    (
        (1usize..5, 0usize..5, prop_oneof![Just(0usize), 1usize..4]),
        (0usize..3, 0usize..3),
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(
            |((control_planes, workers, etcd_hosts), (workloads, accounts), single, kubelets)| {
                Cluster {
                    control_planes,
                    workers,
                    etcd_hosts,
                    workloads,
                    accounts,
                    is_single_authority: single,
                    has_kubelets: kubelets,
                }
            },
        )
}

fn roots() -> impl Strategy<Value = Vec<Root>> {
    subsequence(Root::ALL.to_vec(), 1..=4)
}

fn request(roots: &[Root], picture: &Picture) -> RotationRequest {
    let roots = roots.iter().copied();
    let known: Vec<Root> = roots.filter(|it| picture.root(*it).is_some()).collect();
    RotationRequest::new(match known.is_empty() {
        true => vec![Root::KubernetesCa],
        false => known,
    })
}

fn holds() -> impl Strategy<Value = Holds> {
    prop_oneof![
        Just(Holds::Old),
        Just(Holds::OldNew),
        Just(Holds::NewOld),
        Just(Holds::New),
    ]
}

/// Somebody else was there meanwhile.
#[derive(Clone, Debug)]
enum Meddling {
    /// Leadership moved.
    Leaders(Index),
    /// kubeadm wrote a kubeconfig, or a leaf.
    FellBack(Index),
    /// A file was changed under its process.
    Unread(Index),
}

fn meddlings() -> impl Strategy<Value = Meddling> {
    prop_oneof![
        any::<Index>().prop_map(Meddling::Leaders),
        any::<Index>().prop_map(Meddling::FellBack),
        any::<Index>().prop_map(Meddling::Unread),
    ]
}

fn meddle(picture: &mut Picture, meddling: &Meddling) {
    match meddling {
        Meddling::Leaders(index) => {
            let hosts: Vec<String> = picture.hosts.iter().map(|host| host.name.clone()).collect();
            let leader = Some(index.get(&hosts).clone());
            picture.leaders.etcd.clone_from(&leader);
            picture.leaders.controller_manager.clone_from(&leader);
            picture.leaders.scheduler = leader;
        }
        Meddling::FellBack(index) => {
            let mut places: Vec<&mut PlaceState> = picture
                .roots
                .iter_mut()
                .filter(|root| root.new.is_some() && !root.leftovers.is_empty())
                .flat_map(|root| &mut root.places)
                .filter(|place| {
                    !matches!(place.place, Place::File { .. }) || place.purpose == Purpose::Present
                })
                .filter(|place| place.kept_by == Keeper::Rotation)
                .collect();
            if !places.is_empty() {
                let number = index.index(places.len());
                places[number].holds = Holds::Old;
            }
        }
        Meddling::Unread(index) => {
            let mut readers: Vec<_> = picture
                .roots
                .iter_mut()
                .filter(|root| root.new.is_some())
                .flat_map(|root| &mut root.places)
                .flat_map(|place| &mut place.readers)
                .filter(|reader| reader.loaded.is_some())
                .collect();
            if !readers.is_empty() {
                let number = index.index(readers.len());
                readers[number].loaded = Some(false);
            }
        }
    }
}

fn trusts_new(place: &PlaceState) -> bool {
    place.holds.is_both() || place.holds == Holds::New
}

/// What must be so at every moment between two turns: readers before presenters, presenters before
/// anybody forgets.
fn sound(picture: &Picture, root: &RootPicture) -> Result<(), String> {
    let of = |purpose: Purpose| {
        root.places
            .iter()
            .filter(move |place| place.purpose == purpose)
    };
    let is_read = |place: &PlaceState| {
        let mut readers = place.readers.iter();
        readers.all(|reader| reader.loaded != Some(false))
    };
    let uses_new = of(Purpose::Present).find(|place| trusts_new(place));
    let signs_new = of(Purpose::Sign).find(|place| place.holds == Holds::New);
    if let Some(new) = uses_new.or(signs_new)
        && let Some(behind) = of(Purpose::Trust).find(|it| !(trusts_new(it) && is_read(it)))
    {
        return Err(format!("{:?} before {behind:?}", new.place));
    }
    let forgets = of(Purpose::Trust)
        .filter(|it| it.kept_by == Keeper::Rotation && it.holds == Holds::New)
        .collect::<Vec<_>>();
    if let Some(file) = forgets
        .iter()
        .find(|it| matches!(it.place, Place::File { .. }))
    {
        if let Some(old) = of(Purpose::Present).find(|it| it.holds != Holds::New) {
            return Err(format!("{:?} forgets what {old:?} presents", file.place));
        }
        for server in picture.hosts_with(KubeApiserver) {
            let is_settled = root.settled.contains(&server.name);
            if root.root == Root::KubernetesCa && !is_settled {
                return Err(format!("{:?} before {} settled", file.place, server.name));
            }
        }
    }
    if !forgets.is_empty() {
        let serving = of(Purpose::Present).filter(|place| {
            let mut readers = place.readers.iter();
            readers.any(|it| it.component == KubeApiserver && it.flag == "tls-cert-file")
        });
        if let Some(old) = serving.into_iter().find(|it| it.holds != Holds::New) {
            return Err(format!("{forgets:?} while {old:?} is served"));
        }
    }
    let signing = of(Purpose::Sign).filter(|place| {
        let mut readers = place.readers.iter();
        readers.any(|it| {
            it.component == KubeControllerManager && it.flag == "cluster-signing-cert-file"
        })
    });
    for place in signing {
        if place.holds.is_both() {
            return Err(format!("{place:?} holds two"));
        }
    }
    Ok(())
}

fn assert_sound(picture: &Picture, script: &Script, turns: usize) -> Result<(), TestCaseError> {
    for root in &picture.roots {
        if let Err(reason) = sound(picture, root) {
            return Err(TestCaseError::fail(format!(
                "after {turns} turns: {}: {reason}\n{}",
                root.root,
                words(script)
            )));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn between_any_two_turns_readers_are_ahead_of_presenters(
        cluster in clusters(),
        roots in roots(),
    ) {
        let picture = cluster.picture();
        let request = request(&roots, &picture);
        let script = whole(&picture, &request).unwrap();
        for turns in 0..=steps(&script) {
            let cut = picture_after(&picture, &prefix(&script, turns));
            assert_sound(&cut, &script, turns)?;
        }
    }

    #[test]
    fn interrupted_again_and_again_the_order_is_kept_to_the_end(
        cluster in clusters(),
        roots in roots(),
        cuts in prop::collection::vec(any::<Index>(), 1..6),
    ) {
        let mut picture = cluster.picture();
        let request = request(&roots, &picture);
        for cut in cuts {
            let Some(phase) = next_phase(&picture, &request) else { break };
            let script = script_for(&picture, &request, phase).unwrap();
            let all = cut.index(steps(&script)) + 1;
            for turns in 0..=all {
                let after = picture_after(&picture, &prefix(&script, turns));
                assert_sound(&after, &script, turns)?;
            }
            picture = picture_after(&picture, &prefix(&script, all));
            if is_finished(&picture, &request) { break }
        }
        let end = go_on(picture, &request);
        prop_assert!(is_finished(&end, &request));
    }

    #[test]
    fn whatever_others_do_meanwhile_it_comes_to_an_end(
        cluster in clusters(),
        roots in roots(),
        cuts in prop::collection::vec((any::<Index>(), meddlings()), 1..6),
    ) {
        let mut picture = cluster.picture();
        let request = request(&roots, &picture);
        for (cut, meddling) in cuts {
            let Some(phase) = next_phase(&picture, &request) else { break };
            let script = script_for(&picture, &request, phase).unwrap();
            let turns = cut.index(steps(&script)) + 1;
            picture = picture_after(&picture, &prefix(&script, turns));
            if is_finished(&picture, &request) { break }
            meddle(&mut picture, &meddling);
        }
        let end = go_on(picture, &request);
        prop_assert!(is_finished(&end, &request));
    }

    #[test]
    fn whatever_is_found_half_done_comes_to_an_end(
        cluster in clusters(),
        found in prop::collection::vec(holds(), 64),
        unread in prop::collection::vec(any::<bool>(), 64),
    ) {
        let mut picture = cluster.picture();
        let mut found = found.into_iter().cycle();
        let mut unread = unread.into_iter().cycle();
        for root in &mut picture.roots {
            root.new = Some(Generation {
                name: "CN=new".to_owned(),
                fingerprint_sha256: "bb".to_owned(),
                pem: String::new(),
                not_after: None,
            });
            root.successor_keys = root.signing_keys.first().cloned().into_iter().collect();
            root.leftovers.clone_from(&root.successor_keys);
            for place in &mut root.places {
                let one = found.next().unwrap();
                place.holds = match (place.purpose, &one) {
                    (Purpose::Trust, _) => one,
                    // One certificate, or one key: never two.
                    (_, Holds::OldNew | Holds::NewOld)
                        if place.kept_by != Keeper::ControllerManager => Holds::Old,
                    _ => one,
                };
                for reader in &mut place.readers {
                    reader.loaded = reader.loaded.map(|_| unread.next().unwrap());
                }
            }
        }
        place_positions(&mut picture);
        let request = request(&Root::ALL, &picture);
        let end = go_on(picture, &request);
        prop_assert!(is_finished(&end, &request));
    }
}
