//! The few styles that all output shares. Meaning is never only in them: whatever is red also says
//! what is wrong in words.

use anstyle::{AnsiColor, Style};

/// Column headers and titles.
pub const HEADING: Style = Style::new().bold();
/// The thing that a line is about.
pub const NAME: Style = AnsiColor::Cyan.on_default();
/// Fine.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// Wants attention.
pub const WARN: Style = AnsiColor::Yellow.on_default();
/// Broken or over.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// Labels and lesser things.
pub const DIM: Style = Style::new().dimmed();
