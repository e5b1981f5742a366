//! A cluster plan as people read it: stage by stage, what each host gets and what it restarts, and
//! what has to be true before the next. Hosts that do the same stand on one line, so that five
//! hundred workers are read as easily as two.

use super::{day, key_words, signer_words, write_shared_notices};
use crate::context::Context;
use crate::error::CliError;
use crate::output::{self, Cell, Column, DIM, HEADING, NAME, Table};
use kubepki_core::plan::{ClusterPlan, EtcdAct, Gate, Origin, Pace, Plan, Stage, Step, TakeUp};
use kubepki_core::rotation::{ApiChange, OldKey};
use std::io::Write;

/// How many hosts of a line are named.
const NAMED: usize = 4;

/// Writes the plan: to standard output, or to standard error when that is kept for an object.
pub fn show_cluster(context: &Context, plan: &ClusterPlan) -> Result<(), CliError> {
    if context.structured().is_some() {
        write(&mut context.stderr(), plan, None)
    } else {
        let mut stdout = context.stdout();
        write(&mut stdout, plan, output::terminal_width())?;
        stdout.flush()?;
        Ok(())
    }
}

/// Writes only what the user should know.
pub fn cluster_notices(context: &Context, plan: &ClusterPlan) -> Result<(), CliError> {
    write_shared_notices(&mut context.stderr(), &plan.notices)
}

fn write(writer: &mut dyn Write, plan: &ClusterPlan, width: Option<usize>) -> Result<(), CliError> {
    let hosts = plan.hosts().len();
    writeln!(
        writer,
        "{HEADING}Plan {}{HEADING:#} {DIM}for {hosts} {}, about {}{DIM:#}",
        plan.id,
        if hosts == 1 { "host" } else { "hosts" },
        duration(plan.estimate_seconds())
    )?;
    for (number, stage) in plan.stages.iter().enumerate() {
        writeln!(writer)?;
        write_stage(writer, number + 1, stage, width)?;
    }
    write_shared_notices(writer, &plan.notices)
}

fn write_stage(
    writer: &mut dyn Write,
    number: usize,
    stage: &Stage,
    width: Option<usize>,
) -> Result<(), CliError> {
    let pace = match stage.pace {
        _ if stage.steps.len() < 2 => String::new(),
        Pace::OneByOne => ", one host after another".to_owned(),
        Pace::Batches { size: 1 } => ", one host at a time".to_owned(),
        Pace::Batches { size } => format!(", {size} hosts at a time"),
        Pace::Together => ", all hosts together".to_owned(),
    };
    writeln!(
        writer,
        "{HEADING}{number}. {}{HEADING:#}{pace} {DIM}(about {}){DIM:#}",
        stage.name,
        duration(stage.estimate_seconds)
    )?;
    writeln!(writer, "{DIM}   {}{DIM:#}", stage.reason)?;
    let groups = groups(&stage.steps);
    let mut rows = Vec::new();
    let mut acts = Vec::new();
    for group in &groups {
        let host = shown(&group.hosts);
        match group.steps.first() {
            Some(Step::Carry { plan, .. }) => {
                rows.extend(plan_rows(&host, plan, group));
                if !plan.components.is_empty() {
                    acts.push((host, component_words(plan)));
                }
            }
            Some(Step::Halt { components, .. }) => {
                acts.push((host, format!("stops {}", list(components))));
            }
            Some(Step::Start { components, .. }) => {
                acts.push((host, format!("starts {}", list(components))));
            }
            Some(Step::ChangeApi { changes, .. }) => {
                acts.push((host, api_words(changes)));
            }
            Some(Step::RetireKeys { how, .. }) => acts.push((host, old_keys(how))),
            Some(Step::Etcd { act, .. }) => acts.push((host, etcd_words(act).to_owned())),
            None => {}
        }
    }
    if !rows.is_empty() {
        let columns = vec![
            Column::shrinking("HOST", 8),
            Column::fixed("RENEW"),
            Column::fixed("NOW ENDS"),
            Column::fixed("NEW END"),
            Column::fixed("KEY"),
            Column::fixed("SIGNED BY"),
        ];
        Table::new(columns, width).write(writer, &rows)?;
    }
    for (host, words) in acts {
        writeln!(
            writer,
            "{NAME}{}{NAME:#}: {words}",
            output::printable(&host)
        )?;
    }
    let gate = gate_words(&stage.gate);
    if !gate.is_empty() {
        writeln!(writer, "{DIM}then waits until {gate}{DIM:#}")?;
    }
    Ok(())
}

/// What is changed in the API: some of much.
fn api_words(changes: &[ApiChange]) -> String {
    let mut words: Vec<String> = changes.iter().map(api_word).collect();
    let more = words.len().saturating_sub(NAMED);
    words.truncate(NAMED);
    if more > 0 {
        words.push(format!("{more} more"));
    }
    words.join("; ")
}

fn api_word(change: &ApiChange) -> String {
    match change {
        ApiChange::WriteBundle { object, .. } => format!("writes {object}"),
        ApiChange::Recreate { object } => format!("has {object} made anew"),
        ApiChange::RestartWorkload { object, .. } => format!("restarts {object}"),
        ApiChange::RestartStaleWorkloads { .. } => {
            "restarts workloads that started with another trust or token".to_owned()
        }
        ApiChange::AddTokenSecrets { .. } => "adds token Secrets of this key".to_owned(),
        ApiChange::DropTokenSecrets { .. } => "deletes token Secrets of the other key".to_owned(),
        ApiChange::HoldLease { .. } => "holds the Lease".to_owned(),
        ApiChange::AskPause => "asks for a pause".to_owned(),
        ApiChange::ReleaseLease { .. } => "gives the Lease back".to_owned(),
    }
}

/// Hosts of a stage that do the same.
struct Group<'a> {
    hosts: Vec<&'a str>,
    steps: Vec<&'a Step>,
    sameness: Vec<String>,
}

fn groups(steps: &[Step]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for step in steps {
        let sameness = sameness(step);
        match groups.iter_mut().find(|group| group.sameness == sameness) {
            Some(group) => {
                group.hosts.push(step.host());
                group.steps.push(step);
            }
            None => groups.push(Group {
                hosts: vec![step.host()],
                steps: vec![step],
                sameness,
            }),
        }
    }
    groups
}

/// What a step does, without what differs from host to host and matters to nobody.
fn sameness(step: &Step) -> Vec<String> {
    match step {
        Step::Halt { components, .. } => vec!["halt".to_owned(), list(components)],
        Step::Start { components, .. } => vec!["start".to_owned(), list(components)],
        Step::ChangeApi { changes, .. } => {
            changes.iter().map(|change| format!("{change:?}")).collect()
        }
        Step::Etcd { act, .. } => vec![etcd_words(act).to_owned()],
        Step::RetireKeys { how, .. } => vec![old_keys(how)],
        Step::Carry { plan, .. } => {
            let issuances = plan.issuances.iter().map(|issuance| {
                format!(
                    "{} {} {} {}",
                    issuance.name,
                    day(issuance.not_after),
                    key_words(issuance),
                    signer_words(issuance)
                )
            });
            let trust = plan
                .trust_updates
                .iter()
                .map(|update| format!("trust {}", update.kubeconfig.display()));
            let components = std::iter::once(component_words(plan));
            issuances.chain(trust).chain(components).collect()
        }
    }
}

fn plan_rows(host: &str, plan: &Plan, group: &Group<'_>) -> Vec<Vec<Cell>> {
    let issuances = plan.issuances.iter().enumerate().map(|(index, issuance)| {
        // The earliest end among those of the line.
        let now = group
            .steps
            .iter()
            .filter_map(|step| match step {
                Step::Carry { plan, .. } => plan.issuances.get(index),
                _ => None,
            })
            .filter_map(|issuance| match &issuance.origin {
                Origin::Certificate { not_after, .. } => Some(*not_after),
                _ => None,
            })
            .min();
        vec![
            Cell::styled(&issuance.name, NAME),
            Cell::new(now.map_or_else(|| "-".to_owned(), day)),
            Cell::new(day(issuance.not_after)),
            Cell::new(key_words(issuance)),
            Cell::new(signer_words(issuance)),
        ]
    });
    let trust = plan.trust_updates.iter().map(|update| {
        vec![
            Cell::styled(update.kubeconfig.display().to_string(), NAME),
            Cell::new("-"),
            Cell::new("-"),
            Cell::new("-"),
            Cell::styled(format!("CA data of {}", update.bundle.display()), DIM),
        ]
    });
    issuances
        .chain(trust)
        .enumerate()
        .map(|(index, cells)| {
            let mut row = vec![Cell::new(if index == 0 { host } else { "" })];
            row.extend(cells);
            row
        })
        .collect()
}

fn component_words(plan: &Plan) -> String {
    let words: Vec<String> = plan
        .components
        .iter()
        .map(|action| match action.take_up {
            TakeUp::Restart => format!("{} restarts", action.component),
            TakeUp::Reload { within_seconds } => {
                format!("{} re-reads within {within_seconds} s", action.component)
            }
        })
        .collect();
    words.join(", ")
}

/// What becomes of old private keys in backups.
pub fn old_keys(how: &OldKey) -> String {
    match how {
        OldKey::Keep => "keeps the old private keys in its backups".to_owned(),
        OldKey::Seal { recipients } => format!(
            "encrypts the backups that hold an old private key for {} and destroys the clear ones",
            recipients.join(", ")
        ),
        OldKey::Destroy => {
            "destroys the old private keys in its backups: not to be taken back".to_owned()
        }
    }
}

fn etcd_words(act: &EtcdAct) -> &'static str {
    match act {
        EtcdAct::Snapshot => "saves and checks a snapshot of etcd",
        EtcdAct::YieldLeadership => "lets another etcd member lead",
    }
}

fn gate_words(gate: &Gate) -> String {
    let words: Vec<String> = gate
        .parts()
        .iter()
        .filter_map(|part| match part {
            Gate::None | Gate::All { .. } => None,
            Gate::EtcdHealthy { hosts } => Some(format!("etcd is healthy on {}", shown(hosts))),
            Gate::ApiServersReady { hosts } => {
                Some(format!("the API server is ready on {}", shown(hosts)))
            }
            Gate::NodesReady { nodes } => Some(format!("Node {} is Ready", shown(nodes))),
            Gate::Proved { proof, .. } => Some(proof.to_string()),
        })
        .collect();
    words.join(", and ")
}

fn shown<T: AsRef<str>>(hosts: &[T]) -> String {
    let named: Vec<&str> = hosts.iter().take(NAMED).map(AsRef::as_ref).collect();
    match hosts.len().saturating_sub(NAMED) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

fn list(components: &[kubepki_core::model::ComponentKind]) -> String {
    let words: Vec<String> = components.iter().map(ToString::to_string).collect();
    words.join(", ")
}

fn duration(seconds: u32) -> String {
    match seconds {
        0..=89 => format!("{seconds} s"),
        _ => format!("{} min", seconds.div_ceil(60)),
    }
}
