//! A password attempt at one of keyfob's own endpoints: [`crate::attempt`], counted, and its outcome as an answer.

use super::problem::HttpError;
use crate::app::App;
use crate::attempt::{Guess, Proven, Unproven};

/// What a client is told when the hashing pool is full, in seconds.
const BUSY_RETRY_AFTER: u64 = 1;

/// Find out whether a guess is right. A wrong one is recorded before it is answered.
pub(super) async fn prove(app: &App, guess: Guess) -> Result<Proven, HttpError> {
    app.attempts.prove(guess).await.map_err(|unproven| {
        app.metrics.unproven(&unproven);
        match unproven {
            Unproven::TooLong(detail) => HttpError::Unprocessable("password-too-long", detail),
            Unproven::Busy => HttpError::TooMany(BUSY_RETRY_AFTER),
            Unproven::Throttled(seconds) => HttpError::TooMany(seconds),
            Unproven::Wrong => HttpError::SignInFailed(app.style.clone()),
            Unproven::CannotTell => HttpError::CannotTell,
        }
    })
}
