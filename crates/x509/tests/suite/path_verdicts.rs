//! What we say of every case of the table, and in which words.

use std::collections::HashSet;

use kubepki_x509::path::PathError;

use crate::path_cases::Table;

#[test]
fn every_case_is_judged_as_expected() {
    let table = Table::all();
    let (mut wrong, mut codes) = (Vec::new(), HashSet::new());
    for case in &table.cases {
        let found = case.validate();
        let code = found.as_ref().map_or_else(PathError::code, |_| "valid");
        codes.insert(code);
        if code != case.expected {
            let said = found.map_or_else(|error| error.to_string(), |_| String::new());
            wrong.push(format!(
                "{}: {code}, expected {} {said}",
                case.name, case.expected
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // Each error there is, and a valid path.
    assert_eq!(codes.len(), 13, "{codes:?}");
}

#[test]
fn sentences_say_what_was_expected_and_found() {
    let table = Table::all();
    for (name, sentence) in [
        (
            "client: another CA of the same name",
            "the certificate \"CN=N leaf\" is by \"CN=N root\", which is not the one trusted \
             certificate: one of the same name has another key",
        ),
        (
            "client: only another root is trusted",
            "the certificate \"CN=N leaf\" is by \"CN=N root\", which is not the one trusted \
             certificate",
        ),
        (
            "client: issuer's name as another string type",
            "the certificate \"CN=N leaf\" is by \"CN=N root\", which is not the one trusted \
             certificate: one of the same name writes \"CN=N root\" with other bytes (another \
             string type), which is another name",
        ),
        (
            "client: the leaf is signed with SHA-1 and RSA",
            "the certificate \"CN=N leaf\" is by \"CN=N root\", which is not the one trusted \
             certificate: one of the same name may be the issuer, but the signature is \
             sha1WithRSAEncryption, which is refused as unsafe",
        ),
        (
            "client: the root may not sign certificates",
            "the certificate \"CN=N leaf\" is by \"CN=N root\", which is not the one trusted \
             certificate: one of the same name may not sign certificates: its key usage is \
             digitalSignature, expected keyCertSign",
        ),
        (
            "client: a self-signed leaf is not trusted",
            "the certificate \"CN=N leaf\" names itself as its issuer, which is not the one \
             trusted certificate",
        ),
        (
            "server: 10.0.0.1 asked of IP:10.0.0.2 and DNS:server.test",
            "the certificate \"CN=N leaf\" is valid for IP:10.0.0.2, DNS:server.test, expected \
             10.0.0.1",
        ),
        (
            "server: only the common name",
            "the certificate \"CN=server.test\" names server.test only as its common name, which \
             does not count: it has no subject alternative names",
        ),
        (
            "client: a leaf for servers",
            "the certificate \"CN=N leaf\" is for serverAuth, expected clientAuth",
        ),
        (
            "client: path length 0 and an intermediate",
            "the CA \"CN=N root\" allows 0 further CAs below itself, found 1",
        ),
        (
            "client: constraints are not critical",
            "the CA \"CN=N root\" may not certify DNS:server.test, which the certificate \"CN=N \
             leaf\" holds: only DNS:a is permitted",
        ),
        (
            "client: a leaf with an extension twice",
            "the certificate \"CN=N leaf\" cannot be read by Go programs: it has extension \
             1.3.6.1.4.1.99999.1 twice",
        ),
    ] {
        let mut cases = table.cases.iter().enumerate();
        let (number, case) = cases.find(|(_, case)| case.name == name).unwrap();
        let said = case.validate().unwrap_err().to_string();
        assert_eq!(
            said.replace(&format!("CN={number} "), "CN=N "),
            sentence,
            "{name}"
        );
    }
}
