//! kubeadm's configuration where those who call kubeadm leave it: names that no certificate and no flag
//! may have any more.

use super::reader::Reader;
use kubepki_core::formats::kubeadm_configuration::ConfiguredNames;
use kubepki_core::layouts::kubeadm::STORED_CONFIGURATIONS;
use kubepki_core::model::StoredConfiguration;
use std::path::Path;

/// The first file that holds a ClusterConfiguration.
pub(super) fn find(reader: &mut Reader<'_>) -> Option<StoredConfiguration> {
    STORED_CONFIGURATIONS.iter().find_map(|path| {
        let path = Path::new(path);
        reader.symlink_metadata(path)?;
        // Tokens may stand in it: nothing but the names is kept.
        let text = reader.optional_text(path)?;
        Some(StoredConfiguration {
            path: path.to_owned(),
            names: ConfiguredNames::parse(&text)?,
        })
    })
}
