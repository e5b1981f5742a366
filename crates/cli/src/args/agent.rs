//! `kubepki agent`: what was typed, by another kubepki.

use clap::Args;

/// Arguments of `kubepki agent`.
#[derive(Args, Debug)]
#[command(long_about = "\
Answer another kubepki over standard input and output

Nobody needs to type this: with hosts in a cluster document, kubepki puts itself on each host and
starts this verb there, over ssh and with sudo where that is needed. It looks, carries out plans
and signs, as the same program does when it runs on the host, and it ends with its standard input.
A plan that names a file which neither the host's own discovery found nor lies beside such a file
is refused. Private keys never leave the host in the open: requests and certificates travel, and the
keys that all control planes share only sealed for another session.

Example:
  ssh cp1 sudo -n kubepki agent --stdio < requests")]
pub struct AgentArgs {
    /// Speak the agent's protocol on standard input and output
    #[arg(long, required = true)]
    pub stdio: bool,
}
