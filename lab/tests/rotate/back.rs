//! A rotation that came to the end of a phase, or into the middle of one, is taken back to its start: on
//! every host lie the very bytes of before, and so does what the API publishes; and nobody who asks
//! meanwhile is refused.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use kubepki_lab::{ClosedLoop, LOOP_NAMESPACE, Saved, until};
use serde_json::Value;

use crate::afterwards;
use crate::field::{Field, succeeded};
use crate::toll::Toll;

/// How far it comes before it is taken back; `+` is the middle of a phase.
const POINTS: [&str; 7] = [
    "prepare",
    "trust-both+",
    "trust-both",
    "issue-from-new+",
    "issue-from-new",
    "settle",
    "retire-old+",
];

/// From these, or `all`.
pub fn from_every_phase(field: &Field<'_>, root: &str, asked: &str) -> Result<()> {
    let mut wrong = Vec::new();
    for point in POINTS {
        if asked == "all" || asked.split(',').any(|it| it == point) {
            let start = Instant::now();
            let differences = from(field, root, point).with_context(|| point.to_owned())?;
            println!(
                "--- back from {point} after {:.0} s: {differences:#?}",
                start.elapsed().as_secs_f64()
            );
            wrong.extend(differences.iter().map(|it| format!("{point}: {it}")));
        }
    }
    ensure!(wrong.is_empty(), "not as before:\n{}", wrong.join("\n"));
    Ok(())
}

/// What differs in the end.
fn from(field: &Field<'_>, root: &str, point: &str) -> Result<Vec<String>> {
    let files = files(field)?;
    let published = published(field)?;
    match point.strip_suffix('+') {
        Some(phase) => stops_in(field, root, phase)?,
        None => field.rotate(&["run", root, "--pause-after", point])?,
    }
    println!("    {:?} is next", field.next_phase()?);
    field.logs_and_commands()?;
    // their connections begin with what is taken back
    let clients = ClosedLoop::start(field.cluster)?;
    let back = taken_back(field);
    let toll = Toll::told(&clients.finish(field.cluster)?);
    back?;
    toll.is_bearable()?;
    ensure!(
        field.next_phase()?.is_none(),
        "a rotation is still under way"
    );
    afterwards::everything_works(field)?;
    let mut differences = Vec::new();
    for (before, now) in files.iter().zip(self::files(field)?) {
        differences.extend(before.differences(&now));
    }
    // controllers publish some seconds later
    let mut left = Vec::new();
    let same = until("what is published", Duration::from_secs(60), || {
        left = differing(&published, &self::published(field)?);
        Ok(left.is_empty())
    });
    if same.is_err() {
        differences.extend(left);
    }
    Ok(differences)
}

/// Pods that nobody makes again, and that started with a new token, are replaced by their owner when they
/// are named.
fn taken_back(field: &Field<'_>) -> Result<()> {
    let back = field.rotated(&["back", "--to", "start"])?;
    if back.success() || !back.stderr.contains("mounted by") {
        return succeeded(&back);
    }
    field.cluster.restart_pods()?;
    field.rotate(&["back", "--to", "start"])
}

fn files(field: &Field<'_>) -> Result<Vec<Saved>> {
    field.hosts.iter().map(Saved::of).collect()
}

/// Up to a phase, and then some rounds of it.
fn stops_in(field: &Field<'_>, root: &str, phase: &str) -> Result<()> {
    field.rotate(&["run", root, "--until", phase])?;
    if phase == "retire-old" {
        // theirs hold old tokens, and nobody else replaces them
        field.cluster.restart_pods()?;
    }
    std::thread::scope(|scope| {
        let work = scope.spawn(|| field.rotated(&["next"]));
        let asked = until("a rotation to ask", Duration::from_secs(120), || {
            let asked = field.access.kubepki(&["rotate", "pause"])?;
            Ok(asked.success() || work.is_finished())
        });
        let paused = work
            .join()
            .map_err(|_| anyhow!("the rotation panicked"))??;
        asked?;
        succeeded(&paused)
    })
}

/// What objects of the API trust by, each by its name.
type Published = BTreeMap<String, String>;

fn published(field: &Field<'_>) -> Result<Published> {
    let mut found = Published::new();
    for kinds in [
        "configmaps",
        "secrets",
        "validatingwebhookconfigurations,mutatingwebhookconfigurations,apiservices",
    ] {
        let listed = field
            .cluster
            .kubectl(["get", kinds, "--all-namespaces", "-o", "json"])?;
        succeeded(&listed)?;
        let list: Value = serde_json::from_str(&listed.stdout)?;
        for item in list["items"].as_array().context("no list")? {
            trusted(item, &mut found);
        }
    }
    Ok(found)
}

fn trusted(item: &Value, found: &mut Published) {
    let of = |field: &str| {
        item["metadata"][field]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    // the clients' own came with them
    if of("namespace") == LOOP_NAMESPACE {
        return;
    }
    let name = format!(
        "{} {}/{}",
        item["kind"].as_str().unwrap_or_default(),
        of("namespace"),
        of("name")
    );
    match item["kind"].as_str() {
        Some("ConfigMap") => {
            let text = item["data"].to_string();
            if text.contains("BEGIN CERTIFICATE") || text.contains("certificate-authority-data") {
                found.insert(name, text);
            }
        }
        // those of ServiceAccounts are replaced when their key is
        Some("Secret") if item["data"]["ca.crt"].is_string() => {
            let account = &item["metadata"]["annotations"]["kubernetes.io/service-account.name"];
            let name = format!("token of {}/{account}", of("namespace"));
            found.insert(name, item["data"]["ca.crt"].to_string());
        }
        Some("Secret") => {}
        _ => {
            found.insert(
                name,
                item["webhooks"].to_string() + &item["spec"].to_string(),
            );
        }
    }
}

fn differing(before: &Published, now: &Published) -> Vec<String> {
    let names = before.keys().chain(now.keys());
    let mut differing: Vec<String> = names
        .filter(|name| before.get(*name) != now.get(*name))
        .cloned()
        .collect();
    differing.sort();
    differing.dedup();
    differing
}
