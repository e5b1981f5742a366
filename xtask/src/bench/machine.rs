//! What the measurements were made on, in words: no names of hosts or people.

use std::io::Write;
use std::time::Instant;

use anyhow::Result;
use kubepki_lab::Tool;

use super::Bench;
use super::table::{Spread, seconds};

/// The processors, the kernel, the disk, the peers' versions and how busy the machine is.
pub fn describe(bench: &Bench) -> Result<String> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let processors = fs_err::read_to_string("/proc/cpuinfo")?;
    let model = processors
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or("unknown processor", |(_, model)| model.trim());
    let release = fs_err::read_to_string("/proc/sys/kernel/osrelease")?;
    let kernel: Vec<&str> = release.trim().split(['.', '-']).take(2).collect();
    let kubeadm = Tool::new(&bench.kubeadm).words("version -o short").run()?;
    let openssl = Tool::new("openssl").arg("version").run()?;
    let openssl: Vec<&str> = openssl.split_whitespace().take(2).collect();
    Ok(format!(
        "{cores} cores ({model}), Linux {}, syncing a file takes {}, load {}; kubeadm {}, {}.\n",
        kernel.join("."),
        seconds(sync_time(bench)?),
        load()?,
        kubeadm.trim(),
        openssl.join(" "),
    ))
}

/// How many processes wanted to run in the last minute, on average.
pub fn load() -> Result<String> {
    let loads = fs_err::read_to_string("/proc/loadavg")?;
    Ok(loads.split(' ').next().unwrap_or_default().to_owned())
}

/// kubepki syncs what it writes and kubeadm does not, so their ratio hangs on this.
fn sync_time(bench: &Bench) -> Result<f64> {
    fs_err::create_dir_all(&bench.folder)?;
    let path = bench.folder.join("sync");
    let mut times = Vec::new();
    for _ in 0..50 {
        let mut file = fs_err::File::create(&path)?;
        file.write_all(&[b'x'; 4096])?;
        let begin = Instant::now();
        file.sync_all()?;
        times.push(begin.elapsed().as_secs_f64());
    }
    fs_err::remove_file(&path)?;
    Ok(Spread::of(times).median)
}
