//! Where a rotation stands, in words: of each root, who is the old and who the new one, which phase it
//! is in, and what comes next, why, and for how long.

use crate::context::Context;
use crate::error::CliError;
use crate::output::{DIM, GOOD, HEADING, NAME, WARN, printable};
use kubepki_core::rotation::{
    Generation, Phase, Picture, Position, Root, RootPicture, Round, Script,
};
use std::io::Write;

/// The roots that are in the middle of a rotation.
pub fn under_way(picture: &Picture) -> Vec<Root> {
    let moving = |root: &&RootPicture| matches!(root.position, Position::In { .. });
    picture
        .roots
        .iter()
        .filter(moving)
        .map(|root| root.root)
        .collect()
}

/// The phase that a rotation of these roots is in: the earliest; the first where all of them are at
/// rest.
pub fn phase(picture: &Picture, roots: &[Root]) -> Phase {
    let of = |root: &Root| match picture.root(*root)?.position {
        Position::AtRest => None,
        Position::In { phase, .. } => Some(phase),
    };
    roots.iter().filter_map(of).min().unwrap_or(Phase::Prepare)
}

/// Whether none of these is in the middle of a rotation.
pub fn at_rest(picture: &Picture, roots: &[Root]) -> bool {
    !under_way(picture).iter().any(|root| roots.contains(root))
}

/// What a phase is for.
pub const fn purpose(phase: Phase) -> &'static str {
    match phase {
        Phase::Prepare => "the successor is made and lies beside the old one; etcd is saved",
        Phase::TrustBoth => "everybody who trusts the old one comes to trust the new one too",
        Phase::IssueFromNew => "everybody who presents something gets it from the new one",
        Phase::Settle => "connections that began with the old one are closed",
        Phase::RetireOld => "nobody trusts the old one any more",
    }
}

/// Writes the headline of one root.
pub fn headline(writer: &mut dyn Write, root: &RootPicture) -> Result<(), CliError> {
    let (style, words) = match root.position {
        Position::AtRest => (GOOD, "at rest: one generation everywhere".to_owned()),
        Position::In { phase, begun } => (
            WARN,
            format!(
                "in phase {} of {}, {phase}{}: {}",
                number(phase),
                Phase::ALL.len(),
                if begun { " (begun)" } else { "" },
                purpose(phase)
            ),
        ),
    };
    writeln!(
        writer,
        "{HEADING}{}{HEADING:#} {style}{words}{style:#}",
        root.root
    )?;
    for old in &root.old {
        writeln!(writer, "  old  {}", generation(old))?;
    }
    if let Some(new) = &root.new {
        writeln!(writer, "  new  {}", generation(new))?;
    }
    if let Some(request) = &root.request {
        writeln!(
            writer,
            "  asks {NAME}{}{NAME:#} {DIM}for a key on {}: waits for its certificate{DIM:#}",
            printable(&request.subject),
            request.host
        )?;
    }
    if !root.leftovers.is_empty() {
        writeln!(
            writer,
            "  {DIM}files of the successor lie on {}{DIM:#}",
            root.leftovers.join(", ")
        )?;
    }
    Ok(())
}

/// Counted from 1.
pub fn number(phase: Phase) -> usize {
    Phase::ALL
        .iter()
        .position(|known| *known == phase)
        .map_or(0, |index| index + 1)
}

fn generation(generation: &Generation) -> String {
    let short = generation
        .fingerprint_sha256
        .get(..16)
        .unwrap_or(&generation.fingerprint_sha256);
    let ends = match generation.not_after {
        Some(end) => format!(", ends {}", end.strftime("%Y-%m-%d")),
        None => String::new(),
    };
    format!(
        "{NAME}{}{NAME:#} {DIM}sha256:{short}{ends}{DIM:#}",
        printable(&generation.name)
    )
}

/// Writes what a script does, round by round.
pub fn rounds(writer: &mut dyn Write, script: &Script) -> Result<(), CliError> {
    let mut phase = None;
    for (index, round) in script.rounds.iter().enumerate() {
        if phase != Some(round.phase) {
            phase = Some(round.phase);
            writeln!(
                writer,
                "\n{HEADING}{}. {}{HEADING:#} {DIM}{}{DIM:#}",
                number(round.phase),
                round.phase,
                purpose(round.phase)
            )?;
        }
        self::round(writer, index + 1, round)?;
    }
    Ok(())
}

fn round(writer: &mut dyn Write, number: usize, round: &Round) -> Result<(), CliError> {
    writeln!(
        writer,
        "  {number:2}. {NAME}{}{NAME:#} {DIM}{}(about {}){DIM:#}",
        round.name,
        super::words::pace(round),
        super::words::seconds(round.estimate_seconds)
    )?;
    writeln!(writer, "      {}", printable(&round.reason))?;
    for (hosts, words) in super::words::turns(round) {
        writeln!(
            writer,
            "      {NAME}{}{NAME:#}: {}",
            printable(&hosts),
            printable(&words)
        )?;
    }
    let awaits = super::words::awaits(round);
    if !awaits.is_empty() {
        writeln!(
            writer,
            "      {DIM}then waits until {}{DIM:#}",
            printable(&awaits)
        )?;
    }
    Ok(())
}

/// Writes what could not be seen.
pub fn gaps(context: &Context, picture: &Picture) -> Result<(), CliError> {
    let mut stderr = context.stderr();
    for gap in &picture.gaps {
        writeln!(
            stderr,
            "{WARN}not seen{WARN:#} {}: {}",
            printable(&gap.object),
            printable(&gap.reason)
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::rotate::scene::half_way;

    #[test]
    fn the_earliest_phase_of_all_roots_counts() {
        let mut picture = half_way();
        let all = [Root::KubernetesCa, Root::EtcdCa];
        assert_eq!(phase(&picture, &all), Phase::TrustBoth);
        assert_eq!(under_way(&picture), [Root::KubernetesCa]);
        let mut second = picture.roots[0].clone();
        second.root = Root::EtcdCa;
        second.position = Position::AtRest;
        picture.roots.push(second);
        assert_eq!(phase(&picture, &all), Phase::TrustBoth);
        assert_eq!(phase(&picture, &[Root::EtcdCa]), Phase::Prepare);
        assert!(at_rest(&picture, &[Root::EtcdCa]));
        assert!(!at_rest(&picture, &all));
    }

    #[test]
    fn the_headline_names_both_generations() {
        let mut bytes = Vec::new();
        headline(&mut bytes, &half_way().roots[0]).unwrap();
        let text = anstream::adapter::strip_str(&String::from_utf8(bytes).unwrap()).to_string();
        insta::assert_snapshot!(text);
    }
}
