//! How far the clocks of hosts are from each other, as certain as a question over a network allows.
//!
//! A host tells its time between the question and the answer; what lies in between is no skew. With
//! several hosts their middle is taken for the time, since the operator's clock may be the wrong one.

use jiff::{SignedDuration, Timestamp};
use kubepki_core::model::live::ClockFact;

/// kubeadm dates certificates back by five minutes, for clocks that are off by less.
pub const TOLERATED: i64 = 300;

/// How the operator's machine is called among hosts.
pub const OPERATOR: &str = "the machine that this was typed on";

/// How far a clock is ahead, at least, in seconds (negative: behind): nothing when the delay of the
/// answer explains it.
pub fn ahead(asked: Timestamp, told: Timestamp, answered: Timestamp) -> i64 {
    // What hosts tell may be cut to whole seconds.
    let second = SignedDuration::from_secs(1);
    if told.duration_since(answered) > second {
        told.duration_since(answered).as_secs()
    } else if asked.duration_since(told) > second {
        -(asked.duration_since(told) - second).as_secs()
    } else {
        0
    }
}

/// Whose clock is told about whose: the host in the middle, and every other clock that is off from
/// its own by more than certificates tolerate. `None` when all agree. `clocks` are the hosts with what
/// [`ahead`] measured.
pub fn compared(clocks: &[(String, i64)]) -> Option<(String, Vec<ClockFact>)> {
    let mut sorted: Vec<&(String, i64)> = clocks.iter().collect();
    sorted.sort_by_key(|(_, ahead)| *ahead);
    let (reference, middle) = sorted.get(sorted.len() / 2)?;
    let operator = (OPERATOR.to_owned(), 0);
    let others = clocks.iter().filter(|(host, _)| host != reference);
    let facts: Vec<ClockFact> = others
        .chain([&operator])
        .filter(|(_, ahead)| (ahead - middle).abs() > TOLERATED)
        .map(|(server, ahead)| ClockFact {
            server: server.clone(),
            ahead_seconds: ahead - middle,
        })
        .collect();
    (!facts.is_empty()).then(|| (reference.clone(), facts))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn delay_is_no_skew() {
        assert_eq!(ahead(at(100), at(105), at(110)), 0);
        assert_eq!(ahead(at(100), at(99), at(110)), 0);
        assert_eq!(ahead(at(100), at(710), at(110)), 600);
        assert_eq!(ahead(at(700), at(99), at(710)), -600);
    }

    #[test]
    fn the_middle_is_taken_for_the_time() {
        let clocks = |list: &[(&str, i64)]| -> Vec<(String, i64)> {
            list.iter()
                .map(|(name, by)| ((*name).to_owned(), *by))
                .collect()
        };
        assert_eq!(compared(&clocks(&[("a", 0), ("b", 12), ("c", -3)])), None);
        let (reference, facts) = compared(&clocks(&[("a", 0), ("b", 3600), ("c", 1)])).unwrap();
        assert_eq!(reference, "c");
        assert_eq!(facts.len(), 1);
        assert_eq!(
            (facts[0].server.as_str(), facts[0].ahead_seconds),
            ("b", 3599)
        );
        // All agree but with this machine: it is told, not they.
        let (_, facts) = compared(&clocks(&[("a", 900), ("b", 901), ("c", 899)])).unwrap();
        assert_eq!(facts.len(), 1);
        assert_eq!(
            (facts[0].server.as_str(), facts[0].ahead_seconds),
            (OPERATOR, -900)
        );
    }
}
