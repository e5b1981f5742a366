//! Components that re-read their files by themselves: asked until they serve the new certificate.
//!
//! kube-apiserver v1.20 polls every 60 s, newer ones notice at once, etcd reads at each handshake;
//! so no delay is assumed, the endpoint is asked. What no endpoint shows (a client CA bundle) is
//! waited for as long as it was measured to take.

use super::component::Done;
use super::error::TakeUpError;
use super::health;
use super::processes;
use super::restart;
use super::setting::{How, Setting};
use super::wait;
use crate::ports::{Endpoint, Ports};
use kubepki_core::model::{Component, ComponentKind};
use kubepki_core::plan::ComponentAction;
use kubepki_core::plan::endpoints::{self, ServingEndpoint};
use kubepki_sealed::danger;
use kubepki_x509::{Certificate, pem};
use std::path::Path;
use std::time::Duration;

/// Beyond what was measured, before the component counts as one that did not reload.
const GRACE: Duration = Duration::from_secs(30);

/// A component that runs may be unready for a moment, e.g. after etcd's restart.
const PATIENCE: Duration = Duration::from_secs(15);

/// One handshake.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Up to here a component reads a file when it needs it, not when a timer ends.
const AT_ONCE: u32 = 5;

pub fn reload(
    ports: &Ports<'_>,
    component: &Component,
    action: &ComponentAction,
    within_seconds: u32,
    setting: &Setting<'_>,
) -> Result<Done, TakeUpError> {
    if let Some(reason) = not_able(ports, component, setting)? {
        setting
            .progress
            .say(&format!("{}: {reason}, so it is restarted", component.kind));
        return restart::restart(ports, component, setting);
    }
    if within_seconds > AT_ONCE {
        setting.progress.say(&format!(
            "{}: waiting until it re-reads its files, within {within_seconds} s",
            component.kind
        ));
    }
    let bound = remaining(ports, setting, within_seconds) + GRACE;
    let asked = match wait_until_served(ports, component, bound, setting)? {
        Served::Yes { asked } => asked,
        Served::No { reason } => {
            setting.progress.say(&format!(
                "{}: did not take up its new files by itself ({reason}), so it is restarted",
                component.kind
            ));
            return restart::restart(ports, component, setting);
        }
    };
    let mut done = Done::new(How::Reloaded);
    let silent = silent_flags(action, &asked);
    if !silent.is_empty() {
        let wait = remaining(ports, setting, within_seconds);
        if within_seconds > AT_ONCE && wait > Duration::ZERO {
            setting.progress.say(&format!(
                "{}: no endpoint tells whether {} was re-read; waiting {} s, as long as it takes",
                component.kind,
                silent.join(", "),
                wait.as_secs()
            ));
            ports.clock.sleep(wait);
        }
        done.notes.push(format!(
            "{} re-read within {within_seconds} s as measured; no endpoint tells",
            silent.join(", ")
        ));
    }
    Ok(done)
}

/// Why the component cannot be expected to reload, if so.
fn not_able(
    ports: &Ports<'_>,
    component: &Component,
    setting: &Setting<'_>,
) -> Result<Option<String>, TakeUpError> {
    let host_error = |source| TakeUpError::Host {
        component: component.kind,
        source,
    };
    if processes::of_kind(ports.host, component.kind)
        .map_err(host_error)?
        .is_empty()
    {
        return Ok(Some("not running".to_owned()));
    }
    let healthy = wait::until(
        ports.clock,
        setting.progress,
        component.kind.executable(),
        PATIENCE,
        |_| health::ask(ports, component, setting).map_err(|unhealthy| unhealthy.answer),
    );
    Ok(healthy
        .err()
        .map(|timed_out| format!("not healthy ({})", timed_out.last)))
}

enum Served {
    /// Every endpoint serves what is on disk; the flags that this proves.
    Yes {
        asked: Vec<&'static str>,
    },
    No {
        reason: String,
    },
}

fn wait_until_served(
    ports: &Ports<'_>,
    component: &Component,
    bound: Duration,
    setting: &Setting<'_>,
) -> Result<Served, TakeUpError> {
    let mut pending = Vec::new();
    for endpoint in endpoints::serving(component) {
        if let Some(path) = &endpoint.certificate {
            let expected = leaf(ports, component.kind, path)?;
            pending.push((endpoint, expected));
        }
    }
    let mut asked: Vec<&'static str> = pending.iter().map(|(endpoint, _)| endpoint.flag).collect();
    asked.dedup();
    if pending.is_empty() {
        return Ok(Served::Yes { asked });
    }
    let what = format!("{}: waiting for its new certificate", component.kind);
    let served = wait::until(ports.clock, setting.progress, &what, bound, |_| {
        let mut last = Ok(());
        pending.retain(
            |(endpoint, expected)| match serves(ports, endpoint, expected) {
                Ok(()) => false,
                Err(reason) => {
                    last = Err(reason);
                    true
                }
            },
        );
        last
    });
    Ok(match served {
        Ok(()) => Served::Yes { asked },
        Err(timed_out) => Served::No {
            reason: timed_out.last,
        },
    })
}

fn serves(
    ports: &Ports<'_>,
    endpoint: &ServingEndpoint,
    expected: &Certificate,
) -> Result<(), String> {
    let at = health::authority_of(&endpoint.host, endpoint.port);
    let asked = Endpoint {
        host: endpoint.host.clone(),
        port: endpoint.port,
        server_name: None,
    };
    let served = ports
        .tls
        .served(&asked, TIMEOUT)
        .map_err(|error| format!("{at}: {}", error.detail))?;
    match served.chain.first() {
        Some(found) if found == expected => Ok(()),
        Some(found) => Err(format!(
            "{at} still serves serial {}",
            found.serial_number()
        )),
        None => Err(format!("{at} serves no certificate")),
    }
}

fn leaf(
    ports: &Ports<'_>,
    component: ComponentKind,
    path: &Path,
) -> Result<Certificate, TakeUpError> {
    let failed = |reason: String| TakeUpError::Certificate {
        component,
        path: path.to_owned(),
        reason,
    };
    let contents = ports
        .host
        .read(path, health::FILE_LIMIT)
        .map_err(|error| failed(error.detail))?;
    pem::certificates(danger::open(&contents))
        .map_err(|error| failed(error.to_string()))?
        .into_iter()
        .next()
        .ok_or_else(|| failed("it holds no certificate".to_owned()))
}

/// What is left of the time that a reload takes, and a little for a late timer.
fn remaining(ports: &Ports<'_>, setting: &Setting<'_>, within_seconds: u32) -> Duration {
    let passed = ports.clock.now().duration_since(setting.files_changed_at);
    let passed = Duration::try_from(passed).unwrap_or_default();
    Duration::from_secs(u64::from(within_seconds) + 3).saturating_sub(passed)
}

/// The flags among an action's reasons (`apiserver (--tls-cert-file)`) that no endpoint answered for.
fn silent_flags(action: &ComponentAction, asked: &[&'static str]) -> Vec<String> {
    let mut silent = Vec::new();
    let words = action
        .reasons
        .iter()
        .flat_map(|reason| reason.split([' ', '(', ')', ',']));
    for flag in words.filter_map(|word| word.strip_prefix("--")) {
        // The key is read with its certificate.
        let answered = asked
            .iter()
            .any(|asked| *asked == flag || key_flag(asked) == flag);
        let shown = format!("--{flag}");
        if !answered && !silent.contains(&shown) {
            silent.push(shown);
        }
    }
    silent
}

fn key_flag(certificate_flag: &str) -> &str {
    match certificate_flag {
        "tls-cert-file" => "tls-private-key-file",
        "cert-file" => "key-file",
        "peer-cert-file" => "peer-key-file",
        other => other,
    }
}
