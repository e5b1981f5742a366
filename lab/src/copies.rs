//! Copies of a CA certificate or a public key, wherever they lie: as PEM of any width, or inside base64
//! of a PEM, as kubeconfigs and Secrets have them.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Result;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// No file of a cluster that may hold a copy is larger.
const LARGEST: u64 = 4 << 20;

/// The base64 of the first PEM block.
pub fn pem_body(pem: &str) -> String {
    pem.lines()
        .skip_while(|line| !line.starts_with("-----BEGIN"))
        .skip(1)
        .take_while(|line| !line.starts_with("-----END"))
        .collect()
}

/// Whether one of the bodies ([`pem_body`]) is there.
pub fn holds_copy(bytes: &[u8], bodies: &[&str]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let plain: String = text.split_whitespace().collect();
    let mut texts = vec![plain];
    for word in text.split(|letter: char| letter.is_whitespace() || letter == '"') {
        if word.len() > 400
            && let Ok(inner) = STANDARD.decode(word)
        {
            texts.push(String::from_utf8_lossy(&inner).split_whitespace().collect());
        }
    }
    bodies
        .iter()
        .any(|body| texts.iter().any(|text| text.contains(body)))
}

/// The files below a folder that hold one of the bodies.
pub fn copies_below(folder: &Path, bodies: &[&str], found: &mut BTreeSet<String>) -> Result<()> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Ok(());
    };
    for entry in entries {
        let path = entry?.path();
        let kind = path.symlink_metadata()?;
        if kind.is_dir() {
            copies_below(&path, bodies, found)?;
        } else if kind.is_file()
            && kind.len() < LARGEST
            && holds_copy(&fs_err::read(&path)?, bodies)
        {
            found.insert(path.display().to_string());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_found_in_whatever_form() {
        let body = "MIIB".repeat(120);
        let pem = |width: usize| {
            let lines: Vec<&str> = body
                .as_bytes()
                .chunks(width)
                .map(|line| std::str::from_utf8(line).unwrap())
                .collect();
            format!(
                "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
                lines.join("\n")
            )
        };
        assert_eq!(pem_body(&pem(64)), body);
        let kubeconfig = format!("certificate-authority-data: {}\n", STANDARD.encode(pem(64)));
        for text in [pem(64), pem(76), kubeconfig] {
            assert!(holds_copy(text.as_bytes(), &[&body]));
            assert!(!holds_copy(text.as_bytes(), &["MIIC"]));
        }
    }
}
