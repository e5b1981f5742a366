//! How results and talk reach the user.
//!
//! Standard output carries what was asked for (tables, details, JSON, YAML); standard error carries
//! talk (remarks, progress, errors). Everything here writes to a given `Write`, decides nothing
//! about certificates, and is shared by all verbs.

mod duration;
mod errors;
mod progress;
mod prompt;
pub mod severity;
mod structured;
mod style;
mod table;

pub use duration::{left, short};
pub use errors::write_error;
pub use progress::Progress;
pub use prompt::{confirm, first_line, password};
pub use structured::{ListWriter, Structured, write_object};
pub use style::{BAD, DIM, GOOD, HEADING, NAME, WARN};
pub use table::{Cell, Column, Table, display_width, printable};

use std::io::IsTerminal;

/// Columns of the terminal that standard output is, or `None` when it is a pipe or a file.
pub fn terminal_width() -> Option<usize> {
    let stdout = std::io::stdout();
    if !stdout.is_terminal() {
        return None;
    }
    let size = rustix::termios::tcgetwinsize(&stdout).ok()?;
    (size.ws_col > 0).then_some(usize::from(size.ws_col))
}
