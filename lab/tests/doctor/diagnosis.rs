//! What `kubepki doctor -o json` says, as far as these tests judge it.

use std::collections::BTreeSet;
use std::fmt;

use anyhow::{Context, Result, bail};
use kubepki_lab::Host;
use serde_json::Value;

use crate::breakage::Breakage;

const KUBECONFIG: [&str; 3] = ["--api", "--kubeconfig", "/etc/kubernetes/admin.conf"];

/// A finding: code and object.
pub type Named = (String, String);

/// What the doctor said.
pub struct Diagnosis {
    /// The exit status.
    pub status: i32,
    /// Everything it said.
    pub document: Value,
}

impl Diagnosis {
    /// Lets the doctor look at a host, and at the cluster if `api`.
    pub fn of(host: &Host, api: bool) -> Result<Self> {
        Self::asked(host, api, &[])
    }

    /// The same as of half an hour later. Every clock is wrong then, so it is asked for one code only.
    pub fn later(host: &Host, api: bool, code: &str) -> Result<Self> {
        let moment = host.shell("date --utc --date '30 minutes' +%Y-%m-%dT%H:%M:%SZ")?;
        Self::asked(host, api, &["--now", moment.trim(), "--only", code])
    }

    fn asked(host: &Host, api: bool, more: &[&str]) -> Result<Self> {
        let mut arguments = [&["doctor", "-o", "json"], more].concat();
        if api {
            arguments.extend(KUBECONFIG);
        }
        let output = host.kubepki(&arguments)?;
        let document = serde_json::from_str(&output.stdout).with_context(|| {
            let said = format!("{}{}", output.stdout, output.stderr);
            format!("kubepki {} said no JSON: {said}", arguments.join(" "))
        })?;
        if ![0, 3, 4].contains(&output.status) {
            bail!("the doctor ended with {}: {}", output.status, output.stderr);
        }
        Ok(Diagnosis {
            status: output.status,
            document,
        })
    }

    /// The findings that matter: those that are no mere information.
    pub fn alarms(&self) -> BTreeSet<Named> {
        self.named(|finding| finding["severity"] != "info")
    }

    /// Whether it says what is expected of it, and nothing beside.
    pub fn blames(&self, breakage: &Breakage) -> bool {
        let alarms = self.alarms();
        if breakage.merely_told {
            let told = self.named(|_| true);
            return alarms.is_empty() && self.status == 0 && holds(&told, breakage.guilty);
        }
        alarms.len() == breakage.guilty.len()
            && (self.status == 0) == alarms.is_empty()
            && holds(&alarms, breakage.guilty)
    }

    fn named(&self, wanted: impl Fn(&Value) -> bool) -> BTreeSet<Named> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        self.findings()
            .filter(|finding| wanted(finding))
            .map(|finding| (text(&finding["code"]), text(&finding["object"])))
            .collect()
    }

    fn findings(&self) -> impl Iterator<Item = &Value> {
        self.document["findings"].as_array().into_iter().flatten()
    }
}

/// Whether every expected one is there.
fn holds(named: &BTreeSet<Named>, expected: &[(&str, &str)]) -> bool {
    let is = |(code, object): &Named, expected: &(&str, &str)| {
        let fits = match expected.1.split_once('*') {
            Some((start, end)) => object.starts_with(start) && object.ends_with(end),
            None => object == expected.1,
        };
        code == expected.0 && fits
    };
    expected
        .iter()
        .all(|expected| named.iter().any(|found| is(found, expected)))
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "    exit status {}", self.status)?;
        for finding in self.findings() {
            writeln!(
                formatter,
                "    {} {} {} {}: {}\n        {} {}",
                finding["severity"],
                finding["code"],
                finding["object"],
                finding["host"],
                finding["message"],
                finding["connections"],
                finding["evidence"],
            )?;
        }
        Ok(())
    }
}
