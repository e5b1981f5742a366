//! `kubepki` as tests crash it, under a name of its own: a build without the feature must not
//! replace it while they run.

use std::process::ExitCode;

fn main() -> ExitCode {
    kubepki::main()
}
