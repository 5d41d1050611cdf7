//! Refreshes in the store, without HTTP: many callers at once, whose rotations share commits, beside one caller that
//! waits for each durable commit before the next. The same operations on the same disk, in turn.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use keyfob::clock;
use keyfob_core::opaque::{Kind, Opaque};
use keyfob_core::refresh::{self, Lives};
use keyfob_core::signing_key::Algorithm;
use keyfob_store::{Audit, Refresh, Refreshed, Store};
use tokio::task::JoinSet;

use crate::Outcome;
use crate::figure::{Figure, Target, number};
use crate::house::House;
use crate::statistics::median;

/// Callers at once, each with a family of its own.
const CALLERS: usize = 256;
/// How long each of the two goes on, and how often they take turns.
const LAP: Duration = Duration::from_secs(1);
const ROUNDS: usize = 5;

/// Measure on a store below `data`.
///
/// # Errors
/// If the store refuses a refresh.
pub fn run(data: &Path) -> Outcome<Vec<Figure>> {
    std::fs::create_dir_all(data)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut many, mut one) = (Vec::new(), Vec::new());
    runtime.block_on(async {
        let house = House::build(data, CALLERS, Algorithm::Es256).await?;
        let mut newest = house.families(CALLERS).await?;
        for _ in 0..ROUNDS {
            one.push(rate(&house.open.store, &mut newest[..1]).await?);
            many.push(rate(&house.open.store, &mut newest).await?);
        }
        Outcome::Ok(())
    })?;
    let (many, one) = (median(&many), median(&one));
    let title = format!("refreshes in the store by {CALLERS} callers, beside one that waits for each commit");
    let words = |rate: f64| format!("{}/s", number(rate));
    Ok(vec![Figure::ratio(&title, words(many), words(one), many / one, Target::AtLeast(8.0))])
}

/// Refreshes a second with one caller for each family. Leaves the newest token of each.
#[expect(clippy::cast_precision_loss, reason = "no run has 2^52 refreshes")]
pub(crate) async fn rate(store: &Arc<dyn Store>, newest: &mut [Opaque]) -> Outcome<f64> {
    let start = clock::instant();
    let mut callers = JoinSet::new();
    for (index, token) in newest.iter().cloned().enumerate() {
        let store = Arc::clone(store);
        callers.spawn(async move { Ok((index, call(&*store, token, start).await?)) });
    }
    let mut count = 0_u64;
    while let Some(done) = callers.join_next().await {
        let done: Outcome<(usize, (Opaque, u64))> = done?;
        let (index, (token, more)) = done?;
        newest[index] = token;
        count += more;
    }
    Ok(count as f64 / start.elapsed().as_secs_f64())
}

/// Refresh one family again and again until the lap is over: its newest token, and how often.
async fn call(store: &dyn Store, mut token: Opaque, start: Instant) -> Outcome<(Opaque, u64)> {
    let mut count = 0;
    while start.elapsed() < LAP {
        token = once(store, &token).await?;
        count += 1;
    }
    Ok((token, count))
}

/// One use of `presented`, as the token endpoint saves it; its successor.
pub(crate) async fn once(store: &dyn Store, presented: &Opaque) -> Outcome<Opaque> {
    let now = clock::now();
    let successor = Opaque::new(Kind::Refresh, &clock::random());
    let day = Duration::from_hours(24);
    let refresh = Refresh {
        presented: presented.digest(),
        successor: successor.digest(),
        sealed: refresh::seal(presented, &successor, &clock::random()).ok_or("a successor cannot be sealed")?,
        at: now,
        lives: Lives { idle: 7 * day, absolute: 30 * day },
        auth_version: 1,
        replayed: Audit {
            at: now,
            event: "refresh.replayed",
            actor: "bench".to_owned(),
            subject: String::new(),
            detail: String::new(),
        },
    };
    match store.refresh(&refresh).await? {
        Refreshed::Rotated(_) => Ok(successor),
        other => Err(format!("not rotated: {other:?}").into()),
    }
}
