//! Many at once, but not too many; what comes out has the order of what went in.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Does `work` for each of `items`, at most `width` at once.
pub(crate) fn each<T: Sync, R: Send>(
    items: &[T],
    width: usize,
    work: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, R)>> = Mutex::new(Vec::with_capacity(items.len()));
    let worker = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else {
                return;
            };
            let answer = work(item);
            done.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push((index, answer));
        }
    };
    thread::scope(|scope| {
        // This thread works too, so that all is done even where no other can be had.
        for _ in 1..width.min(items.len()) {
            if thread::Builder::new().spawn_scoped(scope, worker).is_err() {
                break;
            }
        }
        worker();
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, answer)| answer).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_the_answers_is_that_of_the_questions() {
        let items: Vec<usize> = (0..1000).collect();
        for width in [0, 1, 2, 7, 2000] {
            assert_eq!(each(&items, width, |item| *item), items);
        }
        assert_eq!(each(&[], 4, |item: &usize| *item), Vec::<usize>::new());
    }
}
