//! Credentials of people: those that nobody can take back.

use super::draft::{Draft, Ledger};
use super::remedy;
use super::scene::{Scene, place_of};
use crate::findings::code;
use crate::model::{Holder, Severity};
use jiff::SignedDuration;

/// Longer than kubeadm's year, with some days for those who renew early.
const LONG: SignedDuration = SignedDuration::from_hours(400 * 24);
const MASTERS: &str = "system:masters";

/// Kubeconfigs whose certificate is in `system:masters`, which no role binding can limit.
pub(super) fn check(scene: &Scene<'_>, ledger: &mut Ledger) {
    for host in scene.evidence.hosts {
        for entry in &host.inventory.entries {
            let (Holder::Kubeconfig { .. }, Some(certificate)) =
                (&entry.holder, entry.certificate())
            else {
                continue;
            };
            let organizations = certificate.subject().organizations();
            if !organizations
                .iter()
                .any(|organization| organization == MASTERS)
            {
                continue;
            }
            let left = certificate.validity().remaining(scene.now());
            if left.is_negative() {
                continue;
            }
            let severity = if left > LONG {
                Severity::Warning
            } else {
                Severity::Info
            };
            let place = place_of(&host.inventory.host, entry);
            ledger.add(
                Draft::new(
                    code::SYSTEM_MASTERS,
                    severity,
                    &place,
                    format!(
                        "{}, until {}",
                        certificate.subject(),
                        certificate.validity().not_after
                    ),
                )
                .fact("no role binding limits it, and no certificate can be revoked")
                .mend(remedy::on(
                    scene,
                    &host.inventory.host,
                    "keep it where only administrators can read it, and give people certificates or tokens of their own".to_owned(),
                )),
            );
        }
    }
}
