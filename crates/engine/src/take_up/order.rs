//! The order between kube-scheduler and kube-controller-manager: the holder of its Lease last.
//!
//! A Lease is not released by a process that ends; the next leader takes it after about 14 s. When
//! those that only stand by are restarted first, the cluster is without a leader once, at the end.
//! <https://kubernetes.io/docs/concepts/architecture/leases/>

use super::health::{FILE_LIMIT, own_api_server};
use super::setting::Setting;
use crate::ports::Ports;
use kubepki_core::model::ComponentKind;
use kubepki_core::plan::ComponentAction;

/// The actions in the plan's order, but of those whose components elect a leader the ones that lead
/// come last. Where the API cannot be asked the plan's order stays.
pub fn in_order(
    ports: &Ports<'_>,
    actions: &[ComponentAction],
    setting: &Setting<'_>,
) -> Vec<ComponentAction> {
    let places: Vec<usize> = actions
        .iter()
        .enumerate()
        .filter(|(_, action)| lease(action.component).is_some())
        .map(|(place, _)| place)
        .collect();
    let mut ordered = actions.to_vec();
    if places.len() < 2 || !ports.host.is_live() {
        return ordered;
    }
    let mut electors: Vec<(bool, &ComponentAction)> = actions
        .iter()
        .filter_map(|action| Some((holds(ports, lease(action.component)?, setting), action)))
        .collect();
    electors.sort_by_key(|(holds, _)| *holds);
    for (place, (_, action)) in places.into_iter().zip(electors) {
        if let Some(slot) = ordered.get_mut(place) {
            *slot = action.clone();
        }
    }
    ordered
}

/// The component's Lease in `kube-system`.
fn lease(kind: ComponentKind) -> Option<&'static str> {
    match kind {
        ComponentKind::KubeScheduler | ComponentKind::KubeControllerManager => {
            Some(kind.executable())
        }
        _ => None,
    }
}

/// Whether this host holds the Lease; not known is taken for no.
fn holds(ports: &Ports<'_>, lease: &str, setting: &Setting<'_>) -> bool {
    let answer = || {
        let path = setting.admin_kubeconfig.as_ref()?;
        let kubeconfig = ports.host.read(path, FILE_LIMIT).ok()?;
        let own = own_api_server(setting.components);
        let holder = ports
            .kube
            .lease_holder(&kubeconfig, own.as_deref(), "kube-system", lease)
            .ok()??;
        // client-go: the host's name and a UUID.
        let host = ports.host.hostname().ok()?;
        Some(holder.strip_prefix(&host)?.starts_with('_'))
    };
    answer().unwrap_or(false)
}
