//! What clients lost while something was done to their cluster.

use anyhow::{Result, ensure};
use kubepki_lab::Record;

/// Each change of etcd's leader may cost every writer the request that is under way: of nine such changes
/// of a plain control run one lost two. A rotation of etcd's CA has two.
const LOST_TO_ELECTIONS: usize = 4;

/// Whether a restart of an API server meets the connection of the one watch is chance, once in two or so:
/// of nine restarts four to seven did, in either kind of run.
const CHANCE: usize = 3;

/// What all clients together lost.
#[derive(Clone, Copy, Debug, Default)]
pub struct Toll {
    /// Requests that were answered as they should be.
    pub answered: usize,
    /// Those that failed, watches aside.
    pub failed: usize,
    /// Those of them that were under way when etcd got another leader.
    pub lost_to_elections: usize,
    /// Watches that ended before their time.
    pub broken_watches: usize,
}

impl Toll {
    /// Prints what each client saw, and adds it up.
    pub fn told(records: &[Record]) -> Self {
        let mut toll = Toll::default();
        for record in records {
            println!(
                "  {:5} {} answered ({} after a new connection), {} refused, {} watches broken",
                record.client,
                record.good,
                record.again,
                record.refused().count(),
                record.broken_watches()
            );
            for (at, why) in record.failed.iter().take(12) {
                println!("        {at:.1} {why}");
            }
            toll.answered += record.good;
            toll.failed += record.refused().count();
            toll.lost_to_elections += record.lost_to_elections();
            toll.broken_watches += record.broken_watches();
        }
        println!("  together {toll:?}");
        toll
    }

    /// Nothing failed but what a change of etcd's leader costs anybody.
    pub fn is_bearable(self) -> Result<()> {
        let others = self.failed - self.lost_to_elections;
        ensure!(others == 0, "{others} requests failed");
        ensure!(
            self.lost_to_elections <= LOST_TO_ELECTIONS,
            "{} requests were lost to changes of etcd's leader",
            self.lost_to_elections
        );
        Ok(())
    }

    /// Not worse than what as many plain restarts cost.
    pub fn is_at_most(self, control: Self) -> Result<()> {
        ensure!(
            self.failed <= control.failed,
            "{} requests failed, and {} by as many plain restarts",
            self.failed,
            control.failed
        );
        ensure!(
            self.broken_watches <= control.broken_watches + CHANCE,
            "{} watches were broken, and {} by as many plain restarts",
            self.broken_watches,
            control.broken_watches
        );
        Ok(())
    }
}
