//! The same work on several hosts at once. One host's failure does not keep the others from theirs.

use anyhow::{Context, Result, anyhow};

use crate::host::Host;

/// Does `work` on every host at once, and answers in the order of the hosts; else the first error,
/// with the host's name.
pub fn together<T: Send>(
    hosts: &[Host],
    work: impl Fn(&Host) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let work = &work;
    let results: Vec<Result<T>> = std::thread::scope(|scope| {
        let begun: Vec<_> = hosts
            .iter()
            .map(|host| scope.spawn(move || work(host)))
            .collect();
        begun
            .into_iter()
            .map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|_| Err(anyhow!("the work panicked")))
            })
            .collect()
    });
    hosts
        .iter()
        .zip(results)
        .map(|(host, result)| result.with_context(|| format!("on {}", host.name())))
        .collect()
}
