//! PEM files before and after an edit, byte for byte.

use kubepki_core::formats::pem_edit::{
    PemEditError, private_key, replace_block, replace_certificates, replace_private_key,
};
use kubepki_sealed::{Sealed, danger};
use kubepki_x509::{Certificate, pem};
use proptest::prelude::*;

const ONE: &str = include_str!("../fixtures/certificates/one.crt");
const TWO: &str = include_str!("../fixtures/certificates/two.crt");
const THREE: &str = include_str!("../fixtures/certificates/three.crt");
const FOUR: &str = include_str!("../fixtures/certificates/four.crt");
/// Base64 under a key's label; nothing that could open anything.
const KEY: &str = "-----BEGIN RSA PRIVATE KEY-----\nbm90IGEga2V5\n-----END RSA PRIVATE KEY-----\n";
const NEW_KEY: &str = "-----BEGIN PRIVATE KEY-----\nbm90IGEga2V5IGVpdGhlcg==\nbm90IGEga2V5IGVpdGhlcg==\n-----END PRIVATE KEY-----\n";

fn sealed(text: &str) -> Sealed {
    Sealed::new(text.as_bytes().to_vec())
}

fn opened(sealed: Result<Sealed, PemEditError>) -> String {
    String::from_utf8(danger::open(&sealed.unwrap()).to_vec()).unwrap()
}

fn certificates(text: &str) -> Vec<Certificate> {
    pem::certificates(text.as_bytes()).unwrap()
}

fn with(file: &str, chain: &str) -> String {
    opened(replace_certificates(&sealed(file), &certificates(chain)))
}

#[test]
fn the_leaf_alone_is_replaced_where_intermediates_stay() {
    assert_eq!(with(ONE, TWO), TWO);
    let before = format!("subject: one\n{ONE}\nissuer\n{THREE}# end");
    assert_eq!(
        with(&before, TWO),
        format!("subject: one\n{TWO}\nissuer\n{THREE}# end")
    );
    let combined = format!("{KEY}{ONE}{THREE}");
    assert_eq!(with(&combined, TWO), format!("{KEY}{TWO}{THREE}"));
    let combined = format!("{ONE}{KEY}");
    assert_eq!(with(&combined, TWO), format!("{TWO}{KEY}"));
}

#[test]
fn a_chain_takes_the_place_of_a_chain() {
    let chain = format!("{TWO}{FOUR}");
    assert_eq!(with(ONE, &chain), chain);
    assert_eq!(
        with(&format!("{ONE}# x\n{THREE}# y\n"), &chain),
        format!("{TWO}# x\n{FOUR}# y\n")
    );
    assert_eq!(
        with(&format!("{ONE}{THREE}{KEY}"), &chain),
        format!("{TWO}{FOUR}{KEY}")
    );
    assert_eq!(
        with(&format!("{ONE}{THREE}{ONE}{KEY}"), &chain),
        format!("{TWO}{FOUR}{KEY}")
    );
    let longer = format!("{TWO}{FOUR}{THREE}");
    assert_eq!(
        with(&format!("{ONE}{THREE}{KEY}"), &longer),
        format!("{longer}{KEY}")
    );
    assert_eq!(
        with(&format!("{ONE}{KEY}"), &longer),
        format!("{longer}{KEY}")
    );
}

#[test]
fn line_ends_stay_as_they_are() {
    let crlf = |text: &str| text.replace('\n', "\r\n");
    assert_eq!(
        with(&crlf(&format!("# x\n{ONE}")), TWO),
        crlf(&format!("# x\n{TWO}"))
    );
    assert_eq!(with(ONE.trim_end(), TWO), TWO.trim_end());
    let glued = format!("{}{KEY}", ONE.trim_end());
    assert_eq!(with(&glued, TWO), format!("{}{KEY}", TWO.trim_end()));
    assert_eq!(
        with(&crlf(ONE), &format!("{TWO}{FOUR}")),
        crlf(&format!("{TWO}{FOUR}"))
    );
}

#[test]
fn a_key_alone_gets_its_certificate_in_front() {
    assert_eq!(with(KEY, ONE), format!("{ONE}{KEY}"));
    assert_eq!(with("", ONE), ONE);
}

#[test]
fn a_key_is_replaced_with_its_parameters() {
    let replaced = |file: &str| opened(replace_private_key(&sealed(file), &sealed(NEW_KEY)));
    assert_eq!(replaced(KEY), NEW_KEY);
    assert_eq!(
        replaced(&format!("{ONE}# k\n{KEY}{TWO}")),
        format!("{ONE}# k\n{NEW_KEY}{TWO}")
    );
    let parameters =
        "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
    assert_eq!(replaced(&format!("{parameters}{KEY}")), NEW_KEY);
    assert_eq!(
        replaced(&format!("{KEY}{parameters}")),
        format!("{NEW_KEY}{parameters}")
    );
    assert_eq!(
        replaced(&KEY.replace('\n', "\r\n")),
        NEW_KEY.replace('\n', "\r\n")
    );
    assert_eq!(replaced(KEY.trim_end()), NEW_KEY.trim_end());
    assert_eq!(
        opened(private_key(&sealed(&format!("{ONE}{KEY}{TWO}")))),
        KEY
    );
}

#[test]
fn a_block_is_replaced_by_its_number() {
    let file = format!("{ONE}# x\n{KEY}{TWO}");
    let replaced = opened(replace_block(&sealed(&file), 2, &sealed(THREE)));
    assert_eq!(replaced, format!("{ONE}# x\n{KEY}{THREE}"));
    let error = replace_block(&sealed(&file), 3, &sealed(THREE))
        .map(|_| ())
        .unwrap_err();
    assert_eq!(error.code(), "pem-edit-not-found");
}

#[test]
fn what_is_not_clear_is_refused() {
    let key = |file: &str| {
        replace_private_key(&sealed(file), &sealed(NEW_KEY))
            .map(|_| ())
            .unwrap_err()
    };
    assert_eq!(key(ONE).to_string(), "no private key found");
    assert_eq!(
        key(&format!("{KEY}{KEY}")).to_string(),
        "2 private keys found where one was expected"
    );
    let broken = format!("{ONE}-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n{KEY}");
    assert_eq!(key(&broken).code(), "pem-not-base64");
    let none = replace_certificates(&sealed(ONE), &[])
        .map(|_| ())
        .unwrap_err();
    assert_eq!(none.code(), "pem-edit-no-certificates");
}

proptest! {
    #[test]
    fn what_was_put_in_is_what_is_read(
        pieces in proptest::collection::vec(prop::sample::select(vec![ONE, TWO, THREE, KEY, "# text\n", "\n"]), 0..7),
        crlf in any::<bool>(),
        long in any::<bool>(),
        trimmed in any::<bool>(),
    ) {
        let file = pieces.concat();
        let file = if trimmed { file.trim_end().to_owned() } else { file };
        let file = if crlf { file.replace('\n', "\r\n") } else { file };
        let chain = if long { format!("{FOUR}{TWO}") } else { FOUR.to_owned() };
        let edited = with(&file, &chain);
        let old = pem::certificates(file.as_bytes()).unwrap_or_default();
        let mut expected = certificates(&chain);
        if !long {
            expected.extend(old.into_iter().skip(1));
        }
        prop_assert_eq!(certificates(&edited), expected);
        prop_assert_eq!(edited.matches("# text").count(), file.matches("# text").count());
        prop_assert_eq!(edited.matches("BEGIN RSA").count(), file.matches("BEGIN RSA").count());
        prop_assert_eq!(crlf && edited.contains("\r\n"), crlf && file.contains('\n'));
        prop_assert!(crlf || !edited.contains('\r'));
    }

    #[test]
    fn nothing_makes_it_panic(text in "[-A-Z =\\\\r\n]{0,200}", bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        for file in [text.into_bytes(), bytes] {
            let _ = replace_certificates(&Sealed::new(file.clone()), &certificates(ONE));
            let _ = replace_private_key(&Sealed::new(file.clone()), &Sealed::new(file.clone()));
            let _ = private_key(&Sealed::new(file));
        }
    }
}
