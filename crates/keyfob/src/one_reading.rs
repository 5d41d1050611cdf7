//! One reading of the store for everybody who waits for one: whoever asks gets what was read after it had asked, by itself
//! or by somebody who came in the meantime. Never gives out what was read before.

use keyfob_core::lease::Moment;
use keyfob_store::{Result, StoreError};
use tokio::sync::Mutex;

use crate::clock;

/// The newest reading.
pub(crate) struct OneReading<T>(Mutex<Option<Reading<T>>>);

/// What came of a reading.
enum Reading<T> {
    /// It began then, and gave this.
    Done(Moment, T),
    /// It had failed by then.
    Failed(Moment, String),
}

impl<T: Clone> OneReading<T> {
    /// Nothing was read yet.
    pub(crate) fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// What `read` gives, or gave somebody else in a reading that began after this call.
    ///
    /// # Errors
    /// Those of `read`, and that of a reading which failed while this waited for its turn.
    pub(crate) async fn after_now(&self, read: impl Future<Output = Result<T>>) -> Result<T> {
        let asked = clock::boot();
        let mut newest = self.0.lock().await;
        match newest.as_ref() {
            Some(Reading::Done(began, found)) if *began > asked => return Ok(found.clone()),
            Some(Reading::Failed(at, text)) if *at > asked => return Err(StoreError::Unavailable(text.clone())),
            _ => {}
        }
        let began = clock::boot();
        let outcome = read.await;
        *newest = Some(match &outcome {
            Ok(found) => Reading::Done(began, found.clone()),
            Err(StoreError::Unavailable(text)) => Reading::Failed(clock::boot(), text.clone()),
            Err(other) => Reading::Failed(clock::boot(), other.to_string()),
        });
        outcome
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

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
    async fn a_failure_is_told_to_all_who_wait_at_once() {
        let (readings, count, go) = (OneReading::<()>::new(), AtomicU32::new(0), Notify::new());
        let read = || async {
            count.fetch_add(1, Ordering::Relaxed);
            go.notified().await;
            Err(StoreError::Unavailable("gone".to_owned()))
        };
        let all =
            async { tokio::join!(readings.after_now(read()), readings.after_now(read()), readings.after_now(read())) };
        let release = async {
            // Another microsecond than they asked in. After it every reading fails as soon as it begins.
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
            for _ in 0..3 {
                go.notify_one();
                tokio::task::yield_now().await;
            }
        };
        let ((first, second, third), ()) = tokio::join!(all, release);
        assert!(first.is_err() && second.is_err() && third.is_err());
        assert_eq!(
            count.load(Ordering::Relaxed),
            1,
            "a store that does not answer is not asked by one after the other"
        );
    }

    #[tokio::test]
    async fn who_asks_after_a_failure_gets_a_reading() {
        let readings = OneReading::new();
        let failed = readings.after_now(async { Err(StoreError::Unavailable("gone".to_owned())) }).await;
        assert!(failed.is_err());
        assert_eq!(readings.after_now(async { Ok(7) }).await.expect("read"), 7);
    }
}
