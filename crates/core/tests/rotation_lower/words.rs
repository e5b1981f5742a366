//! A cluster plan in words that do not change from run to run: keys and fingerprints do.

use kubepki_core::plan::{
    ClusterPlan, EtcdAct, FileEdit, Gate, Pace, Plan, Signer, Stage, Step, TakeUp,
};
use kubepki_core::rotation::{ApiChange, Picture, Proof};
use kubepki_x509::pem;
use std::fmt::Write;

pub fn in_words(plan: &ClusterPlan, picture: &Picture) -> String {
    let mut words = String::new();
    for stage in &plan.stages {
        writeln!(words, "{} ({})", stage.name, pace(stage)).unwrap();
        for step in &stage.steps {
            writeln!(words, "  {}", one(step, picture)).unwrap();
        }
        for gate in stage.gate.parts().iter().filter(|it| **it != Gate::None) {
            writeln!(words, "  until {}", awaited(gate, picture)).unwrap();
        }
    }
    words
}

fn pace(stage: &Stage) -> String {
    match stage.pace {
        Pace::OneByOne => "one by one".to_owned(),
        Pace::Batches { size } => format!("{size} at a time"),
        Pace::Together => "together".to_owned(),
    }
}

fn one(step: &Step, picture: &Picture) -> String {
    match step {
        Step::Carry { host, plan } => format!("{host}: {}", carried(plan, picture)),
        Step::Halt { host, components } => format!("{host}: halts {components:?}"),
        Step::Start { host, components } => format!("{host}: starts {components:?}"),
        Step::Etcd { host, act } => match act {
            EtcdAct::Snapshot => format!("{host}: saves etcd"),
            EtcdAct::YieldLeadership => format!("{host}: yields etcd's leadership"),
        },
        Step::RetireKeys { host, keys, how } => format!("{host}: retires {keys:?}: {how:?}"),
        Step::ChangeApi { host, changes } => {
            let changes: Vec<String> = changes.iter().map(|it| change(it, picture)).collect();
            format!("{host}: {}", changes.join("; "))
        }
    }
}

fn carried(plan: &Plan, picture: &Picture) -> String {
    let mut words = Vec::new();
    for issuance in &plan.issuances {
        let by = match &issuance.signer {
            Signer::Authority { certificate, .. } => format!("by {}", certificate.display()),
            Signer::Elsewhere {
                host, certificate, ..
            } => format!("by {host} {}", certificate.display()),
            Signer::Given { host, .. } => format!("as {host} has it"),
            Signer::ItsOwnKey => "by itself".to_owned(),
            other => format!("{other:?}"),
        };
        words.push(format!("issues {} {by}", issuance.destination));
    }
    for edit in &plan.file_edits {
        words.push(match edit {
            FileEdit::Bundle { path, pem, .. } => {
                format!("{} = {}", path.display(), held(pem, picture))
            }
            FileEdit::KubeconfigTrust { path, pem, .. } => {
                format!("{} trusts {}", path.display(), held(pem, picture))
            }
            FileEdit::Flags { component, set, .. } => {
                let set: Vec<String> = set
                    .iter()
                    .map(|it| format!("--{}={}", it.flag, it.value.as_deref().unwrap_or("-")))
                    .collect();
                format!("{component} {}", set.join(" "))
            }
            FileEdit::CopyKey { from, to } => format!("{} -> {}", from.display(), to.display()),
            FileEdit::MakeKey { path, key_type, .. } => {
                format!("makes {} ({key_type})", path.display())
            }
            FileEdit::BringKey {
                path, host, from, ..
            } => format!("{} <- {host} {}", path.display(), from.display()),
            FileEdit::AdoptKey { from, to, .. } => {
                format!("{} <- {}", to.display(), from.display())
            }
            FileEdit::MakeRequest {
                key,
                request,
                key_type,
                common_name,
                ..
            } => format!(
                "makes {} ({key_type}), {} for {common_name}",
                key.display(),
                request.display()
            ),
            FileEdit::Chain { path, pem } => {
                format!("{} with {}", path.display(), held(pem, picture))
            }
            FileEdit::Remove { path } => format!("removes {}", path.display()),
        });
    }
    for action in &plan.components {
        let how = match action.take_up {
            TakeUp::Restart => "restarts",
            TakeUp::Reload { .. } => "awaits",
        };
        let parks: Vec<String> = action.parks.iter().map(ToString::to_string).collect();
        words.push(match parks.is_empty() {
            true => format!("{how} {}", action.component),
            false => format!("{how} {} around {}", action.component, parks.join(", ")),
        });
    }
    words.join("; ")
}

fn change(change: &ApiChange, picture: &Picture) -> String {
    match change {
        ApiChange::WriteBundle {
            object,
            pem,
            expected,
        } => {
            let expected: Vec<String> = expected.iter().map(|it| held(it, picture)).collect();
            format!(
                "{object} = {} (was {})",
                held(pem, picture),
                expected.join(" or ")
            )
        }
        ApiChange::Recreate { object } => format!("{object} anew"),
        ApiChange::RestartWorkload { object, mark } => format!("restarts {object} ({mark})"),
        ApiChange::AddTokenSecrets { .. } => "second token Secrets".to_owned(),
        ApiChange::DropTokenSecrets { .. } => "old token Secrets go".to_owned(),
        other => format!("{other:?}"),
    }
}

fn awaited(gate: &Gate, picture: &Picture) -> String {
    match gate {
        Gate::Proved { host, proof } => {
            let asked = match proof {
                Proof::Client {
                    certificate,
                    fingerprint_sha256,
                    targets,
                    ..
                } => {
                    let names: Vec<String> = targets
                        .iter()
                        .map(|it| format!("{} {}:{}", it.name, it.host, it.port))
                        .collect();
                    format!(
                        " ({} {}: {})",
                        certificate.display(),
                        side(fingerprint_sha256, picture),
                        names.join(", ")
                    )
                }
                Proof::Served {
                    issuer_pem,
                    targets,
                } => {
                    let names: Vec<&str> = targets.iter().map(|it| it.name.as_str()).collect();
                    format!(" ({}: {})", held(issuer_pem, picture), names.join(", "))
                }
                Proof::Published { holds, lacks } => {
                    let sides = |of: &[String]| {
                        let sides: Vec<&str> = of.iter().map(|it| side(it, picture)).collect();
                        sides.join(", ")
                    };
                    format!(" ([{}], not [{}])", sides(holds), sides(lacks))
                }
                Proof::WorkloadsRolledOut => String::new(),
            };
            format!("{proof}, asked from {host}{asked}")
        }
        Gate::EtcdHealthy { hosts } => format!("etcd is healthy on {}", hosts.join(", ")),
        Gate::ApiServersReady { hosts } => format!("API servers are ready on {}", hosts.join(", ")),
        Gate::NodesReady { nodes } => format!("Ready: {}", nodes.join(", ")),
        other => format!("{other:?}"),
    }
}

/// What PEM holds, by the generations of the picture.
pub fn held(text: &str, picture: &Picture) -> String {
    let blocks = pem::parse(text.as_bytes()).blocks;
    let names: Vec<&str> = blocks
        .iter()
        .map(|block| {
            let fingerprint = match block.certificate() {
                Some(certificate) => hex::encode(certificate.unwrap().fingerprint_sha256()),
                None => {
                    let der = kubepki_sealed::danger::open(&block.contents);
                    let key = kubepki_x509::PublicKey::from_spki_der(der).unwrap();
                    hex::encode(key.sha256())
                }
            };
            side(&fingerprint, picture)
        })
        .collect();
    format!("[{}]", names.join(", "))
}

fn side(fingerprint: &str, picture: &Picture) -> &'static str {
    let roots = &picture.roots;
    let is_new = |root: &kubepki_core::rotation::RootPicture| {
        let mut new = root.new.iter();
        new.any(|it| it.fingerprint_sha256 == fingerprint)
    };
    let is_old = |root: &kubepki_core::rotation::RootPicture| {
        let mut old = root.old.iter();
        old.any(|it| it.fingerprint_sha256 == fingerprint)
    };
    if roots.iter().any(is_new) {
        "new"
    } else if roots.iter().any(is_old) {
        "old"
    } else {
        "other"
    }
}
