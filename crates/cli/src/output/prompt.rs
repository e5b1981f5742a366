//! Questions to the user: yes or no, and passwords.
//!
//! A question that nobody can answer is an error, never a silent default: without a terminal a
//! confirmation needs `--yes`, and a password needs a file.

use super::style::HEADING;
use crate::error::CliError;
use crate::exit_code::ExitCode;
use kubepki_sealed::Sealed;
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use std::fs::File;
use std::io::{self, BufRead, IsTerminal, Read, Write};

/// A terminal's line is at most this long.
const LONGEST_PASSWORD: usize = 4096;

/// Asks a yes-or-no question on standard error; anything but yes is no.
pub fn confirm(question: &str) -> Result<bool, CliError> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return Err(CliError::new(
            "confirmation-needed",
            "this needs a confirmation and standard input is no terminal",
        )
        .detail("question", question)
        .hint("answer it beforehand with --yes")
        .exits_with(ExitCode::Usage));
    }
    let mut stderr = anstream::stderr();
    write!(stderr, "{HEADING}{question}{HEADING:#} [y/N] ")?;
    stderr.flush()?;
    let mut answer = String::new();
    stdin.lock().read_line(&mut answer).map_err(|error| {
        CliError::new(
            "confirmation-needed",
            format!("cannot read the answer: {error}"),
        )
    })?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// Asks for a password on the terminal, without showing it. `None` when there is no terminal.
pub fn password(question: &str) -> Result<Option<Sealed>, CliError> {
    let Ok(terminal) = File::options().read(true).write(true).open("/dev/tty") else {
        return Ok(None);
    };
    let unreadable = |error: io::Error| {
        CliError::new(
            "password-unreadable",
            format!("cannot read a password: {error}"),
        )
    };
    let shown = tcgetattr(&terminal).map_err(|error| unreadable(error.into()))?;
    let mut hidden = shown.clone();
    hidden.local_modes.remove(LocalModes::ECHO);
    // hidden before the question is seen: whoever answers at once is not overheard
    tcsetattr(&terminal, OptionalActions::Flush, &hidden)
        .map_err(|error| unreadable(error.into()))?;
    let asked = write!(&terminal, "{question}: ");
    // byte by byte into a buffer that never grows: no copy of it stays behind in memory
    let mut line = Vec::with_capacity(LONGEST_PASSWORD);
    let mut byte = [0];
    let read = loop {
        match (&terminal).read(&mut byte) {
            Ok(0) => break Ok(()),
            Ok(_) if byte == *b"\n" || line.len() == LONGEST_PASSWORD => break Ok(()),
            Ok(_) => line.extend(byte),
            Err(error) => break Err(error),
        }
    };
    let restored = tcsetattr(&terminal, OptionalActions::Flush, &shown);
    let _ = writeln!(&terminal);
    let sealed = first_line(line);
    asked.and(read).map_err(unreadable)?;
    restored.map_err(|error| unreadable(error.into()))?;
    Ok(Some(sealed))
}

/// The first line without its end, as passwords are kept in files and typed on terminals.
pub fn first_line(mut bytes: Vec<u8>) -> Sealed {
    let end = bytes
        .iter()
        .position(|byte| *byte == b'\n')
        .unwrap_or(bytes.len());
    bytes.truncate(end);
    if bytes.last() == Some(&b'\r') {
        bytes.pop();
    }
    Sealed::new(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use kubepki_sealed::danger::open;

    #[test]
    fn a_password_is_the_first_line() {
        assert_eq!(open(&first_line(b"secret\nnot this\n".to_vec())), b"secret");
        assert_eq!(open(&first_line(b"secret\r\n".to_vec())), b"secret");
        assert_eq!(
            open(&first_line(b" spaces stay ".to_vec())),
            b" spaces stay "
        );
        assert_eq!(open(&first_line(Vec::new())), b"");
    }
}
