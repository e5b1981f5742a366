//! The order in which rounds are taken back: the newest first, but for one thing. An API server judges a
//! client with every request by the certificate that its connection began with, so connections of the new
//! generation's clients have to end before nobody trusts that any more. Where API servers are started
//! again while everybody trusts both, they come after the clients' files then: what connects anew comes
//! with the old certificate.
//!
//! Only what has no file and no manifest in common changes places.

use super::Taken;
use crate::model::ComponentKind::{Etcd, KubeApiserver};
use crate::rotation::phase::Phase;
use crate::rotation::plan::is_swap;

/// The rounds, those of the phase that issues with its restarts of API servers last.
pub(super) fn clients_first(rounds: Vec<Vec<Taken<'_>>>) -> Vec<Vec<Taken<'_>>> {
    let mut ordered: Vec<Vec<Taken<'_>>> = Vec::new();
    for round in rounds {
        let passes = |before: &Vec<Taken<'_>>| {
            issues(before) && closes(before) && !closes(&round) && are_apart(before, &round)
        };
        let passed = match issues(&round) {
            true => ordered.iter().rev().take_while(|it| passes(it)).count(),
            false => 0,
        };
        ordered.insert(ordered.len().saturating_sub(passed), round);
    }
    ordered
}

fn issues(round: &[Taken<'_>]) -> bool {
    let mut runs = round.iter();
    runs.all(|(_, run)| run.mark.phase == Phase::IssueFromNew && !is_swap(&run.mark))
}

/// Whether an API server starts again, and with it every connection to it.
fn closes(round: &[Taken<'_>]) -> bool {
    let mut runs = round.iter();
    runs.any(|(_, run)| run.components.contains(&KubeApiserver))
}

fn are_apart(one: &[Taken<'_>], other: &[Taken<'_>]) -> bool {
    one.iter().all(|(host, run)| {
        let same = other.iter().filter(|(of, _)| of == host);
        same.map(|(_, it)| it).all(|it| {
            // A member of etcd is started under an API server that is stopped and started, too.
            !it.components.contains(&Etcd)
                && !it.written.iter().any(|path| run.written.contains(path))
                && !it.components.iter().any(|it| run.components.contains(it))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::super::given::run;
    use super::*;
    use crate::model::ComponentKind::{self, Kubelet};
    use crate::rotation::back::RotationRun;

    fn issued(round: &str, minute: i64, path: &str, components: &[ComponentKind]) -> RotationRun {
        let mut run = run(round, minute, Phase::IssueFromNew, round);
        run.written = vec![path.into()];
        run.components = components.to_vec();
        run
    }

    fn order(runs: &[(usize, &RotationRun)]) -> Vec<String> {
        let rounds = runs.iter().map(|run| vec![*run]).collect();
        let ordered = clients_first(rounds);
        let runs = ordered.iter().flatten();
        runs.map(|(host, run)| format!("{} {host}", run.id))
            .collect()
    }

    #[test]
    fn clients_come_back_before_the_api_servers_that_close_their_connections() {
        let kubelets = issued("kubelets", 9, "/kubelet.conf", &[Kubelet]);
        let servers = issued("servers", 8, "/apiserver.crt", &[KubeApiserver]);
        let members = issued("members", 7, "/etcd.crt", &[Etcd]);
        let clients = issued("clients", 6, "/admin.conf", &[]);
        let trust = run("trust", 5, Phase::TrustBoth, "trust");
        assert_eq!(
            order(&[
                (0, &kubelets),
                (0, &servers),
                (1, &servers),
                (2, &members),
                (0, &clients),
                (0, &trust),
            ]),
            [
                "kubelets 0",
                "members 2",
                "clients 0",
                "servers 0",
                "servers 1",
                "trust 0"
            ]
        );
    }

    #[test]
    fn what_has_a_file_or_a_manifest_in_common_keeps_its_order() {
        let servers = issued("servers", 8, "/pki/a.crt", &[KubeApiserver, Kubelet]);
        for other in [
            issued("same-file", 7, "/pki/a.crt", &[]),
            issued("same-pod", 7, "/pki/b.crt", &[Kubelet]),
            issued("beside-etcd", 7, "/pki/b.crt", &[Etcd]),
            run("earlier-phase", 7, Phase::TrustBoth, "trust"),
        ] {
            let kept = order(&[(0, &servers), (0, &other)]);
            assert_eq!(kept.first().map(String::as_str), Some("servers 0"));
        }
    }
}
