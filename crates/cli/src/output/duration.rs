//! Lengths of time for people, in the shape that kubectl and kubeadm use.
//!
//! One unit, rounded down (`duration.ShortHumanDuration` in k8s.io/apimachinery), so that the same
//! certificate reads the same in every Kubernetes tool.

use jiff::SignedDuration;

/// `364d`, `23h`, `9y`; `<invalid>` when it is over, as kubeadm prints it.
pub fn short(duration: SignedDuration) -> String {
    let seconds = duration.as_secs();
    // Go's version lets one second of clock skew pass as zero
    if seconds < -1 {
        "<invalid>".into()
    } else {
        unit(seconds.max(0))
    }
}

/// What is left until an end: `364d`, or `expired 3d ago`.
pub fn left(duration: SignedDuration) -> String {
    if duration.is_negative() {
        format!("expired {} ago", unit(duration.as_secs().saturating_neg()))
    } else {
        unit(duration.as_secs())
    }
}

fn unit(seconds: i64) -> String {
    const MINUTE: i64 = 60;
    const HOUR: i64 = 60 * MINUTE;
    const DAY: i64 = 24 * HOUR;
    const YEAR: i64 = 365 * DAY;
    let units = [(YEAR, 'y'), (DAY, 'd'), (HOUR, 'h'), (MINUTE, 'm')];
    match units.iter().find(|(length, _)| seconds >= *length) {
        Some((length, unit)) => format!("{}{unit}", seconds / length),
        None => format!("{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_unit_rounded_down_as_kubeadm_does() {
        let cases = [
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (3599, "59m"),
            (3600, "1h"),
            (86_399, "23h"),
            (86_400, "1d"),
            (364 * 86_400 + 86_399, "364d"),
            (365 * 86_400, "1y"),
            (3649 * 86_400, "9y"),
            (-1, "0s"),
            (-2, "<invalid>"),
        ];
        for (seconds, expected) in cases {
            assert_eq!(
                short(SignedDuration::from_secs(seconds)),
                expected,
                "{seconds}"
            );
        }
    }

    #[test]
    fn what_is_over_says_since_when() {
        assert_eq!(left(SignedDuration::from_hours(-75)), "expired 3d ago");
        assert_eq!(left(SignedDuration::from_secs(-1)), "expired 1s ago");
        assert_eq!(left(SignedDuration::from_hours(23)), "23h");
        assert_eq!(
            left(SignedDuration::MIN),
            format!("expired {}y ago", i64::MAX / 31_536_000)
        );
    }
}
