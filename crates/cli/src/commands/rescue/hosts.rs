//! This host, or the folder at `--root`, as a cluster of one.

use crate::commands::fleet::document::SelectedHosts;
use crate::commands::layout::Layouts;
use crate::context::{Context, host_error};
use crate::error::CliError;
use kubepki_core::cluster_document::{ClusterHost, Reach};
use kubepki_engine::discover::host_name;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The one host that the verb is about.
pub fn this_one(context: &Context) -> Result<SelectedHosts, CliError> {
    let name = host_name(context.host()).map_err(|error| host_error(&error))?;
    let reach = match context.host().root() {
        Some(root) => Reach {
            root: Some(root.to_owned()),
            ..Reach::default()
        },
        None => Reach {
            local: true,
            ..Reach::default()
        },
    };
    let hosts = vec![ClusterHost {
        name,
        reach,
        becomes: None,
        labels: BTreeMap::new(),
        layout: None,
    }];
    Ok(SelectedHosts {
        document: PathBuf::new(),
        cluster: None,
        layouts: Layouts::of(context, &hosts)?,
        hosts,
        roles: Vec::new(),
        max_parallel: 1,
        batch: None,
        ssh_command: vec!["ssh".to_owned()],
    })
}
