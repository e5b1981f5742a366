//! `kubepki schema`: what was typed.

use clap::Args;

/// Arguments of `kubepki schema`.
#[derive(Args, Debug)]
#[command(long_about = "\
Print the JSON Schema of an output

Without a kind, lists the kinds that have one.

Examples:
  kubepki schema
  kubepki schema Inspection > inspection.schema.json")]
pub struct SchemaArgs {
    /// The kind, as the `kind` field of an output spells it
    #[arg(value_name = "KIND")]
    pub kind: Option<String>,
}
