//! Exit codes: the part of the interface that scripts and monitoring rely on.
//!
//! They are the same for every verb. A verb that found something worth acting on says so with 3 or
//! 4 although it did its own work well; 1 always means that the work itself was not done in full.

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitCode {
    /// 0: done, and nothing found that asks for attention.
    Fine,
    /// 1: something failed, or part of what was asked for could not be read.
    Failed,
    /// 2: the command line was wrong; nothing was done.
    Usage,
    /// 3: done, and warnings were found (expiring inside the threshold).
    Warnings,
    /// 4: done, and critical findings were made (expired, not yet valid, broken).
    Critical,
}

impl ExitCode {
    /// The number the process ends with.
    pub const fn number(self) -> u8 {
        match self {
            Self::Fine => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Warnings => 3,
            Self::Critical => 4,
        }
    }
}

/// The paragraph shown by `--help` and in every man page.
pub const EXIT_CODES: &str = "\
Exit codes:
  0  done, nothing found
  1  failed, or not everything could be read
  2  wrong usage, nothing was done
  3  warnings found (expiring inside the threshold)
  4  critical found (expired, not yet valid, broken)";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_lists_every_code() {
        for code in [
            ExitCode::Fine,
            ExitCode::Failed,
            ExitCode::Usage,
            ExitCode::Warnings,
            ExitCode::Critical,
        ] {
            assert!(
                EXIT_CODES.contains(&format!("\n  {}  ", code.number())),
                "{code:?}"
            );
        }
    }
}
