//! What the user should know before saying yes.

use super::checks::spelled;
use super::estimate;
use super::given::signed_by;
use super::scene::Scene;
use super::trust_both::unstarted;
use crate::connections::Place;
use crate::model::ComponentKind::{Etcd, KubeApiserver};
use crate::plan::Notice;
use crate::rotation::picture::{Holds, HostFacts, Keeper, Purpose, RootPicture};
use crate::rotation::{Action, OldKey, Phase, RestartWorkloads, Root, Round, Turn};

pub(super) fn notices(scene: &Scene<'_>, rounds: &[Round]) -> Vec<Notice> {
    let mut all = Vec::new();
    for root in &scene.left_at_rest {
        all.push(notice(
            "left-at-rest",
            root.root.as_str(),
            "it is at rest while others are being rotated: rotate it when they are done".to_owned(),
        ));
    }
    if !scene.request.offline {
        all.extend(scene.rotating().flat_map(fell_back));
    }
    if rounds.is_empty() {
        return all;
    }
    all.extend(gap(scene, rounds));
    all.extend(leadership(scene, rounds));
    all.extend(members(scene, rounds));
    let actions = || {
        rounds
            .iter()
            .flat_map(|round| &round.turns)
            .flat_map(|turn| &turn.actions)
    };
    let makes = actions().any(|action| matches!(action, Action::MakeSuccessor { .. }));
    let saves = actions().any(|action| *action == Action::SnapshotEtcd);
    if makes && !saves {
        let words = match scene.picture.hosts_with(Etcd).next() {
            None => "none of the hosts runs etcd: take a snapshot of it yourself before you go on",
            Some(_) => {
                "no member of etcd answers, so none is asked for a snapshot: copy its data folder yourself before you go on"
            }
        };
        all.push(notice("no-etcd-snapshot", "etcd", words.to_owned()));
    }
    all.extend(downtime(rounds));
    let halts = actions().any(|action| matches!(action, Action::Halt { .. }));
    let swaps_key = |root: &&RootPicture| root.root == Root::ServiceAccountKey;
    if halts && scene.roots.iter().copied().any(|root| swaps_key(&root)) {
        all.push(notice(
            "old-tokens",
            Root::ServiceAccountKey.as_str(),
            "tokens that the old key signed are refused from the swap on, wherever copies of them are; in the cluster they are made anew".to_owned(),
        ));
    }
    let given = scene.request.given.as_ref().filter(|_| makes);
    if let Some((given, above)) = given.and_then(|given| Some((given, signed_by(given)?))) {
        all.push(notice(
            "intermediate-ca",
            given.root.as_str(),
            format!(
                "it is an intermediate below {above}, and everybody trusts it alone: the root would let in whatever else it signs; Go's programs, kubelets and curl take it so, but what is made with OpenSSL and asks for a whole chain (Python before 3.13, Node.js, Ruby) refuses a kube-root-ca.crt without its root"
            ),
        ));
    }
    if actions().any(|action| matches!(action, Action::RequestSuccessor { .. })) {
        all.push(notice(
            "request-only",
            "certification request",
            "nothing else begins before its certificate has come: `kubepki rotate next --new-ca FILE`".to_owned(),
        ));
    }
    let bundles = |action: &Action| {
        matches!(
            action,
            Action::WriteTrust {
                holds: Holds::OldNew,
                ..
            }
        )
    };
    let pods = |host: &HostFacts| !host.static_pods.is_empty();
    if actions().any(bundles) && scene.picture.hosts.iter().any(pods) {
        all.push(notice(
            "kubeadm-in-between",
            "kubeadm",
            "until the end leave kubeadm alone: `certs check-expiration` fails where a CA file holds two certificates, `certs renew` and `upgrade` write kubeconfigs that trust only the first".to_owned(),
        ));
    }
    all.extend(workloads(scene));
    all.extend(left_to_owners(scene, rounds));
    let retires = rounds.iter().any(|round| round.phase == Phase::RetireOld);
    if retires {
        all.push(old_keys(&scene.request.old_key));
    }
    all
}

/// What becomes of the old private keys.
fn old_keys(how: &OldKey) -> Notice {
    let (code, words) = match how {
        OldKey::Keep => (
            "old-key-kept",
            "at the end the old keys go from their places; the backups of the rotation's runs still hold them, for `kubepki rotate back`, until `kubepki backup prune` (or `--old-key seal`, `--old-key destroy`)".to_owned(),
        ),
        OldKey::Destroy => (
            "old-key-destroyed",
            "at the end the old keys are destroyed, in every backup of these hosts too: from then on nothing brings the old generation back, neither `rotate back` nor `undo` nor `restore`. Their bytes are overwritten, which a disk with a journal, snapshots or flash may not honour".to_owned(),
        ),
        OldKey::Seal { recipients } => (
            "old-key-sealed",
            format!(
                "at the end backups that hold an old key are encrypted for {}, and the clear ones destroyed: `rotate back` cannot read them then, `undo --identity` on their host can",
                recipients.join(", ")
            ),
        ),
    };
    notice(code, "private keys", words)
}

fn notice(code: &str, object: &str, message: String) -> Notice {
    Notice {
        code: code.to_owned(),
        object: object.to_owned(),
        message,
    }
}

/// From the first halt until the API servers are ready nobody reaches the API.
fn downtime(rounds: &[Round]) -> Option<Notice> {
    let does = |round: &Round, is: &dyn Fn(&Action) -> bool| {
        let mut actions = round.turns.iter().flat_map(|turn| &turn.actions);
        actions.any(is)
    };
    let halts = |round: &Round| does(round, &|action| matches!(action, Action::Halt { .. }));
    let serves = |round: &Round| {
        does(
            round,
            &|action| matches!(action, Action::Start { components } if components.contains(&KubeApiserver)),
        )
    };
    let first = rounds.iter().position(halts)?;
    let last = rounds.iter().rposition(serves).unwrap_or(first);
    let down = rounds.iter().take(last.saturating_add(1)).skip(first);
    let seconds = down.fold(0, |sum: u32, round| {
        sum.saturating_add(round.estimate_seconds)
    });
    Some(notice(
        "downtime",
        "the cluster",
        format!(
            "nobody reaches the API for about {seconds} s; pods on the nodes go on, and those that talk to the API are restarted when it is there again"
        ),
    ))
}

/// With one API server, or one member of etcd, every restart of it is seen.
fn gap(scene: &Scene<'_>, rounds: &[Round]) -> Option<Notice> {
    let only = |kind| {
        let mut hosts = scene.picture.hosts_with(kind);
        hosts.next().filter(|_| hosts.next().is_none())
    };
    let (server, member) = (only(KubeApiserver), only(Etcd));
    let seconds = |round: &Round| -> u32 {
        let of = |host: &HostFacts, away: &dyn Fn(&Turn) -> u32| -> u32 {
            let turns = round.turns.iter().filter(|turn| turn.host == host.name);
            turns.map(away).sum()
        };
        let server_away = |turn: &Turn| estimate::away(scene.picture, turn);
        let of_server = server.map_or(0, |host| of(host, &server_away));
        of_server.max(member.map_or(0, |host| of(host, &estimate::without_etcd)))
    };
    let away: Vec<(&str, u32)> = rounds
        .iter()
        .map(|round| (round.name.as_str(), seconds(round)))
        .filter(|(_, seconds)| *seconds > 0)
        .collect();
    let what = match (server, member) {
        (None, Some(_)) => "etcd has one member",
        _ => "there is one API server",
    };
    let each: Vec<String> = away
        .iter()
        .map(|(round, seconds)| format!("{seconds} s in {round}"))
        .collect();
    let all: u32 = away.iter().map(|(_, seconds)| seconds).sum();
    (!away.is_empty()).then(|| {
        notice(
            "single-control-plane",
            server.or(member).map_or("etcd", |host| &host.name),
            format!(
                "{what}: nobody reaches the API while it is restarted, about {}, {all} s in all; what runs on the nodes goes on",
                each.join(", ")
            ),
        )
    })
}

/// A change of etcd's leader is the one thing that may cost requests.
fn leadership(scene: &Scene<'_>, rounds: &[Round]) -> Option<Notice> {
    let yields = |round: &&Round| {
        let mut actions = round.turns.iter().flat_map(|turn| &turn.actions);
        actions.any(|action| *action == Action::YieldEtcdLeadership)
    };
    let changes = rounds.iter().filter(yields).count();
    (changes > 0 && scene.picture.hosts_with(Etcd).count() > 1).then(|| {
        notice(
            "etcd-leadership",
            "etcd",
            format!(
                "etcd's leader hands over {}: requests on their way in that second may fail, and well-made clients repeat them; choose a quiet moment",
                times(changes)
            ),
        )
    })
}

/// API servers that ask members of other hosts cannot be stopped before each of them, as the one beside
/// a member is: etcd drops what it is at when it is stopped, since it cannot wait for it with TLS
/// (etcd-io/etcd issue 8916).
fn members(scene: &Scene<'_>, rounds: &[Round]) -> Option<Notice> {
    let stops = |turn: &&Turn| {
        let mut actions = turn.actions.iter();
        actions
            .any(|it| matches!(it, Action::Restart { component: Etcd, parks } if parks.is_empty()))
    };
    let stopped = rounds.iter().flat_map(|round| &round.turns).filter(stops);
    let restarts = stopped.count();
    let asked_from_elsewhere = scene.picture.hosts_with(KubeApiserver).next().is_some();
    (restarts > 0 && asked_from_elsewhere).then(|| {
        notice(
            "etcd-members",
            "etcd",
            format!(
                "members that API servers of other hosts ask are restarted {}: what such a member is at in that moment fails (`transport: missing content-type field`), as with every restart of it, and well-made clients repeat it",
                times(restarts)
            ),
        )
    })
}

fn times(number: usize) -> String {
    match number {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        more => format!("{more} times"),
    }
}

fn workloads(scene: &Scene<'_>) -> Option<Notice> {
    let mut named: Vec<String> = Vec::new();
    for root in &scene.roots {
        let purpose = match root.root {
            Root::ServiceAccountKey => Purpose::Present,
            _ => Purpose::Trust,
        };
        for place in unstarted(root, purpose) {
            let name = spelled(&place.place);
            if !named.contains(&name) {
                named.push(name);
            }
        }
    }
    let listed = named.join("; ");
    match scene.request.restart_workloads {
        _ if named.is_empty() => None,
        RestartWorkloads::Auto => None,
        RestartWorkloads::List => Some(notice(
            "workloads-to-restart",
            "workloads",
            format!("restart these yourself when both are trusted: {listed}"),
        )),
        RestartWorkloads::None => Some(notice(
            "workloads-left",
            "workloads",
            format!("these are left alone and may lose the API server: {listed}"),
        )),
    }
}

/// Pods that only their owners can replace, when they are about to be left behind: whoever acknowledged
/// every copy did so before anybody knew of them.
fn left_to_owners(scene: &Scene<'_>, rounds: &[Round]) -> Option<Notice> {
    let does = |phase| rounds.iter().any(|round| round.phase == phase);
    let mut named: Vec<String> = Vec::new();
    for root in &scene.roots {
        let (purpose, phase) = match root.root {
            Root::ServiceAccountKey => (Purpose::Present, Phase::RetireOld),
            _ => (Purpose::Trust, Phase::IssueFromNew),
        };
        let left = root
            .kept_by(Keeper::Outside)
            .filter(|place| does(phase) && place.purpose == purpose && place.holds == Holds::Old)
            .filter(|place| matches!(&place.place, Place::Api(object) if has_pods(&object.kind)))
            .map(|place| spelled(&place.place));
        for name in left {
            if !named.contains(&name) {
                named.push(name);
            }
        }
    }
    (!named.is_empty()).then(|| {
        notice(
            "workloads-left-behind",
            "workloads",
            format!(
                "only their owners can replace these, whose containers hold what is old since their start: those that do not read it again lose the API server: {}",
                named.join("; ")
            ),
        )
    })
}

/// Whether an object has pods, and is no copy of what they read.
fn has_pods(kind: &str) -> bool {
    ![
        "ConfigMap",
        "Secret",
        "APIService",
        "CustomResourceDefinition",
    ]
    .contains(&kind)
        && !kind.ends_with("WebhookConfiguration")
}

/// What others wrote in the middle: `kubeadm certs renew` and `upgrade` write what they know, and a host
/// that joined brought what it was given.
fn fell_back(root: &RootPicture) -> Option<Notice> {
    let is_issuing = root.is_begun(Phase::IssueFromNew);
    let is_retiring = root.is_begun(Phase::RetireOld) && root.presents_new_mostly();
    let behind: Vec<String> = root
        .places
        .iter()
        .filter(|place| place.kept_by == Keeper::Rotation)
        .filter(|place| place.holds == Holds::Old)
        .filter(|place| match place.purpose {
            Purpose::Trust => is_issuing,
            Purpose::Present => is_retiring,
            Purpose::Sign => false,
        })
        .map(|place| spelled(&place.place))
        .collect();
    (!behind.is_empty()).then(|| {
        notice(
            "fell-back",
            root.root.as_str(),
            format!(
                "others are further than these, which hold the old one alone (kubeadm renewed or upgraded in the middle, or the host joined since); they are brought along: {}",
                behind.join("; ")
            ),
        )
    })
}

impl RootPicture {
    /// Whether a signer is exchanged already: then what is issued by others is of the new generation.
    fn presents_new_mostly(&self) -> bool {
        self.kept(Purpose::Sign)
            .any(|place| place.holds == Holds::New)
    }
}
