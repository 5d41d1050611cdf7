//! One reading of the store for everybody who waits for one: whoever asks gets what was read after it had asked, by itself
//! or by somebody who came in the meantime. Never gives out what was read before.

use keyfob_core::lease::Moment;
use keyfob_store::Result;
use tokio::sync::Mutex;

use crate::clock;

/// The newest reading, and when it began.
pub(crate) struct OneReading<T>(Mutex<Option<(Moment, T)>>);

impl<T: Clone> OneReading<T> {
    /// Nothing was read yet.
    pub(crate) fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// What `read` gives, or gave somebody else in a reading that began after this call.
    ///
    /// # Errors
    /// Those of `read`, which is then done again for the next who asks.
    pub(crate) async fn after_now(&self, read: impl Future<Output = Result<T>>) -> Result<T> {
        let asked = clock::boot();
        let mut newest = self.0.lock().await;
        if let Some((_, found)) = newest.as_ref().filter(|(began, _)| *began > asked) {
            return Ok(found.clone());
        }
        let began = clock::boot();
        let found = read.await?;
        *newest = Some((began, found.clone()));
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use keyfob_store::StoreError;
    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn those_who_wait_share_one_reading_and_nobody_gets_an_earlier_one() {
        let (readings, count, go) = (OneReading::new(), AtomicU32::new(0), Notify::new());
        let read = || async {
            let number = count.fetch_add(1, Ordering::Relaxed);
            go.notified().await;
            Ok(number)
        };
        let slow = readings.after_now(read());
        let others = async {
            // They ask while the first reading is under way, which began too early for them.
            tokio::task::yield_now().await;
            let both = async { tokio::join!(readings.after_now(read()), readings.after_now(read())) };
            let release = async {
                // The clock counts microseconds: the next reading must begin in another one than they asked in.
                tokio::time::sleep(std::time::Duration::from_millis(2)).await;
                go.notify_one();
                tokio::task::yield_now().await;
                go.notify_one();
            };
            tokio::join!(both, release).0
        };
        let (first, (second, third)) = tokio::join!(slow, others);
        assert_eq!((first.expect("read"), second.expect("read"), third.expect("read")), (0, 1, 1));
        assert_eq!(count.load(Ordering::Relaxed), 2, "two readings for three who asked");
    }

    #[tokio::test]
    async fn a_reading_that_failed_serves_nobody() {
        let readings = OneReading::new();
        let failed = readings.after_now(async { Err(StoreError::Unavailable("gone".to_owned())) }).await;
        assert!(failed.is_err());
        assert_eq!(readings.after_now(async { Ok(7) }).await.expect("read"), 7);
    }
}
