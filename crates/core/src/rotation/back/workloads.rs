//! Workloads on the way back: containers that started while the new generation was published know its
//! certificate, or hold its key's token, and nobody else's. They start again while both are trusted. Who
//! that is shows in the API when it is done, so a plan says what they must have read, and names nobody.

use super::restarts::signs_new;
use super::runs::came_back;
use super::{HostRuns, Taken, api};
use crate::model::ComponentKind;
use crate::plan::{Gate, Pace, Stage};
use crate::rotation::api_change::{ApiChange, StaleTokens};
use crate::rotation::observe::started;
use crate::rotation::phase::Phase;
use crate::rotation::picture::Picture;
use crate::rotation::proof::Proof;
use crate::rotation::root::Root;
use crate::rotation::successor::generation;
use jiff::Timestamp;

/// About how long pods take to be replaced.
const ROLLOUT_SECONDS: u32 = 40;

/// About how long every namespace takes to have what is published.
const PUBLISHED_SECONDS: u32 = 16;

/// What way back is asked for.
pub(super) struct Workloads<'a> {
    pub(super) hosts: &'a [HostRuns<'a>],
    pub(super) picture: &'a Picture,
    pub(super) now: Timestamp,
}

impl Workloads<'_> {
    /// After the hosts went back behind a phase, with API servers that go on meanwhile.
    pub(super) fn behind(&self, phase: Phase) -> Vec<Stage> {
        match phase {
            Phase::IssueFromNew => self.old_tokens(phase, self.signed_until_now()),
            Phase::RetireOld => self.old_trust(phase),
            _ => Vec::new(),
        }
    }

    /// Before a phase is taken back: what an earlier way back, which ended before it came to that, left of
    /// the phase behind it. Who has started since is not asked to start again.
    pub(super) fn overdue(&self, phase: Phase, taken: &[Taken<'_>]) -> Vec<Stage> {
        let back_since = |later| came_back(self.hosts, taken, phase, later);
        match phase {
            Phase::TrustBoth => back_since(Phase::IssueFromNew)
                .map(|since| self.old_tokens(Phase::IssueFromNew, self.signed_until(since))),
            Phase::IssueFromNew => {
                back_since(Phase::RetireOld).map(|_| self.old_trust(Phase::RetireOld))
            }
            _ => None,
        }
        .unwrap_or_default()
    }

    /// After everything was swapped back at once: nobody trusts the new generation any more.
    pub(super) fn behind_swap(&self) -> Vec<Stage> {
        let mut stages: Vec<Stage> = self.published("swap", false).into_iter().collect();
        let holds: Vec<String> = self.old(Root::KubernetesCa).into_iter().collect();
        let key_sha256 = self.old(Root::ServiceAccountKey);
        let is_read = !holds.is_empty() || key_sha256.is_some();
        stages.extend(self.added("swap", key_sha256.as_ref()));
        if is_read {
            let projected = match key_sha256 {
                Some(_) => StaleTokens::BeforeNow,
                None => StaleTokens::None,
            };
            stages.extend(self.restarted("swap", holds, key_sha256.clone(), projected));
        }
        stages.extend(self.dropped("swap", key_sha256));
        stages
    }

    /// API servers signed with the new key until they were started again, if they had read it at all.
    fn signed_until_now(&self) -> StaleTokens {
        match self.hosts.iter().any(|host| signs_new(self.picture, host)) {
            true => StaleTokens::BeforeNow,
            false => StaleTokens::None,
        }
    }

    /// The same where the files were back at this moment: until the last API server started after it.
    fn signed_until(&self, since: Timestamp) -> StaleTokens {
        let hosts = self.hosts.iter().map(|host| host.inventory);
        let mut servers = hosts.filter(|it| it.component(ComponentKind::KubeApiserver).is_some());
        let last = servers.try_fold(since, |last, server| {
            let started = started(server, ComponentKind::KubeApiserver)?;
            (started >= since).then_some(last.max(started))
        });
        last.map_or(StaleTokens::BeforeNow, StaleTokens::Before)
    }

    fn old_tokens(&self, phase: Phase, projected: StaleTokens) -> Vec<Stage> {
        let Some(key) = self.old(Root::ServiceAccountKey) else {
            return Vec::new();
        };
        let phase = phase.as_str();
        let mut stages: Vec<Stage> = self.added(phase, Some(&key)).into_iter().collect();
        stages.extend(self.restarted(phase, Vec::new(), Some(key.clone()), projected));
        stages.extend(self.dropped(phase, Some(key)));
        stages
    }

    fn old_trust(&self, phase: Phase) -> Vec<Stage> {
        let Some(old) = self.old(Root::KubernetesCa) else {
            return Vec::new();
        };
        let mut stages: Vec<Stage> = self.published(phase.as_str(), true).into_iter().collect();
        stages.extend(self.restarted(phase.as_str(), vec![old], None, StaleTokens::None));
        stages
    }

    /// The old generation of a root that is being rotated.
    fn old(&self, root: Root) -> Option<String> {
        let root = self.picture.root(root).filter(|it| it.new.is_some())?;
        Some(root.old.first()?.fingerprint_sha256.clone())
    }

    fn added(&self, name: &str, key_sha256: Option<&String>) -> Option<Stage> {
        let change = ApiChange::AddTokenSecrets {
            key_sha256: key_sha256?.clone(),
        };
        let reason = "ServiceAccounts with a token Secret get one that the old key signed";
        api::stage(
            &format!("back-{name}-tokens"),
            reason,
            self.hosts,
            vec![change],
        )
    }

    fn restarted(
        &self,
        name: &str,
        holds: Vec<String>,
        key_sha256: Option<String>,
        projected: StaleTokens,
    ) -> Option<Stage> {
        let asker = api::asker(self.hosts)?;
        let change = ApiChange::RestartStaleWorkloads {
            holds,
            key_sha256,
            projected,
            mark: generation(self.now),
        };
        let reason = "workloads that started with what is taken back start again";
        let stage = api::stage(
            &format!("back-{name}-workloads"),
            reason,
            self.hosts,
            vec![change],
        )?;
        Some(Stage {
            gate: Gate::Proved {
                host: asker,
                proof: Proof::WorkloadsRolledOut,
            },
            estimate_seconds: ROLLOUT_SECONDS,
            ..stage
        })
    }

    fn dropped(&self, name: &str, key_sha256: Option<String>) -> Option<Stage> {
        let change = ApiChange::DropTokenSecrets {
            key_sha256: key_sha256?,
        };
        let reason = "nobody mounts tokens of the new key any more, so their Secrets go";
        api::stage(
            &format!("back-{name}-token-secrets"),
            reason,
            self.hosts,
            vec![change],
        )
    }

    /// Every namespace has this before workloads start with it.
    fn published(&self, name: &str, is_new_trusted: bool) -> Option<Stage> {
        let root = self.picture.root(Root::KubernetesCa)?;
        let old = root.old.first()?.fingerprint_sha256.clone();
        let new = root.new.as_ref()?.fingerprint_sha256.clone();
        let (holds, lacks) = match is_new_trusted {
            true => (vec![old, new], Vec::new()),
            false => (vec![old], vec![new]),
        };
        Some(Stage {
            name: format!("back-{name}-published"),
            reason: "every namespace has the old trust again before workloads start with it"
                .to_owned(),
            steps: Vec::new(),
            pace: Pace::Together,
            gate: Gate::Proved {
                host: api::asker(self.hosts)?,
                proof: Proof::Published { holds, lacks },
            },
            estimate_seconds: PUBLISHED_SECONDS,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::given::{at, both_rotating, control_plane, host, run, taken_back};
    use super::super::{HowFar, back};
    use super::*;
    use crate::connections::Place;
    use crate::model::RunningProcess;
    use crate::rotation::back::{RotationRun, TakenBackRun};
    use crate::rotation::picture::{Holds, Keeper, PlaceState, Purpose, Reader};

    fn stages(runs: &[RotationRun], earlier: &[TakenBackRun]) -> Vec<Stage> {
        stages_of(&both_rotating(), runs, earlier)
    }

    fn stages_of(picture: &Picture, runs: &[RotationRun], earlier: &[TakenBackRun]) -> Vec<Stage> {
        let mut inventory = control_plane();
        inventory.components[0].processes.push(RunningProcess {
            pid: 1,
            started: at(21),
        });
        let host = HostRuns {
            taken_back: earlier,
            ..host(&inventory, runs)
        };
        let plan = back(&[host], Some(picture), HowFar::Phase, at(100));
        plan.unwrap().stages
    }

    fn names(stages: &[Stage]) -> Vec<&str> {
        stages.iter().map(|stage| stage.name.as_str()).collect()
    }

    /// What the stage restarts: who does not hold these, or another key's token.
    fn wanted(stages: &[Stage]) -> (Vec<String>, Option<String>, StaleTokens) {
        use crate::plan::Step::ChangeApi;
        let steps = stages.iter().flat_map(|stage| &stage.steps);
        let changes = steps.flat_map(|step| match step {
            ChangeApi { changes, .. } => changes.as_slice(),
            _ => &[],
        });
        let mut wanted = changes.filter_map(|change| match change {
            ApiChange::RestartStaleWorkloads {
                holds,
                key_sha256,
                projected,
                ..
            } => Some((holds.clone(), key_sha256.clone(), *projected)),
            _ => None,
        });
        wanted.next().unwrap()
    }

    #[test]
    fn workloads_get_old_tokens_before_those_of_the_new_key_go() {
        let issued = [run("leaf", 6, Phase::IssueFromNew, "signing")];
        let stages = stages(&issued, &[]);
        assert_eq!(
            names(&stages),
            [
                "back-signing",
                "back-api-servers",
                "back-issue-from-new-tokens",
                "back-issue-from-new-workloads",
                "back-issue-from-new-token-secrets",
            ]
        );
        let key = Some("old-key-sha256".to_owned());
        assert_eq!(wanted(&stages), (Vec::new(), key, StaleTokens::None));
        let rollout = Gate::Proved {
            host: "cp1".to_owned(),
            proof: Proof::WorkloadsRolledOut,
        };
        assert_eq!(stages[3].gate, rollout);
    }

    #[test]
    fn projected_tokens_are_of_the_new_key_only_if_an_api_server_had_read_it() {
        let issued = [run("leaf", 6, Phase::IssueFromNew, "signing")];
        let projected = |holds, loaded| {
            let mut picture = both_rotating();
            picture.roots[1].places.push(PlaceState {
                place: Place::File {
                    host: "cp1".to_owned(),
                    path: "/etc/kubernetes/pki/sa.key".into(),
                },
                purpose: Purpose::Sign,
                kept_by: Keeper::Rotation,
                holds,
                readers: vec![Reader {
                    host: "cp1".to_owned(),
                    component: ComponentKind::KubeApiserver,
                    flag: "service-account-signing-key-file".to_owned(),
                    loaded,
                }],
                renewable_as: None,
            });
            wanted(&stages_of(&picture, &issued, &[])).2
        };
        assert_eq!(projected(Holds::New, Some(true)), StaleTokens::BeforeNow);
        assert_eq!(projected(Holds::New, Some(false)), StaleTokens::None);
        // an earlier way back had brought the file back, and nothing more
        assert_eq!(projected(Holds::Old, Some(false)), StaleTokens::BeforeNow);
        assert_eq!(projected(Holds::Old, Some(true)), StaleTokens::None);
    }

    #[test]
    fn what_a_way_back_that_was_cut_short_left_comes_first_the_next_time() {
        let trusted = [run("both", 4, Phase::TrustBoth, "trust")];
        assert!(!names(&stages(&trusted, &[])).contains(&"back-issue-from-new-workloads"));
        let earlier = [
            taken_back(Phase::IssueFromNew, 20),
            taken_back(Phase::IssueFromNew, 22),
        ];
        let late = stages(&trusted, &earlier[..1]);
        assert_eq!(names(&late)[1], "back-issue-from-new-workloads");
        // who has started since the old key signs again is left alone
        assert_eq!(wanted(&late).2, StaleTokens::Before(at(21)));
        // which it does not yet where the API server goes on since before
        let late = stages(&trusted, &earlier);
        assert_eq!(names(&late)[0], "back-api-servers");
        assert_eq!(wanted(&late).2, StaleTokens::BeforeNow);
        let mut of_another = earlier.clone();
        of_another
            .iter_mut()
            .for_each(|it| it.mark.rotation = "earlier".to_owned());
        assert_eq!(stages(&trusted, &of_another), stages(&trusted, &[]));
    }

    #[test]
    fn who_began_with_the_new_trust_alone_starts_again_before_anybody_presents_the_old() {
        let retired = [run("gone", 9, Phase::RetireOld, "retire")];
        let expected = ["back-retire-old-published", "back-retire-old-workloads"];
        let now = stages(&retired, &[]);
        assert_eq!(names(&now)[1..], expected);
        assert_eq!(
            wanted(&now),
            (vec!["old-sha256".to_owned()], None, StaleTokens::None)
        );
        let issued = [run("leaf", 6, Phase::IssueFromNew, "signing")];
        let late = stages(&issued, &[taken_back(Phase::RetireOld, 20)]);
        assert_eq!(names(&late)[..2], expected);
    }
}
