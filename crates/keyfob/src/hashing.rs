//! The hashing pool: a fixed number of threads, each with its own reused Argon2id memory, behind a bounded queue. Hashing
//! never runs on a thread that answers requests, and gives way to them at once: the threads are in the idle scheduling
//! class (sched(7)). Where other work leaves that class next to no time, a relief thread hashes what has waited.
//!
//! A switch between a request and a hash costs more than the request: each finds its caches full of the other's memory.
//! So while a hash is under way the request threads take what arrives in small batches ([`nap`]).

use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use keyfob_core::password::{Cost, HashError, Hasher, LegacyForm, LegacyHash, Password, PasswordHash, Verdict};
use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy, thread_native_id,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// How far below the request threads the relief thread runs, and the others where the idle class is not to be had.
const NICE: i32 = 10;
/// How long the idle threads may finish too few (see [`enough`]) before the relief thread takes over what waits.
const PATIENCE: Duration = Duration::from_secs(2);
/// With four hashes a second, those who sign in at once would wait until they are told to come back later.
const FINISHED_MIN: u64 = 8;
/// More naps than this in [`PATIENCE`] are the work of checks, which come first: in a flood of sign-ins beside 40,000 checks a
/// second the idle class gets about two hashes a second, and there are some 20,000 naps.
const NAPS_OF_FEW: u64 = 5_000;
/// After so many hashes the relief thread rests for [`PATIENCE`] and looks whether it is needed still. While it works the idle
/// threads get nothing, so that without this one slow moment of a flood kept it at work for good, and each check that met it
/// waited for up to 3 ms.
const BURST: u32 = 64;
/// How long a request thread naps before it waits for the network while a hash is under way. Measured: 10 us lowers the
/// p99 of checks in a flood; from 20 us on they wait longer than they save.
const NAP: Duration = Duration::from_micros(10);

/// Hashes that this process computes now.
static UNDER_WAY: AtomicUsize = AtomicUsize::new(0);
/// How often request threads napped.
static NAPS: AtomicU64 = AtomicU64::new(0);

/// The pool.
pub struct HashingPool {
    places: Arc<Semaphore>,
    lanes: Lanes,
    relieved: Arc<AtomicU64>,
}

/// Computes a hash, counts it, and answers.
type Compute = dyn FnOnce(&mut Hasher, &AtomicU64) + Send;

/// One hash.
struct Job {
    /// Whether anybody waits for its answer still.
    wanted: Box<dyn Fn() -> bool + Send>,
    hash: Box<Compute>,
}

/// Where jobs are handed in.
#[derive(Clone)]
struct Lanes {
    idle: Sender<Job>,
    relief: Sender<Job>,
    /// Hashes that the idle threads finished.
    finished: Arc<AtomicU64>,
    patience: Duration,
}

/// The hash could not be computed: a damaged stored hash, or the pool is gone. "Could not tell".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CannotHash;

impl HashingPool {
    /// A pool of `threads` (0: one for each core) and a queue of `queue` more.
    ///
    /// # Errors
    /// If a thread cannot be started.
    pub fn start(cost: Cost, threads: usize, queue: usize) -> std::io::Result<Self> {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let threads = if threads == 0 { cores() } else { threads };
        let (finished, relieved) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let (idle, waiting) = channel();
        let waiting = Arc::new(Mutex::new(waiting));
        for _ in 0..threads {
            let (waiting, finished) = (Arc::clone(&waiting), Arc::clone(&finished));
            std::thread::Builder::new().name("hash".to_owned()).spawn(move || work(cost, &waiting, &finished))?;
        }
        let (relief, late) = channel();
        let relief_thread =
            Relief { cost, finished: Arc::clone(&finished), relieved: Arc::clone(&relieved), patience: PATIENCE };
        std::thread::Builder::new().name("hash-relief".to_owned()).spawn(move || relief_thread.work(&late))?;
        let lanes = Lanes { idle, relief, finished, patience: PATIENCE };
        Ok(Self { places: Arc::new(Semaphore::new(threads + queue)), lanes, relieved })
    }

    /// A place in the pool, or `None` when it is full: the caller answers 429.
    #[must_use]
    pub fn place(&self) -> Option<Place> {
        let permit = Arc::clone(&self.places).try_acquire_owned().ok()?;
        Some(Place { lanes: self.lanes.clone(), _permit: permit })
    }

    /// How many places are free.
    #[must_use]
    pub fn free(&self) -> usize {
        self.places.available_permits()
    }

    /// How many hashes were computed.
    #[must_use]
    pub fn hashed(&self) -> u64 {
        self.lanes.finished.load(Ordering::Relaxed) + self.relieved.load(Ordering::Relaxed)
    }
}

/// A place in the pool, held until dropped: several hashes of one sign-in use one place.
pub struct Place {
    lanes: Lanes,
    _permit: OwnedSemaphorePermit,
}

impl Place {
    /// Compare a password with a stored hash, in the time that one of each of `forms` takes more.
    ///
    /// # Errors
    /// [`CannotHash`].
    pub async fn verify(
        &self,
        password: Arc<Password>,
        stored: PasswordHash,
        forms: Vec<LegacyForm>,
    ) -> Result<Verdict, CannotHash> {
        self.run(Arc::new(move |hasher: &mut Hasher| hasher.verify_among(&password, &stored, &forms))).await
    }

    /// What is stored of a legacy hash.
    ///
    /// # Errors
    /// [`CannotHash`].
    pub async fn wrap(&self, legacy: LegacyHash, salt: [u8; 16]) -> Result<PasswordHash, CannotHash> {
        self.run(Arc::new(move |hasher: &mut Hasher| hasher.wrap(&legacy, &salt))).await
    }

    /// Hash a new password.
    ///
    /// # Errors
    /// [`CannotHash`].
    pub async fn hash(&self, password: Arc<Password>, salt: [u8; 16]) -> Result<PasswordHash, CannotHash> {
        self.run(Arc::new(move |hasher: &mut Hasher| hasher.hash(&password, &salt))).await
    }

    async fn run<T: Send + 'static>(&self, hash: Arc<Hash<T>>) -> Result<T, CannotHash> {
        let (reply, mut answer) = oneshot::channel();
        // Whoever hashes first takes the reply; the other finds none and does nothing. It is held by jobs alone, so that
        // one that panics drops it and is heard of.
        let reply = Arc::new(Mutex::new(Some(reply)));
        let again = Arc::downgrade(&reply);
        self.lanes.idle.send(job(&hash, reply)).map_err(|_| CannotHash)?;
        let answered = loop {
            tokio::select! {
                answered = &mut answer => break answered,
                () = self.lanes.stuck() => {
                    if let Some(reply) = again.upgrade() {
                        self.lanes.relief.send(job(&hash, reply)).map_err(|_| CannotHash)?;
                    }
                }
            }
        };
        answered.map_err(|_| CannotHash)?.map_err(|HashError| CannotHash)
    }
}

impl Lanes {
    /// Returns once the idle threads have finished next to nothing for [`PATIENCE`]. A long queue that moves is not stuck.
    async fn stuck(&self) {
        let mut before = progress(&self.finished);
        loop {
            tokio::time::sleep(self.patience).await;
            let now = progress(&self.finished);
            if !enough(before, now) {
                return;
            }
            before = now;
        }
    }
}

/// Hashes that were finished, and naps.
fn progress(finished: &AtomicU64) -> (u64, u64) {
    (finished.load(Ordering::Relaxed), NAPS.load(Ordering::Relaxed))
}

/// Whether the idle threads got enough done within [`PATIENCE`]: anything at all where checks want the processor, else enough
/// for those who sign in.
fn enough(before: (u64, u64), now: (u64, u64)) -> bool {
    now.0 - before.0 >= if now.1 - before.1 > NAPS_OF_FEW { 1 } else { FINISHED_MIN }
}

type Hash<T> = dyn Fn(&mut Hasher) -> Result<T, HashError> + Send + Sync;
type ReplyOnce<T> = Arc<Mutex<Option<oneshot::Sender<Result<T, HashError>>>>>;

fn job<T: Send + 'static>(hash: &Arc<Hash<T>>, reply: ReplyOnce<T>) -> Job {
    let (hash, waiting) = (Arc::clone(hash), Arc::clone(&reply));
    Job {
        wanted: Box::new(move || lock(&waiting).as_ref().is_some_and(|reply| !reply.is_closed())),
        hash: Box::new(move |hasher, finished| {
            let result = hash(hasher);
            finished.fetch_add(1, Ordering::Relaxed);
            if let Some(reply) = lock(&reply).take() {
                let _ = reply.send(result);
            }
        }),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn work(cost: Cost, waiting: &Mutex<Receiver<Job>>, finished: &AtomicU64) {
    step_back();
    let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    if let Err(error) = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, idle) {
        tracing::warn!(?error, "hashing cannot run in the idle scheduling class; it runs at nice {NICE}");
    }
    let mut hasher = Hasher::new(cost);
    loop {
        let job = lock(waiting).recv();
        let Ok(job) = job else { return };
        hasher = run(job, hasher, cost, finished);
    }
}

/// The relief thread. It takes its memory at its first job, for it has one only when the machine is overloaded.
struct Relief {
    cost: Cost,
    /// By the idle threads.
    finished: Arc<AtomicU64>,
    relieved: Arc<AtomicU64>,
    patience: Duration,
}

impl Relief {
    fn work(&self, late: &Receiver<Job>) {
        step_back();
        let (mut hasher, mut left) = (None, BURST);
        while let Ok(job) = late.recv() {
            if !(job.wanted)() {
                continue;
            }
            if left == 0 {
                left = BURST;
                if self.is_needless() {
                    // Whoever still waits is in the queue of the idle threads too, and hands in again when that is stuck.
                    late.try_iter().for_each(drop);
                    continue;
                }
            }
            left -= 1;
            hasher = Some(run(job, hasher.unwrap_or_else(|| Hasher::new(self.cost)), self.cost, &self.relieved));
        }
    }

    /// Rest, and see whether the idle threads get on by themselves.
    fn is_needless(&self) -> bool {
        let before = progress(&self.finished);
        std::thread::sleep(self.patience);
        enough(before, progress(&self.finished))
    }
}

/// Linux gives each thread its own nice value, so only the calling thread steps back.
fn step_back() {
    let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICE);
}

/// Let naps of the calling thread end on time; the kernel would lengthen each by 50 us to save wake-ups.
pub fn nap_lightly() {
    if let Err(error) = rustix::thread::set_current_timer_slack(NonZeroU64::new(1)) {
        tracing::debug!(?error, "naps of a request thread last longer than they should");
    }
}

/// What a request thread does before it waits for the network: nap for 10 us while a password is being hashed, so that
/// several requests share one change of threads. Returns at once when none is.
pub fn nap() {
    if UNDER_WAY.load(Ordering::Relaxed) > 0 {
        NAPS.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(NAP);
    }
}

/// Does nothing if the answer is no longer waited for. A panic in one job (a bug in the library) must
/// not take the thread with it.
fn run(job: Job, mut hasher: Hasher, cost: Cost, finished: &AtomicU64) -> Hasher {
    if !(job.wanted)() {
        return hasher;
    }
    UNDER_WAY.fetch_add(1, Ordering::Relaxed);
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| (job.hash)(&mut hasher, finished)));
    UNDER_WAY.fetch_sub(1, Ordering::Relaxed);
    match outcome {
        Ok(()) => hasher,
        Err(_) => Hasher::new(cost),
    }
}

#[cfg(test)]
mod tests;
