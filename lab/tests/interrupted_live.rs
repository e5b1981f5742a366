//! kubepki killed in the middle of bringing an expired control plane back, again and again: each
//! time `status` names the run, and the next command finishes it or takes it back.

#![expect(
    clippy::print_stdout,
    reason = "what was said is shown when the test fails"
)]

use std::time::Duration;

use anyhow::Result;
use kubepki_lab::{Host, Lab, Snapshot};

/// A line of the journal, and how long kubepki lives on after it.
struct Moment {
    line: &'static str,
    milliseconds: u64,
}

const COMMITTING: &str = r#""event":"committing""#;

const STAGING: &str = "interrupted while staging, before any file was changed";
const CHANGING: &str = "interrupted while changing files";
const CHANGED: &str = "interrupted while carrying on after its files were changed";

/// Each kill hits the run that settles the one before.
const MOMENTS: [Moment; 6] = [
    Moment {
        line: r#""event":"staging""#,
        milliseconds: 0,
    },
    Moment {
        line: COMMITTING,
        milliseconds: 0,
    },
    Moment {
        line: r#""step-intended","step":"take-up kubelet""#,
        milliseconds: 700,
    },
    Moment {
        line: r#""step-done","step":"take-up kubelet""#,
        milliseconds: 50,
    },
    Moment {
        line: r#""step-intended","step":"take-up kube-apiserver""#,
        milliseconds: 900,
    },
    Moment {
        line: r#""step-intended","step":"take-up kube-scheduler""#,
        milliseconds: 300,
    },
];

#[test]
#[ignore = "needs root and the lab: cargo xtask test --tier lab"]
fn a_run_that_is_killed_is_finished_or_undone_by_the_next() -> Result<()> {
    let lab = Lab::up(1, 0)?;
    let host = lab.host("cp1")?;
    host.install_kubepki()?;
    lab.wait_until_ready("cp1")?;
    host.age(30)?;
    let expired = host.snapshot()?;

    let mut stage = STAGING;
    for moment in &MOMENTS {
        // a kill that came a millisecond late has passed this moment: it does not come again
        if stage != STAGING && moment.line == COMMITTING {
            continue;
        }
        let said = host.kubepki_killed(
            &["renew", "all", "--yes"],
            moment.line,
            Duration::from_millis(moment.milliseconds),
        )?;
        println!("--- killed at {}:\n{said}", moment.line);
        stage = named_by_status(&host)?;
        if stage == STAGING {
            assert_eq!(changed(&expired, &host)?, Vec::<String>::new());
        }
    }
    assert_eq!(stage, CHANGED, "the last kills hit restarts");
    let renewed = host.kubepki(&["renew", "all", "--yes"])?;
    println!("{}{}", renewed.stdout, renewed.stderr);
    assert!(renewed.success(), "{}", renewed.stderr);
    lab.wait_until_ready("cp1")?;
    settled(&host)?;

    undone_when_killed_at(&lab, &host, &MOMENTS[1])
}

/// What was sound before is brought back, and used.
fn undone_when_killed_at(lab: &Lab, host: &Host, moment: &Moment) -> Result<()> {
    let before = host.snapshot()?;
    host.kubepki_killed(
        &["renew", "all", "--force", "--yes"],
        moment.line,
        Duration::from_millis(moment.milliseconds),
    )?;
    named_by_status(host)?;
    let undone = host.kubepki(&["undo", "--yes"])?;
    println!("{}{}", undone.stdout, undone.stderr);
    assert!(undone.success(), "{}", undone.stderr);
    assert_eq!(changed(&before, host)?, Vec::<String>::new());
    lab.wait_until_ready("cp1")?;
    settled(host)
}

/// How far the journal says that the newest run came: milliseconds decide that, and status must tell
/// the same.
fn named_by_status(host: &Host) -> Result<&'static str> {
    let newest = host.shell("cat \"$(ls -t /var/lib/kubepki/journal/*.jsonl | head -n 1)\"")?;
    let stage = if newest.contains(r#""event":"committed""#) {
        CHANGED
    } else if newest.contains(COMMITTING) {
        CHANGING
    } else {
        STAGING
    };
    let status = host.kubepki(&["status"])?;
    let said = format!("{}{}", status.stdout, status.stderr);
    assert!(said.contains(stage), "expected {stage}: {said}");
    assert!(said.contains("`kubepki undo`"), "{said}");
    Ok(stage)
}

/// Nothing is interrupted, nothing is left of it, everything is sound.
fn settled(host: &Host) -> Result<()> {
    let status = host.kubepki(&["status"])?;
    assert_eq!(status.status, 0, "{}{}", status.stdout, status.stderr);
    assert!(!status.stderr.contains("interrupted"), "{}", status.stderr);
    let left = host.shell(
        "find /etc/kubernetes /var/lib/kubelet/pki -name '.*kubepki*' -o -name '*.kubepki-*'",
    )?;
    assert_eq!(left, "");
    let pods = host.shell("ls -A /etc/kubernetes/manifests")?;
    assert_eq!(pods.lines().count(), 4, "{pods}");
    host.shell(
        "cd /etc/kubernetes/pki; for crt in *.crt etcd/*.crt; do key=${crt%.crt}.key; \
         [ \"$(openssl x509 -in $crt -noout -pubkey)\" = \"$(openssl pkey -in $key -pubout)\" ] \
         || { echo $crt; exit 1; }; done",
    )?;
    Ok(())
}

fn changed(before: &Snapshot, host: &Host) -> Result<Vec<String>> {
    let differing = before.differing(&host.snapshot()?);
    // what is staged beside them is for the next run to remove
    Ok(differing
        .iter()
        .filter_map(|path| path.to_str())
        .filter(|path| !path.contains("/."))
        .map(str::to_owned)
        .collect())
}
