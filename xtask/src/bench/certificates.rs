//! A thousand certificates of one CA, as a fleet's kubelets have them, and folders full of copies.

use std::path::{Path, PathBuf};

use anyhow::Result;
use kubepki_lab::{Cache, Stamp, Tool};

use super::trees::empty;

/// How many different ones there are.
pub const DISTINCT: usize = 1000;

const EXTENSIONS: &str = "\
keyUsage = critical, digitalSignature, keyEncipherment
extendedKeyUsage = serverAuth, clientAuth
authorityKeyIdentifier = keyid
subjectAltName = DNS:localhost, IP:127.0.0.1, IP:10.77.0.11
";

/// Has OpenSSL make the CA and the certificates, once; they stay in the cache.
pub fn distinct(cache: &Cache) -> Result<PathBuf> {
    let stamp = Stamp::default()
        .with(EXTENSIONS)
        .with(&DISTINCT.to_string());
    let folder = cache.folder("bench-certificates", &stamp, |folder| {
        eprintln!("making {DISTINCT} certificates");
        let openssl = || Tool::new("openssl").folder(folder);
        fs_err::write(folder.join("extensions"), EXTENSIONS)?;
        openssl()
            .words("req -x509 -newkey rsa:2048 -nodes -subj /CN=kubernetes -days 3650")
            .words("-keyout ca.key -out ca.crt")
            .run()?;
        openssl().words("genrsa -out leaf.key 2048").run()?;
        openssl()
            .words("rsa -in leaf.key -pubout -out leaf.pub")
            .run()?;
        for index in 0..DISTINCT {
            openssl()
                .words("x509 -new -force_pubkey leaf.pub -CA ca.crt -CAkey ca.key -days 365")
                .words("-extfile extensions -subj")
                .arg(format!("/O=system:nodes/CN=system:node:node-{index}"))
                .arg("-out")
                .arg(format!("{index}.crt"))
                .run()?;
        }
        Ok(())
    })?;
    cache.prune("bench-certificates", &folder)?;
    Ok(folder)
}

/// Fills a folder with the CA and so many copies.
pub fn fill(folder: &Path, distinct: &Path, count: usize) -> Result<()> {
    empty(folder)?;
    fs_err::copy(distinct.join("ca.crt"), folder.join("ca.crt"))?;
    let contents = (0..DISTINCT)
        .map(|index| fs_err::read(distinct.join(format!("{index}.crt"))))
        .collect::<Result<Vec<_>, _>>()?;
    for (index, contents) in contents.iter().cycle().take(count).enumerate() {
        fs_err::write(folder.join(format!("node-{index:06}.crt")), contents)?;
    }
    Ok(())
}
