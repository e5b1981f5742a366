//! What cannot come back: private keys that were destroyed when their rotation had ended, and archives that
//! nobody here can open.

use super::{BackError, HostRuns, Taken};
use serde::{Deserialize, Serialize};

/// What became of the private keys that a run's archive held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ArchivedKeys {
    /// They are there, if there were any.
    #[default]
    Kept,
    /// The archive is encrypted.
    Sealed,
    /// At least one was destroyed since.
    Destroyed,
}

/// A rotation one of whose old keys is destroyed has no beginning any more to which it could go; what is
/// sealed is opened where somebody has the identity.
pub(super) fn can_come_back(hosts: &[HostRuns<'_>], taken: &[Taken<'_>]) -> Result<(), BackError> {
    let Some((_, newest)) = taken.first() else {
        return Ok(());
    };
    let rotation = &newest.mark.rotation;
    for host in hosts {
        let mut runs = host
            .runs
            .iter()
            .filter(|run| run.mark.rotation == *rotation);
        if let Some(run) = runs.find(|run| run.keys == ArchivedKeys::Destroyed) {
            return Err(BackError::KeyDestroyed {
                host: host.name.to_owned(),
                run: run.id.clone(),
            });
        }
    }
    for (index, run) in taken {
        if let (ArchivedKeys::Sealed, Some(archive), Some(host)) =
            (run.keys, &run.archive, hosts.get(*index))
            && !host.opens_archives
        {
            return Err(BackError::Sealed {
                host: host.name.to_owned(),
                run: run.id.clone(),
                archive: archive.clone(),
            });
        }
    }
    Ok(())
}
