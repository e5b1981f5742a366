//! Work on many hosts with only so many at once: results are handed over as they come, or in the
//! order of the hosts, and dropped by whoever takes them, so that a thousand hosts need the memory of
//! a few.
//!
//! What one host's work does to itself (a panic) is that host's failure and nobody else's.

use crate::session::SessionError;
use std::any::Any;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;

/// How many at once, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Hosts that are worked on at the same time; at least one is.
    pub max_parallel: usize,
    /// Whether nothing more is begun once a host has failed. What goes on is finished.
    pub stop_after_failure: bool,
}

impl Limits {
    /// This many at once, every host whatever becomes of the others.
    pub const fn at_most(max_parallel: usize) -> Self {
        Self {
            max_parallel,
            stop_after_failure: false,
        }
    }

    /// The same, with an end at the first failure.
    pub const fn until_failure(max_parallel: usize) -> Self {
        Self {
            max_parallel,
            stop_after_failure: true,
        }
    }
}

/// Results may wait for earlier ones this many times over before no further host is begun.
const AHEAD: usize = 8;

/// Works on every item and hands results over as they come, on the caller's thread. Returns the
/// indices of those that were never begun: after a failure, or after the taker broke off.
pub fn as_they_come<T: Sync, R: Send>(
    items: &[T],
    limits: Limits,
    work: impl Fn(&T) -> Result<R, SessionError> + Sync,
    mut taken: impl FnMut(usize, Result<R, SessionError>) -> ControlFlow<()>,
) -> Vec<usize> {
    let pile = Pile::new(items.len(), usize::MAX);
    run(items, limits, &pile, &work, |index, result| {
        let flow = taken(index, result);
        pile.handed_over();
        flow
    })
}

/// As [`as_they_come`], but in the order of the items. A slow host holds back what comes after it
/// only so far as memory allows: then nothing further is begun until it has answered.
pub fn in_order<T: Sync, R: Send>(
    items: &[T],
    limits: Limits,
    work: impl Fn(&T) -> Result<R, SessionError> + Sync,
    mut taken: impl FnMut(usize, Result<R, SessionError>) -> ControlFlow<()>,
) -> Vec<usize> {
    let pile = Pile::new(
        items.len(),
        limits.max_parallel.max(1).saturating_mul(AHEAD),
    );
    let mut waiting = BTreeMap::new();
    let mut next = 0;
    let not_begun = run(items, limits, &pile, &work, |index, result| {
        waiting.insert(index, result);
        while let Some(result) = waiting.remove(&next) {
            taken(next, result)?;
            next += 1;
            pile.handed_over();
        }
        ControlFlow::Continue(())
    });
    // Items are begun in order, so none is missing before one that was: nothing waits here unless
    // the taker broke off.
    not_begun
}

fn run<T: Sync, R: Send>(
    items: &[T],
    limits: Limits,
    pile: &Pile,
    work: &(impl Fn(&T) -> Result<R, SessionError> + Sync),
    mut taken: impl FnMut(usize, Result<R, SessionError>) -> ControlFlow<()>,
) -> Vec<usize> {
    let workers = limits.max_parallel.clamp(1, items.len().max(1));
    thread::scope(|scope| {
        let (sender, receiver) = channel();
        for _ in 0..workers {
            let sender = sender.clone();
            scope.spawn(move || worker(items, limits, pile, work, &sender));
        }
        drop(sender);
        let mut broken_off = false;
        for (index, result) in receiver {
            if !broken_off && taken(index, result).is_break() {
                broken_off = true;
                pile.stop();
            }
        }
    });
    (pile.begun()..items.len()).collect()
}

fn worker<T, R>(
    items: &[T],
    limits: Limits,
    pile: &Pile,
    work: &impl Fn(&T) -> Result<R, SessionError>,
    sender: &Sender<(usize, Result<R, SessionError>)>,
) {
    while let Some(index) = pile.next() {
        let Some(item) = items.get(index) else { return };
        let result = catch_unwind(AssertUnwindSafe(|| work(item)))
            .unwrap_or_else(|payload| Err(panicked(payload.as_ref())));
        if result.is_err() && limits.stop_after_failure {
            pile.stop();
        }
        if sender.send((index, result)).is_err() {
            return;
        }
    }
}

/// A panic as the host's failure; its words are the program's own.
fn panicked(payload: &(dyn Any + Send)) -> SessionError {
    let words = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    SessionError {
        code: "panicked".to_owned(),
        message: format!("the program failed while it worked on this host: {words}"),
        hint: Some("this is a defect of kubepki; what was begun on the host is journaled there, run it again to carry on".to_owned()),
        details: Vec::new(),
    }
}

/// What is still to be begun.
struct Pile {
    state: Mutex<PileState>,
    changed: Condvar,
    items: usize,
    ahead: usize,
}

#[derive(Default)]
struct PileState {
    begun: usize,
    handed_over: usize,
    is_stopped: bool,
}

impl Pile {
    fn new(items: usize, ahead: usize) -> Self {
        Self {
            state: Mutex::new(PileState::default()),
            changed: Condvar::new(),
            items,
            ahead,
        }
    }

    /// The next item, once it may be begun; `None` when there is none.
    fn next(&self) -> Option<usize> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if state.is_stopped || state.begun >= self.items {
                return None;
            }
            if state.begun < state.handed_over.saturating_add(self.ahead) {
                state.begun += 1;
                return Some(state.begun - 1);
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn handed_over(&self) {
        self.change(|state| state.handed_over += 1);
    }

    fn stop(&self) {
        self.change(|state| state.is_stopped = true);
    }

    fn begun(&self) -> usize {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .begun
    }

    fn change(&self, how: impl FnOnce(&mut PileState)) {
        how(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn failure(message: &str) -> SessionError {
        SessionError {
            code: "host-unreachable".to_owned(),
            message: message.to_owned(),
            hint: None,
            details: Vec::new(),
        }
    }

    #[test]
    fn so_many_work_at_once_and_no_more() {
        let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let barrier = Barrier::new(4);
        let hosts: Vec<usize> = (0..40).collect();
        let mut seen = Vec::new();
        let not_begun = as_they_come(
            &hosts,
            Limits::at_most(4),
            |host| {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                // Four are there together, or this waits for ever.
                barrier.wait();
                now.fetch_sub(1, Ordering::SeqCst);
                Ok(*host)
            },
            |index, result| {
                assert_eq!(result, Ok(index));
                seen.push(index);
                ControlFlow::Continue(())
            },
        );
        seen.sort_unstable();
        assert_eq!(seen, hosts);
        assert_eq!(most.load(Ordering::SeqCst), 4);
        assert_eq!(not_begun, Vec::<usize>::new());
    }

    #[test]
    fn results_in_order_come_in_order_and_are_bounded() {
        let hosts: Vec<usize> = (0..200).collect();
        let (held, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let first = Mutex::new(());
        let hold = first.lock().unwrap();
        let mut seen = Vec::new();
        thread::scope(|scope| {
            let work = |host: &usize| {
                if *host == 0 {
                    drop(first.lock());
                }
                most.fetch_max(held.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                Ok(*host)
            };
            let seen = &mut seen;
            let hosts = &hosts;
            let held = &held;
            let running = scope.spawn(move || {
                in_order(hosts, Limits::at_most(4), work, |_, result| {
                    held.fetch_sub(1, Ordering::SeqCst);
                    seen.push(result.unwrap());
                    ControlFlow::Continue(())
                })
            });
            // The first host answers only when as many wait for it as may.
            while most.load(Ordering::SeqCst) < 4 * AHEAD - 1 {
                thread::yield_now();
            }
            drop(hold);
            assert_eq!(running.join().unwrap(), Vec::<usize>::new());
        });
        assert_eq!(seen, hosts);
        assert!(most.load(Ordering::SeqCst) <= 4 * AHEAD, "{most:?}");
    }

    #[test]
    fn nothing_is_begun_after_a_failure_and_what_runs_is_finished() {
        let hosts: Vec<usize> = (0..50).collect();
        let barrier = Barrier::new(2);
        let failure_is_told = AtomicUsize::new(0);
        let mut done = Vec::new();
        let not_begun = as_they_come(
            &hosts,
            Limits::until_failure(2),
            |host| {
                if *host < 2 {
                    barrier.wait();
                }
                if *host == 0 {
                    return Err(failure("cut"));
                }
                while failure_is_told.load(Ordering::SeqCst) == 0 {
                    thread::yield_now();
                }
                Ok(*host)
            },
            |index, result| {
                failure_is_told.fetch_add(1, Ordering::SeqCst);
                done.push((index, result.is_ok()));
                ControlFlow::Continue(())
            },
        );
        assert_eq!(done, [(0, false), (1, true)]);
        assert_eq!(not_begun, (2..50).collect::<Vec<usize>>());
    }

    #[test]
    fn a_panic_is_the_failure_of_one_host() {
        let mut failed = Vec::new();
        in_order(
            &["a", "b", "c"],
            Limits::at_most(2),
            |host| match *host {
                "b" => panic!("index out of order"),
                host => Ok(host),
            },
            |index, result| {
                if let Err(error) = result {
                    failed.push((index, error.code, error.message));
                }
                ControlFlow::Continue(())
            },
        );
        assert_eq!(failed.len(), 1);
        assert_eq!((failed[0].0, failed[0].1.as_str()), (1, "panicked"));
        assert!(failed[0].2.contains("index out of order"));
    }

    #[test]
    fn whoever_takes_results_may_break_off() {
        let hosts: Vec<usize> = (0..1000).collect();
        let mut taken = 0;
        let not_begun = in_order(
            &hosts,
            Limits::at_most(3),
            |host| Ok(*host),
            |_, _| {
                taken += 1;
                ControlFlow::Break(())
            },
        );
        assert_eq!(taken, 1);
        assert!(not_begun.len() > 900);
    }

    #[test]
    fn no_hosts_are_no_work() {
        let none: [usize; 0] = [];
        let not_begun = in_order(
            &none,
            Limits::at_most(0),
            |_| Ok(()),
            |_, _| ControlFlow::Continue(()),
        );
        assert!(not_begun.is_empty());
    }
}
