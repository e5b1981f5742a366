//! Medians, ratios and the Markdown tables that show them.

use super::measure::{Contender, Measured, Run};
use super::others::cores;

/// The middle value and the ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    pub median: f64,
    pub least: f64,
    pub most: f64,
}

impl Spread {
    /// Of nothing it is all zeros.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let at = |index: usize| values.get(index).copied().unwrap_or(0.0);
        let last = values.len().saturating_sub(1);
        Spread {
            median: (at(last / 2) + at(last.div_ceil(2))) / 2.0,
            least: at(0),
            most: at(last),
        }
    }
}

/// Prints a table in which the first contender is what the others are compared with.
pub fn print(contenders: &[Contender<'_>], measured: &Measured) {
    let runs = &measured.runs;
    println!("| | wall time: median (min–max) | ratio (min–max) | CPU time: median | ratio |");
    println!("|---|---|---|---|---|");
    let Some(peer) = runs.first() else { return };
    for (index, (contender, runs)) in contenders.iter().zip(runs).enumerate() {
        let is_peer = index == 0;
        let wall = Spread::of(runs.iter().map(|run| run.wall));
        let processor = Spread::of(runs.iter().map(|run| run.processor));
        println!(
            "| {} | {} ({}–{}) | {} | {} | {} |",
            contender.name,
            seconds(wall.median),
            seconds(wall.least),
            seconds(wall.most),
            unless(is_peer, ratio(&wall_ratios(peer, runs))),
            seconds(processor.median),
            unless(is_peer, times(processor_of(peer) / processor.median)),
        );
    }
    print_circumstances(measured);
}

/// Prints how many rounds there were and what else the machine did.
pub fn print_circumstances(measured: &Measured) {
    let rounds = measured.runs.first().map_or(0, Vec::len);
    let discarded = match measured.discarded {
        0 => String::new(),
        count => format!(", {count} more were disturbed and do not count"),
    };
    println!(
        "\n{rounds} rounds{discarded}; other programs used {:.2} of {} cores meanwhile.\n",
        measured.others,
        cores()
    );
}

/// The peer is compared with itself, so it gets a plain 1.
pub fn unless(is_peer: bool, text: String) -> String {
    if is_peer { "1".to_owned() } else { text }
}

/// How many times less wall time than the peer, round by round; the middle is that of the medians.
pub fn wall_ratios(peer: &[Run], runs: &[Run]) -> Spread {
    let by_round = Spread::of(
        peer.iter()
            .zip(runs)
            .map(|(peer, run)| peer.wall / run.wall),
    );
    Spread {
        median: Spread::of(peer.iter().map(|run| run.wall)).median
            / Spread::of(runs.iter().map(|run| run.wall)).median,
        ..by_round
    }
}

fn processor_of(runs: &[Run]) -> f64 {
    Spread::of(runs.iter().map(|run| run.processor)).median
}

/// A ratio with its ends.
pub fn ratio(spread: &Spread) -> String {
    format!(
        "{} ({}–{})",
        times(spread.median),
        number(spread.least),
        number(spread.most)
    )
}

/// `3.6×`.
pub fn times(ratio: f64) -> String {
    format!("{}×", number(ratio))
}

/// A length of time in the unit that suits it.
pub fn seconds(seconds: f64) -> String {
    if seconds >= 1.0 {
        format!("{seconds:.2} s")
    } else {
        format!("{} ms", number(seconds * 1e3))
    }
}

/// Two or three digits that count.
fn number(value: f64) -> String {
    if value >= 100.0 {
        format!("{value:.0}")
    } else if value >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(walls: &[f64]) -> Vec<Run> {
        let run = |wall: &f64| Run {
            wall: *wall,
            processor: 0.0,
            peak: 0,
        };
        walls.iter().map(run).collect()
    }

    #[test]
    fn the_median_is_in_the_middle() {
        let spread = Spread::of([3.0, 1.0, 2.0]);
        assert_eq!((spread.least, spread.median, spread.most), (1.0, 2.0, 3.0));
        assert_eq!(Spread::of([1.0, 2.0, 4.0, 9.0]).median, 3.0);
        assert_eq!(Spread::of([7.0]).median, 7.0);
        assert_eq!(Spread::of([]).median, 0.0);
    }

    #[test]
    fn ratios_are_of_medians_with_the_ends_of_the_rounds() {
        let spread = wall_ratios(&runs(&[4.0, 6.0, 50.0]), &runs(&[2.0, 1.0, 3.0]));
        assert_eq!(
            (spread.least, spread.median, spread.most),
            (2.0, 3.0, 50.0 / 3.0)
        );
        assert_eq!(ratio(&spread), "3.00× (2.00–16.7)");
    }

    #[test]
    fn times_are_told_in_the_unit_that_suits_them() {
        assert_eq!(seconds(0.00312), "3.12 ms");
        assert_eq!(seconds(0.8754), "875 ms");
        assert_eq!(seconds(2.5), "2.50 s");
    }
}
