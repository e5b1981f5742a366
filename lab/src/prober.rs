//! A client that asks a host's own API server again and again while something else happens.
//!
//! Every request is a new connection with the certificate that admin.conf held at the start: what a
//! user with a copy of it sees. No load balancer stands between.

use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};

use crate::host::Host;
use crate::wait;

/// Asks until `stop` is there; each line is seconds and the HTTP status, 000 where nothing answered.
const SCRIPT: &str = r#"
folder=/root/prober; rm -rf $folder; mkdir $folder; cd $folder
value() { sed -n "s/^ *$1: //p" /etc/kubernetes/admin.conf | head -n 1 | base64 -d; }
value client-certificate-data >client.crt; value client-key-data >client.key
value certificate-authority-data >ca.crt
while [ ! -e stop ]; do
  status=$(curl --silent --output /dev/null --write-out '%{http_code}' --max-time 5 \
    --cacert ca.crt --cert client.crt --key client.key "$0" || true)
  echo "$(date +%s.%N) $status" >>log
  sleep 0.05
done"#;

const FOLDER: &str = "/root/prober";

/// A client at work.
pub struct Prober {
    host: Host,
    work: JoinHandle<Result<()>>,
}

/// What it saw.
#[derive(Clone, Debug)]
pub struct Probes {
    /// How many requests it made.
    pub asked: usize,
    /// The requests that were not answered with 200: when (seconds), and the status.
    pub failed: Vec<(f64, String)>,
}

impl Probes {
    /// Seconds from the first to the last failed request.
    pub fn failed_for(&self) -> f64 {
        match (self.failed.first(), self.failed.last()) {
            (Some((first, _)), Some((last, _))) => last - first,
            _ => 0.0,
        }
    }
}

impl Prober {
    /// Starts asking, and returns when the first answer was good.
    pub fn start(host: &Host) -> Result<Self> {
        let url = format!(
            "https://{}:6443/api/v1/namespaces/kube-system",
            host.address()
        );
        let there = host.clone();
        let work = std::thread::spawn(move || {
            let output = there.exec(["sh", "-euc", SCRIPT, &url])?;
            if !output.success() {
                bail!("the prober ended: {}", output.stderr);
            }
            Ok(())
        });
        let prober = Prober {
            host: host.clone(),
            work,
        };
        wait::until("the prober's first answer", Duration::from_secs(20), || {
            if prober.work.is_finished() {
                bail!("the prober ended before its first answer");
            }
            Ok(prober.log().lines().any(|line| line.ends_with(" 200")))
        })?;
        Ok(prober)
    }

    /// Stops asking.
    pub fn finish(self) -> Result<Probes> {
        let asked_before = self.log().lines().count();
        // what has just been done is to be seen too
        wait::until("one more answer", Duration::from_secs(20), || {
            Ok(self.log().lines().count() > asked_before + 1)
        })?;
        fs_err::write(self.host.path(FOLDER).join("stop"), "")?;
        let log = self.host.path(FOLDER).join("log");
        self.work
            .join()
            .map_err(|_| anyhow!("the prober panicked"))??;
        let text = fs_err::read_to_string(log)?;
        let mut probes = Probes {
            asked: 0,
            failed: Vec::new(),
        };
        for line in text.lines() {
            let (at, status) = line.split_once(' ').context("an odd line of the prober")?;
            probes.asked += 1;
            if status != "200" {
                probes.failed.push((at.parse()?, status.to_owned()));
            }
        }
        Ok(probes)
    }

    fn log(&self) -> String {
        fs_err::read_to_string(self.host.path(FOLDER).join("log")).unwrap_or_default()
    }
}
