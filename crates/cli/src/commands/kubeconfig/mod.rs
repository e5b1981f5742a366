//! `kubepki kubeconfig`: a user's made, those of the host listed, and copies of kubeadm's brought up to
//! date.

mod list;
mod make;
mod update;

pub use make::server_of;

use crate::args::{KubeconfigArgs, KubeconfigVerb};
use crate::context::Context;
use crate::error::CliError;
use crate::exit_code::ExitCode;

/// Makes a kubeconfig, or looks after those that there are.
pub fn run(context: &Context, args: &KubeconfigArgs) -> Result<ExitCode, CliError> {
    match &args.verb {
        None => make::run(context, args),
        Some(KubeconfigVerb::List(args)) => list::run(context, args),
        Some(KubeconfigVerb::Update(args)) => update::run(context, args),
    }
}
