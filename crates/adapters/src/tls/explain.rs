//! TLS errors in words that read on after an endpoint's name: `127.0.0.1:2379 refused the client
//! certificate (TLS alert unknown_ca)`.
//!
//! Not here: why a server's certificate was not accepted; [`super::trust`] compares it with the
//! bundle.

use std::io;

use rustls::AlertDescription;

/// Whether a server sends this alert about a client's certificate (RFC 8446 §6.2). Go, which every
/// Kubernetes component is written in, says `bad_certificate` for most reasons.
pub(crate) fn alert_about_client_certificate(alert: AlertDescription) -> bool {
    use AlertDescription as Alert;
    matches!(
        alert,
        Alert::NoCertificate
            | Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied
            | Alert::DecryptError
            | Alert::CertificateRequired
    )
}

/// The alert as RFC 8446 §6 spells it.
pub(crate) fn alert_name(alert: AlertDescription) -> String {
    use AlertDescription as Alert;
    let name = match alert {
        Alert::NoCertificate => "no_certificate",
        Alert::BadCertificate => "bad_certificate",
        Alert::UnsupportedCertificate => "unsupported_certificate",
        Alert::CertificateRevoked => "certificate_revoked",
        Alert::CertificateExpired => "certificate_expired",
        Alert::CertificateUnknown => "certificate_unknown",
        Alert::UnknownCA => "unknown_ca",
        Alert::AccessDenied => "access_denied",
        Alert::DecryptError => "decrypt_error",
        Alert::CertificateRequired => "certificate_required",
        Alert::ProtocolVersion => "protocol_version",
        Alert::HandshakeFailure => "handshake_failure",
        Alert::UnrecognisedName => "unrecognized_name",
        Alert::InternalError => "internal_error",
        other => return format!("{other:?}"),
    };
    name.to_owned()
}

/// The TLS error inside an input/output error, if it is one.
pub(super) fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

/// A TLS error in words. `sent_certificate` tells whether a client certificate was presented,
/// `None` when the server did not ask for one.
pub(super) fn tls_failure(error: &rustls::Error, sent_certificate: Option<bool>) -> String {
    match error {
        rustls::Error::AlertReceived(alert) if alert_about_client_certificate(*alert) => {
            let name = alert_name(*alert);
            match sent_certificate {
                Some(true) => format!("refused the client certificate (TLS alert {name})"),
                Some(false) => format!("demands a client certificate (TLS alert {name})"),
                None => format!("ended the handshake (TLS alert {name})"),
            }
        }
        rustls::Error::AlertReceived(AlertDescription::ProtocolVersion) => {
            "speaks neither TLS 1.2 nor TLS 1.3 (TLS alert protocol_version)".to_owned()
        }
        rustls::Error::AlertReceived(AlertDescription::HandshakeFailure) => {
            "shares no cipher suite or key exchange with this program (TLS alert handshake_failure)"
                .to_owned()
        }
        // Go's answer when it has nothing to serve.
        rustls::Error::AlertReceived(AlertDescription::InternalError) => {
            "ended the handshake (TLS alert internal_error), as a kubelet does that has no serving \
             certificate yet"
                .to_owned()
        }
        rustls::Error::AlertReceived(alert) => {
            format!("ended the handshake (TLS alert {})", alert_name(*alert))
        }
        rustls::Error::InvalidMessage(_) => format!("does not speak TLS ({error})"),
        error => format!("failed in TLS: {error}"),
    }
}

/// An error on an open connection in words. A server that refuses a client after its handshake
/// (TLS 1.3) often closes before its alert can be read.
pub(super) fn connection_failure(error: &io::Error, sent_certificate: Option<bool>) -> String {
    if let Some(error) = tls_error(error) {
        return tls_failure(error, sent_certificate);
    }
    let closed = matches!(
        error.kind(),
        io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::UnexpectedEof
    );
    match (closed, sent_certificate) {
        (true, Some(true)) => {
            format!("closed the connection, perhaps to refuse the client certificate ({error})")
        }
        (true, Some(false)) => {
            format!("closed the connection, perhaps for want of a client certificate ({error})")
        }
        (true, None) => format!("closed the connection ({error})"),
        (false, _) => format!("failed: {error}"),
    }
}
