//! PEM files as they are found on hosts.

use kubepki_sealed::{Sealed, danger};
use kubepki_x509::{
    Certificate, Name,
    pem::{self, PemFile, PemProblemReason},
};
use proptest::prelude::*;

use crate::{keys::Key, openssl::Openssl};

fn certificate() -> Certificate {
    Key::generate().self_signed(Name::common("pem", &[]), Vec::new())
}

fn reasons(file: &PemFile) -> Vec<PemProblemReason> {
    file.problems.iter().map(|problem| problem.reason).collect()
}

#[test]
fn every_way_to_write_a_certificate_is_read() {
    let certificate = certificate();
    let pem = certificate.to_pem();
    let base64: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let one_line = format!("-----BEGIN CERTIFICATE-----\n{base64}\n-----END CERTIFICATE-----\n");
    let narrow: Vec<_> = base64
        .as_bytes()
        .chunks(7)
        .map(String::from_utf8_lossy)
        .collect();
    let narrow = format!(
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----",
        narrow.join("\n")
    );
    for text in [
        pem.clone(),
        pem.trim_end().to_owned(),
        pem.replace('\n', "\r\n"),
        pem.replace('\n', " \t\n"),
        pem.replace('\n', "\n\n"),
        one_line,
        narrow,
        format!("subject=CN = pem\nissuer: -----\n{pem}text after\n"),
        pem.replace("CERTIFICATE", "X509 CERTIFICATE"),
        pem.replace(
            "BEGIN CERTIFICATE-----\n",
            "BEGIN CERTIFICATE-----\nName: value\n\n",
        ),
    ] {
        assert_eq!(
            pem::certificates(text.as_bytes()).unwrap(),
            std::slice::from_ref(&certificate),
            "{text}"
        );
        assert!(pem::parse(text.as_bytes()).problems.is_empty(), "{text}");
    }
}

#[test]
fn what_go_would_not_see_is_read_with_a_notice() {
    let certificate = certificate();
    let pem = certificate.to_pem();
    let trimmed = pem.trim_end();
    for (text, count) in [
        (format!("{trimmed}{trimmed}"), 2),
        (format!("\u{feff}{pem}"), 1),
        (
            pem.replace("-----BEGIN", "  -----BEGIN")
                .replace('\n', "\n    "),
            1,
        ),
        (format!("data: {pem}"), 1),
        (pem.replace('\n', "\r"), 1),
        (pem.replace("CERTIFICATE-----\n", "CERTIFICATE-----"), 1),
        (pem.replace("\n-----END", "-----END"), 1),
    ] {
        let file = pem::parse(text.as_bytes());
        assert_eq!(
            pem::certificates(text.as_bytes()).unwrap(),
            vec![certificate.clone(); count]
        );
        assert!(!file.problems.is_empty(), "{text}");
        assert!(file.problems.iter().all(pem::PemProblem::is_notice));
    }
}

#[test]
fn spans_cut_a_file_exactly() {
    let pem = certificate().to_pem();
    let text = format!("before\n{pem}between{}\nafter", pem.replace('\n', "\r\n"));
    let file = pem::parse(text.as_bytes());
    let cut: Vec<_> = file
        .blocks
        .iter()
        .map(|block| text.get(block.span.clone()).unwrap())
        .collect();
    assert_eq!(
        cut,
        [
            pem.trim_end(),
            pem.trim_end().replace('\n', "\r\n").as_str()
        ]
    );
}

#[test]
fn encrypted_keys_keep_their_headers() {
    let openssl = Openssl::new();
    openssl.run("genrsa -traditional -aes128 -passout pass:secret -out key 1024");
    let file = pem::parse(&openssl.read("key"));
    assert_eq!(file.blocks.len(), 1);
    let block = &file.blocks[0];
    assert_eq!(block.label, "RSA PRIVATE KEY");
    assert_eq!(
        block.headers[0],
        ("Proc-Type".to_owned(), "4,ENCRYPTED".to_owned())
    );
    assert_eq!(block.headers[1].0, "DEK-Info");
    assert!(block.contents.len() > 300);
}

#[test]
fn keys_and_parameters_beside_certificates_are_blocks_of_their_own() {
    let openssl = Openssl::new();
    openssl.run("ecparam -name prime256v1 -genkey -out key");
    openssl.run("req -x509 -new -key key -subj /CN=x -out certificate");
    let both = [openssl.read("certificate"), openssl.read("key")].concat();
    let labels: Vec<_> = pem::parse(&both)
        .blocks
        .into_iter()
        .map(|block| block.label)
        .collect();
    assert_eq!(labels, ["CERTIFICATE", "EC PARAMETERS", "EC PRIVATE KEY"]);
    assert_eq!(
        pem::certificates(&both).unwrap(),
        [openssl.certificate("certificate")]
    );
}

#[test]
fn openssl_trusted_certificates_are_read_without_their_settings() {
    let openssl = Openssl::new();
    let certificate = certificate();
    openssl.write("plain", certificate.to_pem());
    openssl.run("x509 -in plain -trustout -addtrust serverAuth -setalias a -out trusted");
    let trusted = openssl.read("trusted");
    assert!(trusted.starts_with(b"-----BEGIN TRUSTED CERTIFICATE"));
    assert_eq!(pem::certificates(&trusted).unwrap(), [certificate]);
}

#[test]
fn broken_files_say_what_and_where() {
    use PemProblemReason as Reason;
    let pem = certificate().to_pem();
    let begin = "-----BEGIN CERTIFICATE-----\n";
    let end = "-----END CERTIFICATE-----\n";
    for (text, reason, code) in [
        (pem.replace(end, ""), Reason::NoEnd, "pem-no-end"),
        (pem.replace(begin, ""), Reason::NoBegin, "pem-no-begin"),
        (format!("{begin}{pem}"), Reason::NoEnd, "pem-no-end"),
        (
            pem.replace("END C", "END X509 C"),
            Reason::LabelsDiffer,
            "pem-labels-differ",
        ),
        (
            format!("{begin}MII*\n{end}"),
            Reason::NotBase64,
            "pem-not-base64",
        ),
        (
            format!("{begin}AAAAA\n{end}"),
            Reason::NotBase64,
            "pem-not-base64",
        ),
        (format!("{begin}\n{end}"), Reason::Empty, "pem-empty"),
        (
            pem.replace("E-----\n", "E----\n"),
            Reason::UnfinishedLine,
            "pem-unfinished-line",
        ),
    ] {
        let file = pem::parse(format!("text\n{text}").as_bytes());
        assert_eq!(reasons(&file).first(), Some(&reason), "{text}");
        let problem = &file.problems[0];
        assert_eq!(problem.code(), code);
        let at = format!("at byte {}", problem.offset);
        assert!(
            problem.offset >= 5 && problem.to_string().contains(&at),
            "{problem}"
        );
    }
    let error = pem::certificates(pem.replace(end, "").as_bytes()).unwrap_err();
    let message = "PEM block \"CERTIFICATE\" at byte 0 has no END line";
    assert_eq!(
        (error.code(), error.to_string().as_str()),
        ("pem-no-end", message)
    );
    assert_eq!(
        pem::certificates(b"no PEM at all").unwrap_err().code(),
        "no-certificate"
    );
}

#[test]
fn a_certificate_that_is_none_is_named_by_number_and_place() {
    let good = certificate().to_pem();
    let bad = pem::encode("CERTIFICATE", b"\x30\x03\x02\x01\x05");
    let error = pem::certificates(format!("{good}{bad}").as_bytes()).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with(&format!("certificate 2 at byte {}", good.len()))
    );
}

#[test]
fn a_broken_key_is_no_obstacle_to_the_certificate_beside_it() {
    let certificate = certificate();
    let text = format!("-----BEGIN RSA PRIVATE KEY-----\n{}", certificate.to_pem());
    assert_eq!(pem::certificates(text.as_bytes()).unwrap(), [certificate]);
}

/// Ten megabytes of whatever is worst for a scanner. Quadratic time would be hours here.
#[test]
fn time_is_linear_whatever_the_bytes() {
    let size = 10_000_000;
    let fill = |part: &str| part.repeat(size / part.len());
    for text in [
        fill("-"),
        fill("-----BEGIN "),
        fill("-----END "),
        fill("-----BEGIN X-----"),
        fill("-----BEGIN X-----\n"),
        fill("-----BEGIN X-----\n-----END X-----"),
        fill("-----BEGIN X-----\n-----END Y-----\n"),
        fill("-----BEGIN X-----\na: b\n-----END X-----                \n"),
        format!("-----BEGIN X-----\n{}", fill("a: b\n")),
        format!("-----BEGIN X-----\n{}-----END X-----", fill(" ")),
        format!("-----BEGIN X-----\n{}\n-----END X-----", fill("AAAA")),
    ] {
        pem::parse(text.as_bytes());
    }
    let bundle = fill(&certificate().to_pem());
    assert!(pem::parse(bundle.as_bytes()).blocks.len() > 10_000);
}

#[test]
fn sealed_and_public_encodings_agree() {
    let sealed = pem::encode_sealed("X", &Sealed::new(vec![7; 100]));
    assert_eq!(
        danger::open(&sealed),
        pem::encode("X", &[7; 100]).as_bytes()
    );
}

proptest! {
    #[test]
    fn encoding_and_parsing_return_the_same(
        contents in prop::collection::vec(any::<u8>(), 1..300),
        label in "[A-Z][A-Z0-9]{0,10}( [A-Z]{1,8}){0,2}",
        before in "([a-z =:]{0,20}\n){0,3}",
        carriage_return in any::<bool>(),
    ) {
        let mut text = before.clone() + &pem::encode(&label, &contents);
        if carriage_return {
            text = text.replace('\n', "\r\n");
        }
        let file = pem::parse(text.as_bytes());
        prop_assert!(file.problems.is_empty());
        prop_assert_eq!(file.blocks.len(), 1);
        prop_assert_eq!(&file.blocks[0].label, &label);
        prop_assert_eq!(danger::open(&file.blocks[0].contents), &contents);
        prop_assert!(text[file.blocks[0].span.clone()].starts_with("-----BEGIN"));
    }

    #[test]
    fn no_bytes_make_the_scanner_panic(
        parts in prop::collection::vec(
            prop_oneof![
                Just("-----BEGIN CERTIFICATE-----".to_owned()),
                Just("-----END CERTIFICATE-----".to_owned()),
                Just("-----BEGIN ".to_owned()),
                Just("-----END ".to_owned()),
                Just("-----".to_owned()),
                Just("\n".to_owned()),
                Just("\r\n".to_owned()),
                Just("a: b\n".to_owned()),
                "[A-Za-z0-9+/=]{0,12}",
                any::<String>(),
            ],
            0..20,
        ),
        garbage in prop::collection::vec(any::<u8>(), 0..50),
    ) {
        let mut bytes = parts.concat().into_bytes();
        bytes.extend(garbage);
        let file = pem::parse(&bytes);
        for block in &file.blocks {
            prop_assert!(bytes.get(block.span.clone()).is_some());
        }
        let _ = pem::certificates(&bytes);
    }
}
