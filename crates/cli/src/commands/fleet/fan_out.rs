//! A verb without interplay between hosts, run by every host for itself with the arguments that were
//! typed here; what each wrote is collected under its name.
//!
//! Hosts cannot ask: what has to be confirmed is asked here, once, before anything begins.

use super::document::SelectedHosts;
use super::reach::Reach;
use super::results::{HostResult, Output};
use super::{progress::Voices, worst};
use crate::context::Context;
use crate::error::CliError;
use crate::exit_code::ExitCode;
use crate::output::Structured;
use kubepki_fleet::campaign::CampaignProgress;
use kubepki_fleet::parallel::{Limits, in_order};
use std::ops::ControlFlow;

/// Runs what was typed on every selected host. `question` is what is asked first, without the names.
pub fn run(
    context: &Context,
    hosts: &SelectedHosts,
    question: Option<&str>,
) -> Result<ExitCode, CliError> {
    if !hosts.roles.is_empty() {
        return Err(CliError::usage(
            "--role is told by looking at hosts, which this verb leaves to each of them",
        )
        .hint("name them with --hosts; `kubepki hosts` shows the roles"));
    }
    let names: Vec<&str> = hosts.hosts.iter().map(|host| host.name.as_str()).collect();
    if let Some(question) = question
        && !context.confirm(&format!("{question} {}?", few(&names)))?
    {
        context.note("nothing was changed");
        return Ok(ExitCode::Fine);
    }
    let arguments = arguments(&typed(), context.structured(), context.is_wide());
    let reach = Reach::new(hosts);
    let voices = Voices::new(context, names.iter().copied());
    let mut output = Output::begin(context)?;
    let mut codes = Vec::new();
    let mut failed = Ok(());
    in_order(
        &hosts.hosts,
        Limits::at_most(hosts.max_parallel),
        |host| {
            let ran = reach.connector().run_verb(host, &arguments);
            if hosts.hosts.len() > 1 && ran.is_err() {
                voices.host(&host.name, "not reached");
            }
            ran
        },
        |index, ran| {
            let host = names.get(index).copied().unwrap_or_default();
            let result = HostResult::of(ran, context.structured().is_some());
            codes.push(result.exit_code());
            match output.host(host, &result) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    failed = Err(error);
                    ControlFlow::Break(())
                }
            }
        },
    );
    failed?;
    output.end()?;
    Ok(worst(codes))
}

fn few(names: &[&str]) -> String {
    match names {
        [one, two, three, four, rest @ ..] if rest.len() > 1 => format!(
            "{} hosts ({one}, {two}, {three}, {four} and {} more)",
            names.len(),
            rest.len()
        ),
        names => names.join(", "),
    }
}

fn typed() -> Vec<String> {
    std::env::args_os()
        .skip(1)
        .map(|argument| argument.to_string_lossy().into_owned())
        .collect()
}

/// Flags that are about this end alone: with a value, and without.
const OWN_WITH_VALUE: [&str; 9] = [
    "--cluster",
    "--hosts",
    "--role",
    "--max-parallel",
    "--batch",
    "--ssh-command",
    "--output",
    "--color",
    "--layout",
];
const OWN: [&str; 3] = ["--local", "--yes", "--quiet"];

/// What a host is told: what was typed, without what chose the hosts, in the form that is wanted here.
fn arguments(typed: &[String], structured: Option<Structured>, is_wide: bool) -> Vec<String> {
    let mut kept = Vec::new();
    let mut words = typed.iter();
    while let Some(word) = words.next() {
        if word == "--" {
            kept.push(word.clone());
            kept.extend(words.by_ref().cloned());
            break;
        }
        let flag = word.split('=').next().unwrap_or(word);
        if OWN.contains(&flag) {
            continue;
        }
        if OWN_WITH_VALUE.contains(&flag) {
            if !word.contains('=') {
                words.next();
            }
            continue;
        }
        match short_flags(word) {
            Some(ShortFlags {
                kept: None,
                ends_in_output,
            }) => {
                if ends_in_output {
                    words.next();
                }
            }
            Some(ShortFlags {
                kept: Some(rest),
                ends_in_output,
            }) => {
                if ends_in_output {
                    words.next();
                }
                kept.push(rest);
            }
            None => kept.push(word.clone()),
        }
    }
    let mut own = vec!["--yes".to_owned()];
    let format = match (structured, is_wide) {
        (Some(_), _) => Some("json"),
        (None, true) => Some("wide"),
        (None, false) => None,
    };
    own.extend(
        format
            .into_iter()
            .flat_map(|format| ["--output".to_owned(), format.to_owned()]),
    );
    own.extend(kept);
    own
}

/// What is left of a word of short flags, and whether its last one takes the next word.
struct ShortFlags {
    kept: Option<String>,
    ends_in_output: bool,
}

/// `-y`, `-q`, `-o json`, `-ojson`, `-vvyo json`; `None` for what is no word of short flags.
fn short_flags(word: &str) -> Option<ShortFlags> {
    let letters = word.strip_prefix('-')?;
    if letters.is_empty() || letters.starts_with('-') {
        return None;
    }
    let mut kept = String::new();
    let mut ends_in_output = false;
    let mut rest = letters.chars();
    while let Some(letter) = rest.next() {
        match letter {
            'y' | 'q' => {}
            'v' => kept.push('v'),
            'o' => {
                ends_in_output = rest.next().is_none();
                break;
            }
            // Of another verb's own making: a negative time such as -5m.
            _ => return None,
        }
    }
    Some(ShortFlags {
        kept: (!kept.is_empty()).then(|| format!("-{kept}")),
        ends_in_output,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(line: &str, structured: Option<Structured>) -> String {
        let typed: Vec<String> = line.split(' ').map(ToOwned::to_owned).collect();
        arguments(&typed, structured, false).join(" ")
    }

    #[test]
    fn what_chose_the_hosts_stays_here() {
        assert_eq!(
            told(
                "--cluster c.yaml undo --hosts=cp1,w* 20261122 -y --max-parallel 4",
                None
            ),
            "--yes undo 20261122"
        );
        assert_eq!(
            told(
                "backup list -o json --local --color=always",
                Some(Structured::Json)
            ),
            "--yes --output json backup list"
        );
        assert_eq!(
            told(
                "-qvyo yaml backup create --out /tmp/a -vv",
                Some(Structured::Yaml)
            ),
            "--yes --output json -v backup create --out /tmp/a -vv"
        );
        assert_eq!(told("-oyaml undo", None), "--yes undo");
    }

    #[test]
    fn what_belongs_to_the_verb_goes_along() {
        assert_eq!(
            told("kubeconfig --user jane --not-before -5m --hosts cp1", None),
            "--yes kubeconfig --user jane --not-before -5m"
        );
        assert_eq!(
            told("inspect --hosts w1 -- --hosts -y", None),
            "--yes inspect -- --hosts -y"
        );
    }
}
