//! What a renewal must keep of a certificate, compared byte by byte.

use kubepki_x509::{Certificate, oid};

/// Asserts that `new` says what `old` said, but for serial number, dates, key and key identifiers.
#[track_caller]
pub fn assert_kept(old: &Certificate, new: &Certificate) {
    assert_same_content(old, new, &[]);
}

/// The same, where some extensions may differ.
#[track_caller]
pub fn assert_same_content(
    old: &Certificate,
    new: &Certificate,
    changed: &[kubepki_x509::ObjectIdentifier],
) {
    assert_eq!(old.subject().der(), new.subject().der(), "subject");
    assert_ne!(old.serial_number(), new.serial_number(), "serial number");
    assert_ne!(old.validity(), new.validity(), "validity");
    let names = |certificate: &Certificate| -> Vec<_> {
        let extensions = certificate.extensions().iter();
        extensions.map(|it| (it.oid, it.critical)).collect()
    };
    assert_eq!(names(old), names(new), "extensions and their order");
    for (old, new) in old.extensions().iter().zip(new.extensions()) {
        let of_the_key = [oid::SUBJECT_KEY_IDENTIFIER, oid::AUTHORITY_KEY_IDENTIFIER];
        if of_the_key.contains(&old.oid) || changed.contains(&old.oid) {
            continue;
        }
        assert_eq!(old.value, new.value, "extension {}", old.oid);
    }
}
