//! `kubepki rotate status` and `kubepki rotate plan`: they look and say, and change nothing.

use super::look::World;
use super::proof::{self, ProofLine};
use super::{matrix, scope, standing, words};
use crate::args::{
    RootChoice, RotatePlanArgs, RotateStatusArgs, RotationWish, roots as typed_roots,
};
use crate::commands::fleet::document::SelectedHosts;
use crate::context::Context;
use crate::error::{API_VERSION, CliError};
use crate::exit_code::ExitCode;
use crate::output::{DIM, HEADING, WARN, printable};
use kubepki_core::model::Gap;
use kubepki_core::plan::Notice;
use kubepki_core::rotation::plan::{script_for, whole};
use kubepki_core::rotation::{
    HostFacts, Leaders, Phase, Picture, Position, Root, RootPicture, RotationRequest, Round, Script,
};
use serde::Serialize;
use std::io::Write;

/// What `-o json` shows.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rotation<'a> {
    api_version: &'static str,
    kind: &'static str,
    observed_at: jiff::Timestamp,
    /// Who was asked about the API.
    asked: Option<&'a str>,
    roots: Vec<&'a RootPicture>,
    hosts: &'a [HostFacts],
    leaders: &'a Leaders,
    gaps: &'a [Gap],
    /// The phase that comes next, when a rotation is under way or was asked for.
    next: Option<Phase>,
    rounds: &'a [Round],
    estimate_seconds: u32,
    proof: Option<&'a ProofLine>,
    notices: &'a [Notice],
    /// Why there are no rounds, when the planner refuses.
    refused: Option<String>,
}

/// Shows where everything stands.
pub fn status(
    context: &Context,
    hosts: &SelectedHosts,
    world: &World,
    args: &RotateStatusArgs,
) -> Result<ExitCode, CliError> {
    let picture = &world.picture;
    let typed = typed_roots(&args.roots);
    let is_shown = |root: &Root| typed.is_empty() || typed.contains(root);
    let moving: Vec<Root> = standing::under_way(picture)
        .into_iter()
        .filter(is_shown)
        .collect();
    let next = (!moving.is_empty()).then(|| standing::phase(picture, &moving));
    let planned = next.map(|phase| {
        let request = scope::request(hosts, &nothing_wished(), world, &moving)?;
        script_for(picture, &request, phase).map_err(|refusal| super::refusal(&refusal))
    });
    let (script, refused) = match planned {
        None => (Script::default(), None),
        Some(Ok(script)) => (script, None),
        Some(Err(refusal)) => (Script::default(), Some(refusal)),
    };
    let shown = || picture.roots.iter().filter(|root| is_shown(&root.root));
    if let Some(structured) = context.structured() {
        context.emit(
            structured,
            &Rotation {
                api_version: API_VERSION,
                kind: "Rotation",
                observed_at: picture.observed_at,
                asked: world.asked.as_deref(),
                roots: shown().collect(),
                hosts: &picture.hosts,
                leaders: &picture.leaders,
                gaps: &picture.gaps,
                next,
                rounds: &script.rounds,
                estimate_seconds: estimate(&script),
                proof: None,
                notices: &script.notices,
                refused: refused.map(|error| error.to_string()),
            },
        )?;
    } else {
        standing::gaps(context, picture)?;
        let mut stdout = context.stdout();
        for root in shown() {
            standing::headline(&mut stdout, root)?;
            if root.position != Position::AtRest || context.is_wide() {
                writeln!(stdout)?;
                matrix::write(&mut stdout, picture, root, context.is_wide())?;
            }
            writeln!(stdout)?;
        }
        if let Some(phase) = next {
            what_next(&mut stdout, phase, &script, refused.as_ref())?;
        }
        stdout.flush()?;
    }
    Ok(match (picture.gaps.is_empty(), next) {
        (false, _) => ExitCode::Failed,
        (true, Some(_)) => ExitCode::Warnings,
        (true, None) => ExitCode::Fine,
    })
}

fn what_next(
    writer: &mut dyn Write,
    phase: Phase,
    script: &Script,
    refused: Option<&CliError>,
) -> Result<(), CliError> {
    writeln!(
        writer,
        "{HEADING}Next{HEADING:#} {phase}: {} {DIM}(about {}){DIM:#}",
        standing::purpose(phase),
        words::seconds(estimate(script))
    )?;
    if let Some(refusal) = refused {
        let said = refusal.to_string();
        let mut lines = said.lines().filter(|line| !line.trim().is_empty());
        let first = lines.next().unwrap_or_default();
        writeln!(writer, "  {WARN}refused{WARN:#} {}", printable(first))?;
        for line in lines {
            writeln!(writer, "    {}", printable(line.trim_start()))?;
        }
    }
    for (index, round) in script.rounds.iter().enumerate() {
        writeln!(
            writer,
            "  {:2}. {}: {} {DIM}(about {}){DIM:#}",
            index + 1,
            round.name,
            printable(&round.reason),
            words::seconds(round.estimate_seconds)
        )?;
    }
    writeln!(
        writer,
        "\n{DIM}`kubepki rotate next` does this phase, `run` all that are left, `back` takes the last one back{DIM:#}"
    )?;
    Ok(())
}

/// Shows all that is left of a rotation, or all of a new one, with its proof.
pub fn plan(
    context: &Context,
    hosts: &SelectedHosts,
    world: &World,
    args: &RotatePlanArgs,
) -> Result<ExitCode, CliError> {
    let picture = &world.picture;
    let roots = scope::roots(picture, &args.wish.roots)?;
    let request = scope::request(hosts, &args.wish, world, &roots)?;
    let script = whole(picture, &request).map_err(|refusal| super::refusal(&refusal))?;
    let (line, verdict) = proof::proved(world, &script)?;
    if let Some(structured) = context.structured() {
        context.emit(
            structured,
            &Rotation {
                api_version: API_VERSION,
                kind: "Rotation",
                observed_at: picture.observed_at,
                asked: world.asked.as_deref(),
                roots: picture
                    .roots
                    .iter()
                    .filter(|root| roots.contains(&root.root))
                    .collect(),
                hosts: &picture.hosts,
                leaders: &picture.leaders,
                gaps: &picture.gaps,
                next: Some(standing::phase(picture, &roots)),
                rounds: &script.rounds,
                estimate_seconds: estimate(&script),
                proof: Some(&line),
                notices: &script.notices,
                refused: None,
            },
        )?;
    } else {
        standing::gaps(context, picture)?;
        write_script(context, picture, &request, &script)?;
        proof::show(context, &line, &verdict)?;
    }
    Ok(ExitCode::Fine)
}

/// Writes a script in words.
pub fn write_script(
    context: &Context,
    picture: &Picture,
    request: &RotationRequest,
    script: &Script,
) -> Result<(), CliError> {
    let mut written: Vec<u8> = Vec::new();
    for root in picture
        .roots
        .iter()
        .filter(|root| request.roots.contains(&root.root))
    {
        standing::headline(&mut written, root)?;
    }
    standing::rounds(&mut written, script)?;
    writeln!(
        written,
        "\n{HEADING}about {}{HEADING:#} in {} rounds",
        words::seconds(estimate(script)),
        script.rounds.len()
    )?;
    for notice in &script.notices {
        writeln!(
            written,
            "{WARN}note{WARN:#} {}: {}",
            printable(&notice.object),
            printable(&notice.message)
        )?;
    }
    if context.structured().is_some() {
        context.stderr().write_all(&written)?;
        return Ok(());
    }
    let mut stdout = context.stdout();
    stdout.write_all(&written)?;
    Ok(stdout.flush()?)
}

/// About how long a script takes.
pub fn estimate(script: &Script) -> u32 {
    script
        .rounds
        .iter()
        .fold(0, |sum, round| sum.saturating_add(round.estimate_seconds))
}

/// What a look assumes of wishes that were not typed.
fn nothing_wished() -> RotationWish {
    RotationWish::default_for(Vec::<RootChoice>::new())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::rotate::scene::{fits, half_way};
    use kubepki_core::rotation::RotationRequest;

    #[test]
    fn what_is_shown_fits_its_schema() {
        let schema = include_str!("../../../../../docs/schema/rotation.json");
        let mut picture = half_way();
        for host in &mut picture.hosts {
            host.static_pods = host.components.clone();
            host.marked = host.components.clone();
        }
        for new in picture
            .roots
            .iter_mut()
            .filter_map(|root| root.new.as_mut())
        {
            new.not_after = None;
        }
        let mut request = RotationRequest::new([Root::KubernetesCa]);
        request.acknowledged = vec!["*".to_owned()];
        let script = whole(&picture, &request).unwrap();
        let proof = ProofLine {
            holds: true,
            states: 34,
            connections: 105,
            broken_before: vec!["cp1->w1: expired".to_owned()],
            left_behind: vec!["w1 /etc/ca.crt: old".to_owned()],
            ..ProofLine::default()
        };
        assert!(!script.rounds.is_empty());
        for (proof, refused) in [(None, Some("refused".to_owned())), (Some(&proof), None)] {
            let shown = Rotation {
                api_version: API_VERSION,
                kind: "Rotation",
                observed_at: picture.observed_at,
                asked: Some("cp1"),
                roots: picture.roots.iter().collect(),
                hosts: &picture.hosts,
                leaders: &picture.leaders,
                gaps: &picture.gaps,
                next: Some(Phase::TrustBoth),
                rounds: &script.rounds,
                estimate_seconds: estimate(&script),
                proof,
                notices: &script.notices,
                refused,
            };
            fits(schema, &shown);
        }
    }

    #[test]
    fn a_refusal_is_told_line_by_line() {
        let refusal = CliError::new("gaps-left", "it cannot begin")
            .detail("found", "w1 is silent")
            .hint("make it visible");
        let mut written = Vec::new();
        what_next(
            &mut written,
            Phase::RetireOld,
            &Script::default(),
            Some(&refusal),
        )
        .unwrap();
        let text = anstream::adapter::strip_str(std::str::from_utf8(&written).unwrap()).to_string();
        assert!(
            text.contains("  refused it cannot begin\n    found  w1 is silent\n"),
            "{text}"
        );
        assert!(text.contains("\n    hint: make it visible\n"), "{text}");
    }
}
