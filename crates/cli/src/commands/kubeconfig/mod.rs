//! `kubepki kubeconfig`: a user's made, those of the host's people listed, and copies of kubeadm's brought
//! up to date.

mod make;

pub use make::server_of;

use crate::args::KubeconfigArgs;
use crate::context::Context;
use crate::error::CliError;
use crate::exit_code::ExitCode;

/// Makes a kubeconfig, or looks after those that there are.
pub fn run(context: &Context, args: &KubeconfigArgs) -> Result<ExitCode, CliError> {
    make::run(context, args)
}
