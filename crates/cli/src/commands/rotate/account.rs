//! What came of a rotation's rounds: for people a table of where the time went and what is left, for
//! programs an object.

use super::clocked::RoundTime;
use super::left::OldKeyCopy;
use super::proof::ProofLine;
use crate::context::Context;
use crate::error::{API_VERSION, CliError};
use crate::output::{self, Cell, Column, DIM, HEADING, NAME, Table};
use kubepki_core::plan::Downtime;
use kubepki_core::rotation::{ArchivedKeys, Phase, Position, Root, RootPicture};
use kubepki_fleet::campaign::CampaignOutcome;
use serde::Serialize;
use std::io::Write;

/// One phase that was carried out, as far as it went.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PhaseDone {
    /// Which.
    pub phase: Phase,
    /// The plan's id.
    pub plan: String,
    /// What was proved of it before it began.
    pub proof: ProofLine,
    /// Where the time went.
    pub rounds: Vec<RoundTime>,
    /// Host by host.
    pub outcome: CampaignOutcome,
}

/// Everything that there is to tell.
#[derive(Default)]
pub struct Account {
    /// What was rotated.
    pub roots: Vec<Root>,
    /// In order.
    pub phases: Vec<PhaseDone>,
    /// Backups that hold, or held, old private keys of what is over.
    pub old_keys: Vec<OldKeyCopy>,
    /// Whether it ended early because somebody asked for that.
    pub paused: bool,
}

/// What `-o json` shows.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RotationResult<'a> {
    api_version: &'static str,
    kind: &'static str,
    roots: &'a [Root],
    phases: &'a [PhaseDone],
    positions: Vec<Standing>,
    /// Whether what was asked for is done.
    done: bool,
    paused: bool,
    /// How long nobody reached the API, where a downtime was asked for: from the beginning of the first
    /// round that stopped something until the API servers were ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    downtime_seconds: Option<f64>,
    /// Backups that hold, or held, old private keys.
    old_keys: &'a [OldKeyCopy],
    left: &'a [String],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Standing {
    root: Root,
    position: Position,
}

impl Account {
    /// Whether everything that was begun is done.
    pub fn is_done(&self) -> bool {
        self.phases.iter().all(|phase| phase.outcome.is_done())
    }

    /// How long nobody reached the API, and how long that was planned to take.
    fn downtime(&self) -> Option<(f64, u32)> {
        let rounds: Vec<&RoundTime> = self.phases.iter().flat_map(|it| &it.rounds).collect();
        let is = |downtime| move |round: &&RoundTime| round.downtime == downtime;
        let first = rounds.iter().position(is(Downtime::Begins))?;
        let last = rounds.iter().rposition(is(Downtime::Ends))?;
        let down = rounds.get(first..=last)?;
        let seconds = down.iter().map(|round| round.seconds).sum::<f64>();
        let planned = down.iter().fold(0, |sum: u32, round| {
            sum.saturating_add(round.estimate_seconds)
        });
        Some(((seconds * 10.0).round() / 10.0, planned))
    }

    /// Tells all of it; `left` is what people have to see to.
    pub fn tell(
        &self,
        context: &Context,
        roots: &[RootPicture],
        left: &[String],
    ) -> Result<(), CliError> {
        let of_these = roots.iter().filter(|root| self.roots.contains(&root.root));
        if let Some(structured) = context.structured() {
            let positions = of_these
                .map(|root| Standing {
                    root: root.root,
                    position: root.position,
                })
                .collect();
            return context.emit(
                structured,
                &RotationResult {
                    api_version: API_VERSION,
                    kind: "RotationResult",
                    roots: &self.roots,
                    phases: &self.phases,
                    positions,
                    done: self.is_done(),
                    paused: self.paused,
                    downtime_seconds: self.downtime().map(|(seconds, _)| seconds),
                    old_keys: &self.old_keys,
                    left,
                },
            );
        }
        let mut stdout = context.stdout();
        writeln!(stdout)?;
        self.times(&mut stdout)?;
        if let Some((seconds, planned)) = self.downtime() {
            writeln!(
                stdout,
                "nobody reached the API for {NAME}{seconds:.1} s{NAME:#} {DIM}(about {planned} s were announced){DIM:#}\n"
            )?;
        }
        for root in of_these {
            super::standing::headline(&mut stdout, root)?;
        }
        self.destroyed(&mut stdout)?;
        if !left.is_empty() {
            writeln!(stdout, "\n{HEADING}Left to you{HEADING:#}")?;
            for line in left {
                writeln!(stdout, "  {}", output::printable(line))?;
            }
        }
        Ok(stdout.flush()?)
    }

    /// What is gone for good, and what nobody can promise of it.
    fn destroyed(&self, writer: &mut dyn Write) -> Result<(), CliError> {
        for root in &self.roots {
            let gone = self.old_keys.iter();
            let gone: Vec<String> = gone
                .filter(|it| it.root == *root && it.keys == ArchivedKeys::Destroyed)
                .map(|it| format!("{} {}", it.host, it.archive.display()))
                .collect();
            if !gone.is_empty() {
                writeln!(
                    writer,
                    "{root}: the old private key was destroyed in {}; what a journal, a snapshot or a flash disk keeps below its file system is beyond reach",
                    gone.join(", ")
                )?;
            }
        }
        Ok(())
    }

    fn times(&self, writer: &mut dyn Write) -> Result<(), CliError> {
        let mut rows = Vec::new();
        let mut sums = [0.0; 3];
        for phase in &self.phases {
            for (index, round) in phase.rounds.iter().enumerate() {
                let parts = [
                    round.seconds,
                    round.waiting_seconds,
                    round.restarting_seconds,
                ];
                for (sum, part) in sums.iter_mut().zip(parts) {
                    *sum += part;
                }
                let first = if index == 0 { phase.phase.as_str() } else { "" };
                rows.push(row(first, &round.round, parts, round.estimate_seconds));
            }
        }
        if rows.is_empty() {
            return Ok(());
        }
        let estimate = self
            .phases
            .iter()
            .flat_map(|phase| &phase.rounds)
            .fold(0, |sum: u32, round| {
                sum.saturating_add(round.estimate_seconds)
            });
        rows.push(row("all", "", sums, estimate));
        let columns = vec![
            Column::fixed("PHASE"),
            Column::shrinking("ROUND", 20),
            Column::fixed("SECONDS"),
            Column::fixed("WAITING"),
            Column::fixed("TAKING UP"),
            Column::fixed("ESTIMATED"),
        ];
        Table::new(columns, output::terminal_width()).write(writer, &rows)?;
        writeln!(
            writer,
            "{DIM}taking up: restarts and re-reading, summed over hosts{DIM:#}\n"
        )?;
        self.gap(writer)
    }

    /// As it was announced, so it is told: how long nobody reached the API.
    fn gap(&self, writer: &mut dyn Write) -> Result<(), CliError> {
        let rounds = self.phases.iter().flat_map(|phase| &phase.rounds);
        let away: Vec<f64> = rounds
            .map(|round| round.api_away_seconds)
            .filter(|seconds| *seconds > 0.0)
            .collect();
        if away.is_empty() {
            return Ok(());
        }
        writeln!(
            writer,
            "nobody reached the API for {:.0} s in all, {:.0} s at the longest: its only server was started anew {}\n",
            away.iter().sum::<f64>(),
            away.iter().copied().fold(0.0, f64::max),
            match away.len() {
                1 => "once".to_owned(),
                2 => "twice".to_owned(),
                times => format!("{times} times"),
            }
        )?;
        Ok(())
    }
}

fn row(phase: &str, round: &str, parts: [f64; 3], estimate: u32) -> Vec<Cell> {
    let mut cells = vec![Cell::styled(phase, NAME), Cell::new(round)];
    cells.extend(parts.map(|seconds| Cell::new(format!("{seconds:.1}"))));
    cells.push(Cell::styled(estimate.to_string(), DIM));
    cells
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::rotate::scene::fits;
    use kubepki_fleet::campaign::{HostOutcome, HostState, RunDone, Stopped};
    use kubepki_fleet::session::SessionError;

    #[test]
    fn a_downtime_lasts_from_its_first_halt_until_api_servers_are_ready() {
        let round = |seconds, downtime| RoundTime {
            seconds,
            estimate_seconds: 10,
            downtime,
            ..RoundTime::default()
        };
        let (begins, ends) = (Downtime::Begins, Downtime::Ends);
        let rounds = [
            round(1.0, Downtime::None),
            round(2.0, begins),
            round(4.0, Downtime::None),
            round(8.0, ends),
            round(16.0, Downtime::None),
        ];
        let of = |rounds: &[RoundTime]| {
            let outcome = CampaignOutcome {
                hosts: Vec::new(),
                stopped: None,
            };
            let phases = vec![PhaseDone {
                phase: Phase::IssueFromNew,
                plan: String::new(),
                proof: ProofLine::default(),
                rounds: rounds.to_vec(),
                outcome,
            }];
            let account = Account {
                phases,
                ..Account::default()
            };
            account.downtime()
        };
        assert_eq!(of(&rounds), Some((14.0, 30)));
        assert_eq!(of(&rounds[2..]), None, "it began in another run");
        assert_eq!(of(&rounds[..3]), None, "it was cut short");
    }

    #[test]
    fn what_came_of_it_fits_its_schema() {
        let schema = include_str!("../../../../../docs/schema/rotation-result.json");
        let run = RunDone {
            stage: "trust-both-files".to_owned(),
            run: Some("20261122T114500Z-0a1b2c3d".to_owned()),
            backup: Some("/var/lib/kubepki/backups/20261122T114500Z-0a1b2c3d.tar".into()),
            written: vec!["/etc/kubernetes/pki/ca.crt".into()],
            components: vec!["kube-scheduler restarted".to_owned()],
            left_alone: Vec::new(),
            verified: Some(true),
            failed: Vec::new(),
        };
        let failed = SessionError {
            code: "world-changed".to_owned(),
            message: "it is another one".to_owned(),
            hint: Some("look again".to_owned()),
            details: vec![("found".to_owned(), "sha256:00".to_owned())],
        };
        let phase = PhaseDone {
            phase: Phase::TrustBoth,
            plan: "0123".to_owned(),
            proof: ProofLine::default(),
            rounds: vec![RoundTime::default()],
            outcome: CampaignOutcome {
                hosts: vec![HostOutcome {
                    host: "cp1".to_owned(),
                    state: HostState::Failed,
                    steps: 2,
                    steps_done: 1,
                    runs: vec![run],
                    error: Some(failed),
                }],
                stopped: Some(Stopped {
                    stage: "trust-both-controllers".to_owned(),
                    code: "host-failed",
                    reason: "cp1 failed".to_owned(),
                }),
            },
        };
        for downtime_seconds in [None, Some(20.2)] {
            let shown = RotationResult {
                api_version: API_VERSION,
                kind: "RotationResult",
                roots: &[Root::KubernetesCa],
                phases: std::slice::from_ref(&phase),
                positions: vec![
                    Standing {
                        root: Root::KubernetesCa,
                        position: Position::In {
                            phase: Phase::TrustBoth,
                            begun: true,
                        },
                    },
                    Standing {
                        root: Root::EtcdCa,
                        position: Position::AtRest,
                    },
                ],
                done: false,
                paused: false,
                downtime_seconds,
                old_keys: &[OldKeyCopy {
                    root: Root::KubernetesCa,
                    host: "cp1".to_owned(),
                    archive: "/var/lib/kubepki/backups/20261122T114500Z-0a1b2c3d.tar".into(),
                    keys: ArchivedKeys::Destroyed,
                }],
                left: &["cp1: a copy".to_owned()],
            };
            fits(schema, &shown);
        }
    }
}
