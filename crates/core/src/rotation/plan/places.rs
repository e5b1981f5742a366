//! Questions about places of a picture that every phase asks.

use crate::formats::sni_key_pair::SNI_FLAG;
use crate::layouts::{Reload, reload};
use crate::model::ComponentKind;
use crate::rotation::picture::{
    Holds, HostFacts, Keeper, Picture, PlaceState, Purpose, Reader, RootPicture,
};
use crate::rotation::{Root, successor};
use std::collections::BTreeSet;
use std::path::Path;

/// The flag by which kube-controller-manager knows the certificate that it signs with.
pub(super) const SIGNING_FLAG: &str = "cluster-signing-cert-file";

impl Holds {
    /// Whether the old and the new generation are both in it.
    pub fn is_both(&self) -> bool {
        matches!(self, Self::OldNew | Self::NewOld)
    }

    /// Whether it is told what it holds, and that is of this root.
    pub fn is_told(&self) -> bool {
        !matches!(self, Self::Neither { .. } | Self::Unknown { .. })
    }
}

/// Whether a reader takes a change up only when it is started again.
pub(super) fn reads_at_start(reader: &Reader) -> bool {
    let flag = match reader.flag.as_str() {
        // Watched like the API server's own certificate.
        SNI_FLAG => "tls-cert-file",
        flag => flag,
    };
    reload(reader.component, flag) == Reload::Restart
}

/// Components of its host that have to be started again for a changed place.
pub(super) fn restarted_by(place: &PlaceState) -> BTreeSet<ComponentKind> {
    place
        .readers
        .iter()
        .filter(|reader| reads_at_start(reader))
        .map(|reader| reader.component)
        .collect()
}

/// Components of its host whose process is older than what lies in the place.
pub(super) fn behind(place: &PlaceState) -> BTreeSet<ComponentKind> {
    place
        .readers
        .iter()
        .filter(|reader| reads_at_start(reader) && reader.loaded == Some(false))
        .map(|reader| reader.component)
        .collect()
}

pub(super) fn is_read_by(place: &PlaceState, kind: ComponentKind, flags: &[&str]) -> bool {
    place
        .readers
        .iter()
        .any(|reader| reader.component == kind && flags.contains(&reader.flag.as_str()))
}

/// Whether an API server presents it to its clients.
pub(super) fn is_served_by_api_server(place: &PlaceState) -> bool {
    let flags = ["tls-cert-file", SNI_FLAG];
    place.purpose == Purpose::Present && is_read_by(place, ComponentKind::KubeApiserver, &flags)
}

impl RootPicture {
    /// Places of this purpose that the rotation itself changes.
    pub(super) fn kept(&self, purpose: Purpose) -> impl Iterator<Item = &PlaceState> {
        self.places
            .iter()
            .filter(move |place| place.purpose == purpose && place.kept_by == Keeper::Rotation)
    }

    /// Places that somebody else keeps.
    pub(super) fn kept_by(&self, keeper: Keeper) -> impl Iterator<Item = &PlaceState> {
        self.places
            .iter()
            .filter(move |place| place.kept_by == keeper)
    }

    /// Whether it signs certificates, as against tokens.
    pub(super) fn is_authority(&self) -> bool {
        self.root != Root::ServiceAccountKey
    }

    /// The certificate that kube-controller-manager of each host signs with.
    pub(super) fn signers(&self) -> impl Iterator<Item = (&str, &PlaceState)> {
        self.kept(Purpose::Sign)
            .filter(|place| {
                is_read_by(place, ComponentKind::KubeControllerManager, &[SIGNING_FLAG])
            })
            .filter_map(|place| Some((place.place.host()?, place)))
    }

    /// Whether the signing file of a host was split off by a rotation.
    pub(super) fn is_signer_split(&self, host: &str) -> bool {
        self.signers()
            .filter(|(holder, _)| *holder == host)
            .filter_map(|(_, signer)| signer.place.path())
            .any(successor::is_signer)
    }

    /// Whether a host signs with anything but the new one, and has it in hand to do better.
    pub(super) fn signs_with_old(&self, host: &str) -> bool {
        self.signing_keys.iter().any(|holder| holder == host)
            && self.kept(Purpose::Sign).any(|place| {
                place.place.host() == Some(host)
                    && place.holds != Holds::New
                    && place.holds.is_told()
            })
    }

    /// The root's own trust file on a host: the one beside its key, else the first.
    pub(super) fn own_file(&self, host: &str) -> Option<&PlaceState> {
        let files = || {
            self.kept(Purpose::Trust).filter(|place| {
                matches!(&place.place, crate::connections::Place::File { host: holder, .. } if holder == host)
            })
        };
        let key = self
            .kept(Purpose::Sign)
            .filter(|place| place.place.host() == Some(host))
            .filter_map(|place| place.place.path())
            .find(|path| !successor::is_signer(path) && is_key(path));
        files()
            .find(|place| {
                key.is_some_and(|key| place.place.path().is_some_and(|it| beside(it, key)))
            })
            .or_else(|| files().next())
    }

    /// Whether every certificate that API servers serve is the new one.
    pub(super) fn api_servers_serve_new(&self) -> bool {
        self.places
            .iter()
            .filter(|place| is_served_by_api_server(place))
            .all(|place| place.holds == Holds::New)
    }

    /// Whether everything presented is the new one.
    pub(super) fn presents_new(&self) -> bool {
        self.kept(Purpose::Present)
            .filter(|place| place.holds.is_told())
            .all(|place| place.holds == Holds::New)
    }
}

fn is_key(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "key")
        || path
            .file_stem()
            .is_some_and(|stem| stem.to_string_lossy().ends_with("-key"))
}

/// Whether a certificate's file belongs to a key's: `ca.crt` and `ca.key`, `ca.pem` and `ca-key.pem`.
fn beside(certificate: &Path, key: &Path) -> bool {
    let stem = |path: &Path| {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        stem.strip_suffix("-key").unwrap_or(&stem).to_owned()
    };
    certificate.parent() == key.parent() && stem(certificate) == stem(key)
}

impl HostFacts {
    /// Whether others depend on it: it serves the API, stores it or controls it.
    pub(super) fn is_control_plane(&self) -> bool {
        self.runs(ComponentKind::KubeApiserver)
            || self.runs(ComponentKind::Etcd)
            || self.runs(ComponentKind::KubeControllerManager)
    }
}

impl Picture {
    /// The host from which objects of the API are changed.
    pub(super) fn asks_api(&self) -> Option<&str> {
        self.hosts_with(ComponentKind::KubeApiserver)
            .next()
            .map(|host| host.name.as_str())
    }
}
