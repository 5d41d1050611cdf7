//! The hashing pool: a fixed number of threads at low priority, each with its own reused Argon2id memory, behind a
//! bounded queue. Hashing never runs on a thread that answers requests, so a flood of sign-ins cannot slow a check.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use keyfob_core::password::{Cost, HashError, Hasher, Password, PasswordHash, Verdict};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// How far below the request threads the hashing threads run: the lowest nice value. It bounds their share of a core, not
/// how long one of their turns holds it up (docs/performance.md, the flood).
const NICE: i32 = 19;

/// The pool.
pub struct HashingPool {
    places: Arc<Semaphore>,
    jobs: Sender<Job>,
    hashed: Arc<AtomicU64>,
}

type Job = Box<dyn FnOnce(&mut Hasher) + Send>;

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
        let (jobs, waiting) = channel::<Job>();
        let waiting = Arc::new(Mutex::new(waiting));
        let hashed = Arc::new(AtomicU64::new(0));
        for _ in 0..threads {
            let (waiting, hashed) = (Arc::clone(&waiting), Arc::clone(&hashed));
            std::thread::Builder::new().name("hash".to_owned()).spawn(move || work(cost, &waiting, &hashed))?;
        }
        Ok(Self { places: Arc::new(Semaphore::new(threads + queue)), jobs, hashed })
    }

    /// A place in the pool, or `None` when it is full: the caller answers 429.
    #[must_use]
    pub fn place(&self) -> Option<Place> {
        let permit = Arc::clone(&self.places).try_acquire_owned().ok()?;
        Some(Place { jobs: self.jobs.clone(), _permit: permit })
    }

    /// How many places are free.
    #[must_use]
    pub fn free(&self) -> usize {
        self.places.available_permits()
    }

    /// How many hashes were computed.
    #[must_use]
    pub fn hashed(&self) -> u64 {
        self.hashed.load(Ordering::Relaxed)
    }
}

/// A place in the pool, held until dropped: several hashes of one sign-in use one place.
pub struct Place {
    jobs: Sender<Job>,
    _permit: OwnedSemaphorePermit,
}

impl Place {
    /// Compare a password with a stored hash.
    ///
    /// # Errors
    /// [`CannotHash`].
    pub async fn verify(&self, password: Arc<Password>, stored: PasswordHash) -> Result<Verdict, CannotHash> {
        self.run(move |hasher| hasher.verify(&password, &stored)).await
    }

    /// Hash a new password.
    ///
    /// # Errors
    /// [`CannotHash`].
    pub async fn hash(&self, password: Arc<Password>, salt: [u8; 16]) -> Result<PasswordHash, CannotHash> {
        self.run(move |hasher| hasher.hash(&password, &salt)).await
    }

    async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Hasher) -> Result<T, HashError> + Send + 'static,
    ) -> Result<T, CannotHash> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |hasher| {
            let _ = reply.send(job(hasher));
        });
        self.jobs.send(job).map_err(|_| CannotHash)?;
        answer.await.map_err(|_| CannotHash)?.map_err(|HashError| CannotHash)
    }
}

fn work(cost: Cost, waiting: &Mutex<Receiver<Job>>, hashed: &AtomicU64) {
    // Linux gives each thread its own nice value, so only the hashing threads step back.
    let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICE);
    let mut hasher = Hasher::new(cost);
    loop {
        let job = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        // A panic in one job (a bug in the library) must not take the thread with it.
        hashed.fetch_add(1, Ordering::Relaxed);
        let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| job(&mut hasher)));
        if ran.is_err() {
            hasher = Hasher::new(cost);
        }
    }
}
