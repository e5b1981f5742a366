//! Clocks: measured and said before anything is signed, since a certificate that is "not yet valid"
//! on one host is as bad there as an expired one.

use super::RescueEvidence;
use crate::plan::StartRule;
use jiff::SignedDuration;
use serde::Serialize;

/// Less is tolerated: kubeadm and this program date certificates back by five minutes.
pub const TOLERATED_SECONDS: i64 = 300;

/// Every clock against the operator's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clocks {
    /// One for each host that was compared.
    pub hosts: Vec<ClockState>,
    /// How far most hosts are ahead of the operator's machine.
    pub median_seconds: i64,
}

/// One host's clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClockState {
    /// The host's name in the cluster document.
    pub host: String,
    /// How far it is ahead of most others, in seconds; negative when it is behind.
    pub ahead_seconds: i64,
}

impl Clocks {
    /// Compares what was measured.
    pub fn compare(evidence: &RescueEvidence<'_>) -> Self {
        let measured: Vec<(&str, i64)> = evidence
            .states
            .iter()
            .filter_map(|state| Some((state.name.as_str(), state.clock_ahead_seconds?)))
            .collect();
        let mut sorted: Vec<i64> = measured.iter().map(|(_, ahead)| *ahead).collect();
        sorted.sort_unstable();
        let median_seconds = sorted.get(sorted.len() / 2).copied().unwrap_or_default();
        Self {
            hosts: measured
                .into_iter()
                .map(|(host, ahead)| ClockState {
                    host: host.to_owned(),
                    ahead_seconds: ahead - median_seconds,
                })
                .collect(),
            median_seconds,
        }
    }

    /// Hosts whose clock is too far from most others'.
    pub fn off(&self) -> impl Iterator<Item = &ClockState> {
        self.hosts
            .iter()
            .filter(|clock| clock.ahead_seconds.abs() > TOLERATED_SECONDS)
    }

    /// Whether most hosts agree with each other and not with the operator's machine.
    pub fn operator_is_off(&self) -> bool {
        self.hosts.len() > 1 && self.median_seconds.abs() > TOLERATED_SECONDS
    }

    /// How far the slowest clock, the operator's or a host's, is behind the one that signs by.
    fn behind_seconds(&self) -> i64 {
        self.hosts
            .iter()
            .map(|clock| -(clock.ahead_seconds + self.median_seconds))
            .max()
            .unwrap_or_default()
    }

    /// The start of validity: what was asked for; unasked, far enough back for the slowest clock.
    pub fn start(&self, asked: &StartRule) -> StartRule {
        let behind = self.behind_seconds();
        if !asked.is_default() || behind <= TOLERATED_SECONDS {
            return *asked;
        }
        StartRule::Before(SignedDuration::from_secs(
            behind.saturating_add(TOLERATED_SECONDS),
        ))
    }

    /// Whether [`Self::start`] dates further back than usual.
    pub fn dates_back(&self, asked: &StartRule) -> bool {
        asked.is_default() && self.behind_seconds() > TOLERATED_SECONDS
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rescue::HostState;

    fn clocks(ahead: &[i64]) -> Clocks {
        let states: Vec<HostState> = ahead
            .iter()
            .enumerate()
            .map(|(index, ahead)| HostState {
                name: format!("h{index}"),
                clock_ahead_seconds: Some(*ahead),
                ..HostState::default()
            })
            .collect();
        Clocks::compare(&RescueEvidence {
            hosts: &[],
            states: &states,
            unreachable: &[],
            nodes: None,
            cluster: None,
        })
    }

    fn back(clocks: &Clocks) -> i64 {
        let now: jiff::Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
        let start = clocks.start(&StartRule::default()).resolve(now).unwrap();
        now.duration_since(start).as_secs()
    }

    #[test]
    fn clocks_that_agree_are_left_alone() {
        let found = clocks(&[2, -1, 0]);
        assert_eq!(found.off().count(), 0);
        assert_eq!(back(&found), 300);
        assert_eq!(back(&Clocks::default()), 300);
    }

    #[test]
    fn the_slowest_clock_decides_how_far_back_a_validity_begins() {
        let found = clocks(&[0, 1, -3600]);
        let off: Vec<&str> = found.off().map(|clock| clock.host.as_str()).collect();
        assert_eq!(off, ["h2"]);
        assert_eq!(back(&found), 3900);
        let asked: StartRule = "-10d".parse().unwrap();
        assert!(matches!(found.start(&asked), StartRule::Before(back) if back.as_hours() == 240));
        assert!(!found.dates_back(&asked));
    }

    #[test]
    fn where_all_hosts_agree_the_operator_is_the_one_that_is_off() {
        let found = clocks(&[-86_400, -86_401, -86_399]);
        assert!(found.operator_is_off());
        assert_eq!(found.off().count(), 0);
        assert!(back(&found) > 86_400);
        // Ahead of the operator, everything that is signed now is valid there.
        assert_eq!(back(&clocks(&[7200, 7200, 7200])), 300);
    }
}
