//! The Kubernetes programs and etcd, in the cache's `bin`.
//!
//! From the folder `KUBE_BIN`, else from an archive beside the repository
//! (`../shared/kube/*.tar.zst`), else built from Debian's source package (some 8 minutes on 2 cores).

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::cache::Cache;
use crate::debian;
use crate::tool::{self, Tool};

/// Every program that a host or an integration test takes from here.
pub const PROGRAMS: [&str; 6] = [
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kubeadm",
    "kubectl",
];

/// What Debian's source package is a build of.
const VERSION_OF_SOURCE: &str = "\
KUBE_GIT_COMMIT='faecb196815e248d3ecfb03c680a4507229c2a56'
KUBE_GIT_TREE_STATE='clean'
KUBE_GIT_VERSION='v1.20.2'
KUBE_GIT_MAJOR='1'
KUBE_GIT_MINOR='20'
";

/// Makes the cache's `bin` hold every program, and answers the folder. Programs that are there
/// already stay, unless `KUBE_BIN` names a folder, which is then linked to.
pub fn programs(cache: &Cache) -> Result<PathBuf> {
    let bin = cache.bin();
    fs_err::create_dir_all(&bin)?;
    if let Some(folder) = std::env::var_os("KUBE_BIN") {
        link_all(Path::new(&folder), &bin)?;
    } else if PROGRAMS.iter().any(|program| !bin.join(program).is_file()) {
        let unfinished = cache.path("bin.unfinished");
        crate::cache::remove_tree(&unfinished)?;
        fs_err::create_dir_all(&unfinished)?;
        match archive()? {
            Some(archive) => unpack(&archive, &unfinished)?,
            None => build(&unfinished)?,
        }
        for program in PROGRAMS {
            let made = unfinished.join(program);
            if !made.is_file() {
                bail!("{program} was neither unpacked nor built");
            }
            fs_err::rename(made, bin.join(program))?;
        }
        crate::cache::remove_tree(&unfinished)?;
    }
    etcd(cache, &bin)?;
    Ok(bin)
}

/// The version that the programs say they are, such as `v1.20.2`.
pub fn version(bin: &Path) -> Result<String> {
    Ok(Tool::new(bin.join("kubeadm"))
        .words("version -o short")
        .run()?
        .trim()
        .to_owned())
}

/// The repository: the lab is a folder of it.
pub fn repository() -> PathBuf {
    let lab = Path::new(env!("CARGO_MANIFEST_DIR"));
    lab.parent().unwrap_or(lab).to_owned()
}

fn link_all(folder: &Path, bin: &Path) -> Result<()> {
    for program in PROGRAMS {
        let from =
            fs_err::canonicalize(folder.join(program)).context("KUBE_BIN lacks a program")?;
        let link = bin.join(program);
        if fs_err::canonicalize(&link).is_ok_and(|present| present == from) {
            continue;
        }
        if fs_err::symlink_metadata(&link).is_ok() {
            fs_err::remove_file(&link)?;
        }
        fs_err::os::unix::fs::symlink(from, link)?;
    }
    Ok(())
}

fn archive() -> Result<Option<PathBuf>> {
    let folder = repository().join("../shared/kube");
    if !folder.is_dir() {
        return Ok(None);
    }
    let mut archives = Vec::new();
    for entry in fs_err::read_dir(folder)? {
        let path = entry?.path();
        if path.to_str().is_some_and(|name| name.ends_with(".tar.zst")) {
            archives.push(path);
        }
    }
    archives.sort();
    Ok(archives.pop())
}

fn unpack(archive: &Path, into: &Path) -> Result<()> {
    crate::say(&format!("unpacking {}", archive.display()));
    if tool::find_in_path("zstd").is_none() {
        debian::install(&["zstd"])?;
    }
    Tool::new("tar")
        .arg("--zstd")
        .arg("-xf")
        .arg(archive)
        .arg("-C")
        .arg(into)
        .run()?;
    Ok(())
}

/// etcd and etcdctl of this machine, else Debian's, unpacked and not installed: installed, they
/// would start as a service where systemd runs.
fn etcd(cache: &Cache, bin: &Path) -> Result<()> {
    for (program, package) in [("etcd", "etcd-server"), ("etcdctl", "etcd-client")] {
        let wanted = bin.join(program);
        if wanted.is_file() {
            continue;
        }
        let found = match tool::find_in_path(program) {
            Some(installed) => installed,
            None => {
                let folder = cache.path(&format!("{package}.unfinished"));
                crate::cache::remove_tree(&folder)?;
                fs_err::create_dir_all(&folder)?;
                debian::unpack(package, &folder)?;
                folder.join("usr/bin").join(program)
            }
        };
        let unfinished = cache.path(&format!("{program}.unfinished"));
        fs_err::copy(&found, &unfinished)?;
        fs_err::rename(&unfinished, &wanted)?;
        crate::cache::remove_tree(&cache.path(&format!("{package}.unfinished")))?;
    }
    Ok(())
}

/// Builds all programs from Debian's source package with Debian's Go.
fn build(into: &Path) -> Result<()> {
    crate::say("building Kubernetes from Debian's source package: about 8 minutes on 2 cores");
    debian::install(&[
        "golang-1.19-go",
        "golang-github-modern-go-reflect2-dev",
        "dpkg-dev",
        "jq",
        "rsync",
        "make",
        "zstd",
    ])?;
    let work = into.join("work");
    fs_err::create_dir_all(work.join("home"))?;
    debian::source("kubernetes", &work)?;
    let tree = only_folder_starting_with(&work, "kubernetes-")?;

    // reflect2 1.0.1, as vendored, crashes on Go 1.18 and later; Debian ships 1.0.2
    let vendored = tree.join("vendor/github.com/modern-go/reflect2");
    crate::cache::remove_tree(&vendored)?;
    fs_err::create_dir_all(&vendored)?;
    for entry in fs_err::read_dir("/usr/share/gocode/src/github.com/modern-go/reflect2")? {
        let path = entry?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        let wanted = name.ends_with(".go") || name.ends_with(".s");
        if wanted && !name.ends_with("_test.go") {
            fs_err::copy(&path, vendored.join(name))?;
        }
    }

    let gopath = tree.join(".go");
    fs_err::create_dir_all(gopath.join("src/k8s.io"))?;
    fs_err::os::unix::fs::symlink("../../..", gopath.join("src/k8s.io/kubernetes"))?;
    let version = work.join("version");
    fs_err::write(&version, VERSION_OF_SOURCE)?;
    let mut path = OsString::from("/usr/lib/go-1.19/bin:");
    path.push(tool::search_path());
    let what = PROGRAMS.map(|program| format!("cmd/{program}")).join(" ");
    let log = into.with_extension("build.log");
    Tool::new("make")
        .arg(format!("WHAT={what}"))
        .folder(&tree)
        // kube's scripts read PWD to find themselves below GOPATH
        .env("PWD", &tree)
        .env("PATH", path)
        .env("CGO_ENABLED", "0")
        .env("GOPATH", &gopath)
        .env("HOME", work.join("home"))
        .env("KUBE_GIT_VERSION_FILE", &version)
        .run_logged(&log)?;
    for program in PROGRAMS {
        fs_err::rename(
            tree.join("_output/local/bin/linux/amd64").join(program),
            into.join(program),
        )?;
    }
    // Go's module cache is read-only, which only bothers users other than root
    Tool::new("chmod").args(["-R", "u+w"]).arg(&work).run()?;
    crate::cache::remove_tree(&work)
}

fn only_folder_starting_with(parent: &Path, start: &str) -> Result<PathBuf> {
    for entry in fs_err::read_dir(parent)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if path.is_dir() && name.starts_with(start) {
            return Ok(path);
        }
    }
    bail!("no folder {start}* in {}", parent.display())
}
