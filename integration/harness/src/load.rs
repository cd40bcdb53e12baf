//! Many requests at once.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Runs `work` for each index below `count`, at most `concurrency` at a time, and returns the results
/// in the order of the indices. A panic in one of them goes on here.
///
/// # Panics
/// When `work` panics.
pub async fn run_concurrently<T, F>(
    concurrency: usize,
    count: usize,
    work: impl Fn(usize) -> F,
) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(concurrency.clamp(1, Semaphore::MAX_PERMITS)));
    let mut tasks = JoinSet::new();
    for index in 0..count {
        let place = Arc::clone(&places).acquire_owned().await;
        let future = work(index);
        tasks.spawn(async move {
            let result = future.await;
            drop(place);
            (index, result)
        });
    }
    let mut results = tasks.join_all().await;
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[tokio::test]
    async fn results_are_in_order_and_the_limit_holds() {
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let results = run_concurrently(3, 20, |index| {
            let (running, most) = (Arc::clone(&running), Arc::clone(&most));
            async move {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                for _ in 0..20 - index {
                    tokio::task::yield_now().await;
                }
                running.fetch_sub(1, Ordering::SeqCst);
                index
            }
        });
        assert_eq!(results.await, (0..20).collect::<Vec<_>>());
        assert_eq!(most.load(Ordering::SeqCst), 3);
    }
}
