//! The same certificate with other dates: every byte of what it certifies stays but the validity
//! and the serial number, and the issuer's key signs it again (RFC 5280 §4.1).
//!
//! openssl signs and judges; `openssl x509` alone would put extensions in another order. It knows
//! no more of DER than where the dates are, and nothing of the product's own code.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::tool::Tool;

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// `[0] EXPLICIT Version`
const VERSION: u8 = 0xa0;

const DAY: i64 = 86_400;
const YEAR: i64 = 365 * DAY;

/// The key that signs, and the certificate that goes with it.
pub struct Signer<'a> {
    /// The file of the issuer's certificate; none for a certificate that issues itself.
    pub certificate: Option<&'a Path>,
    /// The file of its key.
    pub key: &'a Path,
}

/// `pem` with its first certificate made anew so that it ended `days` ago, a year after it began.
/// `work` is a folder for openssl's input.
pub fn first_certificate_aged(
    pem: &str,
    days: i64,
    signer: &Signer<'_>,
    work: &Path,
) -> Result<String> {
    let (before, body, after) = split_first(pem).context("no certificate in PEM")?;
    let letters: String = body.split_whitespace().collect();
    let old = STANDARD
        .decode(letters)
        .context("a certificate that is not Base64")?;

    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())?;
    let not_after = now - days * DAY;
    let new = aged(&old, not_after - YEAR, not_after, signer, work)?;
    let new = pem_body(&new);
    judge(&format!("{BEGIN}\n{new}{END}\n"), days, signer, work)?;
    Ok(format!("{before}{BEGIN}\n{new}{END}{after}"))
}

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

fn split_first(pem: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = pem.split_once(BEGIN)?;
    let (body, after) = rest.split_once(END)?;
    Some((before, body, after))
}

fn pem_body(der: &[u8]) -> String {
    let letters = STANDARD.encode(der);
    let mut rest = letters.as_str();
    let mut lines = String::new();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(64));
        lines.push_str(line);
        lines.push('\n');
        rest = more;
    }
    lines
}

fn aged(
    certificate: &[u8],
    not_before: i64,
    not_after: i64,
    signer: &Signer<'_>,
    work: &Path,
) -> Result<Vec<u8>> {
    let (contents, _) = element(certificate, SEQUENCE)?;
    let (_, after_tbs) = element(contents, SEQUENCE)?;
    let mut tbs = contents
        .get(..contents.len() - after_tbs.len())
        .context("a cut TBS")?
        .to_vec();
    let (_, after_algorithm) = element(after_tbs, SEQUENCE)?;
    let algorithm = after_tbs
        .get(..after_tbs.len() - after_algorithm.len())
        .context("a cut algorithm")?;

    let places = places(&tbs)?;
    set_time(&mut tbs, places.not_before, not_before)?;
    set_time(&mut tbs, places.not_after, not_after)?;
    renumber(&mut tbs, places.serial)?;

    let unsigned = work.join("tbs.der");
    let signed = work.join("signature");
    fs_err::write(&unsigned, &tbs)?;
    Tool::new("openssl")
        .words("dgst -sha256 -sign")
        .arg(signer.key)
        .arg("-out")
        .arg(&signed)
        .arg(&unsigned)
        .run()?;
    let mut bits = vec![0]; // no unused bits
    bits.extend(fs_err::read(signed)?);
    let whole = [tbs, algorithm.to_vec(), encoded(BIT_STRING, &bits)?].concat();
    encoded(SEQUENCE, &whole)
}

/// A second opinion: the issuer signed it, and openssl says of its end what was asked for.
fn judge(pem: &str, days: i64, signer: &Signer<'_>, work: &Path) -> Result<()> {
    let file = work.join("aged.crt");
    fs_err::write(&file, pem)?;
    Tool::new("openssl")
        .words("verify -no_check_time -ignore_critical -partial_chain -trusted")
        .arg(signer.certificate.unwrap_or(&file))
        .arg(&file)
        .run()?;
    let ends = Tool::new("openssl")
        .words("x509 -noout -checkend 0 -in")
        .arg(&file)
        .output()?;
    if ends.success() != (days < 0) {
        bail!(
            "the certificate should have ended {days} days ago, openssl says: {}",
            ends.stdout
        );
    }
    Ok(())
}

/// Where in a TBSCertificate the contents are that change.
struct Places {
    serial: (usize, usize),
    not_before: (usize, usize),
    not_after: (usize, usize),
}

fn places(tbs: &[u8]) -> Result<Places> {
    // offsets are counted from the end, which every rest shares
    let place =
        |contents: &[u8], rest: &[u8]| (tbs.len() - rest.len() - contents.len(), contents.len());
    let (fields, end) = element(tbs, SEQUENCE)?;
    if !end.is_empty() {
        bail!("more than one TBSCertificate");
    }
    let after_version = element(fields, VERSION).map_or(fields, |(_, rest)| rest);
    let (serial, after_serial) = element(after_version, INTEGER)?;
    let (_, after_algorithm) = element(after_serial, SEQUENCE)?;
    let (_, after_issuer) = element(after_algorithm, SEQUENCE)?;
    let (validity, after_validity) = element(after_issuer, SEQUENCE)?;
    let (not_before, between) = time(validity)?;
    let (not_after, _) = time(between)?;
    let (validity_start, validity_length) = place(validity, after_validity);
    let validity_end = validity_start + validity_length;
    let before_start = validity_end - between.len() - not_before.len();
    Ok(Places {
        serial: place(serial, after_serial),
        not_before: (before_start, not_before.len()),
        not_after: (validity_end - not_after.len(), not_after.len()),
    })
}

fn time(bytes: &[u8]) -> Result<(&[u8], &[u8])> {
    element(bytes, UTC_TIME).or_else(|_| element(bytes, GENERALIZED_TIME))
}

fn set_time(tbs: &mut [u8], (start, length): (usize, usize), seconds: i64) -> Result<()> {
    let format = if length == 13 {
        "+%y%m%d%H%M%SZ"
    } else {
        "+%Y%m%d%H%M%SZ"
    };
    let text = Tool::new("date")
        .args(["--utc", "--date", &format!("@{seconds}"), format])
        .run()?;
    let place = tbs
        .get_mut(start..start + length)
        .context("no room for a time")?;
    if text.trim().len() != place.len() {
        bail!(
            "the time {} does not fit in {} bytes",
            text.trim(),
            place.len()
        );
    }
    place.copy_from_slice(text.trim().as_bytes());
    Ok(())
}

/// Another serial number of the same length: the last half is random, the first byte, which has the
/// sign, stays. One byte alone stays as it is.
fn renumber(tbs: &mut [u8], (start, length): (usize, usize)) -> Result<()> {
    let half = length / 2;
    if half == 0 {
        return Ok(());
    }
    let random = Tool::new("openssl")
        .args(["rand", "-hex", &half.to_string()])
        .run()?;
    let digits = random.trim();
    for index in 0..half {
        let pair = digits
            .get(2 * index..2 * index + 2)
            .context("openssl rand said too little")?;
        let place = tbs
            .get_mut(start + length - 1 - index)
            .context("no room for a serial")?;
        *place = u8::from_str_radix(pair, 16)?;
    }
    Ok(())
}

/// The contents of the element that `bytes` begins with, and what is after it.
fn element(bytes: &[u8], tag: u8) -> Result<(&[u8], &[u8])> {
    let (found, rest) = bytes.split_first().context("DER ends too early")?;
    if *found != tag {
        bail!("DER has tag {found:#04x} where {tag:#04x} was expected");
    }
    let (first, rest) = rest.split_first().context("DER ends in a length")?;
    let (length, rest) = if *first < 0x80 {
        (usize::from(*first), rest)
    } else {
        let (octets, rest) = rest
            .split_at_checked(usize::from(first & 0x7f))
            .filter(|(octets, _)| (1..=4).contains(&octets.len()))
            .context("DER has an odd length")?;
        (
            octets
                .iter()
                .fold(0, |length, octet| length << 8 | usize::from(*octet)),
            rest,
        )
    };
    rest.split_at_checked(length).context("DER is cut off")
}

fn encoded(tag: u8, contents: &[u8]) -> Result<Vec<u8>> {
    let length = u32::try_from(contents.len())?.to_be_bytes();
    let mut bytes = vec![tag];
    if contents.len() < 0x80 {
        bytes.extend(length.last());
    } else {
        let octets: Vec<u8> = length.into_iter().skip_while(|octet| *octet == 0).collect();
        bytes.push(0x80 | u8::try_from(octets.len())?);
        bytes.extend(octets);
    }
    bytes.extend(contents);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: &str = "subjectAltName=critical,DNS:a.example,URI:spiffe://b/c\n\
        keyUsage=critical,digitalSignature\nextendedKeyUsage=clientAuth,serverAuth\n\
        authorityKeyIdentifier=keyid\n1.2.3.4=critical,ASN1:UTF8String:unknown\n";

    fn openssl(folder: &Path, words: &str) -> String {
        Tool::new("openssl")
            .words(words)
            .folder(folder)
            .run()
            .unwrap()
    }

    /// What openssl tells of a certificate, without what is meant to change.
    fn told(folder: &Path, file: &str) -> Vec<String> {
        let text = openssl(
            folder,
            &format!("x509 -noout -text -certopt no_sigdump -in {file}"),
        );
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.retain(|line| !line.contains("Not ") && !line.contains("Serial Number"));
        lines.retain(|line| !line.trim().starts_with(|c: char| c.is_ascii_digit()));
        lines
    }

    fn ages_with(key_options: &str, name: &str) {
        let folder =
            std::env::temp_dir().join(format!("kubepki-aged-{name}-{}", std::process::id()));
        fs_err::create_dir_all(&folder).unwrap();
        fs_err::write(folder.join("extensions"), REQUEST).unwrap();
        openssl(
            &folder,
            &format!("req -x509 -new {key_options} -nodes -subj /CN=ca -keyout ca.key -out ca.crt"),
        );
        openssl(
            &folder,
            "req -new -newkey rsa:2048 -nodes -subj /O=a/O=b/CN=leaf -keyout leaf.key -out leaf.csr",
        );
        openssl(
            &folder,
            "x509 -req -in leaf.csr -CA ca.crt -CAkey ca.key -days 30 -extfile extensions -out leaf.crt",
        );
        let signer = Signer {
            certificate: Some(&folder.join("ca.crt")),
            key: &folder.join("ca.key"),
        };
        let old = fs_err::read_to_string(folder.join("leaf.crt")).unwrap();
        let around = format!("text before\n{old}{old}text after");
        let new = first_certificate_aged(&around, 30, &signer, &folder).unwrap();
        let rest = new.strip_prefix("text before\n").unwrap();
        assert!(
            rest.ends_with(&format!("\n{old}text after")),
            "the rest stays"
        );
        fs_err::write(folder.join("new.crt"), &new).unwrap();

        assert_eq!(told(&folder, "new.crt"), told(&folder, "leaf.crt"));
        assert!(
            told(&folder, "new.crt")
                .iter()
                .any(|line| line.contains("spiffe://b/c"))
        );
        let serial = |file| openssl(&folder, &format!("x509 -noout -serial -in {file}"));
        assert_ne!(serial("new.crt"), serial("leaf.crt"));
        let end = openssl(&folder, "x509 -noout -enddate -in new.crt");
        let end = end.trim().strip_prefix("notAfter=").unwrap();
        let end = Tool::new("date")
            .args(["--utc", "--date", end, "+%s"])
            .run()
            .unwrap();
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_secs();
        let ago = now - end.trim().parse::<u64>().unwrap();
        assert!(
            (30 * 86_400..30 * 86_400 + 60).contains(&ago),
            "ended {ago} s ago"
        );
        // and what another key signed is noticed
        openssl(
            &folder,
            "req -x509 -new -newkey rsa:2048 -nodes -subj /CN=ca -keyout other.key -out other.crt",
        );
        let mixed = Signer {
            key: &folder.join("other.key"),
            ..signer
        };
        first_certificate_aged(&old, 30, &mixed, &folder).unwrap_err();
        crate::cache::remove_tree(&folder).unwrap();
    }

    #[test]
    fn an_rsa_issuer_signs_the_same_certificate_with_other_dates() {
        ages_with("-newkey rsa:2048", "rsa");
    }

    #[test]
    fn an_ecdsa_issuer_signs_the_same_certificate_with_other_dates() {
        ages_with("-newkey ec -pkeyopt ec_paramgen_curve:P-256", "ecdsa");
    }

    #[test]
    fn what_is_cut_off_is_an_error() {
        for wrong in ["", "3082", "30820500", "3003020101", "30ff"] {
            let bytes: Vec<u8> = wrong
                .as_bytes()
                .chunks(2)
                .map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap())
                .collect();
            assert!(places(&bytes).is_err(), "{wrong}");
        }
    }
}
