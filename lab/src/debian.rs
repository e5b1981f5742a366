//! Debian packages and sources: what the lab's machine needs and what its hosts are made of.
//!
//! No mirror is named here: apt is asked which one this machine uses. `KUBEPKI_DEBIAN_MIRROR` names
//! another one.

use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::tool::Tool;

/// The release that the hosts run, and whose source package is Kubernetes v1.20.2.
pub const RELEASE: &str = "bookworm";

/// Installs those of `packages` that are missing.
pub fn install(packages: &[&str]) -> Result<()> {
    let missing: Vec<&str> = packages
        .iter()
        .copied()
        .filter(|package| !is_installed(package))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let wanted = missing.join(" ");
    if !is_root() {
        bail!(
            "Debian packages are missing: {wanted}\n\
             install them with: sudo apt-get install --no-install-recommends {wanted}"
        );
    }
    crate::say(&format!("installing Debian packages: {wanted}"));
    update()?;
    apt_get()
        .words("install -qq --yes --no-install-recommends")
        .args(&missing)
        .run()
        .context("cannot install Debian packages")?;
    Ok(())
}

/// Unpacks a package's files under `folder` without installing it, so that no service of it starts.
pub fn unpack(package: &str, folder: &Path) -> Result<()> {
    let archives = folder.join("archives");
    fs_err::create_dir_all(&archives)?;
    let download = || {
        apt_get()
            .words("download -qq")
            .arg(package)
            .folder(&archives)
            .run()
    };
    if download().is_err() {
        update()?;
        download()?;
    }
    for archive in fs_err::read_dir(&archives)? {
        Tool::new("dpkg-deb")
            .arg("--extract")
            .arg(archive?.path())
            .arg(folder)
            .run()?;
    }
    crate::cache::remove_tree(&archives)
}

/// The address of the mirror that this machine takes [`RELEASE`] from.
pub fn mirror() -> Result<String> {
    if let Ok(named) = std::env::var("KUBEPKI_DEBIAN_MIRROR") {
        return Ok(named);
    }
    let targets = Tool::new("apt-get")
        .args([
            "indextargets",
            "--format",
            "$(REPO_URI) $(RELEASE)",
            "Created-By: Packages",
        ])
        .run()
        .context("cannot ask apt for its mirror; the lab needs a Debian machine")?;
    mirror_of(&targets, RELEASE).with_context(|| {
        format!(
            "no source of apt's is Debian {RELEASE}; \
             name a mirror that has it in KUBEPKI_DEBIAN_MIRROR"
        )
    })
}

fn mirror_of(targets: &str, release: &str) -> Option<String> {
    targets.lines().find_map(|line| {
        let (address, of) = line.split_once(' ')?;
        (of == release).then(|| address.to_owned())
    })
}

/// Downloads and unpacks a source package of [`RELEASE`] in `folder`, leaving apt's own lists alone.
pub fn source(package: &str, folder: &Path) -> Result<()> {
    let lists = folder.join("lists");
    let sources = folder.join("sources.list");
    fs_err::create_dir_all(lists.join("partial"))?;
    let keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";
    fs_err::write(
        &sources,
        format!(
            "deb-src [signed-by={keyring}] {} {RELEASE} main\n",
            mirror()?
        ),
    )?;
    let apart = || {
        apt_get()
            .args(["-o", &format!("Dir::Etc::SourceList={}", sources.display())])
            .args(["-o", "Dir::Etc::SourceParts=-"])
            .args(["-o", &format!("Dir::State::Lists={}", lists.display())])
            // apt's own user may not enter a folder of root's
            .args(["-o", "APT::Sandbox::User=root"])
            .folder(folder)
    };
    apart().words("update -qq").run()?;
    apart().words("source -qq").arg(package).run()?;
    Ok(())
}

/// Whether this process may mount, and make network namespaces.
pub fn is_root() -> bool {
    let status = fs_err::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status
        .lines()
        .find_map(|line| line.strip_prefix("Uid:")?.split('\t').nth(2));
    effective == Some("0")
}

fn is_installed(package: &str) -> bool {
    Tool::new("dpkg-query")
        .args(["--show", "--showformat=${Status}", package])
        .run()
        .is_ok_and(|status| status == "install ok installed")
}

fn update() -> Result<()> {
    apt_get()
        .words("update -qq")
        .run()
        .context("cannot update apt's package lists")?;
    Ok(())
}

fn apt_get() -> Tool {
    Tool::new("apt-get").env("DEBIAN_FRONTEND", "noninteractive")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mirror_is_the_first_of_the_release() {
        let targets = "http://one/debian-security/ bookworm-security\n\
                       http://two/debian/ bookworm\nhttp://three/debian/ bookworm\n";
        assert_eq!(
            mirror_of(targets, "bookworm").as_deref(),
            Some("http://two/debian/")
        );
        assert_eq!(mirror_of(targets, "trixie"), None);
    }
}
