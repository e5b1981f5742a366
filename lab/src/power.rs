//! What runs on a host, ended and started without waiting for back-offs: the kubelet holds a
//! container that has ended before for 10 s, 20 s, 40 s, … and forgets that when it is started anew
//! or when the static pod becomes another one.

use std::time::Duration;

use anyhow::Result;

use crate::host::Host;
use crate::snapshot::COMPONENTS;
use crate::wait;

/// What the kubelet runs as static pods, for pgrep.
const STATIC_PODS: &str = "^(etcd|kube-apiserver|kube-controller-manager|kube-scheduler)( |$)";

/// The label differs each time, so the pod has another UID; staged one folder above, as the
/// kubelet runs what lies in its own.
const ANOTHER_POD: &str = r#"
cd /etc/kubernetes
sed -e "/^    lab.kubepki.dev\/turn: /d" \
  -e "s|^  labels:|  labels:\n    lab.kubepki.dev/turn: t$(date +%s%N)|" \
  "manifests/$0.yaml" >".$0.yaml"
grep -q lab.kubepki.dev/turn ".$0.yaml"
mv ".$0.yaml" "manifests/$0.yaml"
"#;

impl Host {
    /// Ends the kubelet and every static pod at once, as a power cut does, and leaves them so.
    pub fn cut_power(&self) -> Result<()> {
        self.shell(&format!(
            "systemctl kill --signal=KILL kubelet 2>/dev/null || true
             systemctl stop kubelet; systemctl reset-failed kubelet 2>/dev/null || true
             tries=0; while pkill -KILL --full '{STATIC_PODS}'; do
               tries=$((tries + 1)); [ $tries -lt 100 ]; sleep 0.1
             done"
        ))?;
        Ok(())
    }

    /// Starts the kubelet after [`Host::cut_power`]; it starts the static pods, if it can.
    pub fn power_on(&self) -> Result<()> {
        self.shell("systemctl start kubelet")?;
        Ok(())
    }

    /// Whether the kubelet says of itself that it is well.
    pub fn kubelet_is_healthy(&self) -> Result<bool> {
        let healthz = "curl --silent --fail --max-time 3 http://127.0.0.1:10248/healthz";
        Ok(self.exec(healthz.split(' '))?.success())
    }

    /// Starts static pods anew, all of these at once, by a kubelet that works. Returns when every one
    /// has a process that was not there before and no other; not when it serves.
    pub fn restart_static_pods_now(&self, components: &[&str]) -> Result<()> {
        let mut before = Vec::new();
        for component in components {
            before.extend(self.processes(component)?);
            self.exec(["sh", "-euc", ANOTHER_POD, component])?;
        }
        // the API server would take half a minute to end
        let pids: Vec<String> = before.iter().map(u32::to_string).collect();
        self.exec(["sh", "-c", &format!("kill -KILL {}", pids.join(" "))])?;
        for component in components {
            wait::until(
                &format!("{component} on {} to be another process", self.name()),
                Duration::from_secs(60),
                || {
                    let now = self.processes(component)?;
                    Ok(!now.is_empty() && !now.iter().any(|process| before.contains(process)))
                },
            )?;
        }
        Ok(())
    }

    /// Which of the components run, by their processes.
    pub fn running_components(&self) -> Result<Vec<&'static str>> {
        let mut running = Vec::new();
        for component in COMPONENTS {
            if !self.processes(component)?.is_empty() {
                running.push(component);
            }
        }
        Ok(running)
    }
}
