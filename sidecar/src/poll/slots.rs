//! How many polls may be under way together, and the buffers that they read into.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Buffers that have grown beyond that are not kept.
const KEPT_BYTES: usize = 256 * 1024;

/// The places for polls. Each has a buffer for a page, so that a thousand replicas take no more memory than
/// the polls that are under way.
#[derive(Debug)]
pub(crate) struct Slots {
    places: Arc<Semaphore>,
    pages: Mutex<Vec<Vec<u8>>>,
    delayed: AtomicU64,
}

/// A place, and the buffer that goes with it.
#[derive(Debug)]
pub(crate) struct Slot {
    /// The page.
    pub(super) page: Vec<u8>,
    home: Arc<Slots>,
    _place: Option<OwnedSemaphorePermit>,
}

impl Slots {
    /// Places for `count` polls.
    pub(crate) fn new(count: usize) -> Arc<Self> {
        Arc::new(Self {
            places: Arc::new(Semaphore::new(count)),
            pages: Mutex::default(),
            delayed: AtomicU64::new(0),
        })
    }

    /// Waits for a place.
    pub(crate) async fn take(self: &Arc<Self>) -> Slot {
        let place = match self.places.clone().try_acquire_owned() {
            Ok(place) => Some(place),
            Err(_) => {
                self.delayed.fetch_add(1, Ordering::Relaxed);
                // The semaphore is never closed.
                self.places.clone().acquire_owned().await.ok()
            }
        };
        let page = self.pages().pop().unwrap_or_default();
        Slot { page, home: Arc::clone(self), _place: place }
    }

    /// Polls so far that had to wait for a place.
    pub(crate) fn delayed(&self) -> u64 {
        self.delayed.load(Ordering::Relaxed)
    }

    /// Nothing panics while it holds the lock, so a poisoned one is as good as any.
    fn pages(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let page = std::mem::take(&mut self.page);
        if page.capacity() <= KEPT_BYTES {
            self.home.pages().push(page);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn no_more_polls_than_places_and_their_buffers_are_used_again() {
        let slots = Slots::new(2);
        let (mut first, second) = (slots.take().await, slots.take().await);
        first.page.extend_from_slice(&[0; 1000]);
        let third = tokio::spawn({
            let slots = Arc::clone(&slots);
            async move { slots.take().await.page.capacity() }
        });
        while slots.delayed() == 0 {
            tokio::task::yield_now().await;
        }
        assert!(!third.is_finished());
        drop(first);
        assert!(third.await.unwrap() >= 1000);
        drop(second);
        let mut huge = slots.take().await;
        huge.page.reserve(KEPT_BYTES + 1);
        drop(huge);
        assert!(slots.pages().iter().all(|page| page.capacity() <= KEPT_BYTES));
        assert_eq!(slots.delayed(), 1);
    }
}
