//! What lives in the API, once it answers again: asked by the doctor on one good control plane, with
//! that one's own API server.

use super::look::Sight;
use crate::commands::fleet::Reach;
use crate::commands::fleet::document::SelectedHosts;
use crate::context::Context;
use serde::{Deserialize, Serialize};

/// One thing in the API to see to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApiTrouble {
    /// Stable code.
    pub code: String,
    /// `warning` or `critical`.
    pub severity: String,
    /// The object.
    pub object: String,
    /// What is wrong.
    pub message: String,
    /// What mends it.
    pub remedy: String,
}

#[derive(Deserialize)]
struct Diagnosis {
    findings: Vec<Finding>,
}

#[derive(Deserialize)]
struct Finding {
    host: Option<String>,
    #[serde(flatten)]
    trouble: ApiTrouble,
}

/// Pending requests, bootstrap tokens, `kube-root-ca.crt`, webhooks: what the doctor finds there.
/// `None` when nobody could be asked.
pub fn look(
    context: &Context,
    hosts: &SelectedHosts,
    reach: &Reach<'_>,
    sight: &Sight,
) -> Option<Vec<ApiTrouble>> {
    let good = sight.good_servers().next()?;
    let host = hosts.hosts.iter().find(|host| host.name == good)?;
    let arguments = ["doctor", "--api", "-o", "json", "--quiet"].map(str::to_owned);
    let answered = reach.connector().run_verb(host, &arguments);
    let output = match answered {
        Ok(output) => output.stdout,
        Err(error) => {
            context.detail(1, format_args!("{good}: {error}"));
            return None;
        }
    };
    let diagnosis: Diagnosis = serde_json::from_str(&output).ok()?;
    let troubles = diagnosis
        .findings
        .into_iter()
        .filter(|finding| finding.host.is_none() && finding.trouble.severity != "info")
        .map(|finding| finding.trouble);
    Some(troubles.collect())
}
