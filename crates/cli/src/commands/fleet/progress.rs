//! What many hosts say at once, one whole line at a time, each behind its host's name.

use crate::context::Context;
use crate::output::{DIM, HEADING, NAME, printable};
use kubepki_core::plan::{Gate, Stage};
use kubepki_engine::ports::Progress;
use kubepki_fleet::campaign::CampaignProgress;
use std::sync::{Mutex, PoisonError};

/// Names longer than this do not push the text of the others to the right.
const WIDEST: usize = 24;

/// Says on standard error what hosts do.
pub struct Voices<'a> {
    context: &'a Context,
    width: usize,
    turn: Mutex<()>,
}

impl<'a> Voices<'a> {
    /// Voices of these hosts.
    pub fn new<'h>(context: &'a Context, hosts: impl IntoIterator<Item = &'h str>) -> Self {
        let widest = hosts.into_iter().map(str::len).max().unwrap_or(0);
        Self {
            context,
            width: widest.min(WIDEST),
            turn: Mutex::new(()),
        }
    }

    fn line(&self, text: &str) {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        self.context.note(text);
    }
}

impl CampaignProgress for Voices<'_> {
    fn stage(&self, number: usize, of: usize, stage: &Stage) {
        self.line(&format!(
            "\n{HEADING}{number}/{of} {}{HEADING:#} {DIM}{}{DIM:#}",
            stage.name, stage.reason
        ));
    }

    fn host(&self, host: &str, text: &str) {
        let width = self.width;
        self.line(&format!(
            "  {NAME}{host:width$}{NAME:#}  {}",
            printable(text.trim_start())
        ));
    }

    fn gate(&self, gate: &Gate, open: bool, found: &str) {
        let what = match gate {
            Gate::None | Gate::All { .. } => return,
            Gate::EtcdHealthy { .. } => "etcd is healthy".to_owned(),
            Gate::ApiServersReady { .. } => "the API servers are ready".to_owned(),
            Gate::NodesReady { .. } => "the nodes are Ready".to_owned(),
            Gate::Proved { proof, .. } => proof.to_string(),
        };
        self.line(&if open {
            format!("  {DIM}{what}{DIM:#}")
        } else {
            format!("  {DIM}waiting until {what}: {}{DIM:#}", printable(found))
        });
    }
}

/// What a host that is only looked at says: with `-v`.
pub struct Whisper<'a> {
    /// Who is told.
    pub voices: &'a Voices<'a>,
    /// Of which host.
    pub host: &'a str,
}

impl Progress for Whisper<'_> {
    fn say(&self, text: &str) {
        let voices = self.voices;
        let _turn = voices.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let width = voices.width;
        voices.context.detail(
            1,
            format_args!("  {:width$}  {}", self.host, printable(text.trim_start())),
        );
    }
}
