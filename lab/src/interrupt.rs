//! Killing the program under test at a moment that its journal shows.

use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::host::Host;

/// `$1` is looked for in the journals, `$2` is waited then, the rest is what kubepki is asked.
const SCRIPT: &str = r#"
wanted=$1; pause=$2; shift 2
count() { cat /var/lib/kubepki/journal/*.jsonl 2>/dev/null | grep -c -e "$wanted" || true; }
before=$(count)
kubepki "$@" >/root/killed.log 2>&1 & process=$!
while [ "$(count)" -le "$before" ]; do
  kill -0 $process 2>/dev/null || { cat /root/killed.log; echo "it ended before"; exit 1; }
done
sleep "$pause"
kill -KILL $process 2>/dev/null || { cat /root/killed.log; echo "it ended before"; exit 1; }
wait $process 2>/dev/null || true
cat /root/killed.log"#;

impl Host {
    /// Runs kubepki and kills it with SIGKILL, `pause` after a line of its journal matches `wanted`.
    /// Answers what it had said; that it ended by itself before is an error.
    pub fn kubepki_killed(
        &self,
        arguments: &[&str],
        wanted: &str,
        pause: Duration,
    ) -> Result<String> {
        let pause = format!("{:.3}", pause.as_secs_f64());
        let mut command = vec!["sh", "-uc", SCRIPT, "sh", wanted, &pause];
        command.extend(arguments);
        let output = self.exec(command).context("cannot kill kubepki")?;
        if !output.success() {
            bail!(
                "kubepki was not killed at {wanted}:\n{}{}",
                output.stdout,
                output.stderr
            );
        }
        Ok(output.stdout)
    }
}
