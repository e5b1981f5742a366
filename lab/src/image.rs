//! Container images without a registry: one-layer docker archives made from programs, which
//! `ctr images import` takes. Format: the image specification v1.2 of `docker save`.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::json;
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

use crate::cache::hexadecimal;

/// A file of an image: where it is on this machine and where it goes.
pub struct ImageFile {
    /// The absolute path in the image.
    pub target: &'static str,
    /// The file on this machine.
    pub source: PathBuf,
}

/// Writes an image whose entry point is the first of `files`.
pub fn write(archive: &Path, reference: &str, files: &[ImageFile]) -> Result<()> {
    let entry_point = files
        .first()
        .context("an image needs a file to run")?
        .target;
    let layer_file = archive.with_extension("layer");
    let digest = write_layer(&layer_file, files)?;
    let config = serde_json::to_vec(&json!({
        "architecture": "amd64",
        "os": "linux",
        "config": {
            "Env": ["PATH=/usr/local/bin:/usr/bin:/bin"],
            "Entrypoint": [entry_point],
        },
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{digest}")] },
    }))?;
    let config_name = format!("{}.json", hexadecimal(&Sha256::digest(&config)));
    let manifest = serde_json::to_vec(&json!([{
        "Config": config_name,
        "RepoTags": [reference],
        "Layers": ["layer.tar"],
    }]))?;

    let mut outer = Builder::new(fs_err::File::create(archive)?);
    append(
        &mut outer,
        &config_name,
        config.len() as u64,
        0o644,
        config.as_slice(),
    )?;
    let layer = fs_err::File::open(&layer_file)?;
    let size = layer.metadata()?.len();
    append(&mut outer, "layer.tar", size, 0o644, layer)?;
    append(
        &mut outer,
        "manifest.json",
        manifest.len() as u64,
        0o644,
        manifest.as_slice(),
    )?;
    outer.into_inner()?.flush()?;
    fs_err::remove_file(layer_file)?;
    Ok(())
}

/// Writes the layer and answers the SHA-256 digest of its bytes, which names it in the config.
fn write_layer(path: &Path, files: &[ImageFile]) -> Result<String> {
    let mut layer = Builder::new(Hashing {
        file: fs_err::File::create(path)?,
        hash: Sha256::new(),
    });
    let mut folders = BTreeSet::from(["tmp".into(), "etc".into()]);
    for path in ["var/lib/etcd/."]
        .into_iter()
        .chain(files.iter().map(|file| file.target))
    {
        let above = Path::new(path.trim_start_matches('/')).ancestors().skip(1);
        folders.extend(
            above
                .filter(|folder| *folder != Path::new(""))
                .map(Path::to_owned),
        );
    }
    // in their order, each folder comes after the one that it is in
    for folder in folders {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Directory);
        header.set_mode(0o755);
        header.set_size(0);
        layer.append_data(&mut header, folder, io::empty())?;
    }
    for file in files {
        let source = fs_err::File::open(&file.source)?;
        let size = source.metadata()?.len();
        append(
            &mut layer,
            file.target.trim_start_matches('/'),
            size,
            0o755,
            source,
        )?;
    }
    let mut written = layer.into_inner()?;
    written.flush()?;
    Ok(hexadecimal(&written.hash.finalize()))
}

fn append<W: Write>(
    archive: &mut Builder<W>,
    name: &str,
    size: u64,
    mode: u32,
    contents: impl io::Read,
) -> Result<()> {
    let mut header = Header::new_gnu();
    header.set_mode(mode);
    header.set_size(size);
    archive.append_data(&mut header, name, contents)?;
    Ok(())
}

struct Hashing {
    file: fs_err::File,
    hash: Sha256,
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.update(bytes.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn the_archive_names_its_layer_by_digest_and_folders_come_first() {
        let folder = std::env::temp_dir().join(format!("kubepki-image-{}", std::process::id()));
        fs_err::create_dir_all(&folder).unwrap();
        let program = folder.join("program");
        fs_err::write(&program, "run me").unwrap();
        let archive = folder.join("image.tar");
        let files = [ImageFile {
            target: "/usr/local/bin/program",
            source: program,
        }];
        write(&archive, "registry/program:1", &files).unwrap();

        let mut contents = std::collections::BTreeMap::new();
        let mut outer = tar::Archive::new(fs_err::File::open(&archive).unwrap());
        for entry in outer.entries().unwrap() {
            let mut entry = entry.unwrap();
            let name = entry.path().unwrap().display().to_string();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            contents.insert(name, bytes);
        }
        let manifest: serde_json::Value =
            serde_json::from_slice(&contents["manifest.json"]).unwrap();
        assert_eq!(manifest[0]["RepoTags"][0], "registry/program:1");
        let config = &contents[manifest[0]["Config"].as_str().unwrap()];
        let config: serde_json::Value = serde_json::from_slice(config).unwrap();
        let layer = &contents["layer.tar"];
        let digest = format!("sha256:{}", hexadecimal(&Sha256::digest(layer)));
        assert_eq!(config["rootfs"]["diff_ids"][0], digest);
        assert_eq!(config["config"]["Entrypoint"][0], "/usr/local/bin/program");

        let mut layer = tar::Archive::new(layer.as_slice());
        let names: Vec<String> = layer
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().path().unwrap().display().to_string())
            .collect();
        assert_eq!(names.last().unwrap(), "usr/local/bin/program");
        assert!(
            names.iter().position(|n| n == "usr") < names.iter().position(|n| n == "usr/local")
        );
        crate::cache::remove_tree(&folder).unwrap();
    }
}
