//! `inspect` over folders of certificate files beside a shell loop of `openssl x509`.
//!
//! The loop shows two fields of each certificate; `inspect` reads all of it, verifies who signed it
//! and looks for its key. A loop over 100,000 would take half an hour, so it gets a thousand and is
//! compared by certificates per second.

use anyhow::Result;

use super::Bench;
use super::certificates::{DISTINCT, distinct, fill};
use super::measure::{Contender, Run, in_turns};
use super::table::{Spread, ratio, seconds, unless};

const ROUNDS: u32 = 7;
const COUNTS: [usize; 3] = [1_000, 10_000, 100_000];
const FORMATS: [&str; 2] = ["table", "json"];

/// A thousand, ten thousand and a hundred thousand files.
pub fn run(bench: &Bench) -> Result<()> {
    let distinct = distinct(&bench.cache)?;
    let mut folders = Vec::new();
    for count in COUNTS {
        let folder = bench.folder.join(count.to_string());
        eprintln!("copying {count} certificates");
        fill(&folder, &distinct, count)?;
        folders.push((count, folder.display().to_string()));
    }

    let mut contenders = Vec::new();
    let mut counts = Vec::new();
    if let Some((_, sample)) = folders.first() {
        let loop_over = "for file in \"$0\"/node-*.crt; do \
                         openssl x509 -noout -subject -enddate -in \"$file\" || exit 1; done";
        contenders.push(Contender::new(
            "loop of openssl x509",
            "sh",
            &["-c", loop_over, sample],
        ));
        counts.push(DISTINCT);
    }
    for format in FORMATS {
        for (count, folder) in &folders {
            let name = format!("kubepki inspect -o {format}");
            let arguments = ["inspect", "-o", format, folder];
            contenders.push(Contender::new(&name, &bench.program, &arguments).with_memory());
            counts.push(*count);
        }
    }
    let measured = in_turns(&contenders, bench.turns(ROUNDS))?;
    print(&contenders, &counts, &measured.runs);
    super::table::print_circumstances(&measured);
    Ok(())
}

fn print(contenders: &[Contender<'_>], counts: &[usize], runs: &[Vec<Run>]) {
    println!(
        "| | files | wall time: median | certificates per second | ratio (min–max) | CPU time | peak memory (min–max) |"
    );
    println!("|---|---|---|---|---|---|---|");
    let per_second = |count: usize, run: &Run| count as f64 / run.wall;
    let Some((peer, peer_count)) = runs.first().zip(counts.first()) else {
        return;
    };
    let peer_speed = Spread::of(peer.iter().map(|run| per_second(*peer_count, run)));
    let rows = contenders.iter().zip(counts).zip(runs);
    for (index, ((contender, count), runs)) in rows.enumerate() {
        let speed = Spread::of(runs.iter().map(|run| per_second(*count, run)));
        let by_round = Spread::of(
            peer.iter()
                .zip(runs)
                .map(|(peer, run)| per_second(*count, run) / per_second(*peer_count, peer)),
        );
        let peak = Spread::of(runs.iter().map(|run| run.peak as f64 / 1024.0));
        let memory = if peak.most > 0.0 {
            format!(
                "{:.0} MiB ({:.0}–{:.0})",
                peak.median, peak.least, peak.most
            )
        } else {
            "–".to_owned()
        };
        println!(
            "| {} | {count} | {} | {:.0} | {} | {} | {memory} |",
            contender.name,
            seconds(Spread::of(runs.iter().map(|run| run.wall)).median),
            speed.median,
            unless(
                index == 0,
                ratio(&Spread {
                    median: speed.median / peer_speed.median,
                    ..by_round
                })
            ),
            seconds(Spread::of(runs.iter().map(|run| run.processor)).median),
        );
    }
}
