//! The binary `kubepki`; everything is in the library beside it.

use std::process::ExitCode;

fn main() -> ExitCode {
    kubepki::main()
}
