//! What a user should know before saying yes to a founding, said once and not for every certificate.

use crate::plan::Notice;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// Notices, gathered.
#[derive(Debug, Default)]
pub(super) struct Notices {
    /// By authority and asked end: its own end and the names that end with it.
    clamped: BTreeMap<(String, Timestamp), (Timestamp, Vec<String>)>,
    intermediates: Vec<String>,
    past: Vec<(String, Timestamp)>,
    future: Vec<(String, Timestamp)>,
    has_ed25519: bool,
}

impl Notices {
    pub(super) fn clamped(&mut self, name: &str, signer: &str, end: Timestamp, asked: Timestamp) {
        let entry = self.clamped.entry((signer.to_owned(), asked));
        entry.or_insert((end, Vec::new())).1.push(name.to_owned());
    }

    pub(super) fn intermediate(&mut self, authority: &str) {
        if !self.intermediates.iter().any(|known| known == authority) {
            self.intermediates.push(authority.to_owned());
        }
    }

    pub(super) fn dates(
        &mut self,
        name: &str,
        not_before: Timestamp,
        not_after: Timestamp,
        now: Timestamp,
    ) {
        if not_after <= now {
            self.past.push((name.to_owned(), not_after));
        }
        if not_before > now {
            self.future.push((name.to_owned(), not_before));
        }
    }

    pub(super) fn key_type(&mut self, key_type: &str) {
        self.has_ed25519 |= key_type == "ed25519";
    }

    pub(super) fn list(self) -> Vec<Notice> {
        let mut notices = Vec::new();
        let mut say = |code: &str, object: &str, message: String| {
            notices.push(Notice {
                code: code.to_owned(),
                object: object.to_owned(),
                message,
            });
        };
        for ((authority, asked), (end, names)) in self.clamped {
            let names = names.join(", ");
            say(
                "clamped-to-ca",
                &authority,
                format!("what it signs ends with it, at {end} instead of {asked}: {names}"),
            );
        }
        if !self.intermediates.is_empty() {
            say(
                "intermediate-ca",
                &self.intermediates.join(", "),
                "signed by a CA above: certificate files hold the certificates up to, and without, \
                 the root, so that clients who trust only the root can verify; the CA's own file \
                 holds it alone, as components trust every certificate in there; kubeadm's tools \
                 read only the first certificate of a file"
                    .to_owned(),
            );
        }
        for (code, dates, says) in [
            (
                "ends-in-the-past",
                self.past,
                "will have expired already, at",
            ),
            ("not-yet-valid", self.future, "will be valid only from"),
        ] {
            if let Some((first, at)) = dates.first() {
                let others = match dates.len() - 1 {
                    0 => String::new(),
                    count => format!(" (and {count} more like it)"),
                };
                say(code, first, format!("{says} {at}{others}"));
            }
        }
        if self.has_ed25519 {
            say(
                "ed25519",
                "ed25519",
                "Kubernetes components take Ed25519 keys, kubeadm's tools read RSA and ECDSA keys \
                 only"
                    .to_owned(),
            );
        }
        notices
    }
}
