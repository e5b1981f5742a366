//! `kubepki completions`: what was typed.

use clap::{Args, ValueEnum};

/// Arguments of `kubepki completions`.
#[derive(Args, Debug)]
#[command(long_about = "\
Print a completion script for a shell

Examples:
  kubepki completions bash > /etc/bash_completion.d/kubepki
  kubepki completions zsh > \"${fpath[1]}/_kubepki\"
  kubepki completions fish > ~/.config/fish/completions/kubepki.fish")]
pub struct CompletionsArgs {
    /// The shell: bash, zsh or fish
    #[arg(value_name = "SHELL", hide_possible_values = true)]
    pub shell: CompletionShell,
}

/// Shells that completions are made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CompletionShell {
    /// GNU Bash.
    Bash,
    /// Z shell.
    Zsh,
    /// fish.
    Fish,
}
