//! One portion of inputs: read by several threads, related, judged, back in order.
//!
//! Memory is bounded by the portion, not by what the user named: 100,000 files take as much as
//! 1,000. What outlives a portion (authorities, where keys lie) is bounded in the core.

use super::inputs::{From, Input};
use super::reading::{Found, Reader};
use crate::error::CliError;
use crate::output::Progress;
use jiff::{SignedDuration, Timestamp};
use kubepki_core::inspect::{Item, Known, Relating, are_beside, judge};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

/// Files that are related to each other, at least.
const PORTION: usize = 1024;
/// How often progress is looked at while servers take their time.
const TICK: Duration = Duration::from_millis(100);
/// Asking servers is waiting, so more of them are asked at once than there are processors.
const SERVERS_AT_ONCE: usize = 16;

/// Takes the next portion; inputs that could not even be found come back as errors.
pub fn next(
    inputs: &mut std::iter::Peekable<impl Iterator<Item = Result<Input, CliError>>>,
) -> (Vec<Input>, Vec<CliError>) {
    let (mut taken, mut errors) = (Vec::<Input>::new(), Vec::new());
    while let Some(next) = inputs.peek() {
        // a certificate and the key beside it stay together
        let is_full = taken.len() >= PORTION && {
            let belongs = match (taken.last(), next) {
                (Some(last), Ok(next)) => are_beside(&last.source, &next.source),
                _ => false,
            };
            !belongs
        };
        if is_full {
            break;
        }
        match inputs.next() {
            Some(Ok(input)) => taken.push(input),
            Some(Err(error)) => errors.push(error),
            None => break,
        }
    }
    (taken, errors)
}

/// Reads, relates and judges a portion. Items come in the inputs' order.
pub fn inspect(
    inputs: &[Input],
    reader: &Reader<'_>,
    known: &mut Known,
    (now, warn): (Timestamp, SignedDuration),
    progress: &mut Progress,
) -> (Vec<Item>, Vec<CliError>) {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let servers = inputs
        .iter()
        .filter(|input| matches!(input.from, From::Server(_)))
        .count();
    let threads = processors
        .max(servers.min(SERVERS_AT_ONCE))
        .min(inputs.len());
    let found = in_parallel(inputs.len(), threads, progress, |index| {
        match inputs.get(index) {
            Some(input) => reader.read(input),
            None => Found::default(),
        }
    });

    let (mut items, mut beside, mut errors) = (Vec::new(), Vec::new(), Vec::new());
    for one in found {
        items.extend(one.items);
        beside.extend(one.beside);
        errors.extend(one.errors);
    }
    let shown = items.len();
    items.append(&mut beside);
    let related = {
        let relating = Relating::new(&items, known);
        in_parallel(shown, processors.min(shown), progress, |index| {
            relating.relations_of(index)
        })
    };
    items.truncate(shown);
    for (item, (relations, findings)) in items.iter_mut().zip(related) {
        item.relations = relations;
        item.findings.extend(findings);
        judge(item, now, warn);
    }
    known.remember(&items);
    (items, errors)
}

/// Works on `count` things with so many threads; results come in order.
fn in_parallel<T: Send>(
    count: usize,
    threads: usize,
    progress: &mut Progress,
    work: impl Fn(usize) -> T + Sync,
) -> Vec<T> {
    if threads <= 1 {
        return (0..count).map(&work).collect();
    }
    let next = AtomicUsize::new(0);
    let mut results: Vec<(usize, T)> = std::thread::scope(|scope| {
        let (sender, receiver) = mpsc::channel();
        let mut workers = Vec::with_capacity(threads);
        for _ in 0..threads {
            let sender = sender.clone();
            let (next, work) = (&next, &work);
            workers.push(scope.spawn(move || {
                let mut mine = Vec::new();
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= count {
                        break;
                    }
                    mine.push((index, work(index)));
                }
                // the other end is gone only when this scope is
                let _ = sender.send(mine);
            }));
        }
        drop(sender);
        let mut results = Vec::with_capacity(count);
        loop {
            match receiver.recv_timeout(TICK) {
                Ok(some) => results.extend(some),
                Err(mpsc::RecvTimeoutError::Timeout) => progress.tick(),
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
            }
        }
        // the scope alone does not wait until a thread has left its memory to the next one: every
        // portion would begin with new memory
        for worker in workers {
            if let Err(panic) = worker.join() {
                std::panic::resume_unwind(panic);
            }
        }
        results
    });
    results.sort_unstable_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}
