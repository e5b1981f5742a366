//! Counting tests from what the runners themselves say at their end.

use std::fmt;
use std::ops::AddAssign;

/// How many tests there were, by how they ended.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    /// Ended well.
    pub passed: usize,
    /// Ended badly, in time or not.
    pub failed: usize,
    /// Were there and did not run.
    pub skipped: usize,
}

impl Counts {
    /// How many ran.
    pub fn ran(self) -> usize {
        self.passed + self.failed
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} passed, {} failed, {} skipped",
            self.passed, self.failed, self.skipped
        )
    }
}

/// A test runner, as far as its closing lines go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Closing {
    /// `Summary [ 0.1s] 5 tests run: 3 passed (1 slow), 2 failed, 1 skipped`, once
    Nextest,
    /// `test result: ok. 3 passed; 0 failed; 1 ignored; …`, once for each program. nextest shows
    /// such lines too, of tests that it has counted already.
    CargoTest,
}

impl Closing {
    /// The counts in a line, if it is a closing one.
    pub fn counts_in(self, line: &str) -> Option<Counts> {
        let parts = match self {
            Closing::Nextest => line.trim().strip_prefix("Summary [")?.split_once(": ")?.1,
            Closing::CargoTest => line.strip_prefix("test result: ")?.split_once(". ")?.1,
        };
        let mut counts = Counts::default();
        for part in parts.split([',', ';']) {
            // `3 passed (1 slow)`: what is in brackets is counted in the number before
            let plain = part.split('(').next().unwrap_or_default().trim();
            let Some((number, what)) = plain.split_once(' ') else {
                continue;
            };
            let Ok(number) = number.parse::<usize>() else {
                continue;
            };
            match what {
                "passed" => counts.passed += number,
                "skipped" | "ignored" => counts.skipped += number,
                "failed" | "timed out" | "exec failed" => counts.failed += number,
                _ => {}
            }
        }
        Some(counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(passed: usize, failed: usize, skipped: usize) -> Option<Counts> {
        Some(Counts {
            passed,
            failed,
            skipped,
        })
    }

    #[test]
    fn nextest_is_read() {
        let line = "     Summary [   0.005s] 6 tests run: 3 passed (1 slow, 1 flaky), 1 failed, \
                    1 timed out, 1 exec failed, 2 skipped";
        assert_eq!(Closing::Nextest.counts_in(line), counts(3, 3, 2));
        let line = "     Summary [ 1.2s] 1/4 tests run: 1 passed, 0 skipped";
        assert_eq!(Closing::Nextest.counts_in(line), counts(1, 0, 0));
    }

    #[test]
    fn cargo_test_is_read() {
        let line = "test result: FAILED. 3 passed; 1 failed; 2 ignored; 0 measured; 9 filtered out; \
                    finished in 0.00s";
        assert_eq!(Closing::CargoTest.counts_in(line), counts(3, 1, 2));
        assert_eq!(
            Closing::Nextest.counts_in(&format!("    {line}")),
            None,
            "counted already"
        );
    }

    #[test]
    fn other_lines_count_nothing() {
        for line in [
            "3 passed, 1 failed",
            "        PASS [ 0.1s] a b",
            "",
            "running 3 tests",
        ] {
            assert_eq!(Closing::Nextest.counts_in(line), None, "{line}");
            assert_eq!(Closing::CargoTest.counts_in(line), None, "{line}");
        }
    }
}
